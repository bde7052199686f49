"""Bad input to the bi-level layer: one clear error each, naming what stands against it."""

import pyomo.environ as pyo
import pytest

from quartier.errors import InputError
from quartier.optimisation.bilevel import BilevelProblem, Follower


@pytest.fixture
def model():
    """Leader's cap x on the follower's production y, which sells at 1 up to 5."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.cost = pyo.Objective(expr=m.x)
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 5))
    m.low.cap = pyo.Constraint(expr=m.low.y <= m.x)
    m.low.gain = pyo.Objective(expr=m.low.y, sense=pyo.maximize)
    return m


def solve(model, how="kkt", followers=None, **options):
    return BilevelProblem(model, followers or [Follower(model.low)]).solve(how, **options)


def test_follower_with_integers(model):
    model.low.on = pyo.Var(domain=pyo.Binary)
    with pytest.raises(InputError, match=r"follower 'low': variable 'low.on' is integer"):
        solve(model)


def test_missing_bound_names_constraint_and_variable(model):
    model.x.setub(None)
    model.cost.set_value(-model.x)
    with pytest.raises(InputError, match=r"slack of 'low.cap \(upper side\)'.*bound 'x'"):
        solve(model)


def test_a_slack_hint_stands_in_for_a_missing_bound(model):
    model.x.setub(None)
    model.cost.set_value(-model.x)
    model.limit = pyo.Constraint(expr=model.x - model.low.y <= 3)
    follower = Follower(model.low)
    follower.hint(model.low.cap, slack=3, proof="the leader's limit")
    result = solve(model, followers=[follower])
    assert result.status == "optimal"
    assert result.objective == pytest.approx(-8)


def test_nonlinear_follower_constraint(model):
    model.low.bend = pyo.Constraint(expr=model.low.y**2 <= 4)
    with pytest.raises(InputError, match=r"'low.bend' is not linear \(it holds low.y·low.y\)"):
        solve(model)


def test_leader_times_follower_in_a_constraint(model):
    model.low.bend = pyo.Constraint(expr=model.low.y * model.x <= 4)
    with pytest.raises(InputError, match=r"follower 'low': constraint 'low.bend' is not linear"):
        solve(model)


def test_nonlinear_leader_constraint(model):
    model.bend = pyo.Constraint(expr=pyo.exp(model.x) <= 4)
    with pytest.raises(InputError, match="constraint 'bend' is not linear"):
        solve(model)


def test_nonlinear_follower_objective(model):
    model.low.gain.set_value(pyo.log(model.low.y + 1))
    with pytest.raises(InputError, match=r"'low.gain' is neither linear nor quadratic"):
        solve(model)


def test_nonconvex_follower_objective(model):
    model.low.gain.set_value(model.low.y**2)
    with pytest.raises(InputError, match="not convex"):
        solve(model)


def test_follower_infeasible_for_every_decision(model):
    model.low.need = pyo.Constraint(expr=model.low.y >= model.x + 1)
    with pytest.raises(InputError, match=r"follower 'low' is infeasible for every.*'low\.\w+'"):
        solve(model)
    assert model.low.y.value is None


def test_infeasible_cap_names_the_follower_and_a_constraint(model):
    model.x.setub(2)  # the leader's largest cap ...
    model.low.need = pyo.Constraint(expr=model.low.y >= 3)  # ... is below what must be produced
    with pytest.raises(InputError, match=r"'low' is infeasible for every.*'low\.(cap|need)'"):
        solve(model)


def test_follower_unbounded_for_every_decision(model):
    model.low.z = pyo.Var(bounds=(0, None))
    model.low.gain.set_value(model.low.y + model.low.z)
    model.enough = pyo.Constraint(expr=model.low.z <= 7)
    with pytest.raises(InputError, match="'low' is unbounded for every decision"):
        solve(model)


def test_variable_of_two_followers(model):
    model.other = pyo.Block()
    model.other.gain = pyo.Objective(expr=model.low.y)
    other = Follower(model.other, variables=[model.low.y])
    with pytest.raises(InputError, match=r"'low.y' belongs to followers 'low' and 'other'"):
        solve(model, followers=[Follower(model.low), other])


def test_followers_that_see_each_other(model):
    model.other = pyo.Block()
    model.other.z = pyo.Var(bounds=(0, 1))
    model.other.row = pyo.Constraint(expr=model.other.z <= model.low.y)
    model.other.gain = pyo.Objective(expr=model.other.z, sense=pyo.maximize)
    with pytest.raises(InputError, match=r"'other.row' uses 'low.y' of follower 'low'"):
        solve(model, followers=[Follower(model.low), Follower(model.other)])


def test_all_problems_come_at_once(model):
    model.low.on = pyo.Var(domain=pyo.Binary)
    model.low.bend = pyo.Constraint(expr=model.low.y**2 <= 4)
    model.cost.deactivate()
    with pytest.raises(InputError) as caught:
        solve(model)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.low.gain.deactivate(), "follower 'low' needs exactly one active objective"),
        (lambda m: setattr(m, "more", pyo.Objective(expr=m.x)), "found 'cost', 'more'"),
        (lambda m: m.low.deactivate(), "its block is not active"),
        (lambda m: m.low.y.fix(1), "no free variable"),
    ],
)
def test_what_a_follower_needs(model, change, message):
    change(model)
    with pytest.raises(InputError, match=message):
        solve(model)


def test_no_follower(model):
    with pytest.raises(InputError, match="there is no follower"):
        BilevelProblem(model, []).solve()


def test_hint_for_something_else(model):
    follower = Follower(model.low)
    follower.hint(model.x, dual=1)
    with pytest.raises(InputError, match="the hint for 'x' fits neither"):
        solve(model, followers=[follower])


def test_unknown_reformulation(model):
    with pytest.raises(InputError, match="no reformulation 'magic'; there are 'kkt'"):
        solve(model, "magic")


def test_unknown_solver(model):
    with pytest.raises(InputError, match="solver 'abacus'"):
        solve(model, solver="abacus")


def test_strong_duality_with_a_continuous_leader_names_the_constraint(model):
    with pytest.raises(InputError, match=r"variable 'x' with the dual of constraint 'low.cap"):
        solve(model, "strong-duality")


@pytest.mark.parametrize("how", ["strong-duality", "primal-dual"])
def test_quadratic_followers_need_kkt(model, how):
    model.low.gain.set_value(model.low.y - model.low.y**2)
    with pytest.raises(InputError, match=r"follower 'low' is a QP.*use 'kkt'"):
        solve(model, how)


def test_sos_constraints(model):
    model.many = pyo.Var([1, 2], bounds=(0, 1))
    model.sos = pyo.SOSConstraint(var=model.many, sos=1)
    with pytest.raises(InputError, match="'sos' is an SOS constraint"):
        solve(model)


def test_a_product_in_the_leaders_objective_that_duality_cannot_resolve(model):
    model.cost.set_value(model.x * model.low.y)
    with pytest.raises(InputError, match=r"the product 'x'·'low.y'|'low.y'·'x'"):
        solve(model)


def test_a_price_on_a_follower_with_leader_rows_names_the_row(model):
    model.p = pyo.Var(bounds=(0, 1))
    model.low.gain.set_value((1 - model.p) * model.low.y)
    model.cost.set_value(-model.p * model.low.y)
    with pytest.raises(InputError, match=r"constraint 'low.cap.*' holds the leader's variable 'x'"):
        solve(model)

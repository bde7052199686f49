"""Published problems whose point is made by one assumption, is not optimal, or does not exist."""

from __future__ import annotations

import pyomo.environ as pyo
import pytest

from quartier.errors import InputError
from quartier.optimisation.bilevel import BilevelProblem, BilevelResult, Status

from .catalogue import FREE, WITH_BIG_M, Built, linear
from .classics import bard_falk_1982_2
from .coupling import (
    ferris_jointc2_both,
    ferris_jointc2_leader,
    mersha_dempe_follower,
    mersha_dempe_leader,
)
from .discrete import sensors
from .larger import tuy_2007_3
from .modern import bard_1991_ex2, pao_example_2, pineda_morales_2019
from .oracle import optimistic_value
from .pricing import fruits, lucchetti_1987


def solve(built: Built, how: str = "kkt", **options: object) -> BilevelResult:
    return BilevelProblem(built.model, built.followers).solve(how, **options)


def without_solution(result: BilevelResult) -> bool:
    numbers = (result.objective, result.gap, result.pessimistic_objective)
    return not result.has_solution and not result.values and numbers == (None, None, None)


@pytest.mark.parametrize("how", WITH_BIG_M)
def test_a_guessed_m_of_50_returns_another_point_and_is_never_called_optimal(how):
    """Pineda, Morales 2019: optimum (2, 100); with M = 50 the duals show nothing, 0 and 1."""
    built = pineda_morales_2019()
    built.followers[0].hint(built.model.low.rows, dual=50)
    result = solve(built, how, search=False)
    assert result.status == Status.OPTIMAL_FOR_M
    assert "low.rows[1]" in result.reason
    assert (result.values["x[1]"], result.values["low.y[1]"]) == pytest.approx((1, 0), abs=1e-6)
    assert result.bound is None and result.gap is None
    assert min(result.dual_margins.values()) >= -1e-6


@pytest.mark.parametrize("how", WITH_BIG_M)
def test_a_point_found_otherwise_unmasks_the_guess(how):
    """The quick search meets (2, 100), which M = 50 hides."""
    built = pineda_morales_2019()
    built.followers[0].hint(built.model.low.rows, dual=50)
    result = solve(built, how)
    assert result.status == Status.FEASIBLE and "M hides this point" in result.reason
    assert result.objective == pytest.approx(-102)


def test_a_large_enough_hint_is_replaced_by_what_is_proven():
    built = pineda_morales_2019()
    built.followers[0].hint(built.model.low.rows, dual=1e6)
    result = solve(built)
    assert result.status == Status.OPTIMAL
    assert result.values["low.y[1]"] == pytest.approx(100)
    assert max(result.dual_margins.values()) < 101


def test_a_constraint_of_the_follower_moved_to_the_leader_changes_the_optimum():
    with_leader, with_follower = solve(mersha_dempe_leader()), solve(mersha_dempe_follower())
    assert with_leader.objective == pytest.approx(-20)
    assert with_follower.objective == pytest.approx(-22)
    known = {"x[1]": 6, "low.y[1]": 8}
    assert optimistic_value(mersha_dempe_follower(), known) == pytest.approx(-22, abs=1e-5)
    assert optimistic_value(mersha_dempe_leader(), known) is None


def test_a_row_shared_with_the_follower_lets_the_leader_go_further():
    assert solve(ferris_jointc2_leader()).values["x[1]"] == pytest.approx(1)
    assert solve(ferris_jointc2_both()).values["x[1]"] == pytest.approx(2)


@pytest.mark.parametrize(("weight", "value"), [(1.0, -1), (2.0, -2)])
def test_only_optimism_reaches_bard_1991(weight, value):
    """At x = 0 the follower is indifferent between (0, 1) and (1, 0), which costs the leader 10."""
    result = solve(bard_1991_ex2(weight), pessimistic=True)
    assert result.objective == pytest.approx(value)
    if result.values["x[1]"] < 0.5:
        assert result.pessimistic_objective == pytest.approx(10, abs=1e-3)


def test_the_pessimistic_leader_would_not_take_lucchettis_point():
    result = solve(lucchetti_1987(), pessimistic=True)
    assert result.objective == pytest.approx(0, abs=1e-9)
    assert result.pessimistic_objective == pytest.approx(1, abs=1e-5)
    built = lucchetti_1987()
    built.model.x.fix(0)
    assert solve(built, pessimistic=True).pessimistic_objective == pytest.approx(0.5, abs=1e-5)


def test_bard_falks_published_point_is_feasible_but_not_optimal():
    """Comput. Oper. Res. 9(1) 1982 prints x = (1, 0), y = (0.5, 1), -1.75; the optimum is -3.25."""
    at_theirs = optimistic_value(bard_falk_1982_2(), {"x[1]": 1, "x[2]": 0})
    assert at_theirs == pytest.approx(-1.75, abs=1e-5)
    assert solve(bard_falk_1982_2()).objective == pytest.approx(-3.25)


def test_the_point_in_paos_comment_is_not_the_optimum():
    at_theirs = optimistic_value(pao_example_2(), {"x": 6, "y": 4})
    assert at_theirs == pytest.approx(24, abs=1e-5)
    assert solve(pao_example_2()).objective == pytest.approx(18.5)


@pytest.mark.parametrize("how", WITH_BIG_M)
def test_tuy_2007_ex3_as_converted_is_unbounded_and_gives_no_numbers(how):
    """BOLIB gives -467.4613 as best known; in its data the leader gains without limit."""
    result = solve(tuy_2007_3(), how)
    assert result.status == Status.UNBOUNDED
    assert without_solution(result)
    built = tuy_2007_3()
    built.model.floor = pyo.Constraint(expr=built.model.cost.expr >= -5000)
    limited = solve(built, how)
    assert limited.objective == pytest.approx(-5000)
    del built.model.floor
    assert optimistic_value(tuy_2007_3(), limited.values) <= -4999


def test_mitsos_barton_3_2_has_no_solution():
    """The follower goes to y = 1, the leader forbids y > 0 (Mitsos, Barton 2007, ex. 3.2)."""
    built = linear(
        x=[], y=[(-1, 1)], leader=([], [1]), follower=[-1], rows=[], coupling=[([], [1], 0)]
    )
    result = solve(built)
    assert result.status == Status.INFEASIBLE and without_solution(result)
    assert (
        "each optimal response of the followers breaks a constraint of the leader" in result.reason
    )
    assert built.model.low.y[1].value is None


def test_ferris_jointc1_has_no_solution_if_only_the_leader_keeps_the_row():
    coupling = [([1], [-1], 0), ([-1], [-1], 0)]
    built = linear(
        x=[(1, 5)],
        y=[FREE],
        leader=([1], [0]),
        follower=[1],
        rows=[([-1], [-1], 0)],
        coupling=coupling,
    )
    assert solve(built).status == Status.INFEASIBLE


def test_bileveljump_82_is_infeasible_with_a_low_price():
    assert solve(fruits(0.05)).status == Status.INFEASIBLE


@pytest.mark.parametrize("search", [True, False])
def test_a_time_limit_ends_with_a_gap_or_without_numbers(search):
    """Twelve smugglers (Pan et al. 2002) by KKT take half a minute; strong duality takes 2 s."""
    result = solve(sensors(), time_limit=1, search=search)
    assert result.status in {Status.FEASIBLE, Status.TIME_LIMIT}
    assert result.wall_s < 20
    if result.status == Status.FEASIBLE:
        assert result.gap > 0 and result.bound < result.objective
    else:
        assert without_solution(result)


def test_leaders_that_are_not_convex_are_refused():
    """HTP 9.3.6 (Clark, Westerberg 1990) turned around needs a nonlinear solver."""
    built = linear(x=[(0, 8)], y=[(0, 10)], leader=([1], [1]), follower=[1], rows=[])
    m = built.model
    m.cost.set_value((m.low.y[1] - 2) ** 2 - (m.x[1] - 3) ** 2)
    with pytest.raises(InputError, match=r"'x\[1\]'·'x\[1\]'"):
        solve(built)

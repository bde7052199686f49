"""Whatever HiGHS says, in whatever kind of solve: nobody dies of it, and nothing is silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
from scipy import sparse

from quartier import hiccups
from quartier.agents.choice import ExactChoice
from quartier.agents.mo_agents import FrontUnitAgent
from quartier.agents.unit import UnitAgent
from quartier.centralised.self_optimiser import SelfOptimiser
from quartier.coordination import Cap
from quartier.errors import InputError, SolveFailed
from quartier.optimisation.bilevel import BilevelProblem, Follower
from quartier.optimisation.bilevel.charged.windows import improve
from quartier.optimisation.bilevel.milp import solve as solve_milp
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.directed import DirectedChoice, Direction
from quartier.problem import NeighbourhoodProblem
from quartier.program import Arrays, Highs, highs
from quartier.redispatch.cheapest_powers import Congestion, cheapest_powers
from quartier.redispatch.levers import Levers
from quartier.scenario.settings import NegotiationSettings

from . import factories

STATUS = highspy.HighsModelStatus
UNPROVEN = {
    "unknown": STATUS.kUnknown,
    "failed": STATUS.kSolveError,
    "time-limit": STATUS.kTimeLimit,
    "iteration-limit": STATUS.kIterationLimit,
}
PROVEN = {"infeasible": STATUS.kInfeasible, "unbounded": STATUS.kUnbounded}
EVERY = {**UNPROVEN, **PROVEN}
TRIES = 5


@pytest.fixture(autouse=True)
def _nothing_of_others():
    hiccups.take()


@pytest.fixture
def inject(monkeypatch) -> Callable[..., None]:
    """Let HiGHS say something else than it would, in the first so many runs."""
    real = highs.run

    def say(said, times: int = 10**9, only: Callable[[object], bool] = lambda _: True) -> None:
        left = [times]

        def run(solver):
            if left[0] <= 0 or not only(solver):
                return real(solver)
            left[0] -= 1
            solver.clearSolver()
            return said

        monkeypatch.setattr(highs, "run", run)

    return say


def arrays(integer=False, **changes) -> Arrays:
    """`max x + y`, `x + 2 y <= 4.5`, `0 <= x, y <= 3`: 3.75, or 3 in whole numbers."""
    found = Arrays(
        np.array([-1.0, -1.0]),
        np.zeros(2),
        np.full(2, 3.0),
        np.full(2, integer),
        sparse.csr_array(np.array([[1.0, 2.0]])),
        np.array([-np.inf]),
        np.array([4.5]),
    )
    return replace(found, **changes)


def test_the_program_of_these_tests():
    assert Highs("plain", arrays()).solve().objective == pytest.approx(-3.75)
    assert Highs("plain", arrays(integer=True)).solve().objective == pytest.approx(-3)
    assert not hiccups.take()


# -- the wrapper ----------------------------------------------------------------------------------
@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize("times", range(1, TRIES))
@pytest.mark.parametrize("said", UNPROVEN)
def test_other_ways_lead_to_the_same_solution(inject, said, times, integer):
    solver = Highs("trying", arrays(integer))
    inject(UNPROVEN[said], times)
    answer = solver.solve()
    assert (answer.status, answer.tries) == ("optimal", times + 1)
    assert answer.objective == answer.bound == pytest.approx(-3.0 if integer else -3.75)
    assert hiccups.take() == [hiccups.Hiccup("trying", "optimal", times + 1)]
    again = solver.solve()
    assert (again.tries, again.objective) == (1, pytest.approx(answer.objective))


@pytest.mark.parametrize("said", UNPROVEN)
def test_what_no_way_solves_has_no_values_and_is_noted(inject, said):
    inject(UNPROVEN[said])
    answer = Highs("hopeless", arrays()).solve()
    assert (answer.status, answer.found, answer.values.size) == (said, False, 0)
    assert (answer.objective, answer.bound, answer.gap) == (np.inf, -np.inf, np.inf)
    assert hiccups.take() == [hiccups.Hiccup("hopeless", said, TRIES)]


@pytest.mark.parametrize("said", PROVEN)
def test_a_proof_is_not_asked_for_again(inject, said):
    inject(PROVEN[said])
    answer = Highs("proven", arrays()).solve()
    assert (answer.status, answer.tries, answer.found) == (said, 1, False)
    with pytest.raises(SolveFailed, match=said):
        Highs("proven", arrays()).needed()


def test_a_time_limit_that_was_asked_for_is_an_end(inject):
    inject(STATUS.kTimeLimit)
    assert Highs("short", arrays()).solve(seconds=5.0).tries == 1
    assert Highs("short", arrays(), {"time_limit": 5.0}).solve().tries == 1


def test_infeasible_and_unbounded_are_told_apart():
    open_end = arrays(upper=np.full(2, np.inf), row_upper=np.array([np.inf]))
    assert Highs("open", open_end).solve().status == "unbounded"
    assert Highs("open", replace(open_end, integer=np.ones(2, bool))).solve().status == "unbounded"
    closed = arrays(row_upper=np.array([-1.0]))
    assert Highs("closed", closed).solve().status == "infeasible"


def test_options_that_a_try_sets_are_as_before_afterwards(inject):
    solver = Highs("options", arrays(), {"presolve": "on"})
    inject(STATUS.kUnknown, 4)
    solver.solve()
    names = ("presolve", "solver", "simplex_strategy", "simplex_scale_strategy")
    assert [solver._highs.getOptionValue(n)[1] for n in names] == ["on", "choose", 1, 2]


def test_an_option_that_highs_does_not_know_is_refused():
    with pytest.raises(InputError, match="no_such_option"):
        Highs("options", arrays(), {"no_such_option": 1})


def test_a_pool_of_threads_that_others_made_is_lived_with():
    for threads in (2, 1):
        other = highspy.Highs()
        other.setOptionValue("output_flag", False)
        other.setOptionValue("threads", threads)
        highspy.Highs.resetGlobalScheduler(True)
        other.passModel(Highs("other", arrays())._highs.getLp())
        other.run()
        for own in (1, 2):
            answer = Highs("own", arrays(integer=True), {"threads": own}).solve()
            assert (answer.status, answer.tries) == ("optimal", 1)


# -- agents ---------------------------------------------------------------------------------------
STEPS = 24
NOTHING = np.zeros(STEPS)
NOON = np.where(np.arange(STEPS) % 24 == 12, 90.0, -30.0)


def battery():
    return (factories.unit("battery", steps=STEPS, dt_h=1.0),)


def terms(**changes):
    return factories.terms(STEPS, 1.0, **changes)


@pytest.mark.parametrize("said", EVERY)
def test_an_agent_keeps_its_last_choice_and_says_so(inject, said):
    agent = UnitAgent(
        "cell", battery(), "place", (), NegotiationSettings(), np.random.default_rng(1)
    )
    agent._terms = terms()
    agent._choice = ExactChoice(battery(), terms())
    last = agent._chosen(NOON, NOTHING)
    inject(EVERY[said])
    assert agent._chosen(-NOON, NOTHING) is last
    trouble = list(hiccups.troubles(hiccups.take()))
    assert trouble == [
        f"local choice of battery: the solver ends {said}; its agent keeps its last choice"
    ]


def test_an_agent_without_a_last_choice_does_what_its_units_do_by_themselves(inject):
    agent = UnitAgent(
        "cell", battery(), "place", (), NegotiationSettings(), np.random.default_rng(1)
    )
    agent._terms = terms()
    agent._choice = ExactChoice(battery(), terms())
    inject(STATUS.kUnknown)
    own_rule = agent._own_rule(terms())
    np.testing.assert_array_equal(agent._chosen(NOON, NOTHING).p_kw, own_rule.p_kw)


@pytest.mark.parametrize("said", EVERY)
def test_an_agent_that_directs_keeps_its_choice(inject, said):
    agent = FrontUnitAgent(
        "cell", battery(), "place", (), NegotiationSettings(), np.random.default_rng(1)
    )
    agent._directed = DirectedChoice(battery(), terms())
    given = (NOON, NOTHING, 0.0, Direction(20.0, 100.0), 0.05, np.array([50.0, 500.0, 100.0]))
    assert agent._best(terms(), *given) is not None
    inject(EVERY[said])
    assert agent._best(terms(), *given) is None
    assert any("keeps its last choice" in t for t in hiccups.troubles(hiccups.take()))


@pytest.mark.parametrize("said", EVERY)
def test_a_neighbourhood_keeps_its_last_plan(inject, said):
    unit = battery()[0]
    problem = NeighbourhoodProblem("place", 1, unit.horizon, (unit,), terms(), 0.1)
    own = SelfOptimiser(problem)
    before = own.solution
    inject(EVERY[said])
    own.answer(1, Cap(own.solution.p_kw - 1.0, np.full(STEPS, -np.inf)))
    assert own.solution is before
    assert any("keeps its last plan" in t for t in hiccups.troubles(hiccups.take()))


# -- the operator of the grid ---------------------------------------------------------------------
@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("said", EVERY)
def test_redispatch_leaves_the_power_as_it_is(inject, said, discrete):
    congestion = Congestion(
        np.array([[True]]),
        np.array([[12.0]]),
        np.array([[[10.0, 10.0]]]),
        np.array([[4.0, 5.0]]),
        np.array([[4.0, 5.0]]),
    )
    moves = np.array([[[-1.0, 0.0], [0.0, -1.0]]])
    choice = np.array([0, 1]) if discrete else np.full(2, -1)
    levers = Levers(moves, np.array([[3.0, 5.0]]), choice)
    assert cheapest_powers(congestion, levers).p_mw.sum() < 9.0
    inject(EVERY[said])
    np.testing.assert_array_equal(cheapest_powers(congestion, levers).p_mw, congestion.now_mw)
    assert any("the DSO keeps" in t for t in hiccups.troubles(hiccups.take()))


@pytest.mark.parametrize("said", EVERY)
def test_the_joint_programs_raise_with_what_the_solver_says(inject, said):
    inject(EVERY[said])
    with pytest.raises(SolveFailed, match=said):
        Highs("central", arrays(integer=True)).needed()


@pytest.mark.parametrize("said", EVERY)
def test_windows_that_fail_leave_the_point_as_it_is(inject, said):
    program = arrays(integer=True)
    start = np.zeros(2)
    found = improve(program, start, np.array([0, 1]), 1.0)
    assert program.cost @ found < 0
    inject(EVERY[said])
    assert improve(program, start, np.array([0, 1]), 1.0) is start


# -- the bi-level layer ---------------------------------------------------------------------------
def cap_problem(whole=False):
    m = pyo.ConcreteModel()
    kind = pyo.Integers if whole else pyo.Reals
    m.x = pyo.Var(bounds=(0, 10), domain=kind)
    m.low = pyo.Block()
    m.low.y = pyo.Var(bounds=(0, 8), domain=kind)
    m.low.cap = pyo.Constraint(expr=m.low.y <= m.x)
    m.low.gain = pyo.Objective(expr=2 * m.low.y, sense=pyo.maximize)
    m.cost = pyo.Objective(expr=0.5 * m.x - m.low.y)
    return m


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("times", range(1, 40, 3))
@pytest.mark.parametrize("said", ["unknown", "failed"])
def test_bilevel_is_never_better_than_what_was_proven(inject, said, times, whole):
    """Whichever runs fail, what is called optimal is, and nothing is called infeasible."""
    model = cap_problem(whole)
    inject(UNPROVEN[said], times)
    result = BilevelProblem(model, [Follower(model.low)]).solve()
    assert result.status in {"optimal", "feasible", "optimal-for-M", "uncertified", "failed"}
    if result.status == "optimal":
        assert result.objective == pytest.approx(-4)
    if result.status == "failed":
        assert said in result.reason
    assert hiccups.take()


@pytest.mark.parametrize("said", UNPROVEN)
def test_bilevel_that_nothing_solves_is_failed(inject, said):
    model = cap_problem()
    inject(UNPROVEN[said])
    result = BilevelProblem(model, [Follower(model.low)]).solve()
    assert result.status == "failed" and said in result.reason
    assert not result.has_solution


def test_a_milp_of_the_bilevel_layer_says_what_the_solver_says(inject):
    program = Program()
    k = program.column("k", 0.0, 3.0, integer=True)
    program.cost = {k: -1.0}
    assert solve_milp(program).objective == -3
    inject(STATUS.kSolveError)
    found = solve_milp(program)
    assert (found.status, found.point, found.bound) == ("failed (failed)", None, -np.inf)


# -- what is written down -------------------------------------------------------------------------
def test_rows_add_up_the_tries_of_a_problem():
    noted = [
        hiccups.Hiccup("choice", "optimal", 2),
        hiccups.Hiccup("choice", "optimal", 3),
        hiccups.Hiccup("choice", "unknown", 5),
        hiccups.Hiccup("choice", "unknown", instead="kept"),
    ]
    assert list(hiccups.rows(noted)) == [
        {"problem": "choice", "status": "optimal", "tries": 5},
        {"problem": "choice", "status": "unknown", "tries": 5},
        {"problem": "choice", "status": "unknown, kept"},
    ]
    assert list(hiccups.troubles(noted)) == ["choice: the solver ends unknown; kept"]

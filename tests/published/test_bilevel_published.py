"""Every published problem through every reformulation that applies, to its known optimum."""

from __future__ import annotations

from math import inf

import numpy as np
import pyomo.environ as pyo
import pytest

from quartier.optimisation.bilevel import BilevelProblem, BilevelResult, Status

from .catalogue import Case
from .classics import CLASSICS
from .coupling import COUPLING
from .discrete import DISCRETE
from .integer import INTEGER
from .larger import LARGER
from .modern import MODERN
from .oracle import leader_variables, optimistic_value
from .pricing import PRICING
from .quadratic import QUADRATIC
from .quadratic_leaders import QUADRATIC_LEADERS

LINEAR = [*CLASSICS, *LARGER, *COUPLING, *MODERN, *DISCRETE, *PRICING, *INTEGER]
CASES = [*LINEAR, *QUADRATIC, *QUADRATIC_LEADERS]
RUNS = [(case, how) for case in CASES for how in case.reformulations]
SMALL = [case for case in LINEAR if case.name not in {"pan-2002", "pan-2002-three-ways"}]


def solved(case: Case, how: str = "kkt", **options: object) -> BilevelResult:
    built = case.build()
    return BilevelProblem(built.model, built.followers).solve(how, time_limit=60, **options)


def test_there_are_more_cases_than_asked_for():
    assert len({case.name for case in CASES}) == len(CASES) >= 20


@pytest.mark.parametrize(("case", "how"), RUNS, ids=lambda v: getattr(v, "name", v))
def test_known_optimum(case: Case, how: str):
    result = solved(case, how)
    assert result.status == Status.OPTIMAL, result
    assert result.objective == pytest.approx(case.optimum, abs=1e-5, rel=1e-6)
    assert result.bound == pytest.approx(case.optimum, abs=1e-5, rel=1e-6)
    assert max(result.follower_suboptimality.values()) <= 1e-6


@pytest.mark.parametrize("case", [c for c in CASES if c.points], ids=lambda c: c.name)
def test_known_point(case: Case):
    # A quadratic objective is flat at its optimum: a small gap may be a long way.
    values = solved(case, **({"gap": 1e-9} if case in QUADRATIC_LEADERS else {})).values
    assert any(
        all(values[name] == pytest.approx(v, abs=1e-4) for name, v in known.items())
        for known in case.points
    ), values


@pytest.mark.parametrize("case", [c for c in CASES if c.pessimistic], ids=lambda c: c.name)
def test_known_pessimistic_value(case: Case):
    result = solved(case, pessimistic=True)
    assert result.pessimistic_objective == pytest.approx(case.pessimistic, abs=1e-4)


@pytest.mark.parametrize("case", SMALL, ids=lambda c: c.name)
def test_values_are_a_best_response_by_plain_pyomo(case: Case):
    """The decision reproduces the optimum, and decisions around it are no better."""
    result = solved(case)
    assert optimistic_value(case.build(), result.values) == pytest.approx(case.optimum, abs=1e-4)
    sense = -1 if _maximises(case) else 1
    rng = np.random.default_rng(7)
    for _ in range(4):
        value = optimistic_value(case.build(), _moved(case, result, rng))
        assert value is None or sense * value >= sense * case.optimum - 1e-4


def _moved(case: Case, result: BilevelResult, rng: np.random.Generator) -> dict[str, float]:
    decision = {}
    for variable in leader_variables(case.build()):
        value = result.values.get(variable.name, 0.0)
        value += rng.normal(scale=0.3 * max(1.0, abs(value)))
        value = round(value) if variable.is_integer() else value
        low, high = (
            b if b is not None else d for b, d in zip(variable.bounds, (-inf, inf), strict=True)
        )
        decision[variable.name] = min(max(value, low), high)
    return decision


def _maximises(case: Case) -> bool:
    built = case.build()
    theirs = {id(o) for f in built.followers for o in f.block.component_data_objects(pyo.Objective)}
    every = built.model.component_data_objects(pyo.Objective, descend_into=True)
    return any(o.sense == pyo.maximize for o in every if id(o) not in theirs)

"""A neighbourhood that optimises itself answers what it is told now, not what it was told once."""

from __future__ import annotations

import numpy as np
import pytest

from quartier.centralised.self_optimiser import SelfOptimiser
from quartier.coordination import Cap
from quartier.instance import build
from quartier.scenario.load import load

STEPS = 8
AT_NOON = ("horizon.start=2016-07-25T10:00+01:00", f"horizon.steps={STEPS}")


@pytest.fixture(scope="module")
def neighbourhood():
    instance = build(load("fliegerhorst", AT_NOON))
    return instance.problem(0, 0, instance.initial_state()).neighbourhoods[0]


def most(own: SelfOptimiser, share: float) -> Cap:
    """Feed-in of at most a share of what it offered."""
    offered_kw = own.history[0][1].p_kw
    return Cap(share * offered_kw, np.full(STEPS, -np.inf))


def planned_kw(own: SelfOptimiser) -> np.ndarray:
    """What the set points of its units come to."""
    return np.sum([plan.p_kw for _, plan in own.unit_plans()], axis=0)


@pytest.mark.parametrize("shares", [(0.7,), (0.7, 0.8), (0.7, 0.5), (0.7, 0.5, 1.2)])
def test_units_do_what_was_answered_whatever_was_asked_before(neighbourhood, shares):
    own, fresh = SelfOptimiser(neighbourhood), SelfOptimiser(neighbourhood)
    for number, share in enumerate(shares, start=1):
        answered_kw = own.answer(number, most(own, share))
        assert planned_kw(own) == pytest.approx(answered_kw)
    fresh.answer(1, most(fresh, shares[-1]))
    assert own.solution.objective_eur == pytest.approx(fresh.solution.objective_eur, rel=1e-4)


def test_a_cap_that_held_nothing_changes_nothing(neighbourhood):
    own = SelfOptimiser(neighbourhood)
    own.answer(1, most(own, 1.1))
    own.answer(2, most(own, 1.2))
    assert len(own.history) == 1

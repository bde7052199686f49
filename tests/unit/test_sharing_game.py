"""The pool's linear program against the leader's problem by optimality conditions (M8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quartier.centralised.programs import models_of
from quartier.centralised.sharing.game import solve_game
from quartier.centralised.sharing.mechanisms import Certificate
from quartier.centralised.sharing.pool import Pool
from quartier.centralised.sharing.prices import optimal_prices
from quartier.instance import build
from quartier.scenario.load import load
from quartier.scenario.settings import OptimisationSettings


@pytest.fixture(scope="module")
def problem():
    instance = build(load("aachen:winter", ("horizon.steps=5",)))
    return instance.problem(0, 0, instance.initial_state())


def certified(pool, alone):
    """Plan and price of the linear program, and what they are worth."""
    pooled = pool.solve()
    price = optimal_prices(pool, pooled, {name: one.cost_eur for name, one in alone.items()})
    found = pool.solutions(pooled, price)
    return pooled.answer.objective, price, found, Certificate.of(pool, price, found)


@pytest.mark.parametrize("choice", ["max-min", "lowest", "highest"])
@pytest.mark.parametrize("inside", [0.0, 0.4, 1.0])
def test_any_optimal_price_is_certified(problem, choice, inside):
    sharing = replace(
        problem.coupling, price=choice, grid_fee_eur_per_kwh=0.1, inside_fee_share=inside
    )
    models = models_of(problem)
    alone = {name: model.solve() for name, model in models.items()}
    total, price, found, certificate = certified(Pool(sharing, models), alone)
    assert np.all(price >= sharing.export_eur_per_kwh - 1e-9)
    assert np.all(price <= sharing.outer_eur_per_kwh + 1e-9)
    assert abs(certificate.leader_eur) <= 1e-6
    assert sum(one.cost_eur for one in found.values()) == pytest.approx(total, rel=1e-9)
    for name, one in found.items():
        assert one.cost_eur - certificate.own_eur[name] <= 1e-8 * max(1.0, abs(one.cost_eur))
        assert one.cost_eur <= alone[name].cost_eur + 1e-6


def test_optimality_conditions_find_the_same_plan(problem):
    total, *_ = certified(Pool(problem.coupling, models_of(problem)), _alone(problem))
    pool = Pool(problem.coupling, models_of(problem))
    _, row, found = solve_game(pool, OptimisationSettings(time_limit_s=None))
    assert row["objective"] == pytest.approx(0.0, abs=1e-5)
    assert sum(one.cost_eur for one in found.values()) == pytest.approx(total, rel=1e-6)


def _alone(problem):
    return {name: model.solve() for name, model in models_of(problem).items()}

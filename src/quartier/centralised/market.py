"""A market with everything known: each by the prices it expects, or all co-optimised (M9)."""

from __future__ import annotations

import numpy as np

from quartier.centralised.central import row_of
from quartier.centralised.programs import Mechanism
from quartier.centralised.self_optimiser import solve_row
from quartier.centralised.sharing.mechanisms import units_of
from quartier.centralised.sharing.pool import Pool
from quartier.coordination import Plan
from quartier.problem import Market, Problem, State


class IndividualMarket(Mechanism):
    """Every neighbourhood plans for itself, by the prices that the scenario's signals expect.

    What suppliers then have to serve makes the price that all pay.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Let each optimise itself."""
        problem.asks(Market)
        alone = {name: model.solve() for name, model in self.models_of(problem).items()}
        rows = [solve_row(f"individual {name}", found) for name, found in alone.items()]
        return Plan(units=dict(units_of(problem, alone)), records={"solves": rows})


class CentralMarket(Mechanism):
    """Co-optimisation: one program of all neighbourhoods and suppliers (seed 003).

    Its price is a multiplier of the balance: what one more kWh would cost all.
    """

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Solve one program over all units and suppliers."""
        pool = Pool(problem.asks(Market), self.models_of(problem))
        pooled = pool.solve()
        price = pooled.price_eur_per_kwh(pool.coupling)
        found = pool.solutions(pooled, price)
        return Plan(
            units=dict(units_of(problem, found)),
            prices=pool.coupling.prices(found, price),
            records={"solves": [row_of("central", pooled.answer, pooled.answer.objective)]},
        )

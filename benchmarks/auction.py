"""What auctions lose against one operator: bids, forecasts, blocks, bad lines.

The second of two days of a scenario, from its initial state: cost of the plan above that of one
program of all (`central`), the certified gap, numbers sent, simulated and wall time, all agents one
after the other. The day before is auctioned first, for its prices are what `previous-day` expects.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import Any

import numpy as np

from quartier.agents.strategies.auction import Auction
from quartier.agents.strategies.price_response import PriceResponse
from quartier.centralised.programs import models_of
from quartier.centralised.sharing.pool import Pool
from quartier.coordination import Coordination
from quartier.instance import build
from quartier.problem import Pooling
from quartier.scenario.load import load

DAY = 24
TWO_DAYS = (f"horizon.steps={2 * DAY}", f"gates.every={DAY}", f"gates.horizon_steps={DAY}")
FORECASTS = ("previous-day", "learned", "perfect")
BAD_LINES = ("communication.loss=0.3", "communication.delay_s=1")
WAYS: dict[str, tuple[str, ...]] = {
    **{f"exact, {f}": (f"market.forecast={f}",) for f in FORECASTS},
    **{f"algorithm-1, {f}": ("market.bids=algorithm-1", f"market.forecast={f}") for f in FORECASTS},
    "day-ahead": ("market.clearing=day-ahead",),
    "exact, bad lines": BAD_LINES,
    "price-response": (),
}


def main() -> None:
    """Print a row a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="germany")
    parser.add_argument("--start", default="2016-01-19T00:00+01:00", help="of the day before")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    print(f"{'way':<28}{'above %':>10}{'certified %':>13}{'numbers':>10}{'sim s':>8}{'s':>8}")
    for way in options.ways:
        row(options.scenario, options.start, way)


def row(scenario: str, start: str, way: str) -> None:
    """Print how one way does."""
    asked = [f"horizon.start={start}", *TWO_DAYS, *WAYS[way]]
    instance = build(load(scenario, asked))
    state = instance.initial_state()
    before, problem = (instance.problem(gate, gate * DAY, state) for gate in (0, 1))
    assert isinstance(problem.coupling, Pooling)
    optimum = Pool(problem.coupling, models_of(problem)).solve().answer.objective
    mechanism: Coordination = PriceResponse() if way == "price-response" else Auction()
    if problem.market.forecast == "previous-day" and way != "price-response":
        mechanism.plan(before, state, np.random.default_rng(1))
    began = perf_counter()
    plan = mechanism.plan(problem, state, np.random.default_rng(1))
    wall_s = perf_counter() - began
    rounds, solves = (_rows(plan.records[name]) for name in ("rounds", "solves"))
    above = 100 * (solves[0]["objective"] - optimum) / abs(optimum)
    sent = sum(found["numbers"] for found in rounds)
    print(
        f"{way:<28}{above:>10.4f}{100 * solves[0]['gap']:>13.4f}{sent:>10,}"
        f"{rounds[-1]['sim_time_s']:>8.0f}{wall_s:>8.1f}",
        flush=True,
    )


def _rows(table: object) -> list[dict[str, Any]]:
    assert isinstance(table, list)
    return table


if __name__ == "__main__":
    main()

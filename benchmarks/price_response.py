"""Prices against one operator: rounds, numbers and time until a certified gap.

For the first gate of weeks of aachen: how many rounds of prices each way takes until it has proven
a gap, what was sent, and its wall time, all answers one after the other, against that of building
and solving one program of all together (`central`), whose cost the plan's is compared with.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pandas as pd

from quartier.agents.strategies.price_response import PriceResponse
from quartier.centralised.programs import models_of
from quartier.centralised.sharing.pool import Pool
from quartier.instance import build
from quartier.problem import Sharing
from quartier.scenario.load import load

GAPS = (1e-2, 1e-3, 1e-4, 1e-5)
WAYS = {
    "smooth": ("market.stabilisation=smooth",),
    "level": ("market.stabilisation=level",),
    "admm": ("market.method=admm", "market.tolerance=1e-3"),
    "smooth, bad lines": ("communication.loss=0.3", "communication.delay_s=1"),
}


def main() -> None:
    """Print a row a week and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weeks", nargs="*", default=["winter", "transition", "summer"])
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    options = parser.parse_args()
    heads = "".join(f"{100 * gap:>8g} %" for gap in GAPS)
    print(f"{'week':<12}{'way':<20}{heads}{'numbers':>10}{'sim s':>8}{'above':>10}{'s':>8}{'x':>8}")
    for week in options.weeks:
        for way in options.ways:
            row(week, way)


def row(week: str, way: str) -> None:
    """Print how one way does in one week."""
    instance = build(load(f"aachen:{week}", WAYS[way]))
    state = instance.initial_state()
    problem = instance.problem(0, 0, state)
    began = perf_counter()
    optimum = Pool(problem.asks(Sharing), models_of(problem)).solve().answer.objective
    central_s, began = perf_counter() - began, perf_counter()
    plan = PriceResponse().plan(problem, state, np.random.default_rng(1))
    wall_s = perf_counter() - began
    rounds = pd.DataFrame(plan.records["rounds"])
    (first, *_) = _rows(plan.records["solves"])
    above = (first["objective"] - optimum) / abs(optimum)
    reached = "".join(f"{_first(rounds, gap):>10}" for gap in GAPS)
    sent = f"{rounds['numbers'].sum():>10,}{rounds['sim_time_s'].iloc[-1]:>8.0f}"
    times = f"{wall_s:>8.2f}{wall_s / central_s:>8.1f}"
    print(f"{week:<12}{way:<20}{reached}{sent}{above:>10.1e}{times}")


def _rows(table: object) -> Sequence[dict[str, float]]:
    assert isinstance(table, list)
    return table


def _first(rounds: pd.DataFrame, gap: float) -> str:
    found = rounds.loc[rounds["gap"] <= gap, "round"]
    return str(found.iloc[0]) if len(found) else "-"


if __name__ == "__main__":
    main()

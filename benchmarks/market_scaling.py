"""How the mechanisms of a market scale with agents and days: figure 8 of seed 003.

A row a size of `germany` and mechanism: time of planning in s, and relative to that of the first
size, as in the source. Prices go to a certified gap of 0.01 %. Answers are given one after the
other; beside it is what no number of workers could save of them, the slowest answer of every
round. (The source varies 16, 48 and 128 cores.) `central` is one program: no worker helps it.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np

from quartier.agents.strategies.price_response import PriceResponse
from quartier.centralised.market import CentralMarket
from quartier.instance import Instance, build
from quartier.problem import Problem
from quartier.scenario.load import load

HEADS = f"{'agents':>6}{'days':>5}  {'mechanism':<24}{'s':>8}{'x':>7}{'slowest s':>11}{'rounds':>8}"


def main() -> None:
    """Print the table; the first size is the one that others are relative to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="*", type=int, default=[30, 60])
    parser.add_argument("--days", nargs="*", type=int, default=[1])
    parser.add_argument("--ways", nargs="*", default=["smooth"], choices=["smooth", "level"])
    options = parser.parse_args()
    print(HEADS)
    first: dict[str, float] = {}
    for days in options.days:
        for agents in options.agents:
            for name, wall_s, rest in measured(agents, days, options.ways):
                times = f"{wall_s:>8.2f}{wall_s / first.setdefault(name, wall_s):>7.1f}"
                print(f"{agents:>6}{days:>5}  {name:<24}{times}{rest}", flush=True)


def measured(agents: int, days: int, ways: list[str]) -> list[tuple[str, float, str]]:
    """Mechanism, time in s, and the rest of its row."""
    instance, problem = asked(agents, days)
    began = perf_counter()
    CentralMarket().plan(problem, instance.initial_state(), np.random.default_rng(1))
    found = [("central", perf_counter() - began, "")]
    for way in ways:
        instance, problem = asked(agents, days, f"market.stabilisation={way}")
        began = perf_counter()
        plan = PriceResponse().plan(problem, instance.initial_state(), np.random.default_rng(1))
        wall_s, rows = perf_counter() - began, plan.records["rounds"]
        assert isinstance(rows, list)
        slowest_s = sum(float(row["wall_s"]) for row in rows)
        found.append((f"price-response, {way}", wall_s, f"{slowest_s:>11.2f}{len(rows):>8}"))
    return found


def asked(agents: int, days: int, *overrides: str) -> tuple[Instance, Problem]:
    """The problem of a size, from a Monday in January on."""
    size = (f"problem.agents={agents}", f"horizon.steps={24 * days}", "market.tolerance=1e-4")
    instance = build(load("germany:week", [*size, *overrides]))
    return instance, instance.problem(0, 0, instance.initial_state())


if __name__ == "__main__":
    main()

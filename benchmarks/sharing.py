"""Sharing: the linear program against the optimality conditions, and a year against bare HiGHS.

For windows of some hours of aachen's winter week: wall time and total cost of the pool's linear
program with its certificate, and of the leader's problem by the neighbourhoods' optimality
conditions (MILP with big M). What it takes to move the neighbourhoods' programs on from gate to
gate, against building them anew. Then one program over a whole year: what declaring, compiling and
solving take together, against HiGHS alone on the same matrix.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import highspy

from quartier.centralised.programs import models_of
from quartier.centralised.sharing.game import solve_game
from quartier.centralised.sharing.mechanisms import Certificate
from quartier.centralised.sharing.pool import Pool
from quartier.centralised.sharing.prices import optimal_prices
from quartier.errors import SolveFailed
from quartier.instance import build
from quartier.problem import Problem, Sharing
from quartier.program import Arrays, handover
from quartier.scenario.load import load
from quartier.scenario.settings import OptimisationSettings


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, nargs="*", default=[6, 12, 24, 48])
    parser.add_argument("--year", type=int, default=8760, help="hours of the one program; 0: none")
    parser.add_argument("--gates", type=int, default=10, help="of the rolling horizon")
    parser.add_argument("--limit-s", type=float, default=300.0, help="of a search")
    options = parser.parse_args()
    print(f"{'hours':>6}{'LP s':>9}{'KKT s':>9}{'ratio':>8}{'LP EUR':>12}{'KKT EUR':>12}  status")
    for hours in options.hours:
        windows(hours, options.limit_s)
    rolling(options.gates)
    if options.year:
        year(options.year)


def asked(variant: str, hours: int) -> Problem:
    """What aachen asks at its first gate, for some hours."""
    instance = build(
        load(f"aachen:{variant}", (f"horizon.steps={hours}", f"gates.horizon_steps={hours}"))
    )
    return instance.problem(0, 0, instance.initial_state())


def windows(hours: int, limit_s: float) -> None:
    """Print a row: both ways for one window."""
    problem = asked("winter", hours)
    began = perf_counter()
    models = models_of(problem)
    alone = {name: model.solve().cost_eur for name, model in models.items()}
    pool = Pool(problem.asks(Sharing), models)
    pooled = pool.solve()
    price = optimal_prices(pool, pooled, alone)
    found = pool.solutions(pooled, price)
    Certificate.of(pool, price, found)
    linear_s = perf_counter() - began
    began = perf_counter()
    pool = Pool(problem.asks(Sharing), models_of(problem))
    try:
        _, row, other = solve_game(pool, OptimisationSettings(time_limit_s=limit_s))
        status, total = row["status"], sum(one.cost_eur for one in other.values())
    except SolveFailed as failure:
        status, total = failure.status, float("nan")
    kkt_s = perf_counter() - began
    own = sum(one.cost_eur for one in found.values())
    print(
        f"{hours:>6}{linear_s:>9.2f}{kkt_s:>9.1f}{kkt_s / linear_s:>8.0f}{own:>12.3f}"
        f"{total:>12.3f}  {status}"
    )


def rolling(gates: int) -> None:
    """Print what a gate's programs take: built anew, moved on, and solved."""
    instance = build(load("aachen:year"))
    asked = [
        instance.problem(k, first, instance.initial_state())
        for k, first in zip(range(gates + 1), instance.gates(), strict=False)
    ]
    kept = models_of(asked[0])
    models_of(asked[1], kept)  # looks up once where the numbers stand
    anew_s = moved_s = solved_s = 0.0
    for problem in asked[1:]:
        began = perf_counter()
        models_of(problem)
        anew_s += perf_counter() - began
        began = perf_counter()
        models_of(problem, kept)
        moved_s += perf_counter() - began
        began = perf_counter()
        Pool(problem.asks(Sharing), kept).solve()
        solved_s += perf_counter() - began
    anew, moved, solved = (1e3 * s / gates for s in (anew_s, moved_s, solved_s))
    print(
        f"\nprograms of a gate: {anew:.0f} ms anew, {moved:.0f} ms moved, ratio {anew / moved:.0f}"
    )
    print(f"the pool put together and solved: {solved:.0f} ms")


def year(hours: int) -> None:
    """Print what one program over many hours takes, and HiGHS alone."""
    problem = asked("year", hours)
    began = perf_counter()
    pool = Pool(problem.asks(Sharing), models_of(problem))
    built_s = perf_counter() - began
    pooled = pool.solve()
    total_s = perf_counter() - began
    bare_s = bare(pool.arrays)
    print(f"\none program over {hours} hours: {pooled.answer.objective:,.2f} EUR")
    print(f"declared and compiled {built_s:.1f} s, with its solution {total_s:.1f} s")
    print(f"HiGHS alone {bare_s:.1f} s; ratio {total_s / bare_s:.1f} (to be 4 at most)")


def bare(arrays: Arrays) -> float:
    """Wall time of HiGHS on a matrix, from passing it on."""
    began = perf_counter()
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    handover.give(highs, arrays)
    highs.run()
    return perf_counter() - began


if __name__ == "__main__":
    main()

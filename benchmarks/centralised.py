"""The centralised mechanisms: build against solve time, scaling, and the value of anticipation.

Costs are those of the plans in AC power flow. A row says what the DSO pays (upper cost) when each
neighbourhood optimises itself (individual), when the DSO foresees their answers (bilevel), under
one operator (central), and what foreseeing saves: in percent of what redispatch costs in the first.
Objective and bound are those of the linear network; the bound is proven in the same run.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from quartier.centralised.central import Operator
from quartier.centralised.execution import Execution
from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.leader import Leader
from quartier.centralised.member import Member
from quartier.instance import build
from quartier.optimisation import NeighbourhoodModel
from quartier.problem import Problem
from quartier.scenario.load import load

VARIANTS = ("max-feed-in", "max-load", "three-neighbourhoods", "large-battery")
STEPS = (24, 48, 96, 130, 192)
COUNTS = (1, 3, 10)


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["variants", "build", "steps", "counts"])
    parser.add_argument("--time-limit", type=float, default=60.0, help="s per branch-and-bound")
    options = parser.parse_args()
    limit = [f"optimisation.time_limit_s={options.time_limit}"]
    if "variants" in options.what:
        heading("value of anticipation")
        for variant in VARIANTS:
            measure(variant, f"fliegerhorst:{variant}", limit)
    if "build" in options.what:
        build_against_solve()
    if "steps" in options.what:
        heading("scaling with the horizon")
        for steps in STEPS:
            measure(f"T = {steps}", "fliegerhorst", [f"horizon.steps={steps}", *limit])
    if "counts" in options.what:
        heading("scaling with neighbourhoods, T = 48")
        for count in COUNTS:
            copies = ["horizon.steps=48", *several(count), *limit]
            measure(f"N = {count}", "fliegerhorst", copies)


def heading(title: str) -> None:
    """Print a table's head."""
    print(
        f"\n{title}\n{'case':<22}{'individual':>11}{'bilevel':>9}{'central':>9}{'redispatch':>11}"
        f"{'value':>8}{'leader EUR':>12}{'bound EUR':>11}{'gap':>8}{'status':>12}{'binaries':>9}"
        f"{'central s':>10}{'bilevel s':>10}"
    )


def several(count: int) -> list[str]:
    """Overrides that put equal neighbourhoods at further buses."""
    buses = (59, 8, 20, 30, 40, 50, 60, 70, 80)
    units = (
        "{pv: {kind: pv, power_kw: 900, profile: PV3}, "
        "battery: {kind: battery, energy_kwh: 1000, power_kw: 500}, "
        "homes: {kind: household, energy_kwh_per_year: 667000, profile: H0-A}}"
    )
    return [
        f"neighbourhoods.further{k}={{bus: {bus}, units: {units}}}"
        for k, bus in enumerate(buses[: count - 1])
    ]


def measure(label: str, scenario: str, overrides: list[str]) -> None:
    """Print a row."""
    instance = build(load(scenario, overrides))
    problem = instance.problem(0, 0, instance.initial_state())
    process = Process(problem)
    process.run()
    began = time.perf_counter()
    operator = Operator(process)
    operator.solve()
    central_s = time.perf_counter() - began
    upper = operator.joint.upper_value(operator.answer.values)
    began = time.perf_counter()
    game = Game(process, np.random.default_rng(1))
    game.solve()
    bilevel_s = time.perf_counter() - began
    execution = Execution(game)
    bilevel, individual = execution.chosen, execution.outcomes[-1]
    row = game.rows[-1]
    value = individual.cost_eur - bilevel.cost_eur
    print(
        f"{label:<22}{individual.cost_eur:>11.1f}{bilevel.cost_eur:>9.1f}{upper:>9.1f}"
        f"{individual.redispatch_eur:>11.1f}{value / max(individual.redispatch_eur, 1e-9):>8.2%}"
        f"{row['objective']:>12.2f}{row['bound']:>11.2f}{row['gap']:>8.2%}"
        f"{row['status']:>12}{sum(k.switches for k in game.kkts):>9}"
        f"{central_s:>10.1f}{bilevel_s:>10.1f}",
        flush=True,
    )


def build_against_solve() -> None:
    """Print the times that the models of the default scenario take to build and to solve.

    Of two gates: at the first, code is imported and compiled on the way.
    """
    instance = build(load("fliegerhorst"))
    problem = instance.problem(0, 0, instance.initial_state())
    title = f"build against solve, T = {problem.horizon.steps}"
    print(f"\n{title:<36}{'build s':>10}{'solve s':>10}{'ratio':>8}")
    for gate in (1, 2):
        for name, (build_s, solve_s) in times(problem).items():
            label = f"gate {gate}: {name}"
            print(f"{label:<36}{build_s:>10.3f}{solve_s:>10.3f}{build_s / solve_s:>8.2f}")


def times(problem: Problem) -> dict[str, tuple[float, float]]:
    """Seconds to build and to solve by mechanism; what one needs of another is not counted."""
    clock = Clock()
    own = {task.name: NeighbourhoodModel(task) for task in problem.neighbourhoods}
    built = clock.lap()
    for model in own.values():
        model.solve()
    found = {"a neighbourhood's own optimum": (built, clock.lap())}
    process = Process(problem)
    process.run()
    clock.lap()
    operator = Operator(process)
    members = [Member(task) for task in problem.neighbourhoods]
    members += [Member(task, convex=True) for task in problem.neighbourhoods]
    built = clock.lap()
    operator.solve()  # builds these members, too
    found["central"] = (built, clock.lap() - built)
    game = Game(process, np.random.default_rng(1))
    Leader(game.joint)
    built = clock.lap()
    game.solve()
    found["bilevel"] = (built, clock.lap())
    return found


class Clock:
    """Seconds since it was last asked."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        return passed


if __name__ == "__main__":
    main()

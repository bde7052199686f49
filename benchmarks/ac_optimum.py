"""The linear optimum against a local optimum of the AC optimal power flow (M7, end).

What `redispatch.cross_check` does within a run (`centralised/ac_optimum.py`, extra `ac`), as a
table over the variants, on neighbourhoods whose charging stations make one envelope.

Wrong sensitivities or losses make the linear operator move the wrong assets: its cost in AC is then
above the local optimum. Asked for with ``--wrong``, they show by how much.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from quartier.centralised.ac_optimum import Optimum, ac_optimum, checked
from quartier.centralised.individual import Process
from quartier.centralised.member import Member
from quartier.centralised.network import converge, joint_of, linear_grid
from quartier.instance import build
from quartier.redispatch.linear_grid import LinearGrid, Tangents
from quartier.scenario.load import load

VARIANTS = ("max-feed-in", "large-battery", "three-neighbourhoods", "max-load")
Spoil = Callable[[LinearGrid], None]


class Case:
    """What both operators are asked: offers, tap position, relaxed neighbourhoods."""

    def __init__(self, scenario: str, overrides: list[str]) -> None:
        instance = build(load(scenario, overrides))
        self.problem = instance.problem(0, 0, instance.initial_state())
        self.process = Process(self.problem)
        self.process.run()
        self.tap_pos = self.process.rounds.tap_pos
        tasks = self.problem.neighbourhoods
        self.members = [Member(task, aggregate=True, convex=True) for task in tasks]

    def linear(self, spoil: Spoil = lambda grid: None) -> Optimum:
        """`bound`: the leader's cost alone, on the linear network, settled in AC."""
        began = time.perf_counter()
        grid = linear_grid(self.process)
        spoil(grid)
        joint = joint_of(self.process, grid, self.members)
        values = converge(joint, (1.0, 0.0), "bound").values
        wall_s = time.perf_counter() - began
        losses = joint.upper_cost()[0][joint.layout.loss] @ values[joint.layout.loss]
        cost = joint.upper_value(values)
        power = (joint.power_mw(values), grid.assets.other_q_mvar)
        return checked(grid, "optimal", (cost, cost - float(losses)), power, wall_s)

    def ac(self) -> Optimum:
        """A local optimum of the AC optimal power flow of all steps."""
        return ac_optimum(self.process, self.members, self.tap_pos)


def wrong_sensitivities(grid: LinearGrid) -> None:
    """Halve the effect of the first asset on everything."""
    right = grid.model.slopes

    def slopes(*args, **kwargs):
        found = right(*args, **kwargs).copy()
        found[..., 0] *= 0.5
        return found

    grid.model.slopes = slopes


def wrong_losses(grid: LinearGrid) -> None:
    """Let losses grow with all power fed in, ten times as fast as they do."""
    right = grid._tangents

    def tangents(p_mw, state) -> Tangents:
        found = right(p_mw, state)
        slopes = 10 * found.slopes
        constant = found.constant + np.einsum("ta,ta->t", found.slopes - slopes, p_mw)
        return replace(found, slopes=slopes, constant=constant)

    grid._tangents = tangents


WRONG = {"sensitivities": wrong_sensitivities, "losses": wrong_losses}


def main() -> None:
    """Print a row for every variant that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=130)
    parser.add_argument("--wrong", choices=[*WRONG], help="spoil the linear network")
    options = parser.parse_args()
    print(
        f"{'variant, operator':<32}{'EUR':>11}{'EUR in AC':>11}{'apart':>10}"
        f"{'loading %':>11}{'voltage pu':>12}{'s':>8}"
    )
    for variant in options.variants:
        case = Case(f"fliegerhorst:{variant}", [f"horizon.steps={options.steps}"])
        linear = case.linear(WRONG.get(options.wrong, lambda grid: None))
        show(f"{variant}, linear", linear, None)
        show(f"{variant}, AC", case.ac(), linear)


def show(label: str, found: Optimum, other: Optimum | None) -> None:
    """Print a row; ``other`` is compared with, in AC."""
    apart = "" if other is None else f"{other.ac_cost_eur / found.ac_cost_eur - 1:.1e}"
    print(
        f"{label:<32}{found.cost_eur:>11.3f}{found.ac_cost_eur:>11.3f}{apart:>10}"
        f"{found.loading_percent:>11.1e}{found.voltage_pu:>12.1e}{found.wall_s:>8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""Whether the bi-level problem is better at a neighbouring tap position (M7).

The tap position comes from redispatch, which knows nothing of the neighbourhoods' answers. At each
neighbouring position the bound (the leader's cost with everything under one operator) takes a
second. Where it is no less than what the game found, the position is excluded; elsewhere the game
is solved there as well. But where load may be ordered off, which the bound leaves free, it excludes
hardly anything: then it has to be less than the bound here, else the position is ``not excluded``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.centralised.member import Member
from quartier.centralised.network import converge, joint_of, linear_grid
from quartier.errors import SolveFailed
from quartier.program import relative_gap

NOT_EXCLUDED = "not excluded"
"""Status of a tap position that may be better, though nothing says so."""


def best_game(process: Process, rng: np.random.Generator) -> Game:
    """Solve the game at the tap position of redispatch, and at neighbours where that may pay.

    Rows about other positions than that of the returned game name theirs; they hold for the linear
    network there.
    """
    best = Game(process, rng)
    best.solve()
    rows: list[dict[str, Any]] = []
    for tap_pos in neighbours(best):
        row = tap_row(best, tap_pos)
        other = None
        if row["status"] == "optimal" and not excluded(row["bound"], best):
            if row["bound"] < best.bound or not best.joint.offered_load_kw.any():
                other = _solved_at(process, rng, tap_pos)
            else:
                row["status"] = NOT_EXCLUDED
        if other is None:
            rows.append(row)
        elif other.found.value < best.found.value:
            rows += _elsewhere(best)
            best = other
        else:
            rows += _elsewhere(other)
    best.rows += rows
    return best


def _elsewhere(game: Game) -> list[dict[str, Any]]:
    """Rows of a game that is not the one to be executed."""
    return [{**row, "problem": f"{row['problem']} at tap {game.grid.tap_pos}"} for row in game.rows]


def neighbours(game: Game) -> list[int]:
    """Tap positions beside that of the game; none where the tap position is not to choose."""
    problem = game.process.problem.grid
    if problem.tap_is_fixed or not problem.settings.taps:
        return []
    network, own = problem.network, game.grid.tap_pos
    return [tap for tap in (own - 1, own + 1) if network.tap_min <= tap <= network.tap_max]


def tap_row(game: Game, tap_pos: int) -> dict[str, Any]:
    """Row of the table ``solves``: least cost of the leader at a tap position, all its own."""
    row = {"problem": f"bound at tap {tap_pos}"}
    try:
        bound = tap_bound(game.process, game.members, tap_pos)
    except SolveFailed as failure:
        return {**row, "status": failure.status}
    return {**row, "status": "optimal", "objective": bound, "bound": bound, "gap": 0.0}


def tap_bound(process: Process, members: list[Member], tap_pos: int) -> float:
    """Least cost of the leader at a tap position with everything under one operator.

    Raises
    ------
    SolveFailed
        If no plan keeps the limits there, or linearising does not settle.
    """
    joint = joint_of(process, linear_grid(process, tap_pos), members)
    return converge(joint, (1.0, 0.0), f"bound at tap {tap_pos}").objective


def excluded(bound: float, game: Game) -> bool:
    """Whether nothing under a bound is better than the game's solution by more than its gap."""
    return relative_gap(game.found.value, bound) <= game.settings.gap


def _solved_at(process: Process, rng: np.random.Generator, tap_pos: int) -> Game | None:
    game = Game(process, rng, tap_pos)
    try:
        game.solve()
    except SolveFailed:
        return None
    return game

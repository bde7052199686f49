"""The linear network of a gate, made around what the DSO would do on its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quartier.centralised.individual import Process
from quartier.centralised.joint import Joint
from quartier.centralised.member import Member
from quartier.errors import SolveFailed
from quartier.problem import Problem
from quartier.program import Answer, Highs
from quartier.quantities import KW_PER_MW, Array
from quartier.redispatch.linear_grid import LinearGrid

SOLVED = 1.0
"""Greatest excess, in tolerances (0.1 % and 1e-4 pu by default), of a solved power flow."""
STILL_EUR = 0.01
"""Change of the cost below which linearising anew does not pay."""
ROUNDS = 12
"""Most linearisations."""


def linear_grid(process: Process, tap_pos: int | None = None) -> LinearGrid:
    """The network, by default at the DSO's tap, linearised at the outcome of its redispatch."""
    tap_pos = process.rounds.tap_pos if tap_pos is None else tap_pos
    assert tap_pos is not None
    grid = LinearGrid(process.problem.grid, process.offers, tap_pos)
    grid.note(grid.assets.offered_mw)
    grid.linearise(outcome_mw(process))
    return grid


def outcome_mw(process: Process) -> Array:
    """Power of all assets with the answers to the DSO's last caps, shape ``(T, A)``."""
    columns = []
    for offer in process.offers:
        optimiser = process.optimisers.get(offer.asset)
        cap = process.rounds.caps[offer.asset].p_max_kw
        columns.append(
            np.minimum(offer.p_kw, cap) if optimiser is None else optimiser.solution.p_kw
        )
    return np.column_stack(columns) / KW_PER_MW


def import_price(problem: Problem) -> Array:
    """Price of what is drawn from the upper grid (U2) in EUR/kWh, shape ``(T,)``."""
    factor, price = problem.grid.co2_kg_per_kwh, problem.grid.settings.import_co2_eur_per_kg
    return np.zeros(problem.horizon.steps) if factor is None else price * factor


def converge(joint: Joint, weights: tuple[float, float], name: str) -> Answer:
    """Solve the relaxation with everything under one operator until AC power flow agrees.

    Parameters
    ----------
    weights
        Of the leader's and of the neighbourhoods' cost.

    Raises
    ------
    SolveFailed
        If there is no solution, or linearising does not settle.
    """
    before = np.inf
    for _ in range(ROUNDS):
        answer = Highs(name, joint.arrays(*weights).relaxed()).needed()
        worst = joint.grid.linearise(joint.power_mw(answer.values))
        if worst <= SOLVED and abs(answer.objective - before) <= STILL_EUR:
            return answer
        before = answer.objective
    if worst <= SOLVED:
        return answer
    wrong = "a limit is violated in AC" if np.isfinite(worst) else "a step has no power flow"
    raise SolveFailed(name, "not settled", f"After {ROUNDS} linearisations {wrong}.")


def tighten(joint: Joint) -> Answer:
    """Add tangents of losses where the leader alone would go, until its cost there is exact.

    Losses that are too small where no tangent was taken make the bound too small; the network's
    rows stay as they are.

    Returns
    -------
    Answer
        The leader's least cost with everything under its command (``bound``).
    """
    for _ in range(ROUNDS):
        answer = Highs("bound", joint.arrays(1.0, 0.0).relaxed()).needed()
        power, layout = joint.power_mw(answer.values), joint.layout
        price_eur = joint.upper_cost()[0][layout.loss]
        missing_mw = joint.grid.add_tangent(power) - answer.values[layout.loss] / KW_PER_MW
        if float(price_eur @ missing_mw) * KW_PER_MW <= STILL_EUR:
            break
    return answer


def joint_of(process: Process, grid: LinearGrid, members: Sequence[Member]) -> Joint:
    """The leader's program with these neighbourhoods."""
    return Joint(grid, members, import_price(process.problem))

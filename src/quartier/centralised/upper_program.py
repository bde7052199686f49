"""The leader's program with its objectives U1-U3 as columns, so that each can be limited (M4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from quartier.centralised.joint import Joint
from quartier.program import Arrays, Indices
from quartier.quantities import KW_PER_MW, Array

OBJECTIVES = ("redispatch_cost_eur", "losses_kwh", "co2_slack_kg")
"""U3, U1, U2: less is better in all."""


def objectives(joint: Joint) -> tuple[Array, Array]:
    """Cost by column, shape ``(3, columns)``, and offsets of the leader's objectives."""
    layout, dt_h = joint.layout, joint.grid.assets.dt_h
    factor = joint.grid.problem.co2_kg_per_kwh
    cost, offset = np.zeros((3, layout.size)), np.zeros(3)
    cost[0], offset[0] = joint.redispatch_cost()
    cost[1, layout.loss] = dt_h
    cost[2, layout.imports] = dt_h * (0.0 if factor is None else factor)
    return cost, offset


def objectives_in_ac(joint: Joint, values: Array) -> Array:
    """The objectives of a solution, losses and imports of its powers in AC, shape ``(3,)``."""
    cost, offset = objectives(joint)
    dt_h, factor = joint.grid.assets.dt_h, joint.grid.problem.co2_kg_per_kwh
    state = joint.grid.solve(joint.power_mw(values))
    drawn_kwh = dt_h * KW_PER_MW * np.maximum(state.slack_p_mw, 0.0)
    loss_kwh = dt_h * KW_PER_MW * float(state.loss_mw.sum())
    co2_kg = 0.0 if factor is None else float((factor * drawn_kwh).sum())
    return np.array([float(cost[0] @ values[: joint.layout.size]) + offset[0], loss_kwh, co2_kg])


class UpperProgram:
    """The high-point relaxation with the objectives as its last three columns.

    Parameters
    ----------
    joint
        Grid, plants and neighbourhoods at one linearisation.
    weights
        Of the objectives in what is minimised.
    limits
        Greatest values of the objectives; infinite where there is none.
    """

    def __init__(self, joint: Joint, weights: Array, limits: Array) -> None:
        self.joint, self.weights, self.limits = joint, weights, limits
        size = joint.layout.size
        self.columns: Indices = size + np.arange(3)
        self._form = self._build()

    @property
    def members(self) -> tuple[slice, ...]:
        """Columns of the neighbourhoods."""
        return self.joint.layout.members

    @property
    def ties(self) -> tuple[Indices, ...]:
        """Columns of the load that a charge orders off, as :attr:`Joint.ties`."""
        return self.joint.ties

    def _build(self) -> Arrays:
        joint, count = self.joint, self.columns.size
        cost, offset = objectives(joint)
        whole = joint.form(0.0, 0.0)
        lower, upper = whole.lower.copy(), whole.upper.copy()
        for where, member in zip(self.members, joint.members, strict=True):
            lower[where], upper[where] = member.reach
        minus = sparse.csr_array(-np.eye(count))
        own = sparse.csr_array(sparse.hstack([sparse.csr_array(cost), minus]))
        wide = replace(whole, lower=lower, upper=upper).relaxed()
        wide = wide.with_columns(self.weights, np.full(count, -np.inf), self.limits)
        return wide.with_rows(own, -offset, -offset)

    def form(self) -> Arrays:
        """The program."""
        return self._form

    def lower_cost(self) -> Array:
        """What the neighbourhoods pay by column."""
        cost, _ = self.joint.lower_cost()
        return np.append(cost, np.zeros(self.columns.size))

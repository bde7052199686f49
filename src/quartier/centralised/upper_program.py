"""The leader's program with its objectives U1-U3 as columns, so that each can be limited (M4)."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from quartier.centralised.joint import Joint
from quartier.optimisation.bilevel.charged.leader import MatrixLeader
from quartier.program import Arrays, stacked
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


def upper_program(joint: Joint, weights: Array, limits: Array) -> MatrixLeader:
    """The leader of the neighbourhoods with the objectives as its last three columns.

    Parameters
    ----------
    joint
        Grid, plants and neighbourhoods at one linearisation.
    weights
        Of the objectives in what is minimised.
    limits
        Greatest values of the objectives; infinite where there is none.
    """
    (cost, offset), size = objectives(joint), joint.layout.size
    lower, upper = joint.bounds()
    own = Arrays(
        np.zeros(size),
        lower,
        upper,
        np.zeros(size, dtype=bool),
        *stacked([*joint.paid_rows(), joint.grid_rows()]),
    )
    minus = sparse.hstack([sparse.csr_array(cost), -sparse.eye_array(offset.size)])
    wide = own.with_columns(weights, np.full(offset.size, -np.inf), limits)
    wide = wide.with_rows(sparse.csr_array(minus), -offset, -offset)
    return MatrixLeader(wide, tuple(m.follower for m in joint.members), joint.ties)

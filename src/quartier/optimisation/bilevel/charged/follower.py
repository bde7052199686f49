"""A follower in matrix form that the leader charges, and its conditions of optimality.

The leader's charges enter as prices, each between 0 and its limit; bounds on duals are proven by
the rules of the layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.bounds import bounds_in, multiplier_box
from quartier.optimisation.bilevel.kkt import Conditions, EntryBounds
from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.system import Ends, FollowerForm, System
from quartier.program import Arrays, Flags, Indices
from quartier.program.arrays import activity
from quartier.quantities import Array

GUESS = 1e4
"""Bound of duals that no rule bounds; results then are ``optimal-for-M`` at best."""


@dataclass(frozen=True)
class ChargedFollower:
    """A linear follower ``min cost y + Σ charge y_charged``, some columns charged by the leader.

    Parameters
    ----------
    name
        What to call it.
    arrays
        Its program without charges, no column integer.
    reach
        Bounds of all columns at any optimum, whatever the charges.
    charged
        Columns that may be charged, shape ``(C,)``.
    limit
        Greatest charges, shape ``(C,)``.
    spared
        Charges of which the search looks for less, never for more, shape ``(C,)``.
    step
        Step that every column belongs to; windows of steps are searched.
    """

    name: str
    arrays: Arrays
    reach: tuple[Array, Array]
    charged: Indices
    limit: Array
    spared: Flags
    step: Indices

    @cached_property
    def charges(self) -> sparse.csr_array:
        """Which column each charge is on, shape ``(columns, C)``."""
        where = self.charged
        entries = (np.ones(where.size), (where, np.arange(where.size)))
        return sparse.csr_array(entries, shape=(self.arrays.size, where.size))

    @cached_property
    def priced(self) -> FollowerForm:
        """The follower over ``[y | charges]``."""
        arrays = self.arrays
        nothing = sparse.csr_array((arrays.row_lower.size, self.limit.size))
        zero = sparse.csr_array((arrays.size, arrays.size))
        return FollowerForm(
            self.name,
            np.arange(arrays.size),
            sparse.csr_array(sparse.hstack([arrays.matrix, nothing])),
            arrays.row_lower,
            arrays.row_upper,
            [f"row {i}" for i in range(arrays.row_lower.size)],
            arrays.cost,
            sparse.csr_array(sparse.hstack([zero, self.charges])),
        )

    def cost_under(self, charges: Array) -> Array:
        """Its cost by column under charges of shape ``(C,)``."""
        found: Array = self.arrays.cost + self.charges @ charges
        return found


class ChargedConditions(Conditions):
    """Optimality conditions of a charged follower, over ``[y | charges | ν | z]``.

    Parameters
    ----------
    follower
        The follower.
    allowed
        Whether the leader may charge it, or each of what it could charge, shape ``(C,)``.
    """

    def __init__(self, follower: ChargedFollower, allowed: bool | Flags = True) -> None:
        self.follower, self.allowed = follower, allowed
        self.columns, self.charges = follower.arrays.size, follower.limit.size
        super().__init__(follower.priced, dual_bounds(follower))

    @property
    def charge_limit(self) -> Array:
        """Greatest charge, shape ``(C,)``."""
        return self.allowed * self.follower.limit

    @property
    def switch_steps(self) -> Indices:
        """Step that each binary belongs to; that of a row is its columns' last."""
        body, step = self.follower.arrays.matrix.tocoo(), self.follower.step
        last = np.zeros(self.rows, dtype=np.int64)
        np.maximum.at(last, body.coords[0], step[body.coords[1]])
        both = np.concatenate([self.low_sides, self.high_sides])
        found: Indices = np.concatenate([last, step])[both]
        return found


def dual_bounds(follower: ChargedFollower, guess: float = GUESS) -> EntryBounds:
    """Find bounds that hold for some optimal duals, whatever the charges.

    Parameters
    ----------
    guess
        Bound for what no rule bounds; the result then is not proven.
    """
    arrays, nothing = follower.arrays, np.zeros(follower.limit.size)
    lower, upper = np.append(arrays.lower, nothing), np.append(arrays.upper, follower.limit)
    within: Ends = (
        np.append(follower.reach[0], nothing),
        np.append(follower.reach[1], follower.limit),
    )
    names, whole = [f"column {k}" for k in range(lower.size)], [False] * lower.size
    program = Program(names, lower.tolist(), upper.tolist(), whole)
    priced = follower.priced
    box, _ = multiplier_box(System(program, {}, (priced,)), priced, within)
    found, (least, greatest) = (
        bounds_in(box, priced.limits(lower, upper)),
        activity(priced.body, *within),
    )
    known = priced.entry_names(names)
    open_ends = np.flatnonzero(np.isinf(box.lower) | np.isinf(box.upper)).tolist()
    return replace(
        found,
        least=np.maximum(found.least, -guess),
        most=np.minimum(found.most, guess),
        room_low=np.maximum(greatest - found.low, 0.0),
        room_high=np.maximum(found.high - least, 0.0),
        doubts={e: (known[e],) for e in open_ends},
    )

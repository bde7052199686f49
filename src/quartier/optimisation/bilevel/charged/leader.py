"""A leader in matrix form: its own columns and rows beside its followers'."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy import sparse

from quartier.optimisation.bilevel.charged.follower import ChargedFollower
from quartier.program import Arrays, Indices, stacked
from quartier.program.arrays import side_by_side
from quartier.quantities import Array


@dataclass(frozen=True)
class MatrixLeader:
    """What a leader pays and must keep, over its followers' columns and then its own.

    Parameters
    ----------
    arrays
        Its cost, bounds and rows; the followers' rows are added.
    followers
        The followers, in the order of their columns.
    tied
        By follower and charge, a column of the leader's between 0 and 1 that is 1 wherever there is
        a charge, or -1; shape ``(C,)`` each. None: no column is.
    """

    arrays: Arrays
    followers: tuple[ChargedFollower, ...]
    tied: tuple[Indices, ...] | None = None

    @cached_property
    def members(self) -> tuple[slice, ...]:
        """Columns of the followers."""
        ends = np.cumsum([0, *(f.arrays.size for f in self.followers)]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @property
    def ties(self) -> tuple[Indices, ...]:
        """By follower and charge, the column that is 1 wherever there is one; else -1."""
        none = tuple(np.full(f.limit.size, -1) for f in self.followers)
        return none if self.tied is None else self.tied

    def high_point(self) -> Arrays:
        """The high-point relaxation: all followers under the leader's command, at its cost."""
        size = self.members[-1].stop
        lower, upper = self.arrays.lower.copy(), self.arrays.upper.copy()
        reach = [
            np.concatenate(ends) for ends in zip(*(f.reach for f in self.followers), strict=True)
        ]
        lower[:size] = np.maximum(lower[:size], reach[0])
        upper[:size] = np.minimum(upper[:size], reach[1])
        rows, low, high = side_by_side([f.arrays for f in self.followers])
        nothing = sparse.csr_array((rows.shape[0], self.arrays.size - size))
        wide = sparse.csr_array(sparse.hstack([rows, nothing]))
        matrix, low, high = stacked([(wide, low, high), self.arrays.block])
        return replace(
            self.arrays, lower=lower, upper=upper, matrix=matrix, row_lower=low, row_upper=high
        )

    def lower_cost(self) -> Array:
        """What the followers pay by column, without charges."""
        cost = np.zeros(self.arrays.size)
        for where, follower in zip(self.members, self.followers, strict=True):
            cost[where] = follower.arrays.cost
        return cost

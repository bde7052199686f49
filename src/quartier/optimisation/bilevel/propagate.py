"""Bounds implied by rows: feasibility-based tightening of column bounds.

For a row `l <= Σ a_k v_k <= u`, `a_k v_k <= u - min Σ_{i≠k} a_i v_i` and likewise from below. The
same lines bound primal variables (rows: the constraints) and multipliers (rows: stationarity).
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from quartier.quantities import Array

PASSES = 25
LEAST_GAIN = 1e-3
"""Relative improvement below which a new bound is not worth another pass (they may creep)."""


class Propagator:
    """Tightens bounds by rows `row_lower <= body v <= row_upper`."""

    def __init__(self, body: csr_array, row_lower: Array, row_upper: Array) -> None:
        self._row = np.repeat(np.arange(row_lower.size), np.diff(body.indptr))
        self._column: NDArray[np.int64] = body.indices.astype(np.int64)
        self._a: Array = body.data
        self._lower, self._upper = row_lower, row_upper

    def tighten(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Tightened copies of the bounds; `lower > upper` somewhere if no point is feasible."""
        lower, upper = lower.copy(), upper.copy()
        for _ in range(PASSES):
            if not self._pass(lower, upper) or (lower > upper).any():
                break
        return lower, upper

    def _terms(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        at_lower, at_upper = self._a * lower[self._column], self._a * upper[self._column]
        return np.minimum(at_lower, at_upper), np.maximum(at_lower, at_upper)

    def _pass(self, lower: Array, upper: Array) -> bool:
        least, greatest = self._terms(lower, upper)
        most = (self._upper[self._row] - _others(self._row, least, -inf)) / self._a
        fewest = (self._lower[self._row] - _others(self._row, greatest, inf)) / self._a
        high, low = np.where(self._a > 0, most, fewest), np.where(self._a > 0, fewest, most)
        new_lower, new_upper = lower.copy(), upper.copy()
        np.maximum.at(new_lower, self._column, low)
        np.minimum.at(new_upper, self._column, high)
        gained = _gain(lower, new_lower) | _gain(upper, new_upper)
        lower[gained], upper[gained] = new_lower[gained], new_upper[gained]
        return bool(gained.any())


def _gain(old: Array, new: Array) -> NDArray[np.bool_]:
    """Where the change is worth another pass."""
    changed = np.asarray(old != new)
    with np.errstate(invalid="ignore"):
        change = np.abs(new - old)
    return changed & (np.isinf(old) | (change > LEAST_GAIN * np.maximum(1.0, np.abs(old))))


def _others(row: NDArray[np.int64], terms: Array, infinite: float) -> Array:
    """Per entry, the sum of the other terms of its row; terms may be finite or `infinite`."""
    finite = np.where(np.isfinite(terms), terms, 0.0)
    rows = int(row.max()) + 1 if len(row) else 0
    total = np.bincount(row, finite, rows)[row] - finite
    unbounded = ~np.isfinite(terms)
    count = np.bincount(row, unbounded, rows)[row] - unbounded
    return np.where(count > 0, infinite, total)

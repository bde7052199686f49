"""Fronts of the neighbourhoods' objectives L1-L3 (M3): hypervolume, selection, and choice.

Values are costs here: less is better in every column, shape ``(points, 3)``. moocore has the
algorithms (Fonseca, Paquete, López-Ibáñez 2006, An improved dimension-sweep algorithm for the
hypervolume indicator, CEC; Guerreiro, Fonseca 2018, for the contributions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array

OBJECTIVES = {"peak_import_kw": 1.0, "flexibility_kw": -1.0, "co2_kg": 1.0}
"""L1, L2, L3, and whether less (1) or more (-1) is better. Flexibility is summed over the steps."""

BEYOND_NADIR = 0.1
"""The reference point lies beyond the nadir by this share of the range."""

SAME = 1e-6
"""Points closer than this share of the ranges are one."""

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Scale:
    """Ideal and nadir of a front, shape ``(3,)`` each: what its objectives are normalised by."""

    ideal: Array
    nadir: Array

    @classmethod
    def of(cls, values: Array) -> Scale:
        """Ideal and nadir of the points of a front."""
        return cls(values.min(axis=0), values.max(axis=0))

    @property
    def ranges(self) -> Array:
        """Nadir less ideal, never zero."""
        least = 1e-6 * np.maximum(1.0, np.abs(self.ideal))
        return np.asarray(np.maximum(self.nadir - self.ideal, least))

    def normalised(self, values: Array) -> Array:
        """Values with the ideal at 0 and the nadir at 1."""
        return np.asarray((values - self.ideal) / self.ranges)


def as_costs(values: Array) -> Array:
    """Objectives in the order of :data:`OBJECTIVES`, turned so that less is better."""
    return np.asarray(values * np.array(list(OBJECTIVES.values())))


def hypervolume(values: Array, scale: Scale) -> float:
    """Hypervolume of normalised points up to the reference point, a share of its greatest.

    It is 1 if the ideal is reached, 0 if no point is better than the reference point.
    """
    reference = 1 + BEYOND_NADIR
    found = moocore.hypervolume(_clipped(values, scale), ref=reference)
    return float(found / reference ** values.shape[1]) if len(values) else 0.0


def _clipped(values: Array, scale: Scale) -> Array:
    """Normalised points; one beyond the reference point in any objective counts for nothing."""
    return np.minimum(scale.normalised(values), 1 + BEYOND_NADIR)


def efficient(values: Array, scale: Scale) -> Indices:
    """Indices of the points that no other one dominates; of equal ones the first."""
    rounded = np.round(scale.normalised(values) / SAME)
    return np.flatnonzero(moocore.is_nondominated(rounded))


def select(values: Array, count: int, scale: Scale) -> Indices:
    """Keep at most ``count`` points, as SMS-EMOA does.

    Beume, Naujoks, Emmerich (2007), SMS-EMOA: multiobjective selection based on dominated
    hypervolume, EJOR 181: dominated points go first, then, one by one, the point that contributes
    least to the hypervolume. The best in each objective stay, as theirs do with two objectives.
    """
    kept = efficient(values, scale)
    while len(kept) > count:
        points = _clipped(values[kept], scale)
        contributed = moocore.hv_contributions(points, ref=1 + BEYOND_NADIR)
        contributed[np.unique(values[kept].argmin(axis=0))] = np.inf
        kept = np.delete(kept, int(np.argmin(contributed)))
    return kept


def knee(values: Array, scale: Scale) -> int:
    """Index of the point whose worst normalised objective is best; ties by the sum."""
    normalised = scale.normalised(values)
    worst: Sequence[float] = np.round(normalised.max(axis=1), 9).tolist()
    total: Sequence[float] = normalised.sum(axis=1).tolist()
    return min(range(len(values)), key=lambda i: (worst[i], total[i]))

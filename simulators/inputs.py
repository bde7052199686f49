"""Helpers for what mosaik hands to a step: ``{entity: {attribute: {source: value}}}``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from quartier.errors import RunFailed
from quartier.quantities import Array

MOST = 80
"""Characters of a wrong value that are shown."""

Inputs: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Inputs of a simulator in a step."""

Outputs: TypeAlias = dict[str, dict[str, Any]]
"""What a simulator hands back, ``{entity: {attribute: value}}``."""


class AtBoundary(RunFailed):
    """What came in is no number; the message begins with the entity and its attribute.

    ``row`` is the step that it is of, counted from the first of its block.
    """

    def __init__(self, message: str, row: int = 0) -> None:
        super().__init__(message)
        self.row = row


def only(inputs: Inputs, entity: str, attribute: str) -> Any:
    """Value of an attribute that one source at most feeds; None if nobody does."""
    return next(iter(inputs.get(entity, {}).get(attribute, {}).values()), None)


def total(
    inputs: Inputs, entity: str, attribute: str, shape: tuple[int, ...], steps: int | None = None
) -> Array:
    """Sum over all sources of an array-valued attribute; zeros if there are none.

    Parameters
    ----------
    steps
        Steps of the block that sources give one row each for; None: they give a single step.

    Returns
    -------
    Array
        Shape ``shape``, or ``(steps, *shape)``.

    Raises
    ------
    AtBoundary
        If a source sent something else than finite numbers of that shape.
    """
    whole = shape if steps is None else (steps, *shape)
    values = inputs.get(entity, {}).get(attribute, {})
    if not values:
        return np.zeros(whole)
    try:
        found = np.sum(list(values.values()), axis=0, dtype=float)
        if found.shape == whole and math.isfinite(found.sum()):
            return np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        pass  # somebody is to blame
    checked = [_checked(entity, attribute, *sent, whole, steps) for sent in values.items()]
    return np.asarray(np.sum(checked, axis=0), dtype=float)


def _checked(
    entity: str,
    attribute: str,
    source: str,
    value: Any,
    shape: tuple[int, ...],
    steps: int | None,
) -> Array:
    """Return an array of finite numbers, or say who sent something else."""
    where = f"{entity}.{attribute} from {source}"
    array = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    if array.dtype.kind not in "iuf":
        raise AtBoundary(f"{where} is {_shown(value)}, not an array of numbers")
    if array.shape != shape:
        raise AtBoundary(f"{where} has the shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        place = [int(k) for k in np.argwhere(~np.isfinite(array))[0]]
        row = place.pop(0) if steps is not None else 0
        found = array[~np.isfinite(array)][0]
        raise AtBoundary(f"{where} is {found} at [{', '.join(map(str, place))}]", row)
    return array


def _shown(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"[:MOST]


def scalar(inputs: Inputs, entity: str, name: str) -> float | None:
    """Sum over all sources of a scalar attribute of one entity; None if nobody feeds it.

    Raises
    ------
    AtBoundary
        If a source sent something else than a finite number; mosaik has None for what is missing.
    """
    values = inputs.get(entity, {}).get(name, {})
    for source, value in values.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        if not is_number or not math.isfinite(value):
            what = _shown(value)
            raise AtBoundary(f"{entity}.{name} from {source} is {what}, not a finite number")
    return float(sum(values.values())) if values else None

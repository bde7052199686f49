"""Helpers for what mosaik hands to a step: ``{entity: {attribute: {source: value}}}``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from quartier.errors import RunFailed
from quartier.quantities import Array
from quartier.results.tables import ColumnType

MOST = 80
"""Characters of a wrong value that are shown."""

NUMBERS = "iuf"
"""Kinds of arrays of numbers, as numpy calls them."""
WANTED = {ColumnType.NUMBER: NUMBERS, ColumnType.COUNT: "iu", ColumnType.FLAG: "b"}
"""Kinds of arrays that columns of a table may be."""

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
        if all(value.dtype.kind in NUMBERS for value in values.values()):
            found = np.sum(list(values.values()), axis=0, dtype=float)
            if found.shape == whole and math.isfinite(found.sum()):
                return np.asarray(found, dtype=float)
    except (AttributeError, TypeError, ValueError):
        pass  # a list, or somebody is to blame
    checked = [_checked(entity, attribute, *sent, whole, steps) for sent in values.items()]
    return np.asarray(np.sum(checked, axis=0), dtype=float)


def asked(
    inputs: Inputs, entity: str, attribute: str, shape: tuple[int, ...], steps: int | None = None
) -> Array | None:
    """What one source asks for; None if there is no source.

    Shapes and errors are those of :func:`total`, but NaN (nothing) and infinity (as much as there
    is) may be asked for.
    """
    whole = shape if steps is None else (steps, *shape)
    for source, value in inputs.get(entity, {}).get(attribute, {}).items():
        return _checked(entity, attribute, source, value, whole, steps, gaps=True)
    return None


def checked(
    inputs: Inputs, entity: str, attribute: str, shape: tuple[int, ...], *, gaps: bool = False
) -> list[Array]:
    """What each source gives of a block, shape ``(steps, ...)``; NaN is an error but for gaps."""
    values = inputs.get(entity, {}).get(attribute, {})
    return [_checked(entity, attribute, *sent, shape, 1, gaps=gaps) for sent in values.items()]


def _checked(
    entity: str,
    attribute: str,
    source: str,
    value: Any,
    shape: tuple[int, ...],
    steps: int | None,
    *,
    gaps: bool = False,
) -> Array:
    """Return an array of numbers, finite unless there are gaps, or say who sent something else."""
    where = f"{entity}.{attribute} from {source}"
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in NUMBERS:
        raise AtBoundary(f"{where} is {_shown(value)}, not an array of numbers")
    if array.shape != shape:
        raise AtBoundary(f"{where} has the shape {array.shape}, not {shape}")
    if not gaps and not np.isfinite(array).all():
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
    found = [number(entity, name, *sent) for sent in values.items()]
    return sum(found) if found else None


def number(entity: str, name: str, source: str, value: Any) -> float:
    """Return a finite number, or say who sent something else (AtBoundary)."""
    is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    if not is_number or not math.isfinite(value):
        what = _shown(value)
        raise AtBoundary(f"{entity}.{name} from {source} is {what}, not a finite number")
    return float(value)


def check_columns(
    entity: str,
    attribute: str,
    source: str,
    given: Any,
    types: Mapping[str, ColumnType],
    never_nan: Sequence[str],
) -> None:
    """Refuse what is no columns of a table (AtBoundary).

    Parameters
    ----------
    types
        What its columns hold.
    never_nan
        Columns that must be there, and be finite numbers.
    """
    where = f"{entity}.{attribute} from {source}"
    if not isinstance(given, Mapping):
        raise AtBoundary(f"{where} is {_shown(given)}, not columns of a table")
    missing = [name for name in never_nan if name not in given]
    unknown = [name for name in given if name not in types]
    if missing or unknown:
        what = [f"no {name}" for name in missing] + [f"{name!r}, unknown" for name in unknown]
        raise AtBoundary(f"{where} has {', '.join(what)}")
    for name, values in given.items():
        place = f"{entity}.{attribute}.{name} from {source}"
        if types[name] in WANTED and np.asarray(values).dtype.kind not in WANTED[types[name]]:
            raise AtBoundary(f"{place} is {_shown(values)}, not {types[name].value}s")
        if name in never_nan and not np.isfinite(values).all():
            row, *at = (int(k) for k in np.argwhere(~np.isfinite(np.atleast_2d(values)))[0])
            found = np.atleast_2d(values)[row, at[0]]
            raise AtBoundary(f"{place} is {found} at {at}", row)

"""Helpers for what mosaik hands to a step: ``{entity: {attribute: {source: value}}}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from quartier.quantities import Array

Inputs: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Inputs of a simulator in a step."""

Outputs: TypeAlias = dict[str, dict[str, Any]]
"""What a simulator hands back, ``{entity: {attribute: value}}``."""


def only(inputs: Inputs, entity: str, attribute: str) -> Any:
    """Value of an attribute that one source at most feeds; None if nobody does."""
    return next(iter(inputs.get(entity, {}).get(attribute, {}).values()), None)


def total(inputs: Inputs, entity: str, attribute: str, shape: tuple[int, ...]) -> Array:
    """Sum over all sources of an array-valued attribute; zeros if there are none."""
    values = [v for v in inputs.get(entity, {}).get(attribute, {}).values() if v is not None]
    return np.sum(values, axis=0, dtype=float) if values else np.zeros(shape)


def scalar(attributes: Mapping[str, Mapping[str, Any]], name: str) -> float | None:
    """Sum over all sources of a scalar attribute of one entity; None if nobody feeds it."""
    values = [v for v in attributes.get(name, {}).values() if v is not None]
    return float(sum(values)) if values else None

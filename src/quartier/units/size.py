"""Sizes: what of a unit's parameters is twice as much of twice the unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from quartier.units import KINDS
from quartier.units.base import CsvColumn, UnitData

SIZES = ("_kw", "_kwh", "_kw_per_h", "_kwh_per_year", "start_eur")
"""Endings of what is twice as much of twice the system, unless it is per kW or kWh."""

T = TypeVar("T", bound=BaseModel)


def scaled(part: T, share: float) -> T:
    """Return a part of something: what its names call a size is that share of it."""
    return part.model_copy(update={n: _part(n, v, share) for n, v in part if v is not None})


def _part(name: str, value: Any, share: float) -> Any:
    if isinstance(value, BaseModel) and not isinstance(value, CsvColumn):
        return scaled(value, share)
    if isinstance(value, Mapping):
        return {key: _part(name, inner, share) for key, inner in value.items()}
    if isinstance(value, list):
        return [_part(name, inner, share) for inner in value]
    is_size = isinstance(value, float) and (name == "demand" or name.endswith(SIZES))
    return value * share if is_size and "_per_kw" not in name else value


def of_size(unit: UnitData, size: float, start_kwh: float | None = None) -> UnitData:
    """So many of a unit, as one; a store begins with an energy, which it has again at the end.

    Without one it begins as its settings say.
    """
    parameters = scaled(unit.parameters, size)
    state = {
        name: value * size if name.endswith(SIZES) else value for name, value in unit.state.items()
    }
    begin_kwh = unit.start_energy_kwh * size if start_kwh is None else start_kwh
    if KINDS[unit.kind].stores:
        parameters = parameters.model_copy(
            update={"start_soc": begin_kwh / getattr(parameters, "energy_kwh", 1.0)}
        )
        state |= {"energy_kwh": begin_kwh}
    series = {
        name: values * size if name.endswith(SIZES) else values
        for name, values in unit.series.items()
    }
    made = replace(
        unit,
        parameters=parameters,
        state=state,
        series=series,
        start_energy_kwh=begin_kwh,
    )
    return KINDS[unit.kind].bounded(made)


def begun_empty(unit: UnitData) -> UnitData:
    """A store that begins at its least energy, so that where it ends is free; others as they are.

    What begins and ends alike may do so at any energy: whoever sizes it says at which.
    """
    if not KINDS[unit.kind].stores:
        return unit
    parameters = unit.parameters.model_copy(
        update={"start_soc": getattr(unit.parameters, "min_soc", 0.0)}
    )
    state = dict(KINDS[unit.kind].initial(parameters))
    return KINDS[unit.kind].bounded(
        replace(unit, parameters=parameters, state=state, start_energy_kwh=state["energy_kwh"])
    )

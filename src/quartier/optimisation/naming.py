"""What rows and columns of declared units are called: by unit, node, quantity and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from quartier.optimisation.block import UnitTerms
from quartier.optimisation.compiled import Compiled
from quartier.program.names import Label
from quartier.quantities import unit_of
from quartier.units.balance import by_node
from quartier.units.base import UnitData

AT_CONNECTION = {"power": "balance of power", "cap": "P_set", "peak": "peak of what is drawn"}
"""Rows of a connection point, as users know them."""


class DeclaredNames:
    """Names of rows and columns as they were compiled.

    Parameters
    ----------
    compiled
        Where they stand.
    model
        Pyomo model with blocks of units, nodes and the connection point.
    parts
        Units and their blocks.
    units
        Tells all units, over the window that the program is about now.
    """

    def __init__(
        self,
        compiled: Compiled,
        model: Any,
        parts: Sequence[UnitTerms],
        units: Callable[[], Sequence[UnitData]],
    ) -> None:
        self._compiled, self._model, self._parts, self._units = compiled, model, parts, units

    def row(self, row: int) -> Label | None:
        """What a row is called."""
        return self._label(self._compiled.row_of(row))

    def column(self, column: int) -> Label | None:
        """What a column is called."""
        return self._label(self._compiled.variable_of(column))

    def _label(self, component: Any) -> Label | None:
        block, name = component.parent_block(), component.parent_component().local_name
        step = component.index() if isinstance(component.index(), int) else None
        for part in self._parts:
            if part.block is block:
                return self._of_unit(part, name, step)
        for node, _ in by_node(self._units()):
            if self._model.component(f"node_{node.name}") is block:
                balanced = name == "balance"
                of = f"{node.carrier} balance of {node.name}" if balanced else node.name
                what = "" if balanced else f", {_plain(name)}"
                unit = "kW" if balanced else unit_of(name)
                return Label(of + what, self._time(step), unit, "needs")
        if block is self._model.component("connection"):
            what = AT_CONNECTION.get(name, _plain(name))
            where = f"connection point of {self._units()[0].neighbourhood}"
            unit = "kW" if name == "power" else unit_of(name)
            return Label(f"{where}, {what}", self._time(step), unit, "needs")
        return Label(f"{_plain(component.parent_component().name)}", self._time(step))

    def _of_unit(self, part: UnitTerms, name: str, step: int | None) -> Label:
        who = f"{part.unit.kind.replace('_', ' ')} {part.unit.name}"
        if name in ("energy", "energy_kwh"):  # at the end of the step before
            step = None if step is None else step - 1
            what = "balance of what it stores" if name == "energy" else "energy after the step"
        else:
            what = _plain(name.replace("limit_", "limit ", 1))
        return Label(f"{who}, {what}", self._time(step), unit_of(name))

    def _time(self, step: int | None) -> pd.Timestamp | None:
        times = self._units()[0].horizon.times
        return times[step] if step is not None and 0 <= step < len(times) else None


def _plain(name: str) -> str:
    """A name without its unit, as words."""
    unit = unit_of(name)
    parts = name.split("_")
    if unit is not None:
        parts = parts[: len(parts) - unit.lower().replace("/", "_per_").count("_") - 1]
    return " ".join(parts).replace(".", ", ")

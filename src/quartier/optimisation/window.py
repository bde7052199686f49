"""A compiled program moved on to another window of the same units: only its numbers change.

To declare the units of a window in Pyomo and compile them takes most of the time that a plan takes.
From window to window states, series and prices change, columns and rows do not. So the numbers
are asked of the units' kinds once more, by the same methods, and put where the compiled ones
stand: all steps at once, what a control does being the difference that a kW of it makes. The
program is the one that compiling anew would give, to rounding; where it would have other columns
or rows, it has to be compiled anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quartier.optimisation.affine import Affine
from quartier.optimisation.block import UnitTerms, check_row, most_traded
from quartier.optimisation.compiled import Compiled
from quartier.program import Arrays, Flags, Indices
from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.base import ELECTRICITY, Quantity, UnitData, UnitKind
from quartier.units.node import Node

Bounds = Mapping[str, tuple[Array, Array]]
"""Least and greatest value of every control by name, shape ``(T,)`` each."""


class OtherStructure(Exception):
    """Another window has other columns or rows."""


@dataclass(frozen=True)
class Moved:
    """A program over another window."""

    arrays: Arrays
    """The program; what it costs is not in it."""
    own: tuple[Array, Array]
    """Own cost, emissions and what the penalty is on: by column, shape ``(3, columns)``, and their
    constants."""
    bounds: Mapping[str, Bounds]
    """Of controls, by unit."""


class Window:
    """Where the numbers of units and nodes stand in a program.

    Parameters
    ----------
    parts
        The units that enter with blocks of their own.
    model
        What they are declared in.
    compiled
        What that is compiled to, with all steps of the connection point.
    """

    def __init__(self, parts: Sequence[UnitTerms], model: Any, compiled: Compiled) -> None:
        self._compiled, self._model = compiled, model
        self._steps = parts[0].unit.horizon.steps if parts else 0
        self._places = [_Places(part, compiled) for part in parts]
        matrix = compiled.arrays.matrix
        matrix.sort_indices()
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        self._keys = rows * matrix.shape[1] + matrix.indices
        self._power = self._rows_of("connection", "power")

    def _rows_of(self, block: str, name: str) -> Indices:
        found = self._model.component(block).component(name)
        return self._compiled.rows(found.values())

    def _columns_of(self, node: Node, name: str) -> Indices:
        block = self._model.component(f"node_{node.name}")
        return self._compiled.index(block.component(name).values())

    def moved(self, units: Sequence[UnitData]) -> Moved:
        """Return the program over another window of the same units, those with blocks.

        Raises
        ------
        OtherStructure
            If it would have other columns or rows.
        SolveFailed
            If a row without variables does not hold.
        """
        if len(units) != len(self._places):
            raise OtherStructure
        numbers, constant = _Numbers(self._compiled.arrays, self._keys), np.zeros(self._power.size)
        for places, unit in zip(self._places, units, strict=True):
            places.ask(unit)
            places.put(numbers)
            constant = constant + places.put_flow(ELECTRICITY, numbers, self._power)
        numbers.put_sides(self._power, -constant)
        for node, members in by_node(units):
            self._put_node(node, members, numbers)
        bounds = {places.unit.name: places.bounds for places in self._places}
        return Moved(numbers.arrays(), (numbers.own, numbers.constants), bounds)

    def _put_node(self, node: Node, members: Sequence[UnitData], numbers: _Numbers) -> None:
        rows, dt_h = self._rows_of(f"node_{node.name}", "balance"), members[0].horizon.dt_h
        here = {unit.name for unit in members}
        net_kw: Array | float = 0.0
        for places in self._places:
            if places.unit.name in here:
                net_kw = net_kw + places.put_flow(node.carrier, numbers, rows)
        if node.demand_kw is not None:
            net_kw = net_kw - node.demand_kw
        numbers.put_sides(rows, -net_kw)
        for name, most_kw in most_traded(node, members).items():
            numbers.put_bounds(self._columns_of(node, name), np.zeros(self._steps), most_kw)
        kw = dt_h * np.ones(self._steps)
        numbers.own[2, self._columns_of(node, "unserved_kw")] = node.penalised(kw, 0.0)
        numbers.own[2, self._columns_of(node, "rejected_kw")] = node.penalised(0.0, kw)
        if node.buy is not None:
            bought = self._columns_of(node, "bought_kw")
            numbers.own[0, bought] = node.money_eur_per_h(kw, 0.0)
            numbers.own[1, bought] = node.co2_kg_per_h(kw)
        if node.sell is not None:
            numbers.own[0, self._columns_of(node, "sold_kw")] = node.money_eur_per_h(0.0, kw)


class _Numbers:
    """Numbers of a program in the making."""

    def __init__(self, arrays: Arrays, keys: Indices) -> None:
        self._arrays, self._keys = arrays, keys
        self._data = arrays.matrix.data.copy()
        self._sides = {
            name: getattr(arrays, name).copy()
            for name in ("lower", "upper", "row_lower", "row_upper")
        }
        self.own, self.constants = np.zeros((3, arrays.size)), np.zeros(3)

    def put(self, rows: Indices, columns: Indices, factors: Array) -> None:
        """Put factors where they have a place; one without may only be zero."""
        keys = rows * self._arrays.size + columns
        at = np.searchsorted(self._keys, keys)
        known = self._keys[np.minimum(at, self._keys.size - 1)] == keys
        if factors[~known].any():
            raise OtherStructure
        self._data[at[known]] = factors[known]

    def put_row(self, row: int, body: Affine) -> None:
        """Put a row ``body <= 0`` in the place of another one."""
        matrix = self._arrays.matrix
        self._data[matrix.indptr[row] : matrix.indptr[row + 1]] = 0.0
        columns = np.array(list(body.factors), dtype=np.int64)
        self.put(np.full(columns.size, row), columns, np.array(list(body.factors.values())))
        self._sides["row_upper"][row] = -body.constant

    def put_sides(self, rows: Indices, values: Array | float) -> None:
        """Put the right sides of equalities."""
        self._sides["row_lower"][rows] = self._sides["row_upper"][rows] = values

    def put_bounds(self, columns: Indices, low: Array, high: Array) -> None:
        """Put bounds of columns; they stay within those of a binary."""
        whole = self._arrays.integer[columns]
        self._sides["lower"][columns] = np.where(whole, np.maximum(low, 0.0), low)
        self._sides["upper"][columns] = np.where(whole, np.minimum(high, 1.0), high)

    def arrays(self) -> Arrays:
        """Return the program."""
        matrix = self._arrays.matrix.copy()
        matrix.data = self._data
        return replace(self._arrays, matrix=matrix, **self._sides)


class _Places:
    """Where the numbers of one unit stand."""

    def __init__(self, part: UnitTerms, compiled: Compiled) -> None:
        self.unit, self._kind = part.unit, KINDS[part.unit.kind]
        self._free, self._columns = dict[str, Flags](), dict[str, Indices]()
        for name, controls in part.controls.items():
            self._free[name] = np.array([compiled.holds(value) for value in controls])
            self._columns[name] = compiled.index(c for c in controls if compiled.holds(c))
        components = dict(part.block.component_map().items())
        energy, balance = (components.get(name, {}) for name in ("energy_kwh", "energy"))
        self._energy, self._energy_rows = (
            compiled.index(energy.values()),
            compiled.rows(balance.values()),
        )
        self._limits = {
            (name.removeprefix("limit_"), t): int(compiled.rows([row])[0])
            for name, component in components.items()
            if name.startswith("limit_")
            for t, row in component.items()
        }

    # -- asking the kind ------------------------------------------------------------------------
    def ask(self, unit: UnitData) -> None:
        """Take the unit over another window, and what its controls may be and do."""
        before, self.unit = self.unit, unit
        if not _is_same(before, unit):
            raise OtherStructure
        u, s, dt_h = unit.parameters, unit.series, unit.horizon.dt_h
        limits = self._kind.bounds(u, s) if self._free else {}
        self.bounds: Bounds = {n: self._ends(*limits[n]) for n in self._free}
        if any((self._free[n] != (high > low)).any() for n, (low, high) in self.bounds.items()):
            raise OtherStructure
        idle = {n: np.where(self._free[n], 0.0, low) for n, (low, _) in self.bounds.items()}
        self._x = {"": idle, **{name: {**idle, name: idle[name] + 1.0} for name in idle}}
        self._flows = {n: self._kind.flow(u, x, s, dt_h) for n, x in self._x.items()}

    def _ends(self, low: Quantity, high: Quantity) -> tuple[Array, Array]:
        return self._spread(low), self._spread(high)

    def _spread(self, value: Quantity) -> Array:
        return np.broadcast_to(value, self.unit.horizon.steps).astype(float)

    def _affine(self, values: Mapping[str, Quantity]) -> tuple[Array, dict[str, Array]]:
        """Constant and factor of every control of a quantity, known idle and with 1 of each."""
        idle = self._spread(values[""])
        ones = {name: self._spread(values[name]) - idle for name in self._free}
        return idle, ones

    # -- putting numbers ------------------------------------------------------------------------
    def put(self, numbers: _Numbers) -> None:
        """Put all but what it does for balances of carriers."""
        for name, (low, high) in self.bounds.items():
            free = self._free[name]
            numbers.put_bounds(self._columns[name], low[free], high[free])
        for row, name in enumerate(("cost_eur", "co2_kg")):
            constant, factors = self._affine({n: getattr(f, name) for n, f in self._flows.items()})
            numbers.constants[row] += constant.sum()
            for control, factor in factors.items():
                numbers.own[row, self._columns[control]] = factor[self._free[control]]
        if self._kind.stores:
            self._put_energy(numbers)
        self._put_limits(numbers)

    def put_flow(self, carrier: str, numbers: _Numbers, rows: Indices) -> Array:
        """Put its flow of a carrier into rows, one a step; return what is constant in it."""
        constant, factors = self._affine({n: f.of(carrier) for n, f in self._flows.items()})
        self._put(factors, numbers, rows)
        return constant

    def _put(self, factors: Mapping[str, Array], numbers: _Numbers, rows: Indices) -> None:
        for name, factor in factors.items():
            free = self._free[name]
            numbers.put(rows[free], self._columns[name], factor[free])

    def _put_energy(self, numbers: _Numbers) -> None:
        """``E' - following(E, x) = 0``; a step without a choice has no row of its own."""
        unit, steps, rows = self.unit, self.unit.horizon.steps, self._energy_rows
        if self._energy.size != steps or not np.any([*self._free.values()], axis=0).all():
            raise OtherStructure
        u, s, dt_h = unit.parameters, unit.series, unit.horizon.dt_h
        empty = {n: self._kind.next_energy(u, 0.0, x, s, dt_h) for n, x in self._x.items()}
        constant, factors = self._affine(empty)
        full = self._spread(self._kind.next_energy(u, 1.0, self._x[""], s, dt_h))
        kept = full - constant
        self._put({name: -factor for name, factor in factors.items()}, numbers, rows)
        numbers.put(rows[1:], self._energy[:-1], -kept[1:])
        constant[0] += kept[0] * unit.state["energy_kwh"]
        numbers.put_sides(rows, constant)
        least, most = unit.series["energy_min_kwh"], unit.series["energy_max_kwh"]
        numbers.put_bounds(self._energy, least[1:], most[1:])
        if unit.end_eur_per_kwh:
            numbers.own[0, self._energy[-1]] = -unit.end_eur_per_kwh
            numbers.constants[0] -= unit.end_eur(0.0)

    def _put_limits(self, numbers: _Numbers) -> None:
        x, left = {name: self._controls(name) for name in self._free}, set(self._limits)
        for t in range(
            self.unit.horizon.steps if type(self._kind).rows is not UnitKind.rows else 0
        ):
            for name, body in self._kind.rows(self.unit.parameters, x, t, self.unit):
                if not isinstance(body, Affine):
                    check_row(self.unit, f"{name}[{t}]", float(body))
                elif (name, t) in left:
                    left.remove((name, t))
                    numbers.put_row(self._limits[name, t], body)
                else:
                    raise OtherStructure
        if left:
            raise OtherStructure

    def _controls(self, name: str) -> list[Affine | float]:
        low, free = self.bounds[name][0].tolist(), self._free[name]
        columns = iter(self._columns[name].tolist())
        return [
            Affine(0.0, {next(columns): 1.0}) if is_free else low[t]
            for t, is_free in enumerate(free)
        ]


def _is_same(one: UnitData, other: UnitData) -> bool:
    """Whether two windows are of the same unit, at the same nodes, and as long."""
    return (
        one.name == other.name
        and (one.parameters is other.parameters or one.parameters == other.parameters)
        and (one.horizon.steps, one.horizon.dt_h) == (other.horizon.steps, other.horizon.dt_h)
        and [_kind_of(n) for n in one.nodes.items()] == [_kind_of(n) for n in other.nodes.items()]
    )


def _kind_of(item: tuple[str, Node]) -> tuple[object, ...]:
    carrier, node = item
    return carrier, node.name, node.buy is None, node.sell is None, node.efficiency

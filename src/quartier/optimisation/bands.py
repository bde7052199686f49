"""The flexibility that units offer (M3, L2), in linear form: what the front is made of.

The limits are those of the units' own kinds (:meth:`~quartier.units.base.UnitKind.limits`). For the
units of a linear program (CHPs convexified), the sum of all band variables is never more
than what :func:`quartier.units.evaluate.evaluate` finds in the same controls, and can reach it
except where said:

store
    Raised, it first ends charging, then discharges: the least of three linear terms, exact.
    Lowered, it first ends discharging: exact unless it charges and discharges at once, where less
    is counted.
charging station
    Later charging, sooner charging: the least of linear terms, exact.
heat pump, electric heater, CHP
    From rest to the rated power, and no more than their hub can bear: what it rejects, what its
    boilers have left and what its stores can give. Units share that in their order; where a later
    unit costs less heat per kW than an earlier one, it is counted as if it cost as much.
curtailable unit
    What can be raised and lowered adds up to the available power, whatever is curtailed.
other kinds
    Count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyomo.environ as pyo

from quartier.optimisation.block import UnitTerms, series_at
from quartier.units import KINDS
from quartier.units.base import ELECTRICITY, Limits, Quantity
from quartier.units.heat_hub import full_heat_kw, heat_per_kw, hubs, stores_heat


def add_bands(block: Any, model: Any, parts: Sequence[UnitTerms]) -> Quantity:
    """Add the bands of units to a block; return their sum over units and steps in kW.

    Parameters
    ----------
    block
        Where variables and rows go.
    model
        Where the units' own blocks are.
    parts
        The units, all with linear constraints.
    """
    block.rows = pyo.ConstraintList()
    found: list[Quantity] = [0.0]
    for part in parts:
        if part.unit.hub is None:
            for up, down in _limits(model, part):
                found += [_least(block, up), _least(block, down)]
    for (_, name), members in hubs([part.unit for part in parts]).items():
        inside = {unit.name for unit in members}
        own = [part for part in parts if part.unit.name in inside]
        found += _hub(block, model, own, model.component(f"hub_{name}").rejected_kw)
    return sum(found)


def _least(block: Any, limits: Limits) -> Quantity:
    """A power from zero to the least of some limits."""
    numbers = [float(limit) for limit in limits if not _varies(limit)]
    most = min(numbers, default=None)
    if most is not None and most <= 0:
        return 0.0
    variable = pyo.Var(bounds=(0.0, most))
    block.add_component(f"kw_{len(block.component_map(pyo.Var))}", variable)
    for limit in limits:
        if _varies(limit):
            block.rows.add(variable - limit <= 0)
    return variable


def _varies(value: Quantity) -> bool:
    return hasattr(value, "is_expression_type")


def _hub(block: Any, model: Any, parts: Sequence[UnitTerms], rejected_kw: Any) -> list[Quantity]:
    """Bands of a hub's units, as far as it can bear the heat they cost, by step."""
    acting = [
        part for part in parts if part.controls and KINDS[part.unit.kind].command == ELECTRICITY
    ]
    bands = [list(_limits(model, part)) for part in acting]
    lost_kw = [heat_per_kw(part.unit) for part in acting]
    spares = [spare for part in parts if (spare := list(_spare(model, part)))]
    found: list[Quantity] = []
    for t in range(parts[0].unit.horizon.steps):
        spare_kw = rejected_kw[t] + sum(_least(block, spare[t]) for spare in spares)
        lost = [float(per_kw[t]) for per_kw in lost_kw]
        for side, sign in ((0, -1.0), (1, 1.0)):
            own = [_least(block, band[t][side]) for band in bands]
            _afford(block, own, [sign * heat for heat in lost], spare_kw)
            found += own
    return found


def _afford(block: Any, band_kw: Limits, lost: Sequence[float], spare_kw: Quantity) -> None:
    """Limit bands to the spare heat; nobody pays less for a kW than those before."""
    paid, price = 0.0, 0.0
    for power, own in zip(band_kw, lost, strict=True):
        if own > 0 and _varies(power):
            price = max(price, own)
            paid = paid + price * power
    if _varies(paid):
        block.rows.add(paid - spare_kw <= 0)


def _spare(model: Any, part: UnitTerms) -> Iterator[Sequence[Quantity]]:
    """Heat that a store or a boiler could still give, by step."""
    if stores_heat(part.unit):
        for up, _ in _limits(model, part):
            yield up
    elif KINDS[part.unit.kind].balances:
        for full_kw, flow in zip(full_heat_kw(part.unit), part.flows, strict=True):
            yield [float(full_kw) - flow.heat_kw]


def _limits(model: Any, part: UnitTerms) -> Iterator[tuple[Limits, Limits]]:
    """What a unit alone could be raised and lowered by, by step."""
    unit, kind = part.unit, KINDS[part.unit.kind]
    stored = list(_energy(model, part)) if kind.stores else []
    for t in range(unit.horizon.steps):
        x = {name: values[t] for name, values in part.controls.items()}
        out_kw: Quantity = 0.0
        in_kw: Quantity = 0.0
        if kind.stores:
            out_kw = (stored[t] - unit.series["energy_min_kwh"][t + 1]) / unit.horizon.dt_h
            in_kw = (unit.series["energy_max_kwh"][t + 1] - stored[t]) / unit.horizon.dt_h
        yield kind.limits(unit.parameters, x, series_at(unit, t), out_kw, in_kw)


def _energy(model: Any, part: UnitTerms) -> Iterator[Quantity]:
    """Energy at the end of each step."""
    unit, kind = part.unit, KINDS[part.unit.kind]
    known = dict(model.component(unit.name.replace(".", "_")).energy_kwh.items())
    energy: Quantity = unit.state["energy_kwh"]
    for t in range(unit.horizon.steps):
        x = {name: values[t] for name, values in part.controls.items()}
        s = series_at(unit, t)
        following = kind.next_energy(unit.parameters, energy, x, s, unit.horizon.dt_h)
        energy = known.get(t + 1, following)
        yield energy

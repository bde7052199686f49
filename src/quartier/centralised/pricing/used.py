"""The range of local resources used (LRUF) over all optima (M10; seed 002, eq. 25-27).

An optimum seldom is the only one, and where several are, the factor is that of the one that the
solver happened to find. So its least and greatest value are looked for among plans that cost all
neighbourhoods together as little, and earn the player as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np

from quartier.centralised.pricing.robust import EPSILON, Worth
from quartier.optimisation.readings import Reading, Readings
from quartier.planning import Row
from quartier.program import Answer, Arrays, Highs
from quartier.quantities import ELECTRICITY, Array
from quartier.units import KINDS
from quartier.units.balance import greatest_kw
from quartier.units.base import HEAT, Carrier, UnitData, Values

Share: TypeAlias = tuple[Array, float]
"""What columns add to a share, and a constant."""

RANGE_GAP = 1e-4
"""Relative gap at which a greatest value counts as found, and most that the profit may be less."""
SECONDS = 30.0
"""Most time for each end of a range."""


@dataclass(frozen=True)
class UsedRange:
    """Least and greatest LRUF among plans as good as one that was found.

    Nothing is curtailed, and stores do not charge and discharge at once. Stores with a standing
    loss have no range here: what they lose changes their energy, too.

    Parameters
    ----------
    worth
        Prices, the answer to them, and programs of the neighbourhoods at them.
    """

    worth: Worth

    def rows(self) -> Iterator[Row]:
        """Rows of the table ``solves``: both ends by carrier, with their proven bounds."""
        arrays, where = self.worth.as_good(RANGE_GAP)
        for model in self.worth.models.values():
            arrays.upper[where[model.problem.name].start + model.curtailed] = 0.0
        readings = Readings(
            reading
            for name, model in self.worth.models.items()
            for reading in model.readings.at(where[name].start).units.values()
        )
        for carrier in (ELECTRICITY, HEAT):
            found = self._factor(readings, carrier, arrays.size)
            if found is None:
                continue
            factor, constant = found
            for name, sign in (("least", 1.0), ("greatest", -1.0)):
                program = replace(arrays, cost=sign * factor, offset=sign * constant)
                answer = _solved(f"lruf[{carrier}], {name}", program, readings)
                yield {
                    "problem": f"lruf[{carrier}], {name}",
                    "status": answer.status,
                    "objective": sign * answer.objective if answer.found else np.nan,
                    "bound": sign * answer.bound if np.isfinite(answer.bound) else np.nan,
                    "wall_s": answer.wall_s,
                }

    def _factor(
        self, readings: Readings, carrier: Carrier, size: int
    ) -> tuple[Array, float] | None:
        """What a column adds to the factor, and a constant; None where there is no such factor."""
        units = [unit for model in self.worth.models.values() for unit in model.problem.units]
        if any(_loses(unit, carrier) for unit in units):
            return None
        shares: dict[str, list[Share]] = {}
        for unit in units:
            share = _share(unit, readings.units.get(unit.name), carrier, size)
            if share is not None:
                shares.setdefault(unit.description, []).append(share)
        return _mean([_mean(each) for each in shares.values()]) if shares else None


def _mean(shares: Sequence[Share]) -> Share:
    factors, constants = zip(*shares, strict=True)
    return np.mean(factors, axis=0), float(np.mean(constants))


def _loses(unit: UnitData, carrier: Carrier) -> bool:
    """Whether a store's energy changes by more than what is done with it."""
    u: Any = unit.parameters
    stores = KINDS[unit.kind].holds == carrier
    return stores and bool(u.standing_loss_per_h or "driving_kw" in unit.series)


def _share(unit: UnitData, reading: Reading | None, carrier: Carrier, size: int) -> Share | None:
    """Mean over the steps of what a unit does, as a share of the most that it can.

    None where it is no converter or store of the carrier.
    """
    kind, dt_h, u = KINDS[unit.kind], unit.horizon.dt_h, cast(Any, unit.parameters)
    whole = u.energy_kwh if kind.holds == carrier else greatest_kw(u, carrier)
    if not whole:
        return None
    if kind.curtailable or reading is None:
        return np.zeros(size), float(unit.series["available_kw"].mean()) / whole

    def done(x: Values) -> Array:
        if kind.holds != carrier:
            return np.asarray(kind.flow(u, x, unit.series, dt_h).of(carrier))
        inside = u.charge_efficiency * x["charge_kw"] + x["discharge_kw"] / u.discharge_efficiency
        return np.asarray(dt_h * inside)

    factors, constant = reading.summed(done, size)
    return factors / (unit.horizon.steps * whole), constant / (unit.horizon.steps * whole)


def _solved(name: str, program: Arrays, readings: Readings) -> Answer:
    # Of what may be lost (EPSILON) HiGHS's own tolerance would take all: presolve then finds none.
    exact = {"mip_feasibility_tolerance": EPSILON / 10}
    options = {"time_limit": SECONDS, "mip_rel_gap": RANGE_GAP, **exact}
    highs, stores = Highs(name, program, options), readings.both_ways()
    return highs.one_way(*stores) if stores[0].size else highs.solve()

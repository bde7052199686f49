"""Units that switch, replaced by what lies between on and off."""

from __future__ import annotations

from quartier.units import KINDS
from quartier.units.base import UnitData


def convexified(unit: UnitData) -> UnitData:
    """The convex relaxation of a unit, as its kind says (:meth:`UnitKind.convex`)."""
    return KINDS[unit.kind].convex(unit)

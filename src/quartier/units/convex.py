"""Units that switch, replaced by what lies between on and off."""

from __future__ import annotations

from dataclasses import replace

from quartier.units.base import UnitData


def convexified(unit: UnitData) -> UnitData:
    """The convex relaxation of a unit that switches: any power up to the greatest, at any time.

    Least power, costs of starts, minimum times and ramps go with the on/off decision that they
    belong to. A relaxation of the relaxation u in [0, 1] (M7), in which hardly anything is left of
    them, with proven bounds on its duals.
    """
    if unit.kind != "chp":
        return unit
    free = {"p_min_kw": 0.0, "start_eur": 0.0, "min_up_h": 0.0, "min_down_h": 0.0}
    parameters = unit.parameters.model_copy(update={**free, "ramp_kw_per_h": None})
    return replace(unit, parameters=parameters, state={"on": 1.0, "p_kw": 0.0, "hours": 1.0})

"""Physics of units, one file a kind.

A kind (`battery`, `chp`, ...) says in the terms of `base` what it is and does; `store`,
`converter`, `burner`, `curtailable` and `switching` are what several kinds share. `node` says where
carriers are balanced, `balance` what the units of a node do together. `step` runs one step of
many units of a kind, `group` those of an agent or neighbourhood; from there, `evaluate` makes a
`schedule` of controls and `sampling` draws feasible ones. `convex` relaxes kinds that switch;
`kinds` finds kinds of the user's own.
"""

from __future__ import annotations

from quartier.units.absorption_chiller import AbsorptionChiller
from quartier.units.battery import Battery
from quartier.units.boiler import Boiler
from quartier.units.chp import Chp
from quartier.units.conventional import Conventional
from quartier.units.electric_heater import ElectricHeater
from quartier.units.electrolyser import Electrolyser
from quartier.units.ev_fleet import EvFleet
from quartier.units.ev_station import EvStation
from quartier.units.flexible_demand import FlexibleDemand
from quartier.units.fuel_cell import FuelCell
from quartier.units.heat_demand import HeatDemand
from quartier.units.heat_pump import HeatPump
from quartier.units.household import Household
from quartier.units.hydrogen_tank import HydrogenTank
from quartier.units.interruptible_load import InterruptibleLoad
from quartier.units.kinds import Kinds
from quartier.units.plant import Plant
from quartier.units.pumped_hydro import PumpedHydro
from quartier.units.pv import Pv
from quartier.units.reformer import Reformer
from quartier.units.solar_thermal import SolarThermal
from quartier.units.thermal_storage import ThermalStorage
from quartier.units.wind import Wind

KINDS: Kinds = Kinds(
    {
        "pv": Pv(),
        "wind": Wind(),
        "plant": Plant(),
        "conventional": Conventional(),
        "household": Household(),
        "interruptible_load": InterruptibleLoad(),
        "ev_station": EvStation(),
        "battery": Battery(),
        "heat_demand": HeatDemand(),
        "chp": Chp(),
        "thermal_storage": ThermalStorage(),
        "heat_pump": HeatPump(),
        "electric_heater": ElectricHeater(),
        "boiler": Boiler(),
        "solar_thermal": SolarThermal(),
        "electrolyser": Electrolyser(),
        "hydrogen_tank": HydrogenTank(),
        "fuel_cell": FuelCell(),
        "reformer": Reformer(),
        "flexible_demand": FlexibleDemand(),
        "ev_fleet": EvFleet(),
        "pumped_hydro": PumpedHydro(),
        "absorption_chiller": AbsorptionChiller(),
    }
)
"""Kinds of units by name: a new kind is one file and one entry here.

``KINDS["module:Class"]`` is a kind of the user's own: one file, and no entry."""

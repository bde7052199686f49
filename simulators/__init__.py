"""mosaik simulators: the grid, one per kind of unit, the planner and the recorder.

Each kind of unit has a simulator under the name of its class in :mod:`quartier.units`, to be used
in any mosaik world, e.g. ``{"python": "quartier.simulators:Battery"}``; likewise
``quartier.simulators:Grid``.

A run: `world` starts what `wiring` connects, built of an `execution`: fleets of units (`unit`),
`nodes`, the `grid` with its `background` or a `copper_plate`, the `planner` who asks at the
gates, and the `recorder`. `topology` says where units belong, `sessions` accounts for vehicles; all
share `time_based` and `inputs`. `unit_maker` serves other mosaik worlds.
"""

from __future__ import annotations

from quartier.simulators.grid import Grid
from quartier.simulators.unit import SIMULATORS, UnitSimulator

__all__ = ["SIMULATORS", "Grid", "UnitSimulator"]

_BY_NAME = {simulator.__name__: simulator for simulator in SIMULATORS.values()}


def __getattr__(name: str) -> type[UnitSimulator]:
    """Find the simulator of a kind of unit by its name."""
    try:
        return _BY_NAME[name]
    except KeyError:
        known = ", ".join(_BY_NAME)
        raise AttributeError(f"no simulator {name!r}; of units there are: {known}") from None

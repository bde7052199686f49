"""Names that tell plants from neighbourhoods, units and agents in tables, messages and plans."""

from __future__ import annotations

from collections.abc import Mapping

from quartier.scenario.communication import DSO
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.units.base import UnitData


def check_names(
    scenario: Scenario,
    units: tuple[UnitData, ...],
    plants: Mapping[str, int],
    findings: Findings,
) -> None:
    """Note plants that have the name of somebody else.

    Parameters
    ----------
    plants
        Index in pandapower's table ``sgen`` by the plant's name.
    """
    taken = {unit.agent: "an agent" for unit in units}
    taken |= {unit.name: "a unit" for unit in units}
    taken |= dict.fromkeys(scenario.neighbourhoods, "a neighbourhood")
    taken[DSO] = "the grid operator's agent"
    grid = scenario.grid_settings
    path = "grid.json" if grid is not None and grid.json_file else "grid"
    for name, index in plants.items():
        if name in taken:
            findings.add(path, f"sgen {index}: name is {name!r}, that of {taken[name]}; rename one")

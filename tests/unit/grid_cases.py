"""Cases of users' grids as folders: ``tests/cases/grids/<name>/case.yaml``.

A case changes the village, a grid of four buses, or takes a network that pandapower ships::

    about: what it shows
    network: {name: create_cigre_network_mv, with_der: all}   # instead of the village
    change: {trafo: {0: {tap_pos: -3}}}                       # cells by table, index and column
    add: [{storage: {bus: 3, p_mw: 1.0, max_e_mwh: 4.0}}]     # pp.create_storage(net, ...)
    scenario: {neighbourhoods: {farm: {bus: 3}}}              # merged into SCENARIO
    problems: [...]                                           # the whole list, if it is wrong
    notes: [...]                                              # parts of the notes, one each
    not_simulated: {storage: 1.0}                             # MW by table
    taps: [-3]                                                # positions of all transformers
    plants: [...]                                             # names
    violations: 1                                             # buses outside their bands
"""

from __future__ import annotations

import copy
import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import yaml
from pandapower.control import DiscreteTapControl

from quartier.grid.recycled import RecycledPowerFlow, StepResult
from quartier.instance import Instance, build
from quartier.quantities import KW_PER_MW
from quartier.scenario.load import load

CASES = Path(__file__).parents[1] / "cases" / "grids"
CABLE = "NA2XS2Y 1x95 RM/25 12/20 kV"

SCENARIO: dict[str, Any] = {
    "name": "case",
    "horizon": {"start": "2016-05-02T10:00", "steps": 1},
    "coordination": "uncontrolled",
    "signals": {"export_eur_per_kwh": 0.08, "import_eur_per_kwh": 0.3},
    "grid": {"json": "grid.json"},
    "neighbourhoods": {"farm": {"bus": 3, "units": {"pv": {"kind": "pv", "power_kw": 500}}}},
}


def village() -> pp.pandapowerNet:
    """A village of one's own; made once, as that takes pandapower a while."""
    return copy.deepcopy(_village())


@functools.cache
def _village() -> pp.pandapowerNet:
    """110/20 kV: station - T1 - bar - 6 km - north (1 MW) - 4 km - south (wind park of 3 MW)."""
    net = pp.create_empty_network()
    band = {"min_vm_pu": 0.94, "max_vm_pu": 1.06}
    station = pp.create_bus(net, 110.0, name="station")
    bar, north, south = (pp.create_bus(net, 20.0, n, **band) for n in ("bar", "north", "south"))
    pp.create_ext_grid(net, station)
    pp.create_transformer(net, station, bar, "25 MVA 110/20 kV", name="T1")
    pp.create_line(net, bar, north, 6.0, CABLE, name="bar-north")
    pp.create_line(net, north, south, 4.0, CABLE, name="north-south")
    pp.create_load(net, north, p_mw=1.0, q_mvar=0.2, name="town")
    pp.create_sgen(net, south, p_mw=3.0, name="wind park", type="wind")
    return net


def case(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CASES / name / "case.yaml").read_text("utf-8"))
    return content


def net_of(of_case: dict[str, Any]) -> pp.pandapowerNet:
    named = dict(of_case.get("network", {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's own
        net = getattr(pp.networks, named.pop("name"))(**named) if named else village()
        for row in of_case.get("add", ()):
            for kind, values in row.items():
                getattr(pp, f"create_{kind}")(net, **values)
        for table, rows in of_case.get("change", {}).items():
            for index, cells in rows.items():
                for column, value in cells.items():
                    if column not in net[table]:
                        net[table][column] = None
                    net[table][column] = net[table][column].astype(object)
                    net[table].at[index, column] = value
        for table in of_case.get("change", {}):
            net[table] = net[table].infer_objects()
        if "controller" in of_case:
            DiscreteTapControl(net, 0, **of_case["controller"])
    return net


def write(net: pp.pandapowerNet | None, folder: Path, changes: dict[str, Any]) -> Path:
    """Write a scenario with its grid; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if net is not None:
        pp.to_json(net, str(folder / "grid.json"))
    text = yaml.safe_dump(merged(SCENARIO, changes))
    (folder / "scenario.yaml").write_text(text, encoding="utf-8")
    return folder


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def written(name: str, folder: Path) -> Path:
    of_case = case(name)
    if "text" in of_case:
        path = write(None, folder / name, of_case.get("scenario", {}))
        (path / "grid.json").write_text(of_case["text"], encoding="utf-8")
        return path
    own = "simbench" not in of_case.get("scenario", {}).get("grid", {})
    return write(net_of(of_case) if own else None, folder / name, of_case.get("scenario", {}))


def instance_of(net: pp.pandapowerNet, folder: Path, **changes: Any) -> Instance:
    return build(load(write(net, folder, changes)))


def first_step(instance: Instance) -> StepResult:
    """Power flow of the first step with what the grid carries besides the neighbourhoods."""
    network = instance.network
    p_mw, q_mvar = instance.background_p_mw[0].copy(), instance.background_q_mvar[0].copy()
    for plant in instance.plants:
        at = network.position(plant.bus)
        p_mw[at] += plant.series["available_kw"][0] / KW_PER_MW
        q_mvar[at] += instance.plant_q_kvar[plant.name][0] / KW_PER_MW
    flow = RecycledPowerFlow(network)
    assert flow.step(p_mw, q_mvar, network.tap_pos)
    return flow.result


def assert_like_pandapower(found: StepResult, net: pp.pandapowerNet) -> None:
    """Compare with pandapower's own run of the user's net."""
    pp.runpp(net)
    np.testing.assert_allclose(found.vm_pu, net.res_bus.vm_pu, atol=1e-7)
    np.testing.assert_allclose(
        found.line_loading_percent, net.res_line.loading_percent, rtol=1e-6, atol=1e-5
    )

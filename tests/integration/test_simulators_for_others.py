"""The simulators in an ordinary mosaik scenario, without anything else of Quartier."""

from __future__ import annotations

from typing import Any, ClassVar

import mosaik
import mosaik_api_v3
import pandapower as pp
import pytest
from mosaik.starters import PythonStarter

STEP_S = 900
STEPS = 4


class Probe(mosaik_api_v3.Simulator):
    """Gives constant values, and keeps what it is given."""

    seen: ClassVar[dict[str, list[Any]]] = {}

    def __init__(self):
        model = {"public": True, "params": ["value"], "attrs": ["value"], "any_inputs": True}
        super().__init__({"type": "time-based", "models": {"Probe": model}})
        self.values: dict[str, float] = {}

    def create(self, num, model, value=0.0):
        names = [f"probe-{len(self.values) + k}" for k in range(num)]
        self.values |= dict.fromkeys(names, value)
        return [{"eid": name, "type": model} for name in names]

    def step(self, time, inputs, max_advance):
        for attributes in inputs.values():
            for name, sources in attributes.items():
                self.seen.setdefault(name, []).append(next(iter(sources.values())))
        return time + STEP_S

    def get_data(self, outputs):
        return {eid: {"value": self.values[eid]} for eid in outputs}


@pytest.fixture
def world():
    Probe.seen = {}
    names = ("Battery", "Pv", "EvStation", "HeatPump", "Grid")
    config = {name: {"python": f"quartier.simulators:{name}"} for name in names}
    config["Probe"] = PythonStarter(Probe)
    made = mosaik.World(config, skip_greetings=True, configure_logging=False)
    with made:
        yield made


def run(world: mosaik.World) -> dict[str, list[Any]]:
    world.run(STEPS * STEP_S, print_progress=False)
    return Probe.seen


def test_battery_follows_a_set_point_and_ends_where_it_began(world):
    battery = world.start("Battery", step_size=STEP_S, steps=STEPS).Battery(
        energy_kwh=100.0, power_kw=40.0, charge_efficiency=1.0, discharge_efficiency=1.0
    )
    told, sink = world.start("Probe").Probe(value=20.0), world.start("Probe").Probe()
    world.connect(told, battery, ("value", "set_point_kw"))
    world.connect(battery, sink, "p_kw", "energy_kwh")
    seen = run(world)
    assert seen["p_kw"][:2] == [20.0, 20.0]
    assert seen["energy_kwh"][0] == pytest.approx(45.0)
    assert seen["energy_kwh"][-1] == pytest.approx(50.0)


def test_batteries_left_alone_balance_what_others_do(world):
    batteries = world.start("Battery", step_size=STEP_S, steps=STEPS).Battery.create(
        2, energy_kwh=100.0, power_kw=40.0
    )
    others, sink = world.start("Probe").Probe(value=12.0), world.start("Probe").Probe()
    for battery in batteries:
        world.connect(others, battery, ("value", "p_others_kw"))
    world.connect(batteries[1], sink, "p_kw")
    assert run(world)["p_kw"][0] == pytest.approx(-12.0)


def test_pv_takes_its_series_as_a_list(world):
    pv = world.start("Pv", step_size=STEP_S, steps=STEPS).Pv(
        power_kw=10.0, profile="PV3", series={"available_kw": [1.0, 2.0, 3.0, 4.0]}
    )
    sink = world.start("Probe").Probe()
    world.connect(pv, sink, "p_kw", "available_kw")
    assert run(world)["p_kw"] == [1.0, 2.0, 3.0, 4.0]


def test_pv_reads_its_profile_from_the_start_on(world):
    simulator = world.start("Pv", step_size=STEP_S, steps=STEPS, start="2016-07-25T12:00")
    sink = world.start("Probe").Probe()
    world.connect(simulator.Pv(power_kw=10.0, profile="PV3"), sink, "p_kw")
    p_kw = run(world)["p_kw"]
    assert all(0 < p <= 10 for p in p_kw) and len(set(p_kw)) == STEPS


def test_missing_series_are_named(world):
    simulator = world.start("Pv", step_size=STEP_S, steps=STEPS)
    with pytest.raises(ValueError, match="'available_kw'"):
        simulator.Pv(power_kw=10.0, profile="PV3")


def test_missing_number_of_steps_is_named(world):
    with pytest.raises(ValueError, match="steps="):
        world.start("Battery").Battery(energy_kwh=1.0, power_kw=1.0)


def test_a_run_longer_than_announced_is_an_error(world):
    pv = world.start("Pv", step_size=STEP_S, steps=2).Pv(
        power_kw=10.0, profile="PV3", series={"available_kw": [1.0, 2.0]}
    )
    world.connect(pv, world.start("Probe").Probe(), "p_kw")
    with pytest.raises(ValueError, match="goes on after 2 steps"):
        run(world)


def test_charging_station_delivers_what_is_due(world):
    stay = {"arrival": 1, "departure": 3, "due_kwh": 4.0, "max_kw": 11.0}
    station = world.start("EvStation", step_size=STEP_S, steps=STEPS).EvStation(
        power_kw=11.0, sessions=[stay]
    )
    sink = world.start("Probe").Probe()
    world.connect(station, sink, "p_kw")
    p_kw = run(world)["p_kw"]
    assert p_kw[0] == p_kw[3] == 0.0
    assert -sum(p_kw) / 4 == pytest.approx(4.0)


@pytest.fixture
def grid_file(tmp_path):
    net = pp.create_empty_network()
    a, b = pp.create_bus(net, 20.0), pp.create_bus(net, 20.0)
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 5.0, 0.1, 0.1, 0.0, 0.2, name="feeder")
    pp.create_load(net, b, p_mw=1.0, q_mvar=0.2)
    path = tmp_path / "grid.json"
    pp.to_json(net, str(path))
    pp.runpp(net)
    return path, net


def test_grid_adds_what_is_connected_to_its_background(world, grid_file):
    path, net = grid_file
    grid = world.start("Grid", step_size=STEP_S).Grid(json_file=str(path))
    bus = grid.children_dict["bus-1"]
    line = grid.children_dict["line-0"]
    assert line.extra_info == "line 0 feeder"
    sink = world.start("Probe").Probe()
    for value in (400.0, 200.0):
        world.connect(world.start("Probe").Probe(value=value), bus, ("value", "p_kw"))
    world.connect(line, sink, "loading_percent")
    world.connect(bus, sink, "vm_pu", "p_mw")
    seen = run(world)
    assert seen["p_mw"] == pytest.approx([-0.4] * STEPS)
    net.load["p_mw"] = 0.4
    pp.runpp(net)
    assert seen["vm_pu"] == pytest.approx([net.res_bus.vm_pu[1]] * STEPS)
    assert seen["loading_percent"] == pytest.approx([net.res_line.loading_percent[0]] * STEPS)

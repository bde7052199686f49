"""A scenario with all its data: the shipped variants, windows, forecasts, own grids."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest

from quartier import cache
from quartier.errors import InputError
from quartier.grid import simbench
from quartier.grid.power_flow import BatchPowerFlow
from quartier.instance import Instance, build
from quartier.problem import State
from quartier.scenario.load import load

ROW = 206 * 96
"""Row of SimBench's profiles at which max-feed-in starts."""


@pytest.fixture(scope="module")
def feed_in() -> Instance:
    return build(load("fliegerhorst"))


@pytest.fixture(scope="module")
def three() -> Instance:
    return build(load("fliegerhorst:three-neighbourhoods"))


def own(folder: Path, text: str) -> Instance:
    (folder / "scenario.yaml").write_text(text)
    return build(load(folder))


# -- the grid -------------------------------------------------------------------------------------
def test_plants_are_the_twelve_mv_generators(feed_in):
    kinds = {plant.name: plant.kind for plant in feed_in.plants}
    assert len(kinds) == 12
    assert kinds["MV1.101 MV SGen 2"] == "wind"
    assert kinds["MV1.101 MV SGen 9"] == "pv"
    assert kinds["MV1.101 MV SGen 5"] == "plant"
    profile = simbench.profiles(2, ["WP7"])["WP7"][ROW : ROW + 130]
    largest = next(p for p in feed_in.plants if p.name == "MV1.101 MV SGen 2")
    assert largest.bus == 14
    assert largest.series["available_kw"] == pytest.approx(4000 * profile)


def test_injections_are_those_of_simbench(feed_in):
    """Plants and background together are SimBench's own absolute values; storages are zero."""
    import simbench as package

    net = package.get_simbench_net("1-MV-rural--2-sw")
    values = package.get_absolute_values(net, profiles_instead_of_study_cases=True)
    network, steps = feed_in.network, slice(ROW, ROW + 130)
    p_mw, q_mvar = np.zeros((130, 99)), np.zeros((130, 99))
    for element, column, sign, into in (
        ("load", "p_mw", -1, p_mw),
        ("load", "q_mvar", -1, q_mvar),
        ("sgen", "p_mw", 1, p_mw),
    ):
        table = values[(element, column)].iloc[steps]
        for index in table.columns:
            position = network.position(net[element].bus[index])
            into[:, position] += sign * table[index].to_numpy()
    ours = feed_in.background_p_mw.copy()
    for plant in feed_in.plants:
        ours[:, network.position(plant.bus)] += plant.series["available_kw"] / 1000
    assert ours == pytest.approx(p_mw, abs=1e-12)
    assert feed_in.background_q_mvar == pytest.approx(q_mvar, abs=1e-12)


def test_without_the_neighbourhoods_demand_the_feeder_is_overloaded_as_measured(feed_in):
    """MODELS.md M2, with PV and wind of the neighbourhood: line 10 in 111 of 130 steps."""
    network = feed_in.network
    p_mw = feed_in.background_p_mw.copy()
    for unit in (*feed_in.plants, *feed_in.units):
        if "available_kw" in unit.series:
            p_mw[:, network.position(unit.bus)] += unit.series["available_kw"] / 1000
    state = BatchPowerFlow(network).solve(p_mw, feed_in.background_q_mvar, 0)
    loading = state.line_loading_percent[:, list(network.lines).index(10)]
    assert (loading > 100).sum() in range(108, 118)
    assert loading.max() == pytest.approx(128, abs=2)


@pytest.mark.parametrize(
    ("settings", "plants"),
    [("{aggregates: true}", 102), ("{threshold_kw: 1000}", 6), ("{threshold_kw: 1e6}", 0)],
)
def test_who_takes_part_in_redispatch(feed_in, settings, plants):
    other = build(load("fliegerhorst", [f"redispatch={settings}"]))
    assert len(other.plants) == plants
    total = [
        i.background_p_mw.sum() * 1000 + sum(p.series["available_kw"].sum() for p in i.plants)
        for i in (feed_in, other)
    ]
    assert total[0] == pytest.approx(total[1])


def test_maintenance_state_of_max_load():
    instance = build(load("fliegerhorst:max-load"))
    net = instance.network.net
    assert not net.line.in_service[0]
    assert net.switch.closed[(net.switch.et == "l") & (net.switch.element == 93)].all()
    assert instance.network.tap_pos == instance.initial_state().tap_pos == -1


# -- units and agents -----------------------------------------------------------------------------
def test_units_and_agents_of_fliegerhorst(feed_in):
    names = {unit.name for unit in feed_in.units}
    assert len(names) == len(feed_in.units) == 257
    assert {"fliegerhorst.pv", "fliegerhorst.h0a-46", "fliegerhorst.ev22-10"} <= names
    agents = {unit.agent for unit in feed_in.units}
    assert len(agents) == 29
    hub = {unit.name for unit in feed_in.units if unit.agent == "fliegerhorst.heat"}
    assert hub == {f"fliegerhorst.{name}" for name in ("heat", "chp", "storage", "boiler")}


def test_every_household_may_be_an_agent_of_its_own():
    paths = [f"neighbourhoods.fliegerhorst.units.h0{k}.agents=single" for k in "abcgl"]
    instance = build(load("fliegerhorst", paths))
    assert len({unit.agent for unit in instance.units}) == 29 - 5 + 230


def test_230_wallboxes_share_20_agents():
    instance = build(load("fliegerhorst:max-load"))
    boxes = [unit for unit in instance.units if unit.kind == "ev_station"]
    counts = dict.fromkeys((unit.agent for unit in boxes), 0)
    for unit in boxes:
        counts[unit.agent] += 1
    assert (len(boxes), len(counts)) == (230, 20)
    assert set(counts.values()) == {11, 12}


def test_households_draw_2900_kwh_a_year_with_reactive_power(feed_in):
    home = next(unit for unit in feed_in.units if unit.name == "fliegerhorst.h0a-1")
    whole = simbench.profiles(2, ["H0-A_pload"])["H0-A_pload"]
    expected = 2900 * whole[ROW : ROW + 130] / (whole.sum() * 0.25)
    assert home.series["load_kw"] == pytest.approx(expected)
    assert -0.5 < home.series["q_kvar"].sum() / home.series["load_kw"].sum() < 0


def test_stores_end_where_they_began(feed_in):
    for unit in feed_in.units:
        if unit.kind in {"battery", "thermal_storage"}:
            assert unit.start_energy_kwh == unit.state["energy_kwh"] > 0
            assert unit.series["energy_min_kwh"][-1] == unit.start_energy_kwh


def test_another_seed_draws_other_stays(feed_in):
    def stays(instance: Instance) -> list[object]:
        return [unit.sessions for unit in instance.units if unit.kind == "ev_station"]

    assert stays(build(load("fliegerhorst"))) == stays(feed_in)
    assert stays(build(load("fliegerhorst"), seed=2)) != stays(feed_in)


def test_three_neighbourhoods_lie_on_different_buses(three):
    assert dict(three.buses) == {"fliegerhorst": 15, "rural": 59, "suburban": 8}
    assert {unit.neighbourhood for unit in three.units} == set(three.buses)


# -- problems -------------------------------------------------------------------------------------
def test_the_first_problem_is_the_whole_horizon(three):
    problem = three.problem(0, 0, three.initial_state())
    assert problem.horizon == three.horizon
    assert [n.name for n in problem.neighbourhoods] == ["fliegerhorst", "rural", "suburban"]
    assert sum(len(n.units) for n in problem.neighbourhoods) == len(three.units)
    assert problem.grid.background_p_mw.shape == (130, 99)
    terms = problem.neighbourhoods[0].terms
    assert (terms.import_eur_per_kwh >= terms.export_eur_per_kwh).all()
    assert np.isposinf(terms.p_max_kw).all() and np.isneginf(terms.p_min_kw).all()


def test_a_later_problem_is_what_remains_from_the_present_state(feed_in):
    state = feed_in.initial_state()
    units = {**state.units, "fliegerhorst.battery": {"energy_kwh": 222.0}}
    problem = feed_in.problem(1, 30, State(units, 2), tap_is_fixed=True)
    battery = next(
        unit for unit in problem.neighbourhoods[0].units if unit.name == "fliegerhorst.battery"
    )
    assert (problem.first, problem.horizon.steps) == (30, 100)
    assert problem.horizon.start == feed_in.horizon.times[30]
    assert battery.series["energy_min_kwh"][0] == 222.0
    assert battery.series["energy_min_kwh"][-1] == battery.start_energy_kwh
    assert (problem.grid.tap_pos, problem.grid.tap_is_fixed) == (2, True)
    assert np.array_equal(problem.grid.background_p_mw, feed_in.background_p_mw[30:])


def test_gates_and_window():
    instance = build(load("fliegerhorst", ["gates={first: 4, every: 48, horizon_steps: 60}"]))
    assert list(instance.gates()) == [4, 52, 100]
    steps = [
        instance.problem(k, first, instance.initial_state()).horizon.steps
        for k, first in enumerate(instance.gates())
    ]
    assert steps == [60, 60, 30]


def test_limits_of_the_connection_contract():
    place = "neighbourhoods.fliegerhorst"
    instance = build(load("fliegerhorst", [f"{place}.p_max_kw=2500", f"{place}.p_min_kw=-800"]))
    terms = instance.problem(0, 0, instance.initial_state()).neighbourhoods[0].terms
    assert set(terms.p_max_kw) == {2500.0}
    assert set(terms.p_min_kw) == {-800.0}


def test_forecasts_serve_planning_only(tmp_path):
    times = [f"2016-07-25T{k // 4:02d}:{k % 4 * 15:02d},{k},0.5" for k in range(8)]
    (tmp_path / "forecast.csv").write_text("\n".join(["time,p,share", *times]))
    instance = own(
        tmp_path,
        """
name: case
horizon: {start: 2016-07-25T00:00, steps: 8}
grid: {simbench: 1-MV-rural--2-sw}
signals: {export_eur_per_kwh: 0.08, import_eur_per_kwh: 0.3}
forecasts:
  quarter.wind: {csv: forecast.csv, column: p}
  MV1.101 MV SGen 2: {csv: forecast.csv, column: share, unit: "1"}
neighbourhoods: {quarter: {bus: 15, units: {wind: {kind: wind, power_kw: 10}}}}
""",
    )
    problem = instance.problem(0, 2, instance.initial_state())
    planned = problem.neighbourhoods[0].units[0].series["available_kw"]
    assert planned.tolist() == [2, 3, 4, 5, 6, 7]
    plant = next(p for p in problem.plants if p.name == "MV1.101 MV SGen 2")
    assert set(plant.series["available_kw"]) == {2000.0}
    assert instance.units[0].series["available_kw"][2] == pytest.approx(9.9, abs=1)


# -- a grid of one's own --------------------------------------------------------------------------
def small_grid(path: Path) -> None:
    """110/20 kV, one line, a load with a profile from a CSV file, generators of several kinds."""
    net = pp.create_empty_network()
    high, middle, end = (
        pp.create_bus(net, kv, name=n) for kv, n in [(110, "A"), (20, "B"), (20, "C")]
    )
    pp.create_ext_grid(net, high)
    pp.create_transformer(net, high, middle, "25 MVA 110/20 kV")
    pp.create_line(net, middle, end, 2.0, "NA2XS2Y 1x150 RM/25 12/20 kV")
    pp.create_load(net, end, 2.0, 0.5, scaling=0.5)
    pp.create_load(net, end, 9.0, in_service=False)
    pp.create_sgen(net, end, 1.0, q_mvar=0.1, type="PV", name="roof")
    pp.create_sgen(net, end, 3.0, type="gas turbine")
    pp.create_sgen(net, middle, 0.05, type="PV", name="small")
    net.load["profile"] = ["town", None]
    pp.to_json(net, str(path))


def test_own_grid_with_own_profiles(tmp_path):
    small_grid(tmp_path / "grid.json")
    times = [f"2020-02-01T0{k}:00,{k / 10}" for k in range(4)]
    (tmp_path / "town.csv").write_text("\n".join(["time,share", *times]))
    instance = own(
        tmp_path,
        """
name: case
horizon: {start: 2020-02-01T00:00, steps: 4, step_minutes: 60}
grid: {json: grid.json, profiles: {town: {csv: town.csv, column: share, unit: "1"}}}
signals: {export_eur_per_kwh: 0.08, import_eur_per_kwh: 0.3}
neighbourhoods:
  quarter: {bus: C, units: {b: {kind: battery, energy_kwh: 10, power_kw: 5}}}
""",
    )
    assert instance.buses == {"quarter": 2}
    roof, turbine = instance.plants
    assert (roof.kind, turbine.kind, turbine.name) == ("pv", "conventional", "sgen 1")
    assert set(roof.series["available_kw"]) == {1000.0}
    assert set(instance.plant_q_kvar["roof"]) == {100.0}
    assert instance.background_p_mw[:, 2] == pytest.approx([0.0, -0.1, -0.2, -0.3])
    assert instance.background_q_mvar[:, 2] == pytest.approx([0.0, -0.025, -0.05, -0.075])
    assert set(instance.background_p_mw[:, 1]) == {0.05}


@pytest.mark.parametrize(("minutes", "steps"), [(30, 65), (60, 32)])
def test_longer_steps_keep_the_energy(feed_in, minutes, steps):
    coarse = build(
        load("fliegerhorst", [f"horizon.step_minutes={minutes}", f"horizon.steps={steps}"])
    )
    parts = minutes // 15
    fine = feed_in.background_p_mw[: steps * parts]
    assert coarse.background_p_mw == pytest.approx(fine.reshape(steps, parts, -1).mean(axis=1))


# -- speed ----------------------------------------------------------------------------------------
def test_a_warm_cache_needs_neither_simbench_nor_demandlib(feed_in):
    code = (
        "import sys; from quartier.instance import build; from quartier.scenario.load import load; "
        "build(load('fliegerhorst')); sys.exit(len({'simbench', 'demandlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_noise_below_zero_in_simbench_profiles_is_no_generation():
    """WP4 goes down to -1e-5 of the rated power in the night to 5 July."""
    overrides = ["horizon.start=2016-07-01T00:00", "horizon.steps=480"]
    instance = build(load("fliegerhorst", overrides), 1)
    for unit in (*instance.units, *instance.plants):
        if "available_kw" in unit.series:
            assert unit.series["available_kw"].min() >= 0.0, unit.name


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("objectives.penalty_eur_per_kwh=0.01", "would be sold"),
        ("signals.import_eur_per_kwh=-0.5", "consumption earns"),
    ],
)
def test_weights_that_would_sell_caps_are_refused(override, word):
    cheap = ["signals.export_eur_per_kwh=-0.6", override] if "import" in override else [override]
    with pytest.raises(InputError, match=word):
        build(load("fliegerhorst", cheap), 1)


# -- the horizon ----------------------------------------------------------------------------------
@pytest.mark.parametrize("change", ["horizon.steps=16000", "horizon.start=2019-07-01"])
def test_a_horizon_beyond_the_profiles_is_told_before_data_are_prepared(
    change, tmp_path, monkeypatch
):
    build(load("fliegerhorst", ["horizon.steps=2"]))  # SimBench's data are there from here on
    known = list(cache.folder().glob("simbench*"))
    monkeypatch.setenv("QUARTIER_CACHE_DIR", str(tmp_path))
    for folder in known:
        (tmp_path / folder.name).symlink_to(folder)
    with pytest.raises(InputError) as caught:
        build(load("fliegerhorst", [change, "neighbourhoods.fliegerhorst.bus=999"]))
    horizon, bus = caught.value.problems
    assert horizon.startswith("horizon: a SimBench profile (year 2016) covers")
    assert bus.startswith("neighbourhoods.fliegerhorst.bus")
    assert not list(tmp_path.glob("demandlib*"))


def test_a_horizon_that_no_calendar_holds_is_told():
    with pytest.raises(InputError, match="horizon: 200 steps go beyond the year 9999"):
        load("fliegerhorst", ["horizon.start=9999-12-31", "horizon.steps=200"])

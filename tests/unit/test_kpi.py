"""KPIs of hand-made tables, each figure worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandapower as pp
import pandas as pd
import pytest

from quartier import kpi
from quartier.kpi import RunData, grid, neighbourhood, process, redispatch
from quartier.results import Result, RunWriter

T0, T1 = pd.to_datetime(["2016-07-24T22:00Z", "2016-07-24T22:30Z"])
TIMES = [T0, T1]
"""Two steps of half an hour."""

SCENARIO: dict[str, Any] = {
    "horizon": {"step_minutes": 30},
    "neighbourhoods": {"nord": {"redispatch_price_eur_per_kwh": 0.2}},
    "redispatch": {
        "loading_tolerance_percent": 0.1,
        "voltage_tolerance_pu": 1e-4,
        "price_eur_per_kwh": 0.1,
        "plant_prices": {"park": 0.5},
        "raise_price_eur_per_kwh": 0.3,
        "loss_price_eur_per_kwh": 0.06,
    },
    "objectives": {
        "curtailment_eur_per_kwh": 0.05,
        "co2_eur_per_kg": 0.1,
        "peak_eur_per_kw": 2.0,
        "penalty_eur_per_kwh": 10.0,
    },
}

Tables = dict[str, dict[str, Any]]


def grid_file(folder: Path) -> None:
    """Two buses (0.95 .. 1.05 pu), a line of 20 kV and 0.1 kA with a limit of 50 %."""
    net = pp.create_empty_network()
    a, b = (
        pp.create_bus(net, 20.0, min_vm_pu=0.95, max_vm_pu=high, index=index)
        for index, high in ((3, 1.05), (7, 1.10))
    )
    pp.create_ext_grid(net, a)
    pp.create_line_from_parameters(net, a, b, 1.0, 0.1, 0.1, 0.0, 0.1, max_loading_percent=50.0)
    net.trafo["max_loading_percent"] = []
    pp.to_json(net, str(folder / "grid.json"))


def run_of(folder: Path, tables: Tables, **manifest: Any) -> Result:
    writer = RunWriter(folder, {"scenario": SCENARIO, **manifest})
    for name, columns in tables.items():
        writer.add(name, columns)
    writer.finish("complete")
    grid_file(folder)
    return Result.open(folder)


@pytest.fixture
def data(tmp_path):
    def make(tables: Tables, baseline: Tables | None = None, **manifest: Any) -> RunData:
        earlier = None if baseline is None else run_of(tmp_path / "baseline", baseline)
        return RunData(run_of(tmp_path / "run", tables, **manifest), earlier)

    return make


def lines(*loading_percent: float, loss_mw: float = 0.0) -> dict[str, Any]:
    return {"time": TIMES, "index": 0, "loading_percent": loading_percent, "loss_mw": loss_mw}


def signal(name: str, *values: float, unit: str = "1") -> dict[str, Any]:
    return {"time": TIMES, "name": name, "value": values, "unit": unit}


def points(**columns: Any) -> dict[str, Any]:
    return {"time": TIMES, "name": "nord", "kind": "neighbourhood", "bus": 7, **columns}


def units(unit: str, kind: str, neighbourhood: str | None = "nord", **columns: Any):
    return {"time": TIMES, "unit": unit, "kind": kind, "neighbourhood": neighbourhood, **columns}


def stack(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Blocks of rows below each other."""
    frame = pd.concat([pd.DataFrame(block) for block in blocks], ignore_index=True)
    return {name: frame[name].tolist() for name in frame}


# -- congestion --------------------------------------------------------------------------
def test_overloads_count_from_the_elements_own_limit_and_tolerance(data):
    assert grid.overloads(data({"lines": lines(50.05, 50.2)})) == 1


def test_overload_energy_is_excess_times_rating(data):
    run = data({"lines": lines(60.0, 40.0)})
    rating_mva = 3**0.5 * 20 * 0.1
    assert grid.overload_energy(run) == pytest.approx(0.10 * rating_mva * 0.5)


def test_steps_without_power_flow_are_no_overloads(data):
    run = data(
        {
            "lines": lines(float("nan"), 60.0),
            "steps": {"time": TIMES, "converged": [False, True]},
        }
    )
    assert grid.overloads(run) == 1
    assert grid.steps_not_converged(run) == 1


def test_congestion_solved_compares_with_the_first_offers(data):
    tables = {
        "lines": lines(60.0, 40.0),
        "signals": signal(grid.OVERLOADS_OFFERED, 3, 1),
    }
    assert grid.congestion_solved(data(tables)) == pytest.approx(3 / 4)


def test_a_later_gate_does_not_change_what_was_offered_first(data):
    tables = {
        "lines": lines(40.0, 40.0),
        "signals": stack(
            signal(grid.OVERLOADS_OFFERED, 3, 1), signal(grid.OVERLOADS_OFFERED, 0, 0)
        ),
    }
    assert grid.overloads_offered(data(tables)) == 4


def test_steps_before_the_first_gate_are_neither_congested_before_nor_after(data):
    offered = (grid.OVERLOADS_OFFERED, grid.OVERLOAD_ENERGY_OFFERED)
    buses = {"time": TIMES, "bus": 3, "vm_pu": [1.2, 1.0]}
    later = [
        {"time": [T1], "name": name, "value": [2.0], "unit": "1"}
        for name in (*offered, grid.VOLTAGE_VIOLATIONS_OFFERED)
    ]
    run = data({"lines": lines(60.0, 40.0), "buses": buses, "signals": stack(*later)})
    assert grid.overloads(run) == grid.voltage_violations(run) == 1
    assert grid.congestion_solved(run) == 1
    assert grid.congestion_solved_energy(run) == 1
    assert grid.voltage_solved(run) == 1


@pytest.mark.parametrize("before", [None, (0, 0)])
def test_congestion_solved_is_undefined_without_congestion(data, before):
    tables = {"lines": lines(40.0, 40.0)}
    if before:
        tables["signals"] = signal(grid.OVERLOADS_OFFERED, *before)
    assert grid.congestion_solved(data(tables)) is None


def test_congestion_solved_against_the_baseline(data):
    run = data({"lines": lines(60.0, 40.0)}, baseline={"lines": lines(60.0, 70.0)})
    assert grid.congestion_solved_vs_uncontrolled(run) == pytest.approx(1 / 2)
    assert grid.congestion_solved_energy_vs_uncontrolled(run) == pytest.approx(2 / 3)


def test_without_a_baseline_its_figures_are_undefined(data):
    run = data({"lines": lines(60.0, 40.0)})
    assert grid.congestion_solved_vs_uncontrolled(run) is None
    assert neighbourhood.demand_flexibility_used(run) is None
    assert neighbourhood.export_avoidance(run) == {"nord": None}


def test_voltage_violations_use_each_bus_own_band(data):
    tables = {
        "buses": {
            "time": [T0, T0, T1, T1],
            "bus": [3, 7, 3, 7],
            "vm_pu": [1.06, 1.06, 0.94, 1.10005],
        }
    }
    assert grid.voltage_violations(data(tables)) == 2


# -- losses and emissions ----------------------------------------------------------------
def test_losses_of_lines_and_transformers(data):
    tables = {
        "lines": lines(1.0, 1.0, loss_mw=0.1),
        "transformers": {"time": TIMES, "index": 0, "loss_mw": 0.2},
    }
    assert grid.losses(data(tables)) == pytest.approx(2 * 0.3 * 0.5)


def test_co2_of_imports_only(data):
    signals = stack(
        signal(grid.SLACK_POWER, 2.0, -5.0, unit="MW"),
        signal("co2_kg_per_kwh", 0.4, 0.4, unit="kg/kWh"),
    )
    assert grid.co2_slack(data({"signals": signals})) == pytest.approx(2000 * 0.5 * 0.4)


# -- redispatch --------------------------------------------------------------------------
def test_activation_rate_counts_caps_below_the_offer(data):
    run = data({"connection_points": points(offer_kw=[10.0, 10.0], p_set_max_kw=[8.0, 10.0])})
    assert redispatch.redispatch_activation_rate(run) == pytest.approx(1 / 2)
    assert redispatch.redispatch_energy(run) == pytest.approx(2 * 0.5 / 1000)


def test_activation_rate_counts_caps_on_consumption(data):
    run = data({"connection_points": points(offer_kw=[-10.0, -10.0], p_set_min_kw=[-4.0, -20.0])})
    assert redispatch.redispatch_activation_rate(run) == pytest.approx(1 / 2)


def test_a_call_lasts_as_long_as_it_is_unbroken(data):
    times = pd.date_range(T0, periods=5, freq="30min")
    table = points(offer_kw=10.0, p_set_max_kw=[8.0, 7.0, 10.0, 9.0, 9.0]) | {"time": times}
    assert redispatch.redispatch_calls(data({"connection_points": table})) == 2


def test_nobody_is_called_who_offered_nothing(data):
    run = data({"connection_points": points(p_kw=1.0)})
    assert redispatch.redispatch_activation_rate(run) is None
    assert redispatch.redispatch_calls(run) == 0


def test_cap_violations_on_both_sides(data):
    run = data(
        {
            "connection_points": points(
                p_kw=[10.0, -10.0], p_set_max_kw=[8.0, 50.0], p_set_min_kw=[0.0, -9.0]
            )
        }
    )
    assert redispatch.cap_violations(run) == 2
    assert redispatch.cap_violation_energy(run) == pytest.approx((2 + 1) * 0.5)


def test_curtailment_degree_by_technology(data):
    table = stack(
        units("nord.pv", "pv", p_kw=[1.0, 2.0], available_kw=[2.0, 2.0]),
        units("park", "wind", None, p_kw=[3.0, 3.0], available_kw=[3.0, 3.0]),
        units("nord.home", "household", p_kw=[-1.0, -1.0], available_kw=float("nan")),
    )
    run = data({"units": table})
    assert redispatch.curtailment_degree(run) == pytest.approx(1 / 10)
    assert redispatch.curtailment_degree_by(run) == {
        "pv": pytest.approx(1 / 4),
        "wind": 0.0,
    }
    assert redispatch.curtailed_energy(run) == pytest.approx(0.5 / 1000)


def test_redispatch_cost_of_lost_energy_at_each_assets_price(data):
    table = stack(
        units("nord.pv", "pv", p_kw=[1.0, 2.0], available_kw=[2.0, 2.0]),
        units("park", "wind", None, p_kw=[3.0, 1.0], available_kw=[3.0, 3.0]),
        units("other", "plant", None, p_kw=[0.0, 1.0], available_kw=[1.0, 1.0]),
    )
    held = stack(
        points(p_kw=[1.0, 2.0], p_set_max_kw=[1.0, 50.0]),
        points(name="park", kind="der", p_kw=[3.0, 1.0], p_set_max_kw=[None, 1.0]),
        points(name="other", kind="der", p_kw=[0.0, 1.0], p_set_max_kw=[0.0, None]),
    )
    expected = (1 * 0.2 + 2 * 0.5 + 1 * 0.1) * 0.5
    run = data({"units": table, "connection_points": held})
    assert redispatch.redispatch_cost(run) == pytest.approx(expected)


def test_energy_curtailed_for_its_owners_own_sake_is_no_redispatch(data):
    table = units("nord.pv", "pv", p_kw=[0.0, 0.0], available_kw=[20.0, 20.0])
    free = points(p_kw=[0.0, 0.0], p_set_max_kw=[None, 50.0])
    assert redispatch.redispatch_cost(data({"units": table, "connection_points": free})) == 0


def test_redispatch_cost_of_reduced_load_only_under_a_cap(data):
    table = points(p_kw=[-4.0, -5.0], offer_kw=[-10.0, -10.0], p_set_min_kw=[-4.0, -30.0])
    run = data({"connection_points": table})
    assert redispatch.redispatch_cost(run) == pytest.approx(6 * 0.3 * 0.5)


def test_energy_stored_under_a_cap_costs_nothing(data):
    table = points(p_kw=[4.0, 4.0], offer_kw=[10.0, 10.0], p_set_max_kw=[4.0, 4.0])
    assert redispatch.redispatch_cost(data({"connection_points": table})) == 0


def test_upper_cost_adds_losses_at_their_price(data):
    run = data({"lines": lines(1.0, 1.0, loss_mw=0.1)})
    assert redispatch.upper_cost(run) == pytest.approx(0.1 * 1000 * 0.06)


# -- neighbourhoods ----------------------------------------------------------------------
def test_self_sufficiency_leaves_battery_charging_out_of_the_demand(data):
    tables = {
        "units": stack(
            units("nord.home", "household", p_kw=[-6.0, -6.0]),
            units("nord.battery", "battery", p_kw=[-3.0, 3.0]),
        ),
        "connection_points": points(p_kw=[-9.0, -3.0]),
    }
    assert neighbourhood.self_sufficiency(data(tables)) == pytest.approx(1 - 12 / 12)


def test_self_consumption(data):
    tables = {
        "units": stack(
            units("nord.pv", "pv", p_kw=[8.0, 2.0]),
            units("nord.home", "household", p_kw=[-3.0, -3.0]),
        ),
        "connection_points": points(p_kw=[5.0, -1.0]),
    }
    assert neighbourhood.self_consumption(data(tables)) == pytest.approx(1 - 5 / 10)


def test_import_export_and_peaks(data):
    run = data({"connection_points": points(p_kw=[5.0, -1.0])})
    assert neighbourhood.imported(run) == {"nord": pytest.approx(0.5)}
    assert neighbourhood.exported(run) == {"nord": pytest.approx(2.5)}
    assert neighbourhood.peak_import(run) == {"nord": 1.0}
    assert neighbourhood.peak_export(run) == {"nord": 5.0}


def test_peak_import_is_not_clipped_at_zero(data):
    run = data({"connection_points": points(p_kw=[5.0, 2.0])})
    assert neighbourhood.peak_import(run) == {"nord": -2.0}


def test_export_avoidance(data):
    run = data(
        {"connection_points": points(p_kw=[3.0, -1.0])},
        baseline={"connection_points": points(p_kw=[4.0, 0.0])},
    )
    assert neighbourhood.export_avoidance(run) == {"nord": pytest.approx(1 / 4)}


def test_flexibility_of_shiftable_loads_as_first_offered(data):
    rows = pd.DataFrame(
        {
            "time": [*TIMES, TIMES[0]],
            "name": "shiftable_band[nord]",
            "value": [4.0, 6.0, 99.0],
            "unit": "kW",
        }
    )
    run = data({"signals": rows})
    assert neighbourhood.demand_flexibility_potential(run) == pytest.approx(10 * 0.5)


def test_flexibility_used_counts_what_moved_once(data):
    run = data(
        {"units": units("nord.ev", "ev_station", p_kw=[0.0, -8.0])},
        baseline={"units": units("nord.ev", "ev_station", p_kw=[-8.0, 0.0])},
    )
    assert neighbourhood.demand_flexibility_used(run) == pytest.approx(8 * 0.5)


def test_vehicles_and_heat(data):
    run = data(
        {
            "ev_sessions": {
                "unit": ["nord.ev", "nord.ev"],
                "session": [0, 1],
                "arrival": T0,
                "departure": T1,
                "due_kwh": [5.0, 3.0],
                "delivered_kwh": [4.0, 3.5],
            },
            "heat": {
                "time": TIMES,
                "hub": "nord.heat",
                "demand_kw": [10.0, 20.0],
                "unserved_kw": [0.0, 2.0],
                "rejected_kw": [1.0, 0.0],
            },
        }
    )
    assert neighbourhood.ev_energy_due(run) == 8.0
    assert neighbourhood.ev_energy_delivered(run) == 7.5
    assert neighbourhood.ev_energy_missing(run) == 1.0
    assert neighbourhood.heat_demand(run) == 15.0
    assert neighbourhood.heat_unserved(run) == 1.0
    assert neighbourhood.heat_rejected(run) == 0.5


def test_cost_is_fuel_wear_and_energy_at_its_prices(data):
    signals = stack(
        signal("import_eur_per_kwh", 0.3, 0.4, unit="EUR/kWh"),
        signal("export_eur_per_kwh", 0.1, 0.2, unit="EUR/kWh"),
        signal("unit_cost[nord]", 1.0, 2.0, unit="EUR"),
    )
    tables = {"connection_points": points(p_kw=[-10.0, 10.0]), "signals": signals}
    expected = 3.0 + (10 * 0.3 - 10 * 0.2) * 0.5
    run = data(tables)
    assert neighbourhood.cost(run) == {"nord": pytest.approx(expected)}
    # Nothing curtailed or emitted, a peak of 10 kW at 2 EUR/kW:
    assert neighbourhood.lower_cost(run) == pytest.approx(expected + 20.0)


def test_lower_cost_weighs_curtailment_and_emissions(data):
    table = stack(
        units("nord.pv", "pv", p_kw=[0.0, 0.0], available_kw=[4.0, 0.0]),
        units("nord.chp", "chp", p_kw=[0.0, 0.0], co2_kg=[3.0, 0.0]),
    )
    signals = stack(signal("import_eur_per_kwh", 0.3, 0.3), signal("export_eur_per_kwh", 0.1, 0.1))
    run = data({"units": table, "connection_points": points(p_kw=[0.0, 0.0]), "signals": signals})
    assert neighbourhood.lower_cost(run) == pytest.approx(4 * 0.5 * 0.05 + 3 * 0.1)


def test_energy_left_in_stores(data):
    tables = {
        "units": stack(
            units("nord.battery", "battery", energy_kwh=[60.0, 70.0]),
            units("nord.tank", "thermal_storage", energy_kwh=[10.0, 5.0]),
        ),
        "signals": signal("export_eur_per_kwh", 0.1, 0.3),
    }
    run = data(tables, start_energy_kwh={"nord.battery": 50.0, "nord.tank": 10.0})
    assert neighbourhood.store_energy_difference(run) == {
        "battery": pytest.approx(20.0),
        "thermal_storage": pytest.approx(-5.0),
    }
    assert neighbourhood.store_energy_value(run) == pytest.approx(20 * 0.2)


# -- process -----------------------------------------------------------------------------
def test_negotiations(data):
    table = {
        "gate": 0,
        "round": [0, 1],
        "neighbourhood": "nord",
        "mechanism": "cohda",
        "agents": 25,
        "messages": [100, 50],
        "bytes": [1000, 500],
        "sim_time_s": [3.0, 2.0],
        "wall_s": [1.0, 0.5],
        "agreed": [True, False],
    }
    run = data({"negotiations": table})
    assert process.negotiations(run) == 2
    assert process.negotiation_agents(run) == 25
    assert process.negotiation_messages(run) == 150
    assert process.negotiation_bytes(run) == 1500
    assert process.negotiation_sim_time(run) == 5.0
    assert process.negotiation_wall_time(run) == 1.5
    assert process.negotiation_agreement(run) == 0.5


# -- the table ---------------------------------------------------------------------------
def test_every_kpi_of_an_empty_run_is_a_number_or_undefined(data):
    table = kpi.compute(data({}, wall_times_s={"planning": 1.0, "execution": 2.0}))
    assert table["wall_time_planning"] == {
        "value": 1.0,
        "unit": "s",
        "label": "Wall time of planning",
    }
    for entry in table.values():
        assert entry["value"] is None or isinstance(entry["value"], float)


def test_groups_become_keys(data):
    table = kpi.compute(data({"connection_points": points(p_kw=[5.0, -1.0])}))
    assert table["import[nord]"]["label"] == "Energy imported (nord)"


def test_every_kpi_is_defined_in_its_docstring():
    for figure in kpi.KPIS:
        assert figure.definition, figure.name
        assert figure.label[0].isupper(), figure.name


def test_kpi_names_are_unique_apart_from_groups():
    names = [figure.name for figure in kpi.KPIS if not figure.value.__name__.endswith("_by")]
    assert len(names) == len(set(names))

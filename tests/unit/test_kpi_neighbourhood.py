"""KPIs of the neighbourhoods, each figure worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from quartier.kpi import neighbourhood
from tests.unit.kpi_runs import T0, T1, TIMES, points, signal, stack, units


def test_self_sufficiency_leaves_battery_charging_out_of_the_demand(data):
    tables = {
        "units": stack(
            units("nord.home", "household", p_kw=[-6.0, -6.0]),
            units("nord.battery", "battery", p_kw=[-3.0, 3.0]),
        ),
        "connection_points": points(p_kw=[-9.0, -3.0]),
    }
    assert neighbourhood.self_sufficiency(data(tables)) == pytest.approx(1 - 12 / 12)


def test_what_a_fleet_drives_is_demand_and_what_it_feeds_in_no_generation(data):
    """2 kW driven and 6 kW of a household; vehicles charge with 4, then feed in 3 kW."""
    tables = {
        "units": stack(
            units("nord.home", "household", p_kw=[-6.0, -6.0]),
            units("nord.cars", "ev_fleet", p_kw=[-4.0, 3.0], driving_kw=[2.0, 2.0]),
        ),
        "connection_points": points(p_kw=[-10.0, -3.0]),
    }
    run = data(tables)
    assert neighbourhood.self_sufficiency(run) == pytest.approx(1 - 13 / 16)
    assert neighbourhood.self_consumption(run) is None


@pytest.mark.parametrize("kind", ["battery", "pumped_hydro", "ev_fleet"])
def test_what_stores_feed_in_is_no_generation(data, kind):
    tables = {
        "units": stack(
            units("nord.pv", "pv", p_kw=[8.0, 2.0]),
            units("nord.store", kind, p_kw=[-8.0, 3.0]),
        ),
        "connection_points": points(p_kw=[0.0, 5.0]),
    }
    assert neighbourhood.self_consumption(data(tables)) == pytest.approx(1 - 5 / 10)


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
            "nodes": {
                "time": TIMES,
                "node": "nord.heat",
                "carrier": "heat",
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


def test_energy_of_vehicles_is_valued_and_that_of_a_moved_load_is_not(data):
    """What a flexible demand drew ahead of its profile is gone."""
    tables = {
        "units": stack(
            units("nord.cars", "ev_fleet", energy_kwh=[60.0, 80.0]),
            units("nord.basin", "pumped_hydro", energy_kwh=[0.0, 10.0]),
            units("nord.load", "flexible_demand", energy_kwh=[5.0, 7.0]),
        ),
        "signals": signal("export_eur_per_kwh", 0.1, 0.3),
    }
    start = {"nord.cars": 50.0, "nord.basin": 5.0, "nord.load": 0.0}
    run = data(tables, start_energy_kwh=start)
    assert neighbourhood.store_energy_difference(run) == {
        "ev_fleet": pytest.approx(30.0),
        "pumped_hydro": pytest.approx(5.0),
        "flexible_demand": pytest.approx(7.0),
    }
    assert neighbourhood.store_energy_value(run) == pytest.approx(35 * 0.2)


def test_a_moved_load_alone_stores_nothing_of_value(data):
    tables = {
        "units": units("nord.load", "flexible_demand", energy_kwh=[5.0, 7.0]),
        "signals": signal("export_eur_per_kwh", 0.1, 0.3),
    }
    run = data(tables, start_energy_kwh={"nord.load": 0.0})
    assert neighbourhood.store_energy_value(run) is None

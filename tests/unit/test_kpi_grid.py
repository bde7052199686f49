"""KPIs of the grid: congestion, voltage, losses and emissions, each figure worked out by hand."""

from __future__ import annotations

import pytest

from quartier.kpi import grid, neighbourhood
from tests.unit.kpi_runs import T0, T1, TIMES, lines, signal, stack


def test_overloads_count_from_the_elements_own_limit_and_tolerance(data):
    assert grid.overloads(data({"lines": lines(50.05, 50.2)})) == 1


def test_overload_energy_is_excess_times_rating(data):
    run = data({"lines": lines(60.0, 40.0)})
    rating_mva = 3**0.5 * 20 * 0.1
    assert grid.overload_energy(run) == pytest.approx(0.10 * rating_mva * 0.5)


def test_a_step_without_power_flow_never_counts_as_no_overload(data):
    """Of the other step it is known; of the run, nothing."""
    nan = float("nan")
    tables = {
        "lines": lines(nan, 60.0),
        "buses": {"time": TIMES, "bus": 3, "vm_pu": [nan, 1.0]},
        "steps": {"time": TIMES, "converged": [False, True]},
        "signals": stack(
            signal(grid.OVERLOADS_OFFERED, 3, 1), signal(grid.VOLTAGE_VIOLATIONS_OFFERED, 2, 0)
        ),
    }
    run = data(tables, tables)
    assert grid.steps_not_converged(run) == 1
    for figure in (
        grid.overloads,
        grid.overload_energy,
        grid.voltage_violations,
        grid.congestion_solved,
        grid.voltage_solved,
        grid.congestion_solved_vs_uncontrolled,
    ):
        assert figure(run) is None, figure.__name__


def test_what_was_offered_is_unknown_where_its_power_flow_diverged(data):
    offered = signal(grid.OVERLOADS_OFFERED, float("nan"), 1)
    run = data({"lines": lines(60.0, 40.0), "signals": offered})
    assert grid.overloads_offered(run) is None
    assert grid.congestion_solved(run) is None


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

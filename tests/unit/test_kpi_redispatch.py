"""KPIs of redispatch and of the upper level, each figure worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from quartier.kpi import grid, redispatch
from tests.unit.kpi_runs import T0, lines, points, stack, units


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


def test_conventional_power_lowered_costs_redispatch_and_loses_nothing_renewable(data):
    run = data(
        {
            "units": units(
                "gas", "conventional", None, p_kw=[4.0, 4.0], available_kw=[6.0, 4.0], co2_kg=[2, 2]
            ),
            "connection_points": {
                **points(p_kw=[4.0, 4.0], p_set_max_kw=[4.0, 9.0]),
                "name": "gas",
                "kind": "der",
            },
        }
    )
    assert redispatch.curtailment_degree(run) is None
    assert redispatch.curtailment_degree_by(run) == {}
    assert redispatch.curtailed_energy(run) == 0.0
    assert redispatch.redispatch_cost(run) == pytest.approx(2.0 * 0.5 * 0.1)
    assert grid.co2_plants(run) == 4.0


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


@pytest.mark.parametrize(("own", "lost"), [(20.0, 0.0), (16.0, 4.0)])
def test_energy_curtailed_for_its_owners_own_sake_is_no_redispatch(data, own, lost):
    table = units("nord.pv", "pv", p_kw=[0.0, 0.0], available_kw=[20.0, 20.0])
    free = points(p_kw=[0.0, 0.0], p_set_max_kw=[None, 50.0], offer_kw=[0.0, 0.0])
    run = data({"units": table, "connection_points": {**free, "offer_curtailed_kw": own}})
    assert redispatch.redispatch_cost(run) == pytest.approx(2 * lost * 0.2 * 0.5)


def test_a_forecast_that_is_a_little_low_leaves_the_cost_as_it_is(data):
    """Nothing hangs on whether P_set binds to the watt."""
    table = units("nord.pv", "pv", p_kw=[5.0, 5.0], available_kw=[20.0, 20.0])
    held = points(p_kw=[0.0, -5.0], p_set_max_kw=[0.0, 0.0], offer_kw=[15.0, 15.0])
    run = data({"units": table, "connection_points": held})
    assert redispatch.redispatch_cost(run) == pytest.approx(30.0 * 0.2 * 0.5)


@pytest.mark.parametrize(
    ("p_kw", "p_set_kw", "ordered_kw"),
    [(-4.0, -4.0, 6.0), (3.0, -4.0, 6.0), (3.0, 0.0, 10.0), (-4.0, None, 0.0), (-4.0, -20.0, 0.0)],
)
def test_load_reduced_counts_as_far_as_it_was_ordered(data, p_kw, p_set_kw, ordered_kw):
    """10 kW were offered; what is reduced beyond the order is the owner's own choice."""
    held = points(p_kw=[p_kw] * 2, p_set_min_kw=[p_set_kw] * 2, offer_kw=[-10.0, -10.0])
    run = data({"connection_points": held})
    assert redispatch.redispatch_cost(run) == pytest.approx(2 * ordered_kw * 0.3 * 0.5)


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

"""Money: prices of a plan are settled on executed energy, and every euro has two ends."""

from __future__ import annotations

import numpy as np
import pytest

from quartier.kpi import compute, settlement
from quartier.kpi.congestion import paid_eur
from quartier.kpi.settlement import PLANTS, Payment, balances, payments
from quartier.problem.sharing import OUTER
from tests.unit.kpi_runs import SCENARIO, TIMES, lines, points, signal, stack, units

OPERATOR = "grid operator"
TARIFFS = stack(
    signal("import_eur_per_kwh", 0.3, 0.4, unit="EUR/kWh"),
    signal("export_eur_per_kwh", 0.1, 0.2, unit="EUR/kWh"),
)
TWO = {
    **SCENARIO,
    "neighbourhoods": dict.fromkeys(("nord", "sued"), SCENARIO["neighbourhoods"]["nord"]),
}


def priced(name, *price):
    return {
        "time": TIMES,
        "neighbourhood": name,
        "carrier": "electricity",
        "price_eur_per_kwh": price,
    }


def energy(found):
    return {
        (p.payer, p.payee): pytest.approx(p.eur) for p in found if p.reason == "energy" and p.eur
    }


def test_without_prices_a_neighbourhood_trades_with_the_outer_grid(data):
    run = data({"connection_points": points(p_kw=[-10.0, 10.0]), "signals": TARIFFS})
    # Half an hour each: 5 kWh bought at 0.3, 5 kWh sold at 0.2.
    assert energy(payments(run)) == {("nord", OUTER): 1.5, (OUTER, "nord"): 1.0}
    assert settlement.cost(run) == {"nord": pytest.approx(0.5)}


def test_a_price_is_settled_with_the_coordinator_who_trades_what_is_left_outside(data):
    tables = {
        "connection_points": stack(
            points(p_kw=[-10.0, -4.0]), {**points(p_kw=[6.0, 4.0]), "name": "sued"}
        ),
        "signals": TARIFFS,
        "prices": stack(priced("nord", 0.25, 0.3), priced("sued", 0.15, 0.3)),
    }
    run = data(tables, scenario=TWO)
    assert energy(payments(run)) == {
        ("nord", OPERATOR): 5 * 0.25 + 2 * 0.3,
        (OPERATOR, "sued"): 3 * 0.15 + 2 * 0.3,
        (OPERATOR, OUTER): 2 * 0.3,
    }
    profit = balances(payments(run))[OPERATOR]
    assert profit == pytest.approx(5 * 0.25 - 3 * 0.15 - 2 * 0.3)
    assert settlement.system_cost(run) == pytest.approx(0.6)
    assert settlement.cost(run) == {"nord": pytest.approx(1.85), "sued": pytest.approx(-1.05)}


def test_steps_without_a_price_are_settled_at_the_tariffs(data):
    tables = {
        "connection_points": points(p_kw=[-10.0, -10.0]),
        "signals": TARIFFS,
        "prices": priced("nord", 0.2, np.nan),
    }
    run = data(tables)
    expected = {("nord", OUTER): 2.0, ("nord", OPERATOR): 1.0, (OPERATOR, OUTER): 1.5}
    assert energy(payments(run)) == expected


def test_the_grid_operator_pays_for_redispatch_and_losses(data):
    tables = {
        "connection_points": stack(
            points(p_kw=[2.0, 2.0], offer_kw=[4.0, 2.0], p_set_max_kw=[2.0, np.nan]),
            {**points(p_kw=[5.0, 5.0], offer_kw=[9.0, 5.0]), "name": "park", "kind": "der"},
        ),
        "units": stack(
            units("nord.pv", "pv", p_kw=[2.0, 2.0], available_kw=[4.0, 2.0]),
            units("park", "plant", None, p_kw=[5.0, 5.0], available_kw=[9.0, 5.0]),
        ),
        "lines": lines(10.0, 10.0, loss_mw=0.001),
        "signals": TARIFFS,
    }
    run = data(tables)
    by_reason = {
        (p.payee, p.reason): pytest.approx(p.eur)
        for p in payments(run)
        if p.payer == OPERATOR and p.eur
    }
    # 1 kWh of nord's lost at 0.2 EUR/kWh, 2 kWh of the park's at 0.5; 1 kWh of losses at 0.06.
    assert by_reason == {
        ("nord", "redispatch"): 0.2,
        (PLANTS, "redispatch"): 1.0,
        (OUTER, "losses"): 0.06,
    }
    kpis = compute(run, ["redispatch_cost", "money"])
    assert kpis["redispatch_cost"]["value"] == pytest.approx(1.2)
    assert kpis[f"money[{OPERATOR}>{PLANTS}]"] == {
        "value": pytest.approx(1.0),
        "unit": "EUR",
        "label": f"Paid ({OPERATOR}>{PLANTS})",
    }


def test_prices_of_limits_are_paid_for_what_is_done_other_than_p_off(data):
    """Half an hour: 2 kW less than offered at -0.1 EUR/kWh, for both gates planned p_off.

    Then P_set holds at the last gate: nothing is paid at prices.
    """
    offered = {"baseline_kw": [4.0, 2.0], "planned_kw": [4.0, 1.0]}
    price = {"time": TIMES, "name": "nord", **offered, "limits_eur_per_kwh": 0.0}
    tables = {
        "connection_points": points(p_kw=[2.0, 2.0], offer_kw=[4.0, 2.0]),
        "units": units("nord.pv", "pv", p_kw=[2.0, 2.0], available_kw=[4.0, 2.0]),
        "signals": TARIFFS,
        "congestion": stack(
            {**price, "gate": 0, "price_eur_per_kwh": [-0.5, -0.5]},
            {**price, "gate": 1, "price_eur_per_kwh": [-0.1, np.nan]},
        ),
    }
    run = data(tables)
    found = {(p.payer, p.payee): p.eur for p in payments(run) if p.reason == "congestion" and p.eur}
    assert found == {(OPERATOR, "nord"): pytest.approx(0.1)}
    kpis = compute(run, ["congestion_payments", "congestion_cost", "redispatch_cost", "cost"])
    assert kpis["congestion_payments[nord]"]["value"] == pytest.approx(0.1)
    assert kpis["congestion_cost"]["value"] == pytest.approx(0.1)
    # U3 is counted as ever; paid for it is the price of the limit, not a compensation besides.
    assert kpis["redispatch_cost"]["value"] == pytest.approx(0.2)
    paid = [p.eur for p in payments(run) if p.reason == "redispatch" and p.payee == "nord"]
    assert paid == [0.0]
    assert kpis["cost[nord]"]["value"] == pytest.approx(settlement.cost(run)["nord"])


def test_a_later_gate_settles_what_is_other_than_planned_before_and_p_off_stays(data):
    """Half an hour; offered 8 kW, then 5 kW; planned 4 kW, then nothing; done: 3 kW.

    ``0.5 · (-0.5 · (4 - 8) - 0.1 · (3 - 4))``: the second gate's offer has learned of the first.
    In the other half hour the first gate had no price: 0.5 · -0.1 · (3 - 8).
    """
    price = {"time": TIMES, "name": "nord", "limits_eur_per_kwh": 0.0}
    first = {"baseline_kw": [8.0, 8.0], "planned_kw": [4.0, 4.0]}
    second = {"baseline_kw": [5.0, 5.0], "planned_kw": [0.0, 0.0]}
    tables = {
        "connection_points": points(p_kw=[3.0, 3.0], offer_kw=[5.0, 5.0]),
        "congestion": stack(
            {**price, **first, "gate": 0, "price_eur_per_kwh": [-0.5, np.nan]},
            {**price, **second, "gate": 1, "price_eur_per_kwh": [-0.1, -0.1]},
        ),
    }
    found = paid_eur(data(tables))
    assert found["nord"].tolist() == pytest.approx([1.05, 0.25])


@pytest.mark.parametrize("seed", range(20))
def test_every_euro_paid_is_received_by_somebody(data, seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(-0.1, 0.2, 2)
    high = low + rng.uniform(0.0, 0.3, 2)
    tables = {
        "connection_points": stack(
            points(p_kw=rng.normal(0, 50, 2)), {**points(p_kw=rng.normal(0, 50, 2)), "name": "sued"}
        ),
        "signals": stack(
            signal("import_eur_per_kwh", *high),
            signal("export_eur_per_kwh", *low),
            signal("unit_cost[nord]", 1.0, 2.0),
        ),
        "prices": stack(priced("nord", *rng.uniform(low, high)), priced("sued", 0.2, np.nan)),
        "lines": lines(10.0, 10.0, loss_mw=0.001),
    }
    run = data(tables, scenario=TWO)
    left = balances(payments(run))
    scale = sum(abs(p.eur) for p in payments(run))
    assert abs(sum(left.values())) <= 1e-9 * scale
    # What all pay for their units and the outer grid gets is all that leaves the neighbourhoods and
    # the grid operator.
    paid = sum(settlement.cost(run).values()) - left[OPERATOR]
    assert settlement.system_cost(run) == pytest.approx(paid, rel=1e-9)


def test_balances_add_up_by_party():
    found = [Payment("a", "b", "energy", 2.0), Payment("b", "c", "energy", 0.5)]
    assert balances(found) == {"a": -2.0, "b": 1.5, "c": 0.5}

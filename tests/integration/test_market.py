"""A market executed: a battery, a town, and suppliers whose money can be counted in the head.

Load: 50, 150 kWh; wind 60 kW for nothing, coal 40 kW at 0.1, oil at 0.3 EUR/kWh. The battery can
move 20 kWh at 0.01 EUR/kWh of wear.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import quartier
from quartier.coordination import mechanisms
from quartier.errors import InputError
from quartier.kpi import RunData
from quartier.kpi.settlement import balances, payments

CASE = Path(__file__).parents[1] / "cases" / "market"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    case = shutil.copytree(CASE, tmp_path_factory.mktemp("cases") / "market")
    return quartier.compare(case, out=case / "compared")


def test_all_that_answer_a_market_are_compared(compared):
    known = ("uncontrolled", "cohda", "individual", "central", "price-response", "auction")
    assert compared.coordinations == mechanisms("market") == known
    assert compared.status == "complete"


@pytest.mark.parametrize("name", ["uncontrolled", "individual"])
def test_who_expects_the_same_price_moves_nothing(compared, name):
    """40 kWh of coal and 50 of oil. All pay the price of the last block: 0, then 0.3."""
    run = compared.result(name)
    assert run.kpis["system_cost"] == pytest.approx(4.0 + 15.0)
    prices = run.table("prices").groupby("time")["price_eur_per_kwh"].mean()
    assert prices.tolist() == pytest.approx([0.0, 0.3])
    assert run.kpis["cost[town]"] == pytest.approx(45.0)
    assert run.kpis["supplier_surplus[coal]"] == pytest.approx(40 * 0.2)
    assert run.kpis["supplier_surplus[wind]"] == pytest.approx(60 * 0.3)
    assert run.kpis["price_mean[electricity]"] == pytest.approx(150 * 0.3 / 200)


def test_in_an_auction_the_battery_bids_for_cheap_power(compared):
    """The battery expects 0, then 0.3, and bids for 20 kWh up to 0.29: so it gets them at 0.1."""
    run = compared.result("auction")
    assert run.kpis["system_cost"] == pytest.approx(1.0 + 4.0 + 9.0 + 0.2)
    assert run.kpis["certified_gap"] == pytest.approx(0.0, abs=1e-9)
    assert run.kpis["leader_cost"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", ["central", "price-response", "cohda"])
def test_together_the_battery_saves_oil(compared, name):
    """It is indifferent where the price rises by less than 0.01: coal in the first hour."""
    run = compared.result(name)
    assert run.kpis["system_cost"] == pytest.approx(1.0 + 4.0 + 9.0 + 0.2, rel=1e-4)
    supply = run.table("supply").pivot_table("p_kw", "time", "supplier")
    assert supply["coal"].tolist() == pytest.approx([10.0, 40.0], abs=0.01)
    assert supply["oil"].tolist() == pytest.approx([0.0, 30.0], abs=0.01)
    prices = run.table("prices").groupby("time")["price_eur_per_kwh"].mean()
    assert prices.tolist() == pytest.approx([0.1, 0.3], abs=1e-3)
    assert run.kpis["unserved_by_suppliers"] == pytest.approx(0.0, abs=1e-6)
    assert run.kpis["leader_cost"] == pytest.approx(0.0, abs=0.02)


def test_agents_that_negotiate_are_told_blocks_but_not_whose(compared):
    """They agree on what costs least; all pay what the last block asks, as nobody sets a price."""
    run = compared.result("cohda")
    assert run.kpis["negotiation_agreement"] == 1.0
    (held,) = run.table("negotiations").to_dict("records")
    assert (held["neighbourhood"], held["agents"]) == ("market operator", 2)
    assert held["objective"] == pytest.approx(14.2)
    with pytest.raises(InputError, match=r"'mo-cohda' does not answer the problem 'market'"):
        quartier.run(CASE, coordination="mo-cohda")


def test_every_euro_is_received_by_somebody(compared):
    for name in compared.coordinations:
        run = RunData(compared.result(name))
        assert sum(balances(payments(run)).values()) == pytest.approx(0.0, abs=1e-9)


def test_what_the_parties_gain_is_what_all_pay_less_what_it_costs(compared):
    """Surplus of suppliers + cost of neighbourhoods = - cost of all, where nothing else pays."""
    for name in compared.coordinations:
        kpis = compared.result(name).kpis
        gained = sum(v for k, v in kpis.items() if k.startswith("supplier_surplus["))
        paid = sum(v for k, v in kpis.items() if k.startswith("cost["))
        assert paid + kpis["leader_cost"] - gained == pytest.approx(kpis["system_cost"])


def test_the_pages_show_suppliers_and_price(compared):
    run = compared.result("price-response")
    html = (run.dir / "report.html").read_text()
    assert "Who supplies" in html and "cannot be shown" not in html
    assert "cannot be shown" not in (compared.dir / "report.html").read_text()
    assert {trace.name for trace in run.plot.supply().data} >= {"wind", "coal", "oil"}
    (times,) = run.plot.answer_times().data
    assert {row[0] for row in times.customdata} <= {"store", "town"}
    assert {trace.name for trace in run.plot.dispatch().data} >= {"wind", "Battery"}
    (earned,) = run.plot.earnings().data
    assert dict(zip(earned.y, earned.x, strict=True)) == pytest.approx(
        {"wind": 60 * 0.4, "coal": 40 * 0.2, "store": 20 * (0.3 - 0.1) - 0.2, "town": -50.0},
        abs=0.02,
    )


def test_runs_are_shown_beside_each_other(compared):
    plot = compared.plot
    names = [line.name for line in plot.market_prices().data]
    assert names == list(compared.coordinations)
    assert [bars.name for bars in plot.earnings().data] == names
    assert "central" in {bars.name for bars in plot.cost_changes().data}
    with pytest.raises(InputError, match="share nothing"):
        compared.result("central").plot.shared()


def test_what_suppliers_lack_is_served_at_the_ceiling(tmp_path):
    """20 kWh more than wind, coal and oil have in the second hour, if nobody plans."""
    case = shutil.copytree(CASE, tmp_path / "case")
    run = quartier.run(
        case,
        coordination="uncontrolled",
        overrides=["problem.suppliers.oil.blocks=[{power_kw: 30, price_eur_per_kwh: 0.3}]"],
        out=tmp_path / "run",
    )
    assert run.kpis["unserved_by_suppliers"] == pytest.approx(20.0)
    assert run.kpis["price_mean[electricity]"] == pytest.approx(150 * 3.0 / 200)
    assert run.kpis["system_cost"] == pytest.approx(4.0 + 9.0 + 20 * 3.0)


def test_faults_hit_a_market_as_they_hit_a_pool(tmp_path):
    case = shutil.copytree(CASE, tmp_path / "case")
    run = quartier.run(
        case,
        coordination="price-response",
        overrides=[
            "communication.loss=0.3",
            "communication.links={far: {senders: store, receivers: market operator, delay_s: 1}}",
        ],
        out=tmp_path / "run",
    )
    assert run.status == "complete"
    assert run.kpis["certified_gap"] <= 1e-5
    assert run.kpis["system_cost"] == pytest.approx(14.2, rel=1e-4)

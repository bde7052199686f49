"""A market with two zones executed: prices part where the line is full, money by hand.

Wind: 100 kW at 0.02 EUR/kWh in the north; gas at 0.2 in the south; a line of 50 kW. The coast draws
40 kW, the town 20, then 90. In the second hour the line is full. A battery in the south can move
20 kWh at 0.01 EUR/kWh of wear.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import quartier
from quartier.agents import society
from quartier.agents.strategies.auction import Auction
from quartier.agents.strategies.price_response import PriceResponse
from quartier.errors import InputError
from quartier.instance import build
from quartier.kpi import RunData
from quartier.kpi.settlement import LINES, balances, payments
from quartier.problem import Market, ZonedSupply
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "zones"
RENT = 50 * (0.2 - 0.02)
PLANNED = ["central", "price-response", "auction"]
UNPLANNED = ["uncontrolled", "individual"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    case = shutil.copytree(CASE, tmp_path_factory.mktemp("cases") / "zones")
    return quartier.compare(case, UNPLANNED + PLANNED, out=case / "compared")


def test_all_mechanisms_finish(compared):
    assert compared.status == "complete"


@pytest.mark.parametrize("name", UNPLANNED + PLANNED)
def test_prices_part_where_the_line_is_full(compared, name):
    run = compared.result(name)
    zones = run.table("zones").pivot(index="time", columns="zone", values="price_eur_per_kwh")
    assert zones["north"].tolist() == pytest.approx([0.02, 0.02], abs=1e-6)
    assert zones["south"].tolist() == pytest.approx([0.02, 0.2], abs=1e-6)
    paid = run.table("prices").pivot(
        index="time", columns="neighbourhood", values="price_eur_per_kwh"
    )
    assert paid["coast"].tolist() == pytest.approx(zones["north"].tolist())
    assert paid["town"].tolist() == pytest.approx(zones["south"].tolist())
    assert run.kpis["zone_price[south]"] == pytest.approx(0.11, abs=1e-6)
    assert run.kpis["hours_congested[link]"] == 1.0
    assert run.kpis["congestion_rent"] == pytest.approx(RENT, abs=1e-4)
    assert run.kpis["congestion_rent[link]"] == run.kpis["congestion_rent"]


@pytest.mark.parametrize("name", UNPLANNED)
def test_who_expects_the_same_price_moves_nothing(compared, name):
    """60 kWh, then 90 of wind, and 40 of gas."""
    run = compared.result(name)
    assert run.kpis["system_cost"] == pytest.approx(150 * 0.02 + 40 * 0.2)
    assert run.table("flows")["p_kw"].tolist() == pytest.approx([20.0, 50.0], abs=1e-6)


@pytest.mark.parametrize("name", PLANNED)
def test_the_battery_saves_gas_on_its_side_of_the_line(compared, name):
    run = compared.result(name)
    assert run.kpis["system_cost"] == pytest.approx(170 * 0.02 + 20 * 0.2 + 0.2, rel=1e-4)
    assert run.table("flows")["p_kw"].tolist() == pytest.approx([40.0, 50.0], abs=0.01)
    south = run.table("zones").query("zone == 'south'")
    assert south["drawn_kw"].tolist() == pytest.approx([40.0, 70.0], abs=0.01)
    assert south["imported_kw"].tolist() == pytest.approx([40.0, 50.0], abs=0.01)
    assert run.kpis["cost[town]"] == pytest.approx(20 * 0.02 + 90 * 0.2, abs=0.01)
    assert run.kpis["cost[store]"] == pytest.approx(-20 * 0.18 + 0.2, abs=0.01)
    if name != "central":
        assert run.kpis["certified_gap"] <= 1e-4


@pytest.mark.parametrize("name", UNPLANNED + PLANNED)
def test_what_is_paid_for_energy_is_what_suppliers_and_lines_get(compared, name):
    run = RunData(compared.result(name))
    found = balances(payments(run))
    assert sum(found.values()) == pytest.approx(0.0, abs=1e-9)
    assert found[LINES] == pytest.approx(RENT, abs=1e-4)
    assert compared.result(name).kpis["leader_cost"] == pytest.approx(0.0, abs=1e-6)
    kpis = compared.result(name).kpis
    gained = sum(v for k, v in kpis.items() if k.startswith("supplier_surplus["))
    paid = sum(v for k, v in kpis.items() if k.startswith("cost["))
    assert paid - gained - kpis["congestion_rent"] == pytest.approx(kpis["system_cost"])


def test_the_pages_show_zones_and_lines(compared):
    run = compared.result("price-response")
    html = (run.dir / "report.html").read_text()
    assert "Price by zone" in html and "Lines between zones" in html
    assert "cannot be shown" not in html
    assert "cannot be shown" not in (compared.dir / "report.html").read_text()
    assert [trace.name for trace in run.plot.zone_prices().data] == ["north", "south"]
    names = {line.name for line in compared.plot.market_prices().data}
    assert names == {f"{run}, {zone}" for run in UNPLANNED + PLANNED for zone in ("north", "south")}
    carried, most, back = run.plot.flows().data
    assert carried.name == "link: north to south"
    assert (most.y.tolist(), back.y.tolist()) == ([50.0, 50.0], [-50.0, -50.0])


def test_bids_are_shown_where_power_is_dearest(compared):
    """In the south 90 kW are bought: 50 of the line, 20 of gas, 20 of the battery."""
    made = compared.result("auction").plot.bids()
    assert made.layout.title.text.endswith("south")
    sold, bought, cleared = made.data
    assert {row[0] for row in sold.customdata} >= {"gas", "lines", "store"}
    assert {row[0] for row in bought.customdata} >= {"town"}
    assert "wind" not in {row[0] for row in sold.customdata}
    assert cleared.y[0] == pytest.approx(20.0)
    assert cleared.x[0] == pytest.approx(90.0, abs=0.01)


def test_a_market_without_zones_has_none_of_it(tmp_path):
    case = shutil.copytree(CASE.parent / "market", tmp_path / "case")
    run = quartier.run(case, coordination="central", out=tmp_path / "run")
    assert not {"zones", "flows"} & set(run.tables)
    assert not [k for k in run.kpis.index if k.startswith(("zone_", "congestion_", "hours_"))]
    with pytest.raises(InputError, match="has no zones"):
        run.plot.zone_prices()


def test_suppliers_alone_in_a_zone_get_its_price(tmp_path):
    """The coast is empty: what the line cannot carry is worth what wind costs."""
    case = shutil.copytree(CASE, tmp_path / "case")
    for name in PLANNED:
        run = quartier.run(
            case,
            coordination=name,
            overrides=["neighbourhoods.coast.zone=south"],
            out=tmp_path / name,
        )
        zones = run.table("zones").pivot(index="time", columns="zone", values="price_eur_per_kwh")
        assert zones["north"].tolist() == pytest.approx([0.02, 0.02], abs=1e-4)
        wind = run.table("supply").query("supplier == 'wind'")
        assert wind["price_eur_per_kwh"].tolist() == pytest.approx(zones["north"].tolist())
        assert run.kpis["leader_cost"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "overrides",
    [
        ["market.method=admm"],
        ["market.stabilisation=level"],
        ["coordination=auction", "market.clearing=day-ahead"],
        ["coordination=auction", "market.forecast=perfect"],
        ["coordination=auction", "market.forecast=learned"],
        ["communication.loss=0.3"],
    ],
    ids=lambda overrides: overrides[-1],
)
def test_every_way_of_a_market_goes_with_zones(tmp_path, overrides):
    case = shutil.copytree(CASE, tmp_path / "case")
    run = quartier.run(case, overrides=overrides, out=tmp_path / "run")
    assert run.status == "complete"
    assert run.kpis["system_cost"] == pytest.approx(7.6, rel=1e-3)
    assert run.kpis["certified_gap"] <= 1e-3
    if "market.clearing=day-ahead" in overrides:
        assert "cannot be shown" not in (run.dir / "report.html").read_text()
        cleared = {trace.name: trace for trace in run.plot.bids().data}["accepted blocks draw"]
        assert cleared.x[0] == pytest.approx(90.0 - 20.0, abs=0.01)
        dearer = {trace.name: trace for trace in run.plot.blocks().data}["accepted"].x
        assert dearer == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        (PriceResponse, ()),
        (PriceResponse, ("market.method=admm",)),
        (Auction, ()),
        (Auction, ("market.clearing=day-ahead",)),
    ],
)
def test_suppliers_are_agents_at_the_price_of_their_zone(kind, overrides):
    """Wind serves 40 of the coast and all that the line carries, gas what is left of the south."""
    instance = build(load(CASE, overrides), 1)
    problem = instance.problem(0, 0, instance.initial_state())
    lived = kind().market(problem, np.random.default_rng(1))
    wind, gas = lived.suppliers.values()
    for agent, price in ((wind, 0.02), (gas, 0.2)):
        assert agent._own.price_eur_per_kwh.tolist() == [[price, price]]
    real, (owners, public) = problem.asks(Market).supply, problem.asks(Market).public
    assert set(owners) == {"balancing reserve north", "balancing reserve south"}
    assert isinstance(public, ZonedSupply)
    assert set(public.price_eur_per_kwh.ravel()) == {0.0, 3.0}
    society.run_apart(society.live(lived.agents, lived.medium, problem.lead_s))
    assert wind.contract.p_kw == pytest.approx([80.0, 90.0], abs=0.1)
    assert gas.contract.p_kw == pytest.approx([0.0, 20.0], abs=0.1)
    assert wind.contract.price_eur_per_kwh == pytest.approx([0.02, 0.02], abs=1e-3)
    assert gas.contract.price_eur_per_kwh[1] == pytest.approx(0.2, abs=1e-3)
    assert [*map(len, (real.parts, public.parts))] == [7, 5]

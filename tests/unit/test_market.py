"""A market of suppliers by hand, and what a scenario may say of it (M9; seed 003)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quartier.centralised.programs import models_of
from quartier.centralised.sharing.pool import Pool
from quartier.errors import InputError
from quartier.instance import build
from quartier.optimisation.prices import Exchange, Memory, Responder, Response
from quartier.problem import Market
from quartier.problem.market import RESERVE
from quartier.scenario.asked import MarketAsked, SupplierSettings
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "market"


@pytest.fixture
def market() -> Market:
    suppliers = {"wind": [(60.0, 0.0)], "thermal": [(40.0, 0.1), (100.0, 0.3)]}
    return Market.of(0.5, 2, suppliers, floor_eur_per_kwh=-0.05, ceiling_eur_per_kwh=3.0)


def test_each_supplier_serves_its_part(market: Market):
    """Half an hour each: 80 kW are 60 of wind and 20 at 0.1; 210 lack 10, at the ceiling."""
    served = market.by_supplier(np.array([80.0, 210.0]))
    assert list(served) == ["wind", "thermal", RESERVE]
    assert [power.tolist() for power, _ in served.values()] == [[60, 60], [20, 140], [0, 10]]
    costs = [cost.tolist() for _, cost in served.values()]
    assert costs == [[0, 0], [1.0, pytest.approx(17.0)], [0, 15.0]]


def test_the_last_block_makes_the_price(market: Market):
    price = market.blocks.marginal_eur_per_kwh
    assert price(np.array([80.0, 210.0])).tolist() == [0.1, 3.0]
    assert price(np.array([0.0, -5.0])).tolist() == [0.0, -0.05]
    assert market.blocks.cost_eur(np.array([0.0, -10.0])) == pytest.approx(0.25)


def test_prices_lie_between_floor_and_ceiling(market: Market):
    assert market.supply.kept(np.array([-1.0, 9.0])).tolist() == [-0.05, 3.0]


@pytest.mark.parametrize("way", [Memory, Exchange])
def test_a_battery_moves_the_load_to_the_cheap_hour(way):
    """10 kWh of coal and 120 of wind in place of 20 of oil: 1 + 4 + 9 EUR, and 0.2 of wear."""
    instance = build(load(CASE), 1)
    problem = instance.problem(0, 0, instance.initial_state())
    coupling = problem.asks(Market)
    assert Pool(coupling, models_of(problem)).solve().answer.objective == pytest.approx(14.2)
    fee = coupling.inside_fee_eur_per_kwh
    own = {one.name: Responder(one, fee) for one in problem.neighbourhoods}
    nothing = Response(np.zeros(2), 1e6, -np.inf, whole=True)
    search = way(coupling.supply, dict.fromkeys(own, nothing), 1e-4)
    for _ in range(300):
        for name, responder in own.items():
            asked = search.question(name)
            answer, _ = responder.answer(asked.price_eur_per_kwh, asked.weight, asked.target_kw)
            search.hear(name, asked.round, answer)
        search.conclude()
        if search.is_settled:
            break
        search.go_on()
    assert search.gap <= 1e-4
    assert way is Exchange or search.number <= 6
    assert search.cost_eur == pytest.approx(14.2, rel=1e-4)


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("problem.floor_eur_per_kwh=0.2", r"'wind' asks 0 EUR/kWh; 'coal'|supplier 'wind' asks 0"),
        ("problem.ceiling_eur_per_kwh=0.2", r"supplier 'oil' asks 0.3 EUR/kWh; prices lie between"),
        ("problem.ceiling_eur_per_kwh=-1", r"the floor is not below the ceiling"),
        ("problem.suppliers={}", r"problem.suppliers: needs at least 1"),
        ("problem.suppliers.wind.blocks=[]", r"blocks: needs at least 1"),
        (
            "problem.suppliers.wind.blocks=[{power_kw: -1, price_eur_per_kwh: 0}]",
            r"power_kw: should be greater than 0",
        ),
        ("problem.suppliers.wind.energy_kwh_per_year=5", r"suppliers.wind: energy_kwh_per_year sc"),
        ("problem.suppliers.wind.profile=WP99", r"suppliers.wind.profile: there is no profile"),
    ],
)
def test_what_makes_no_market_is_refused(override, why):
    with pytest.raises(InputError, match=why):
        build(load(CASE, [override]), 1)


def test_a_supplier_has_what_its_profile_says(tmp_path):
    """60 kW at 0.5 and 0.25; scaled to 87,600 kWh a year, 10 kW on average of its two hours."""
    (tmp_path / "w.csv").write_text("time,w\n2016-05-02T10:00,0.5\n2016-05-02T11:00,0.25\n")
    (tmp_path / "s.csv").write_text((CASE / "s.csv").read_text())
    (tmp_path / "scenario.yaml").write_text((CASE / "scenario.yaml").read_text())
    profile = "{csv: w.csv, column: w, unit: '1'}"
    found = {}
    for energy in (None, 87_600):
        settings = [f"problem.suppliers.wind.profile={profile}"]
        settings += [f"problem.suppliers.wind.energy_kwh_per_year={energy}"] if energy else []
        instance = build(load(tmp_path, settings), 1)
        found[energy] = instance.market(slice(0, 2)).supply.most_kw
        assert instance.market(slice(1, 2)).supply.most_kw[0] == found[energy][0, 1:]
    assert found[None][:3].tolist() == [[30.0, 15.0], [40.0, 40.0], [100.0, 100.0]]
    assert found[87_600][0].tolist() == pytest.approx([40 / 3, 20 / 3])


def test_blocks_share_what_a_supplier_has():
    settings = SupplierSettings(
        blocks=[
            {"power_kw": 10, "price_eur_per_kwh": 0.1},
            {"power_kw": 30, "price_eur_per_kwh": 0.2},
        ],
        profile="WP4",
    )
    asked = MarketAsked(suppliers={"mill": settings})
    (small, large) = asked.of_suppliers({"mill": np.array([20.0, 50.0])})["mill"]
    assert small[0].tolist() == [5.0, 10.0]
    assert large[0].tolist() == [15.0, 30.0]

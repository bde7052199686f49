"""Nodes: their balance, what they cost, who is at them, and what a scenario may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from quartier.optimisation.closed_loop import check, optimal_controls, unit_of
from quartier.quantities import Horizon
from quartier.scenario.findings import Findings
from quartier.scenario.models import Scenario
from quartier.scenario.nodes import NodeReader, agents_of, check_nodes, nodes_of, problems, supplied
from quartier.scenario.series import SeriesReader
from quartier.units import KINDS
from quartier.units.base import GAS, HEAT, HYDROGEN, UnitParameters
from quartier.units.converter import ConverterKind
from quartier.units.evaluate import evaluate
from quartier.units.node import Node, Tariff
from quartier.units.step import Fleet
from quartier.units.store import StoreKind, StoreParameters

STEPS = 24


class MakerParameters(UnitParameters):
    """A converter of hydrogen."""

    power_kw: float


class Maker(ConverterKind):
    """Half of its power becomes hydrogen."""

    Parameters = MakerParameters
    gives = (HYDROGEN,)
    order = 5

    def out_per_kw(self, u, s):
        return 0.5


class Tank(StoreKind):
    """Holds hydrogen."""

    Parameters = StoreParameters
    holds = command = HYDROGEN
    order = 4


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    monkeypatch.setitem(KINDS, "maker", Maker())
    monkeypatch.setitem(KINDS, "tank", Tank())


# -- balance and money -----------------------------------------------------------------------------
def test_what_is_lacking_is_bought_and_what_is_left_over_is_sold():
    node = Node("h2", HYDROGEN, buy=tariff(0.5, 15.0), sell=tariff(0.1, 5.0))
    left = node.balance(np.array([-20.0, -10.0, 0.0, 3.0, 9.0]))
    assert left.bought_kw.tolist() == [15.0, 10.0, 0.0, 0.0, 0.0]
    assert left.unserved_kw.tolist() == [5.0, 0.0, 0.0, 0.0, 0.0]
    assert left.sold_kw.tolist() == [0.0, 0.0, 0.0, 3.0, 5.0]
    assert left.rejected_kw.tolist() == [0.0, 0.0, 0.0, 0.0, 4.0]
    assert node.money_eur_per_h(10.0, 4.0, 0) == pytest.approx(0.5 * 10 - 0.1 * 4)
    assert node.co2_kg_per_h(10.0) == pytest.approx(2.0)


def tariff(price, max_kw, steps=STEPS):
    return Tariff(np.full(steps, price), max_kw, 0.2)


def hydrogen(**node: Any):
    known = Node("h2", HYDROGEN, **node)
    asked = {"maker": {"power_kw": 100.0}, "tank": {"energy_kwh": 60.0, "power_kw": 30.0}}
    series = {"step": np.zeros(STEPS)}  # nobody looks at it: it says how many steps there are
    return [
        unit_of(
            KINDS[kind],
            KINDS[kind].Parameters(kind=kind, **parameters),
            series,
            nodes={HYDROGEN: known},
            name=kind,
        )
        for kind, parameters in asked.items()
    ]


def test_optimiser_simulator_and_sampler_agree_on_a_node_that_buys_and_sells():
    demand_kw = 20 + 25 * np.sin(np.arange(STEPS) / 4)
    check(
        hydrogen(
            demand_kw=np.maximum(demand_kw, 0.0), buy=tariff(0.4, 12.0), sell=tariff(0.05, 8.0)
        )
    )


def test_a_schedule_costs_what_its_node_pays():
    """1 h of power at 0.1 EUR/kWh makes hydrogen at 0.2: dearer than 0.15, which is all bought."""
    units = hydrogen(demand_kw=np.full(STEPS, 20.0), buy=tariff(0.15, 12.0))
    controls = optimal_controls(units, np.full(STEPS, 0.1))
    # 12 kW are bought, and 8 kW are made from 16 kW of power.
    schedule = evaluate(units, controls, 10.0)
    hours = STEPS * 0.25
    assert -schedule.p_kw.sum() * 0.25 == pytest.approx(16 * hours, rel=1e-6)
    assert schedule.cost_eur == pytest.approx(0.15 * 12 * hours)
    assert schedule.co2_kg == pytest.approx(0.2 * 12 * hours)
    assert schedule.unserved_kwh == pytest.approx(0.0, abs=1e-9)


def test_what_is_cheaper_not_served_is_not_served():
    units = hydrogen(demand_kw=np.full(STEPS, 20.0), unserved=0.01)  # 0.1 EUR/kWh of the penalty
    schedule = evaluate(units, optimal_controls(units, np.full(STEPS, 0.1)), 10.0)
    assert schedule.unserved_kwh == pytest.approx(20 * STEPS * 0.25)
    assert schedule.cost_eur == pytest.approx(0.1 * 20 * STEPS * 0.25)


def test_band_is_what_the_node_can_bear():
    """The maker draws 40 kW for 20 kW of hydrogen; 6 kW more could be bought: 12 kW of power."""
    units = hydrogen(demand_kw=np.full(STEPS, 20.0), buy=tariff(0.15, 6.0))[:1]
    controls = {"place.maker": {"draw_kw": np.full(STEPS, 40.0)}}
    schedule = evaluate(units, controls, 10.0)
    np.testing.assert_allclose(schedule.up_kw, 12.0)
    np.testing.assert_allclose(schedule.down_kw, 60.0)
    units = hydrogen(demand_kw=np.full(STEPS, 20.0), buy=tariff(0.15, np.inf))[:1]
    np.testing.assert_allclose(evaluate(units, controls, 10.0).up_kw, 40.0)


# -- scenarios -------------------------------------------------------------------------------------
CHP = {"kind": "chp", "p_max_kw": 50}
BOILER = {"kind": "boiler", "heat_max_kw": 300}
DEMAND = {"kind": "heat_demand", "energy_kwh_per_year": 900_000}
GAS_NODE = {"carrier": "gas", "buy": {"price_eur_per_kwh": 0.06}}


def scenario(units, nodes=None) -> Scenario:
    place = {"bus": 1, "units": units, "nodes": nodes or {}}
    return Scenario.model_validate(
        {
            "name": "s",
            "horizon": {"start": "2016-07-25T08:00", "steps": STEPS},
            "grid": {"simbench": "1-MV-rural--2-sw"},
            "signals": {"export_eur_per_kwh": 0.05, "import_eur_per_kwh": 0.3},
            "objectives": {"co2_eur_per_kg": 0.1},
            "neighbourhoods": {"place": place},
        }
    )


def unit_problems(unit, nodes=None, **others):
    made = scenario({"unit": unit, **others}, nodes)
    place = made.neighbourhoods["place"]
    return list(problems(place, place.units["unit"]))


def test_fuel_is_paid_by_the_unit_or_drawn_from_a_node():
    own = {**CHP, "fuel_eur_per_kwh": 0.07}
    place = scenario({"own": own, "drawing": CHP}, {"gas": GAS_NODE}).neighbourhoods["place"]
    assert nodes_of(place, place.units["own"]) == {HEAT: "heat"}
    assert supplied(place, place.units["own"]).fuel_eur_per_kwh == 0.07
    assert nodes_of(place, place.units["drawing"]) == {HEAT: "heat", GAS: "gas"}
    drawing = supplied(place, place.units["drawing"])
    assert (drawing.fuel_eur_per_kwh, drawing.fuel_co2_kg_per_kwh) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("unit", "nodes", "problem"),
    [
        (CHP, {}, "fuel_eur_per_kwh is missing: state it, or declare a node of gas that buys"),
        (
            {**CHP, "fuel_co2_kg_per_kwh": 0.1},
            {"gas": GAS_NODE},
            "fuel_co2_kg_per_kwh is that of the node 'gas' it draws from; remove it, or state "
            "fuel_eur_per_kwh, too",
        ),
        (
            {**CHP, "fuel_eur_per_kwh": 0.1, "nodes": {"gas": "gas"}},
            {"gas": GAS_NODE},
            "fuel_eur_per_kwh is stated, and so is the node 'gas' that it draws from; remove one",
        ),
        (
            {**CHP, "nodes": {"gas": "gsa"}},
            {"gas": GAS_NODE},
            "nodes.gas: there is no node 'gsa' of gas; did you mean gas?",
        ),
        (
            {**CHP, "fuel_eur_per_kwh": 0.1, "nodes": {"hydrogen": "gas"}},
            {},
            "nodes.hydrogen: the unit has to do with heat, gas",
        ),
        (
            {**DEMAND, "hub": "gas"},
            {"gas": GAS_NODE},
            "the node 'gas' is one of gas, not of heat",
        ),
    ],
)
def test_what_does_not_fit_a_node_is_told(unit, nodes, problem):
    assert problem in unit_problems(unit, nodes)


@pytest.mark.parametrize(
    ("units", "nodes", "problem"),
    [
        (
            {"heat": DEMAND},
            {},
            "units: the heat hub 'heat' has nothing that makes heat; add a unit (",
        ),
        (
            {"boiler": BOILER},
            {"gas": GAS_NODE},
            "units: the heat hub 'heat' has nothing that takes",
        ),
        (
            {"heat": DEMAND, "boiler": BOILER},
            {"gas": {"carrier": "gas"}},
            "units: the node 'gas' has nothing that makes gas; add a unit, or let the node buy it",
        ),
        (
            {"heat": DEMAND},
            {"gas": GAS_NODE, "heat": {"carrier": "heat", "buy": {"price_eur_per_kwh": 0.1}}},
            "nodes.gas: no unit has to do with this node of gas; remove it",
        ),
        (
            {"heat": DEMAND},
            {"grid": {"carrier": "electricity"}},
            "nodes.grid: electricity is balanced at the connection point; see signals",
        ),
    ],
)
def test_a_node_needs_somebody_who_gives_and_somebody_who_takes(units, nodes, problem):
    findings = Findings()
    check_nodes(scenario(units, nodes), findings)
    assert any(p.startswith(f"neighbourhoods.place.{problem}") for p in findings.problems)


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        (
            {"buy": {"price_eur_per_kwh": 0.1}, "sell": {"price_eur_per_kwh": 0.2}},
            "sells dearer than it buys",
        ),
        (
            {"buy": {"price_eur_per_kwh": 0.2}, "unserved_eur_per_kwh": 0.1},
            "buys at 0.2 EUR/kWh, above what is not served: 0.1",
        ),
        (
            {
                "buy": {"price_eur_per_kwh": 0.2, "co2_kg_per_kwh": 0.5},
                "unserved_eur_per_kwh": 0.24,
            },
            "buys at 0.25 EUR/kWh, above what is not served: 0.24",
        ),
        (
            {"sell": {"price_eur_per_kwh": -0.2}, "rejected_eur_per_kwh": 0.1},
            "sells at -0.2 EUR/kWh, below what it costs to reject: -0.1",
        ),
    ],
)
def test_prices_that_would_make_another_choice_cheaper_are_refused(node, problem):
    findings = read({"heat": {"carrier": "heat", **node}})[1]
    assert any(problem in found for found in findings.problems)


def read(nodes):
    made, findings = scenario({"heat": DEMAND}, nodes), Findings()
    horizon = Horizon(pd.Timestamp("2016-07-25T08:00Z"), STEPS, 0.25)
    reader = NodeReader(made, horizon, SeriesReader(Path.cwd()), findings)
    return reader.of_unit("place", made.neighbourhoods["place"].units["heat"]), findings


def test_a_node_is_read_with_its_demand_tariffs_and_prices():
    nodes, findings = read(
        {
            "heat": {
                "carrier": "heat",
                "demand": 20,
                "buy": {"price_eur_per_kwh": 0.1, "max_kw": 50, "co2_kg_per_kwh": 0.2},
                "unserved_eur_per_kwh": 2,
                "rejected_eur_per_kwh": 0,
            }
        }
    )
    node = nodes[HEAT]
    assert findings.problems == []
    assert node.name == "place.heat"
    np.testing.assert_array_equal(node.demand_kw, np.full(STEPS, 20.0))
    assert (node.buy.max_kw, node.buy.co2_kg_per_kwh, node.sell) == (50.0, 0.2, None)
    assert (node.unserved, node.rejected) == (0.2, 0.0)
    cut = node.window(4, 2)
    assert cut.demand_kw.shape == cut.buy.price_eur_per_kwh.shape == (2,)


def test_units_at_one_node_share_an_agent_unless_it_only_hands_out():
    units = {
        "heat": DEMAND,
        "chp": CHP,
        "boiler": {**BOILER, "hub": "other"},
        "pv": {"kind": "pv", "power_kw": 1},
    }
    endless = agents_of(scenario(units, {"gas": GAS_NODE}))
    assert {name: agents for (_, name), agents in endless.items()} == {
        "heat": ["place.heat"],
        "chp": ["place.heat"],
        "boiler": ["place.other"],
        "pv": ["place.pv"],
    }
    limited = {"gas": {**GAS_NODE, "buy": {"price_eur_per_kwh": 0.06, "max_kw": 100}}}
    tied = agents_of(scenario(units, limited))
    assert tied["place", "boiler"] == tied["place", "chp"] == ["place.heat"]


# -- what gets lost on the way, and what a plan lets a node sell ---------------------------------
def losing(**tariffs) -> Node:
    price = np.full(1, 0.1)
    own = {name: Tariff(price, most) for name, most in tariffs.items()}
    return Node("place.heat", HEAT, efficiency=0.8, **own)


def test_what_is_bought_and_sold_is_metered_outside():
    node = losing(buy=np.inf, sell=np.inf)
    short, over = node.balance(np.array([-8.0])), node.balance(np.array([8.0]))
    assert (short.bought_kw, short.unserved_kw) == (pytest.approx(10.0), pytest.approx(0.0))
    assert (over.sold_kw, over.rejected_kw) == (pytest.approx(6.4), pytest.approx(0.0))


def test_limits_of_trade_hold_outside_and_the_rest_is_lacking_or_lost():
    node = losing(buy=5.0, sell=4.0)
    short, over = node.balance(np.array([-8.0])), node.balance(np.array([8.0]))
    assert (short.bought_kw, short.unserved_kw) == (pytest.approx(5.0), pytest.approx(4.0))
    assert (over.sold_kw, over.rejected_kw) == (pytest.approx(4.0), pytest.approx(3.0))


def test_a_plan_says_how_much_is_sold_at_most():
    over = losing(buy=np.inf, sell=np.inf).balance(np.array([8.0]), np.array([1.6]))
    assert (over.sold_kw, over.rejected_kw) == (pytest.approx(1.6), pytest.approx(6.0))


def test_a_boiler_keeps_to_its_plan_where_the_node_buys_what_is_lacking():
    """At any other node it makes whatever is lacking."""
    parameters = KINDS["boiler"].Parameters(kind="boiler", heat_max_kw=50, fuel_eur_per_kwh=0.1)
    made = {}
    for name, node in (("buys", losing(buy=np.inf)), ("lacks", losing())):
        unit = unit_of(KINDS["boiler"], parameters, {}, nodes={HEAT: node}, name=name)
        signals = {"heat_missing_kw": np.array([30.0])}
        planned, nothing = np.array([10.0]), np.array([np.nan])
        made[name] = [
            float(Fleet("boiler", [unit]).step(0, told, signals).heat_kw[0])
            for told in (planned, nothing)
        ]
    assert made == {"buys": [10.0, 30.0], "lacks": [30.0, 30.0]}

"""Redispatch by prices of limits and by a flexibility market: agents, execution, payments (M9)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import quartier
from quartier.agents import society
from quartier.agents.strategies.congestion import Congestion, CongestionPrices
from quartier.agents.strategies.flexibility import FlexibilityAuction
from quartier.errors import InputError
from quartier.instance import build
from quartier.kpi import RunData
from quartier.kpi.settlement import balances, payments
from quartier.scenario.load import load

CASES = Path(__file__).parents[1] / "cases" / "upper-cost"
SHORT = ("horizon.start=2016-07-25T10:00+01:00", "horizon.steps=8")
"""Two hours in which line 10 is overloaded unless somebody acts."""
BAD_LINES = ("communication.loss=0.3", "communication.delay_s=1")
WAYS = {"price-response": CongestionPrices, "auction": FlexibilityAuction}
HERE = "fliegerhorst"


class Lived:
    """Agents after their work at a gate, and their plan."""

    def __init__(self, way: str, *overrides: str, scenario: str | Path = HERE) -> None:
        given = [*(SHORT if scenario == HERE else ()), *overrides]
        instance = build(load(str(scenario), given), 1)
        self.problem = instance.problem(0, 0, instance.initial_state())
        strategy = WAYS[way]()
        self.market: Congestion = strategy.market(self.problem, np.random.default_rng(1))
        lived = society.live(self.market.agents, self.market.medium, self.problem.lead_s)
        society.run_apart(lived)
        self.dso, self.records = self.market.dso, strategy.records(self.problem, self.market)
        self.solves = {row["problem"]: row for row in self.records["solves"]}


def plan_of(way: str, *overrides: str):
    instance = build(load(HERE, [*SHORT, *overrides]), 1)
    state = instance.initial_state()
    return WAYS[way]().plan(instance.problem(0, 0, state), state, np.random.default_rng(1))


@pytest.fixture(scope="module")
def runs(run_once):
    central = run_once(HERE, *SHORT, "baseline=central", coordination="central")
    own = f"baseline={central.dir}"
    return {
        "central": central,
        **{way: run_once(HERE, *SHORT, own, coordination=way) for way in WAYS},
    }


def total(run) -> float:
    return run.kpis["upper_cost"] + run.kpis["lower_cost"]


# -- what comes of it ---------------------------------------------------------------------------
@pytest.mark.parametrize(("way", "near"), [("price-response", 0.005), ("auction", 0.01)])
def test_all_together_cost_what_one_operator_would_make_them_cost(runs, way, near):
    run = runs[way]
    assert run.status == "complete"
    assert total(run) <= total(runs["central"]) + near * abs(total(runs["central"]))
    for name in ("overloads", "voltage_violations", "cap_violations"):
        assert run.kpis[name] == 0
    assert run.kpis["certified_gap"] <= (1e-3 if way == "price-response" else 0.5)


@pytest.mark.parametrize("way", WAYS)
def test_prices_are_paid_beside_the_tariffs_and_every_euro_is_received(runs, way):
    run = runs[way]
    found = payments(RunData(run))
    assert sum(balances(found).values()) == pytest.approx(0.0, abs=1e-6)
    by_price = balances([p for p in found if p.reason == "congestion"])
    assert by_price[HERE] == pytest.approx(-by_price["grid operator"])
    assert by_price[HERE] == pytest.approx(run.kpis[f"congestion_payments[{HERE}]"])
    assert run.kpis["congestion_cost"] == pytest.approx(by_price[HERE])
    rows = run.table("congestion")
    assert (rows["price_eur_per_kwh"] <= 1e-9).all()
    assert rows["limits_eur_per_kwh"].min() < -0.01
    # The neighbourhood's own cost is at its tariffs; no compensation is paid twice.
    energy = balances([p for p in found if p.reason in {"energy", "nodes"}])
    signals = run.table("signals")
    own = signals.loc[signals["name"] == f"unit_cost[{HERE}]", "value"].sum()
    assert run.kpis[f"cost[{HERE}]"] == pytest.approx(own - energy[HERE])
    lost = [p.eur for p in found if p.reason == "redispatch" and p.payee == HERE]
    assert lost == [0.0]


def test_p_off_is_the_first_offer_whatever_later_gates_are_offered(tmp_path):
    """600 kW offered at noon, 400 fit, -0.28 EUR/kWh: 56 EUR, at one gate as at four.

    The battery makes room before, so that the second gate is offered 500 kW. The price: 0.08 for
    which a kWh is sold, 0.10 by U3, and the weight of curtailing in the objective, 0.10.
    """
    case = shutil.copytree(CASES, tmp_path / "cases") / "battery-at-noon"
    for every, offered in ((1, [600.0, 500.0]), (4, [600.0])):
        run = quartier.run(
            case,
            coordination="price-response",
            overrides=[f"gates.every={every}"],
            out=tmp_path / f"run-{every}",
        )
        rows = run.table("congestion").sort_values("gate", kind="stable")
        noon = rows[rows["time"] == np.sort(rows["time"].unique())[1]]
        assert noon["baseline_kw"].tolist() == pytest.approx(offered)
        np.testing.assert_allclose(noon["planned_kw"], 400.0, atol=0.01)
        np.testing.assert_allclose(noon["price_eur_per_kwh"], -(0.08 + 0.10 + 0.10), atol=1e-6)
        assert run.kpis["congestion_payments[place]"] == pytest.approx(56.0, abs=0.01)
        assert sum(balances(payments(RunData(run))).values()) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_a_cost_called_optimal_is_not_below_its_bound(way):
    """One hour in which grids of the auction differ: an earlier bound is above the later cost."""
    row = Lived(way, "horizon.steps=4").solves[way]
    assert row["bound"] <= row["objective"] + 1e-6 * abs(row["objective"])
    assert row["gap"] == pytest.approx(1.0 - row["bound"] / row["objective"])


@pytest.mark.parametrize("scenario", [HERE, CASES / "battery-at-noon"], ids=["hours", "noon"])
@pytest.mark.parametrize("way", WAYS)
def test_who_gives_way_is_not_worse_off_than_with_its_offer(way, scenario):
    """By more than the certified gap of prices; with bids, at all, as nothing switches at noon."""
    lived = Lived(way, scenario=scenario)
    ((name, taker),) = lived.market.takers.items()
    assert taker._own.switches == (scenario == HERE)
    y = lived.dso.desk.outcome.price_eur_per_kwh
    price = lived.dso.desk.search.told(name, y)
    cost, p_kw = taker.account
    offered = taker._own.first()
    paid = lived.problem.horizon.dt_h * float(price @ (p_kw - offered.p_kw))
    more = cost - (offered.cost_eur - taker.base_eur)
    row = lived.solves[way]
    exact = way == "auction" and not taker._own.switches
    lacking = 0.0 if exact else row["objective"] - row["bound"]
    assert paid >= more - lacking - 1e-6 * abs(row["objective"])


@pytest.mark.parametrize("way", WAYS)
def test_what_is_capped_says_for_which_limit(runs, way):
    rows = runs[way].table("redispatch")
    assert len(rows) and set(rows["kind"]) == {"der"}
    assert (rows["p_set_kw"] < rows["offered_kw"]).all()
    assert rows["reason_element"].notna().all()


@pytest.mark.parametrize("way", WAYS)
def test_without_a_congestion_there_are_no_prices_caps_or_payments(tmp_path, way):
    case = shutil.copytree(CASES, tmp_path / "cases") / "negative-price"
    run = quartier.run(case, coordination=way, out=tmp_path / "run")
    assert run.status == "complete"
    assert np.isnan(float(run.kpis["rounds"]))
    assert run.kpis["redispatch_calls"] == 0
    assert (run.table("congestion")["price_eur_per_kwh"] == 0.0).all()
    assert run.kpis["congestion_payments[place]"] == 0.0


def test_every_round_says_what_it_proves(runs):
    rounds = runs["price-response"].table("rounds")
    assert rounds["round"].tolist() == list(range(1, len(rounds) + 1))
    assert (rounds["numbers"] > 0).all() and (rounds["messages"] > 0).all()
    assert runs["price-response"].kpis["rounds"] == len(rounds)


# -- messages that are lost or late -------------------------------------------------------------
@pytest.mark.parametrize("way", WAYS)
def test_with_bad_lines_it_still_ends_with_a_certified_gap(way):
    plan = plan_of(way, *BAD_LINES)
    assert plan.degraded == ()
    row = {r["problem"]: r for r in plan.records["solves"]}[way]
    assert np.isfinite(row["gap"])
    assert row["gap"] <= (1e-3 if way == "price-response" else 0.5)


@pytest.mark.parametrize("way", WAYS)
def test_same_seed_same_plan_on_bad_lines(way):
    one, other = (plan_of(way, *BAD_LINES) for _ in range(2))
    for name, plan in one.units.items():
        np.testing.assert_array_equal(plan.command_kw, other.units[name].command_kw)


@pytest.mark.parametrize("way", WAYS)
def test_one_that_never_answers_is_counted_on_by_its_forecast(way):
    gone = f"communication.outages=[{{agent: {HERE}}}]"
    plan = plan_of(way, gone, "negotiation.patience_s=20")
    assert any("no offer from fliegerhorst" in said for said in plan.degraded)
    assert not [unit for unit in plan.units if unit.startswith(HERE)]
    assert any(np.isfinite(cap.p_max_kw).any() for cap in plan.caps.values())


@pytest.mark.parametrize("way", WAYS)
def test_one_that_dies_does_what_it_published_and_the_plants_make_room(way, monkeypatch):
    from quartier.agents.congestion_taker import CongestionTaker

    def dead(self, call):
        raise ValueError("no more")

    monkeypatch.setattr(CongestionTaker, "_respond", dead)
    monkeypatch.setattr("quartier.agents.flexibility.Bidder._respond", dead)
    lived = Lived(way, "negotiation.patience_s=20")
    assert lived.market.takers[HERE].planned is None
    done_mw = lived.dso.desk.search.power_mw[:, 0]
    np.testing.assert_allclose(1e3 * done_mw, lived.market.published[HERE].p_kw, atol=1e-6)
    assert lived.dso.is_priced
    assert np.isnan(lived.solves[way]["bound"])


@pytest.mark.parametrize("way", WAYS)
def test_where_prices_find_no_clean_plan_p_set_is_the_safe_end(way, monkeypatch):
    from quartier.redispatch.limit_prices import LimitPrices

    monkeypatch.setattr(LimitPrices, "is_clean", False)
    lived = Lived(way)
    assert not lived.dso.is_priced
    taker = lived.market.takers[HERE]
    cap = lived.dso.caps[HERE]
    assert np.isfinite(cap.p_max_kw).any()
    assert cap.excess_kw(taker.planned.p_kw).max() <= 0.01
    assert np.isnan([row["price_eur_per_kwh"] for row in lived.records["congestion"]]).all()


def test_an_agent_of_the_dso_that_fails_is_named(monkeypatch):
    from quartier.redispatch.limit_prices import LimitPrices

    def broken(self):
        raise ValueError("no master")

    monkeypatch.setattr(LimitPrices, "conclude", broken)
    plan = plan_of("price-response")
    assert plan.degraded[0] == "agent dso failed: ValueError: no master"


# -- who knows what -----------------------------------------------------------------------------
@pytest.mark.parametrize("way", WAYS)
def test_the_dso_knows_offers_and_answers_only(way):
    from quartier.agents import messages as m
    from quartier.agents.flexibility import FlexibilityCall
    from quartier.agents.price_messages import Award, Awarded, PriceAnswer, PriceCall

    from .test_who_knows_what import LIMITS, known, of

    lived = Lived(way, "record.messages=true")
    assert not of(LIMITS, known(lived.dso))
    for name, taker in lived.market.takers.items():
        assert {one.name for one in of(type(taker.problem), known(taker))} == {name}
    call = PriceCall if way == "price-response" else FlexibilityCall
    kinds = (m.CallForOffers, m.OfferMade, m.SetCap, m.Accepted, call, PriceAnswer, Award, Awarded)
    said = {row["kind"] for row in lived.market.medium.rows}
    assert said == {kind.__name__ for kind in kinds}
    for row in lived.market.medium.rows:
        assert "dso" in (row["sender"], row["receiver"])


def test_bids_tell_costs_beside_the_offer_only():
    lived = Lived("auction")
    first = lived.market.takers[HERE]._said[1]
    assert first.cost_eur == pytest.approx(0.0, abs=1e-9)


# -- what is refused ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("market.method=admm", r"market.method: prices of limits need memory"),
        ("market.stabilisation=level", r"market.stabilisation: prices of limits are smoothed"),
    ],
)
def test_what_prices_of_limits_cannot_do_is_refused(setting, said, tmp_path):
    with pytest.raises(InputError, match=said):
        quartier.run(HERE, coordination="price-response", overrides=[setting], out=tmp_path / "run")

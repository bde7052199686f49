"""Prices as a mechanism: agents that answer them, executed, settled, certified (M9)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import quartier
from quartier.agents import society
from quartier.agents.strategies.price_response import PriceResponse
from quartier.errors import InputError
from quartier.instance import build
from quartier.kpi import RunData
from quartier.kpi.settlement import balances, payments
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "sharing"
TWO_DAYS = "horizon.steps=48"
BAD_LINES = ("communication.loss=0.3", "communication.delay_s=1")
ONE_DAY = ("horizon.steps=24", "gates.horizon_steps=24")


class Lived:
    """Agents after their work at a gate."""

    def __init__(self, *overrides: str, scenario: str = "aachen:winter") -> None:
        instance = build(load(scenario, [*ONE_DAY, *overrides]), 1)
        self.problem = instance.problem(0, 0, instance.initial_state())
        self.state = instance.initial_state()
        self.market = PriceResponse().market(self.problem, np.random.default_rng(1))
        society.run_apart(society.live(self.market.agents, self.market.medium, self.problem.lead_s))
        self.agent = self.market.agent


def plan_of(*overrides: str):
    instance = build(load("aachen:winter", [*ONE_DAY, *overrides]), 1)
    state = instance.initial_state()
    return PriceResponse().plan(instance.problem(0, 0, state), state, np.random.default_rng(1))


@pytest.fixture(scope="module")
def alone(run_once):
    return run_once("aachen:winter", TWO_DAYS, coordination="individual")


@pytest.fixture(scope="module")
def run(run_once, alone):
    own = f"baseline={alone.dir}"
    return run_once("aachen:winter", TWO_DAYS, own, coordination="price-response")


@pytest.fixture(scope="module")
def central(run_once, alone):
    return run_once("aachen:winter", TWO_DAYS, f"baseline={alone.dir}", coordination="central")


# -- what comes of it ---------------------------------------------------------------------------
def test_all_together_pay_what_one_operator_would_make_them_pay(run, central):
    assert run.status == "complete"
    assert run.kpis["system_cost"] == pytest.approx(central.kpis["system_cost"], rel=1e-4)
    assert run.kpis["heat_unserved"] == pytest.approx(0, abs=1e-6)
    ours = run.table("solves").set_index("problem").loc["price-response"]
    theirs = central.table("solves").set_index("problem").loc["central"]
    assert ours["objective"].tolist() == pytest.approx(theirs["objective"].tolist(), rel=1e-4)
    assert (ours["bound"].to_numpy() <= theirs["objective"].to_numpy() + 1e-3).all()
    assert set(ours["status"]) == {"optimal"}


def test_the_price_is_settled_and_the_pool_neither_gains_nor_loses(run):
    assert run.kpis["leader_cost"] == pytest.approx(0.0, abs=0.01)
    assert sum(balances(payments(RunData(run))).values()) == pytest.approx(0.0, abs=1e-6)
    prices = run.table("prices")
    assert set(prices["neighbourhood"]) == {"rural", "suburban", "urban"}
    assert prices.groupby("time")["price_eur_per_kwh"].nunique().max() == 1
    signals = run.table("signals").pivot_table("value", "time", "name")
    price = prices.groupby("time")["price_eur_per_kwh"].first()
    assert (price >= signals["export_eur_per_kwh"] - 1e-9).all()
    assert (price <= signals["import_eur_per_kwh"] + 1e-9).all()


def test_nobody_would_rather_do_otherwise_at_the_price(run, alone):
    """And so nobody pays more than alone, from the same state."""
    assert run.kpis["follower_suboptimality"] <= 1e-4
    answers, own = (r.table("solves").set_index("problem")["objective"] for r in (run, alone))
    for name in ("rural", "suburban", "urban"):
        assert answers[f"response {name}"].iloc[0] <= own[f"individual {name}"].iloc[0] + 1e-2


def test_every_round_says_what_it_proves(run):
    rounds = run.table("rounds")
    for _, rows in rounds.groupby("gate"):
        assert rows["round"].tolist() == list(range(1, len(rows) + 1))
        assert (rows["bound"] <= rows["objective"].min() + 1e-3).all()
        best = rows["objective"].cummin()
        proven = (best - rows["bound"].cummax()) / best.abs()
        np.testing.assert_allclose(rows["gap"], proven.clip(lower=0.0), atol=1e-9)
        assert rows["gap"].iloc[-1] <= 1e-5
        assert (rows["answers"] == 3).all() and (rows["numbers"] > 0).all()
        assert (rows["sim_time_s"].diff().dropna() > 0).all() and (rows["wall_s"] > 0).all()
    last = rounds.groupby("gate").last()
    assert run.kpis["rounds"] == last["round"].max()
    assert run.kpis["certified_gap"] == pytest.approx(last["gap"].max())
    assert run.kpis["numbers_exchanged"] == rounds["numbers"].sum()
    assert run.kpis["longest_answer"] == rounds["wall_s"].max()


def test_the_report_shows_how_the_price_came_to_rest(run):
    html = (run.dir / "report.html").read_text()
    assert "Certified gap and imbalance by round" in html
    assert "cannot be shown" not in html
    lines = [trace.name for trace in run.plot.convergence().data]
    assert lines == ["cost, gate 0", "bound, gate 0", "cost, gate 1", "bound, gate 1"]


def test_whoever_has_no_rounds_says_so(central):
    with pytest.raises(InputError, match="price-response"):
        central.plot.convergence()
    assert np.isnan(float(central.kpis["rounds"]))


# -- messages that are lost or late -------------------------------------------------------------
def test_with_bad_lines_it_still_ends_with_a_certified_gap(run_once, alone, central):
    """Answers that are not there in time leave a round without a bound of its own."""
    own = f"baseline={alone.dir}"
    bad = run_once("aachen:winter", TWO_DAYS, own, *BAD_LINES, coordination="price-response")
    assert bad.status == "complete"
    assert bad.kpis["certified_gap"] <= 1e-5
    assert bad.kpis["system_cost"] == pytest.approx(central.kpis["system_cost"], rel=1e-4)
    rounds = bad.table("rounds")
    assert rounds["bound"].isna().any()
    assert (rounds["bound"].isna() == (rounds["answers"] < 3)).all()


@pytest.mark.parametrize("way", ["market.stabilisation=level", "market.method=admm"])
def test_the_other_ways_end_with_a_certified_gap_as_well(way):
    plan = plan_of(way, "market.tolerance=1e-3", *BAD_LINES)
    (row, *_) = plan.records["solves"]
    assert (row["status"], plan.degraded) == ("optimal", ())
    assert row["gap"] <= 1e-3


def test_same_seed_same_plan_on_bad_lines():
    one, other = (plan_of(*BAD_LINES, "market.tolerance=1e-3") for _ in range(2))
    assert one.units.keys() == other.units.keys()
    for name, plan in one.units.items():
        np.testing.assert_array_equal(plan.command_kw, other.units[name].command_kw)


def test_one_that_never_answers_leaves_no_proof_but_a_plan_for_the_others():
    plan = plan_of("communication.outages=[{agent: urban}]", "negotiation.patience_s=20")
    assert plan.degraded == (
        "no answer from urban: its units are expected to follow their own rules",
    )
    (row, *_) = plan.records["solves"]
    assert row["status"] == "feasible" and np.isnan(row["bound"])
    assert not [unit for unit in plan.units if unit.startswith("urban")]
    assert [unit for unit in plan.units if unit.startswith("rural")]


def test_one_that_is_cut_off_is_counted_on_for_what_it_answered_and_judged_by_what_it_does():
    gone = "communication.outages=[{agent: urban, from_s: 1}]"
    lived = Lived(gone, "negotiation.patience_s=20")
    assert set(lived.agent.outcome.shares["urban"]) <= set(range(1, 12))
    assert lived.market.takers["urban"].award is None
    assert lived.market.takers["rural"].award is not None
    done = lived.market.done()
    last = lived.market.takers["urban"].planned
    np.testing.assert_allclose(done["urban"][1], last.p_kw)
    found = lived.agent.certificate(done)
    needed_kw = -np.sum([p_kw for _, p_kw in done.values()], axis=0)
    supply = lived.problem.coupling.supply
    paid = sum(cost for cost, _ in done.values()) + supply.cost_eur(needed_kw)
    assert found.cost_eur == pytest.approx(paid)
    assert not found.is_enough
    assert found.bound_eur < found.cost_eur


def test_one_that_dies_does_what_it_published_and_the_certificate_knows(monkeypatch):
    from quartier.agents.price_taker import PriceTaker

    answer = PriceTaker._answer

    def until_the_fifth(self, call):
        if self.title == "urban" and call.negotiation.round >= 5:
            raise ValueError("no more")
        return answer(self, call)

    monkeypatch.setattr(PriceTaker, "_answer", until_the_fifth)
    lived = Lived("negotiation.patience_s=20")
    assert lived.agent.outcome.shares["urban"] == {0: 1.0}
    done = lived.market.done()
    np.testing.assert_array_equal(done["urban"][1], lived.market.published["urban"].p_kw)
    found = lived.agent.certificate(done)
    assert np.isfinite(found.bound_eur)
    assert found.cost_eur > found.bound_eur + 1.0
    assert not found.is_enough


def test_a_taker_whose_model_fails_is_named(monkeypatch):
    from quartier.optimisation.prices import Responder

    answer = Responder.answer

    def broken(self, *given):
        if self.problem.name == "urban":
            raise ValueError("no model")
        return answer(self, *given)

    monkeypatch.setattr(Responder, "answer", broken)
    plan = plan_of("negotiation.patience_s=20")
    assert plan.degraded == (
        "agent urban failed: ValueError: no model; its units follow their own rules",
    )


def test_a_market_that_is_cut_off_leaves_all_to_their_own_rules():
    plan = plan_of("communication.outages=[{agent: sharing pool}]", "market.rounds=3")
    assert plan.degraded and not plan.units


def test_a_gate_without_a_price_is_no_certified_one(monkeypatch):
    from quartier.agents.market import MarketAgent

    def broken(self):
        raise ValueError("no master")

    monkeypatch.setattr(MarketAgent, "_close", broken)
    plan = plan_of()
    (row,) = plan.records["solves"]
    assert row["status"] == "no price" and np.isnan(row["bound"])
    assert plan.degraded and not plan.units


# -- who knows what -----------------------------------------------------------------------------
def test_the_market_knows_answers_and_tariffs_only():
    from quartier.agents.price_messages import Award, Awarded, PriceAnswer, PriceCall

    from .test_who_knows_what import LIMITS, known, of

    lived = Lived("market.tolerance=1e-2", "record.messages=true")
    assert not of(LIMITS, known(lived.agent))
    for name, taker in lived.market.takers.items():
        found = known(taker)
        neighbourhoods = {one.name for one in of(type(taker.problem), found)}
        assert neighbourhoods == {name}
    said = {row["kind"] for row in lived.market.medium.rows}
    assert said == {kind.__name__ for kind in (PriceCall, PriceAnswer, Award, Awarded)}
    for row in lived.market.medium.rows:
        assert lived.agent.title in (row["sender"], row["receiver"])


# -- what is refused ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (
            ["market.method=admm", "neighbourhoods.urban.units.chp.p_min_kw=40"],
            r"market.method: admm needs units that do not switch, but urban.chp does",
        ),
        (["market.tolerance=0"], r"market.tolerance: should be greater than 0"),
        (["market.method=guess"], r"market.method: should be 'memory' or 'admm'"),
    ],
)
def test_what_it_cannot_do_is_refused(tmp_path, overrides, why):
    with pytest.raises(InputError, match=why):
        quartier.run(
            "aachen", coordination="price-response", overrides=overrides, out=tmp_path / "run"
        )


def test_caps_after_the_pool_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"problem.redispatch: asks for answers to caps"):
        quartier.run("aachen:on-grid", coordination="price-response", out=tmp_path / "run")


def test_on_the_street_the_sun_is_kept_for_an_hour(tmp_path):
    """All that is paid outside the pool is the wear of 60 kWh, as under one operator."""
    case = shutil.copytree(CASE, tmp_path / "sharing")
    run = quartier.run(case, coordination="price-response", out=tmp_path / "run")
    assert run.kpis["system_cost"] == pytest.approx(0.6, abs=1e-4)
    assert run.kpis["shared_energy"] == pytest.approx(140.0, abs=1e-2)

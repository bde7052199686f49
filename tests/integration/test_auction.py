"""Auctions as a mechanism: agents that bid, executed, settled, certified (M9)."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.agents import society
from quartier.agents.strategies.auction import Auction
from quartier.errors import InputError
from quartier.instance import build
from quartier.kpi import RunData
from quartier.kpi.settlement import balances, payments
from quartier.scenario.load import load

CASE = Path(__file__).parents[1] / "cases" / "market"
BAD_LINES = ("communication.loss=0.3", "communication.delay_s=1")
ONE_DAY = ("horizon.steps=24", "gates.horizon_steps=24")
TWO_DAYS = ("horizon.steps=48", "gates.horizon_steps=24")


def asked(*overrides: str):
    instance = build(load("aachen:winter", [*ONE_DAY, *overrides]), 1)
    state = instance.initial_state()
    return instance.problem(0, 0, state), state


def plan_of(*overrides: str):
    return Auction().plan(*asked(*overrides), np.random.default_rng(1))


class Lived:
    """Agents after their work at a gate."""

    def __init__(self, *overrides: str) -> None:
        self.problem, _ = asked(*overrides)
        self.market = Auction().market(self.problem, np.random.default_rng(1))
        society.run_apart(society.live(self.market.agents, self.market.medium, self.problem.lead_s))
        self.agent = self.market.agent


@pytest.fixture(scope="module")
def alone(run_once):
    return run_once("aachen:winter", *TWO_DAYS, coordination="individual")


@pytest.fixture(scope="module")
def central(run_once, alone):
    return run_once("aachen:winter", *TWO_DAYS, f"baseline={alone.dir}", coordination="central")


@pytest.fixture(scope="module")
def run(run_once, alone):
    return run_once("aachen:winter", *TWO_DAYS, f"baseline={alone.dir}", coordination="auction")


# -- what comes of it ---------------------------------------------------------------------------
def test_it_is_carried_out_as_it_was_cleared(run):
    assert run.status == "complete"
    assert run.kpis["heat_unserved"] == pytest.approx(0, abs=1e-6)
    bids = run.table("bids")
    sold = bids.groupby(["time", "agent"], observed=True)["accepted_kw"].sum().unstack()
    assert sold.sum(axis=1).abs().max() == pytest.approx(0.0, abs=1e-6)
    points = run.table("connection_points").pivot_table("p_kw", "time", "name", observed=True)
    for name in ("rural", "suburban", "urban"):
        np.testing.assert_allclose(points[name], sold[name], atol=1e-3)


def test_the_certificate_covers_what_autonomy_costs(run, central):
    ours, theirs = (
        r.table("solves").set_index("problem").loc[name]
        for r, name in ((run, "auction"), (central, "central"))
    )
    first = ours["objective"].iloc[0], theirs["objective"].iloc[0]  # from the same state
    assert first[0] >= first[1] - 1e-3
    assert ours["bound"].iloc[0] <= first[1] + 1e-3
    assert first[0] / first[1] <= 1.025
    assert run.kpis["certified_gap"] == pytest.approx(ours["gap"].max())


def test_every_euro_is_received_by_somebody(run):
    assert run.kpis["leader_cost"] == pytest.approx(0.0, abs=1e-3)
    assert sum(balances(payments(RunData(run))).values()) == pytest.approx(0.0, abs=1e-6)


def test_what_was_said_is_counted(run):
    rounds = run.table("rounds")
    assert (rounds["mechanism"] == "auction").all() and (rounds["round"] == 1).all()
    assert (rounds["answers"] == 3).all() and (rounds["bound"] <= rounds["objective"]).all()
    assert run.kpis["numbers_exchanged"] == rounds["numbers"].sum()
    assert run.kpis["longest_answer"] == rounds["wall_s"].max()
    # forecast, 24 bids of some steps, what was accepted, what came of it
    assert rounds["numbers"].max() < 3 * (24 + 24 * (1 + 2 * 6) + 2 * 24 + 26 + 2)


def test_the_day_before_is_expected(run):
    """At the second gate bidders expect the prices of the first; bids step where these are."""
    prices = run.table("prices").drop_duplicates("time").set_index("time")["price_eur_per_kwh"]
    mechanism = Auction()
    problem, state = asked()
    plan = mechanism.plan(problem, state, np.random.default_rng(1))
    (price, *_) = plan.prices.values()
    np.testing.assert_allclose(prices.to_numpy()[:24], price, atol=1e-9)
    later = build(load("aachen:winter", [*TWO_DAYS]), 1).problem(1, 24, state)
    assert mechanism._previous_day(later, np.full(24, 9.0)).tolist() == price.tolist()
    half = build(load("aachen:winter", [*TWO_DAYS]), 1).problem(1, 12, state)
    expected = mechanism._previous_day(half, np.full(24, 9.0))
    assert expected.tolist() == [9.0] * 12 + price[:12].tolist()


def test_the_report_shows_bids_and_clearing(run):
    html = (run.dir / "report.html").read_text()
    assert "Bids and clearing" in html and "cannot be shown" not in html
    bids = run.table("bids")
    time = bids["time"].iloc[0]
    drawn = run.plot.bids(time)
    sold, bought, cleared = drawn.data
    accepted = bids[bids["time"] == time]["accepted_kw"].clip(lower=0).sum()
    assert cleared.x[0] == pytest.approx(accepted)
    assert np.all(np.diff(sold.y) >= 0) and np.all(np.diff(bought.y) <= 0)
    with pytest.raises(InputError, match="nobody bid at"):
        run.plot.bids(time - pd.Timedelta(days=9))


def test_whoever_has_no_bids_says_so(central):
    with pytest.raises(InputError, match="nobody bid"):
        central.plot.bids()


# -- other ways -----------------------------------------------------------------------------------
def test_learned_forecasts_lose_next_to_nothing(central):
    plan = plan_of("market.forecast=learned")
    rows = plan.records["rounds"]
    assert [row["round"] for row in rows] == list(range(1, 9))
    best = central.table("solves")["objective"].iloc[0]
    gaps = [row["objective"] / best - 1 for row in rows]
    assert gaps[0] > 0.01 and min(gaps) <= 1e-3
    assert plan.records["solves"][0]["objective"] / best - 1 == pytest.approx(min(gaps), abs=1e-9)


def test_a_perfect_forecast_is_better_than_that_of_the_day_before(central):
    best = central.table("solves")["objective"].iloc[0]
    gap = plan_of("market.forecast=perfect").records["solves"][0]["objective"] / best - 1
    assert 0 <= gap <= 5e-3


def test_algorithm_1_loses_more(central):
    best = central.table("solves")["objective"].iloc[0]
    lost = {
        bids: plan_of("market.forecast=perfect", f"market.bids={bids}").records["solves"][0]
        for bids in ("exact", "algorithm-1")
    }
    assert lost["algorithm-1"]["objective"] - best > 3 * (lost["exact"]["objective"] - best)
    assert lost["algorithm-1"]["gap"] > lost["exact"]["gap"]


def test_blocks_of_a_day_ahead_are_accepted_in_parts(central):
    plan = plan_of("market.clearing=day-ahead")
    (row, *_) = plan.records["solves"]
    best = central.table("solves")["objective"].iloc[0]
    assert row["objective"] / best - 1 <= 3e-3
    assert len(plan.records["rounds"]) <= 4 + 8
    offered = pd.DataFrame(plan.records["bids"])
    shares = offered.dropna(subset="block").groupby(["agent", "block"])["share"].first()
    assert shares.groupby("agent").sum().tolist() == pytest.approx([1.0] * 3)
    assert ((shares > 1e-6) & (shares < 1 - 1e-6)).any()
    assert offered.groupby("time")["accepted_kw"].sum().abs().max() == pytest.approx(0, abs=1e-4)


def test_a_block_of_who_switches_is_accepted_whole_and_at_no_loss():
    plan_like = ("market.clearing=day-ahead", "neighbourhoods.urban.units.chp.p_min_kw=60")
    lived = Lived(*plan_like)
    search, price = lived.agent.blocks, lived.agent.outcome.price_eur_per_kwh
    ((number, share),) = search.shares["urban"].items()
    assert share == 1.0 and search.known("urban")[number].whole
    accepted, alone = search.known("urban")[number], search.published["urban"]
    at = [search.at_price("urban", price, r.cost_eur, r.p_kw) for r in (accepted, alone)]
    assert at[0] <= at[1] + 1e-3
    for name in ("rural", "suburban"):  # who mixes gets blocks of which none is better
        own = {
            k: search.at_price(name, price, r.cost_eur, r.p_kw)
            for k, r in search.known(name).items()
        }
        assert max(own[k] for k in search.shares[name]) <= min(own.values()) + 1e-2
    assert np.isfinite(lived.agent.certificate(lived.market.done()).bound_eur)


def test_blocks_and_what_they_are_worth_are_shown(tmp_path):
    """The battery's: to buy 20 kWh and sell them an hour later, for 0.2 EUR of wear."""
    case = shutil.copytree(CASE, tmp_path / "market")
    ahead = ["market.clearing=day-ahead"]
    run = quartier.run(case, coordination="auction", overrides=ahead, out=tmp_path / "run")
    assert run.kpis["system_cost"] == pytest.approx(14.2)
    bids = run.table("bids")
    store = bids[bids["agent"] == "store"].set_index(["block", "time"])
    taken = store[store["share"] > 0]
    assert taken.groupby("time")["accepted_kw"].sum().tolist() == pytest.approx([-20.0, 20.0])
    assert taken["block_eur"].tolist() == pytest.approx([0.2, 0.2])
    coal = bids[bids["agent"] == "coal"]
    assert coal["price_eur_per_kwh"].tolist() == [0.1, 0.1] and coal["block"].isna().all()
    assert coal["accepted_kw"].tolist() == pytest.approx([10.0, 40.0])
    html = (run.dir / "report.html").read_text()
    assert "Bids and clearing" in html and "Blocks" in html and "cannot be shown" not in html
    drawn = {trace.name: trace for trace in run.plot.bids(bids["time"].iloc[-1]).data}
    assert drawn["accepted blocks draw"].x == (130.0, 130.0)
    assert drawn["cleared"].x[0] == pytest.approx(130.0)
    rejected, accepted = run.plot.blocks().data
    assert min(rejected.x, default=1.0) >= -1e-9
    assert max(accepted.x) == pytest.approx(0.0, abs=1e-6)


def test_whoever_bid_for_hours_has_no_blocks(run):
    with pytest.raises(InputError, match="nobody bid blocks"):
        run.plot.blocks()


def test_a_forecast_from_a_file(tmp_path):
    case = shutil.copytree(CASE, tmp_path / "market")
    lines = ["time;price", "2016-05-02 10:00;0.0", "2016-05-02 11:00;0.3"]
    (case / "f.csv").write_text("\n".join(lines))
    told = "market.forecast={csv: f.csv, column: price, unit: EUR/kWh}"
    found = quartier.run(case, coordination="auction", overrides=[told], out=tmp_path / "run")
    assert found.kpis["system_cost"] == pytest.approx(14.2)
    signals = found.table("signals")
    expected = signals[signals["name"] == "forecast_eur_per_kwh"]["value"]
    assert expected.tolist() == [0.0, 0.3]
    gone = "market.forecast={csv: none.csv, column: price, unit: EUR/kWh}"
    with pytest.raises(InputError, match=r"market.forecast: .*none.csv"):
        quartier.run(case, coordination="auction", overrides=[gone], out=tmp_path / "no")


def test_a_short_look_ahead_loses_more():
    short, long = (
        plan_of("market.forecast=perfect", f"market.look_ahead_h={hours}").records["solves"][0]
        for hours in (2, 24)
    )
    assert short["objective"] > long["objective"]


def test_units_that_switch_bid_steps_that_are_whole():
    lived = Lived("neighbourhoods.urban.units.chp.p_min_kw=60")
    held = lived.agent.auction.now
    steps = 0
    for bids, found in zip(held.bids, held.cleared, strict=True):
        assert bids["urban"].whole and not bids["rural"].whole
        steps += bids["urban"].power_kw.size
        assert np.isin(found.filled_kw["urban"], (0.0, *bids["urban"].power_kw)).all()
    assert steps
    done = lived.market.done()
    np.testing.assert_allclose(done["urban"][1], held.accepted_kw["urban"], atol=1e-4)


def test_the_case_of_the_paper_loses_to_sampling_not_to_autonomy():
    """A winter day of `germany`, without a day before; the paper's auction costs 9.7 % more."""
    bound, lost = -np.inf, {}
    for bids in ("exact", "algorithm-1"):
        instance = build(load("germany:winter-day", [f"market.bids={bids}"]), 1)
        state = instance.initial_state()
        plan = Auction().plan(instance.problem(0, 0, state), state, np.random.default_rng(1))
        (row, *_) = plan.records["solves"]
        bound, lost[bids] = max(bound, row["bound"]), row
    assert lost["exact"]["objective"] / bound - 1 <= 0.025
    assert lost["algorithm-1"]["objective"] / bound - 1 >= 0.03
    assert lost["exact"]["gap"] <= 0.025


# -- messages that are lost or late -------------------------------------------------------------
def test_with_bad_lines_it_still_ends_with_a_certified_gap():
    good, bad = plan_of(), plan_of(*BAD_LINES)
    assert bad.degraded == ()
    one, other = (plan.records["solves"][0] for plan in (good, bad))
    assert np.isfinite(other["gap"])
    assert other["bound"] <= one["objective"]
    assert other["gap"] <= one["gap"] + 0.05


def test_same_seed_same_plan_on_bad_lines():
    one, other = (plan_of(*BAD_LINES) for _ in range(2))
    assert one.units.keys() == other.units.keys()
    for name, plan in one.units.items():
        np.testing.assert_array_equal(plan.command_kw, other.units[name].command_kw)


def test_with_next_to_no_time_hours_go_on_without_bids():
    """A tenth of a second for each: nobody is heard in time, and the certificate says so."""
    lived = Lived("communication.delay_s=1", "gates.lead_s=30")
    held = lived.agent.auction.now
    assert len(held.cleared) == 24 and held.late > 24
    done = lived.market.done()
    found = lived.agent.certificate(done)
    assert found.cost_eur > found.bound_eur or found.bound_eur == -np.inf


def test_one_that_never_answers_leaves_no_proof_but_a_plan_for_the_others():
    plan = plan_of("communication.outages=[{agent: urban}]", "negotiation.patience_s=20")
    assert plan.degraded == (
        "no answer from urban: its units are expected to follow their own rules",
    )
    (row, *_) = plan.records["solves"]
    assert row["status"] == "feasible" and np.isnan(row["bound"])
    assert not [unit for unit in plan.units if unit.startswith("urban")]
    assert [unit for unit in plan.units if unit.startswith("rural")]


def test_one_that_dies_does_what_it_published_and_the_certificate_knows(monkeypatch):
    from quartier.agents.bidder import BidderAgent

    answer = BidderAgent._answer

    def until_the_fifth(self, call):
        if self.title == "urban" and call.step >= 5:
            raise ValueError("no more")
        return answer(self, call)

    monkeypatch.setattr(BidderAgent, "_answer", until_the_fifth)
    lived = Lived("negotiation.patience_s=20")
    done, held = lived.market.done(), lived.agent.auction.now
    published = lived.market.published["urban"].p_kw
    np.testing.assert_array_equal(done["urban"][1], published)
    counted = [found.power_kw["urban"] for found in held.cleared]
    np.testing.assert_allclose(counted[6:], published[6:])
    found = lived.agent.certificate(done)
    assert found.bound_eur == -np.inf and not found.is_enough  # it never answered the prices
    needed_kw = -np.sum([p_kw for _, p_kw in done.values()], axis=0)
    paid = sum(own for own, _ in done.values()) + lived.problem.coupling.supply.cost_eur(needed_kw)
    assert found.cost_eur == pytest.approx(paid)


def test_one_that_is_cut_off_for_a_while_does_as_it_likes_meanwhile():
    """What it was told no power for it decides at the price; what it costs is in the proof."""
    gone = "communication.outages=[{agent: urban, from_s: 0.5, to_s: 12}]"
    lived = Lived(gone, "negotiation.patience_s=10", "communication.delay_s=0.1")
    held = lived.agent.auction.now
    missed = np.isnan(held.accepted_kw["urban"])
    assert missed.any() and not missed.all()
    done = lived.market.done()
    np.testing.assert_allclose(
        done["urban"][1][~missed], held.accepted_kw["urban"][~missed], atol=1e-4
    )
    assert np.isfinite(lived.agent.certificate(done).bound_eur)


def test_one_that_comes_back_after_the_last_hour_still_completes_the_proof():
    gone = "communication.outages=[{agent: urban, from_s: 0.5, to_s: 20}]"
    lived = Lived(gone, "negotiation.patience_s=10", "communication.delay_s=0.1")
    assert lived.agent.outcome.decided_s < 20
    assert np.isfinite(lived.agent.certificate(lived.market.done()).bound_eur)
    assert not lived.agent.unacknowledged


def test_an_auctioneer_that_is_cut_off_leaves_all_to_their_own_rules():
    plan = plan_of("communication.outages=[{agent: sharing pool}]")
    assert plan.degraded == (
        "no answer from rural: its units are expected to follow their own rules",
        "no answer from suburban: its units are expected to follow their own rules",
        "no answer from urban: its units are expected to follow their own rules",
    )
    assert not plan.units


# -- who knows what -----------------------------------------------------------------------------
def test_the_auctioneer_knows_bids_and_tariffs_only():
    from quartier.agents.auction_messages import BidCall, BidMade
    from quartier.agents.price_messages import Award, Awarded, PriceAnswer

    from .test_who_knows_what import LIMITS, known, of

    lived = Lived("record.messages=true")
    assert not of(LIMITS, known(lived.agent))
    for name, taker in lived.market.takers.items():
        neighbourhoods = {one.name for one in of(type(taker.problem), known(taker))}
        assert neighbourhoods == {name}
    said = {row["kind"] for row in lived.market.medium.rows}
    assert said == {kind.__name__ for kind in (BidCall, BidMade, PriceAnswer, Award, Awarded)}
    for row in lived.market.medium.rows:
        assert lived.agent.title in (row["sender"], row["receiver"])


# -- what is refused ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["market.bids=guess"], r"market.bids: should be 'exact' or 'algorithm-1'"),
        (["market.forecast=guess"], r"market.forecast: should be"),
        (["market.look_ahead_h=0"], r"market.look_ahead_h: should be greater than 0"),
        (
            ["market.clearing=day-ahead", "market.bids=algorithm-1"],
            r"market.bids: algorithm-1 bids for single hours",
        ),
        (
            ["market.clearing=day-ahead", "market.forecast=learned"],
            r"market.forecast: learned holds the auction of all hours again",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(tmp_path, overrides, why):
    with pytest.raises(InputError, match=why):
        quartier.run("aachen", coordination="auction", overrides=overrides, out=tmp_path / "run")


def test_caps_after_the_pool_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"problem.redispatch: asks for answers to caps"):
        quartier.run("aachen:on-grid", coordination="auction", out=tmp_path / "run")

"""Suppliers as agents: what they say, and what comes of it if they cannot be heard (M9)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from quartier.agents import society
from quartier.agents.strategies.auction import Auction
from quartier.agents.strategies.price_response import PriceResponse
from quartier.errors import InputError
from quartier.instance import build
from quartier.problem import Supply
from quartier.scenario.load import load

from .test_who_knows_what import LIMITS, known, of

CASE = Path(__file__).parents[1] / "cases" / "market"
BLOCKS = "market.clearing=day-ahead"
WAYS = {
    "memory": (PriceResponse, ()),
    "admm": (PriceResponse, ("market.method=admm",)),
    "hourly": (Auction, ()),
    "day-ahead": (Auction, (BLOCKS,)),
}
OPTIMUM = 14.2


class Lived:
    """Agents after their work at the gate of the case."""

    def __init__(self, way: str, *overrides: str) -> None:
        self.kind, own = WAYS[way]
        instance = build(load(CASE, [*own, *overrides, "record.messages=true"]), 1)
        state = instance.initial_state()
        self.problem = instance.problem(0, 0, state)
        self.market = self.kind().market(self.problem, np.random.default_rng(1))
        society.run_apart(society.live(self.market.agents, self.market.medium, self.problem.lead_s))

    def plan(self):
        state = {}
        return self.kind().plan(self.problem, state, np.random.default_rng(1))


@pytest.fixture(scope="module", params=WAYS)
def lived(request) -> Lived:
    return Lived(request.param)


def test_suppliers_are_agents_that_are_asked_and_told_what_they_serve(lived):
    """Coal serves 10, then 40 kWh, and oil 30."""
    suppliers = lived.market.suppliers
    assert list(suppliers) == ["wind", "coal", "oil"]
    given_kw = np.array([agent.contract.p_kw for agent in suppliers.values()])
    drawn_kw = -np.sum([p_kw for _, p_kw in lived.market.done().values()], axis=0)
    assert given_kw.sum(axis=0) == pytest.approx(drawn_kw, abs=0.05)
    assert given_kw[1].tolist() == pytest.approx([10.0, 40.0], abs=0.3)
    (row, *_) = lived.plan().records["solves"]
    assert row["objective"] == pytest.approx(OPTIMUM, rel=2e-3)
    assert row["bound"] <= OPTIMUM + 1e-6


def test_only_the_reserve_is_public(lived):
    """Nobody holds the blocks of another one; the market holds what it was told."""
    agent = lived.market.agent
    assert not of(LIMITS, known(agent))
    for name, supplier in lived.market.suppliers.items():
        (own,) = {id(s): s for s in of(Supply, known(supplier))}.values()
        assert own is supplier._own
        assert own.price_eur_per_kwh.size == 2 * (name in ("wind", "coal", "oil"))
    for taker in lived.market.takers.values():
        for supply in of(Supply, known(taker)):
            assert supply.price_eur_per_kwh[:, 0].tolist() == [0.0, 3.0]


def test_what_suppliers_say_is_counted(lived):
    rows = lived.market.medium.rows
    said = [row for row in rows if row["sender"] in lived.market.suppliers]
    bids = {"ServeAnswer"} if lived.kind is PriceResponse else {"BlocksBid"}
    assert {row["kind"] for row in said} == {*bids, "Awarded"}
    assert {row["receiver"] for row in said} == {"market operator"}
    if lived.kind is Auction:
        assert sum(row["kind"] == "BlocksBid" for row in said) == 3
    plan = lived.plan()
    (negotiation,) = plan.records["negotiations"]
    assert negotiation["agents"] == 5
    assert negotiation["bytes"] == sum(row["bytes"] for row in rows)
    assert all(row["answers"] == 5 for row in plan.records["rounds"])


@pytest.mark.parametrize("way", WAYS)
def test_with_bad_lines_they_end_with_a_certified_gap(way):
    bad = Lived(way, "communication.loss=0.3", "communication.delay_s=1").plan()
    (row, *_) = bad.records["solves"]
    assert bad.degraded == ()
    assert row["bound"] <= OPTIMUM + 1e-6 <= row["objective"] + 2e-6
    assert row["objective"] <= OPTIMUM * 1.05
    assert np.isfinite(row["gap"])


@pytest.mark.parametrize("way", WAYS)
def test_one_that_never_answers_leaves_no_proof(way):
    """As if there were no coal: the battery's 0.29 EUR/kWh. It serves all the same."""
    gone = ("communication.outages=[{agent: coal}]", "negotiation.patience_s=20")
    lived = Lived(way, *gone)
    plan = lived.plan()
    assert plan.degraded == ("no answer from coal: prices were found as if it had nothing",)
    (row, *_) = plan.records["solves"]
    assert np.isnan(row["bound"]) and row["status"] == "feasible"
    done = lived.market.done()
    needed_kw = -np.sum([p_kw for _, p_kw in done.values()], axis=0)
    own = sum(cost for cost, _ in done.values())
    served = lived.problem.coupling.supply.cost_eur(needed_kw)
    assert row["objective"] == pytest.approx(own + served)
    price = next(iter(plan.prices.values()))
    assert price[0] == pytest.approx(0.29, abs=0.02)


def test_one_that_is_cut_off_later_is_counted_on_for_what_it_said():
    gone = "communication.outages=[{agent: coal, from_s: 0.35}]"
    lived = Lived("memory", gone, "negotiation.patience_s=20", "communication.delay_s=0.1")
    plan = lived.plan()
    assert lived.market.suppliers["coal"].contract is None
    assert plan.degraded == ()
    (row, *_) = plan.records["solves"]
    assert row["bound"] <= OPTIMUM + 1e-6 <= row["objective"] + 2e-6


def test_one_whose_agent_dies_is_named(monkeypatch):
    from quartier.agents import supplier

    def broken(own, *given):
        if own.price_eur_per_kwh[0, 0] == 0.1:
            raise ValueError("no coal")
        return serve(own, *given)

    serve = supplier.serve
    monkeypatch.setattr(supplier, "serve", broken)
    plan = Lived("memory", "negotiation.patience_s=20").plan()
    assert plan.degraded == ("agent coal failed: ValueError: no coal; what it said before counts",)


def test_links_and_outages_know_suppliers():
    there = "communication.links={far: {senders: coal, receivers: market operator}}"
    build(load(CASE, [there]), 1)
    with pytest.raises(InputError, match="there is no agent 'coil'; did you mean oil or coal"):
        build(load(CASE, ["communication.outages=[{agent: coil}]"]), 1)
    never = "communication.links={far: {senders: coal, receivers: town}}"
    with pytest.raises(InputError, match="none of its senders ever talks"):
        build(load(CASE, [never]), 1)


def test_a_supplier_is_not_called_like_a_neighbourhood():
    same = "problem.suppliers.town.blocks=[{power_kw: 1, price_eur_per_kwh: 0.1}]"
    with pytest.raises(InputError, match=r"problem.suppliers.town: is the name of a neighbourhood"):
        build(load(CASE, [same]), 1)

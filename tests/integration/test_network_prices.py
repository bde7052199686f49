"""Agents of price-response, auction and mo-cohda in processes of their own, over TCP and MQTT.

Who asks sorts answers and bids by whose they are, so the order in which they come changes nothing:
the run is the simulated world's to 1e-9. MO-COHDA may end in another front, as COHDA may.
"""

from __future__ import annotations

import pytest

import quartier
from quartier.agents.network.frames import Hear

from .networks import (
    CASE,
    after_some_works,
    broker,
    over,
    same,
    same_after_replay,
    team_of_run,
)

CASES = CASE.parent
MARKET, SHARING = CASES / "network-market", CASES / "sharing"
MESSAGES = "record.messages=true"
GRID_TABLES = ("units", "plans", "connection_points", "congestion", "lines")
POOL_TABLES = ("units", "plans", "prices")
AUCTION_TABLES = (*POOL_TABLES, "bids", "flows")

ONE_ROUND = "market.rounds=1"
"""Too few for prices: P_set holds."""

WAYS = {
    "P_set": (CASE, "price-response", "tcp", (*GRID_TABLES, "redispatch"), [ONE_ROUND]),
    "flexibility market": (CASE, "auction", "mqtt", GRID_TABLES, []),
    "prices in a pool": (SHARING, "price-response", "tcp", POOL_TABLES, []),
}


@pytest.mark.parametrize(("case", "way", "transport", "tables", "more"), WAYS.values(), ids=WAYS)
def test_what_takers_leave_comes_home(case, way, transport, tables, more, run_once, tmp_path):
    """All that tables, certificates and KPIs are made of, be it awards or what P_set left."""
    one = run_once(str(case), *more, coordination=way)
    with broker(tmp_path / "broker") as mosquitto:
        asked = [*more, *over(transport, mosquitto), MESSAGES]
        other = quartier.run(case, coordination=way, overrides=asked, out=tmp_path / "over")
    told = other.manifest["error"]
    assert told == one.manifest["error"]
    assert (told is None) != bool(more)
    assert other.manifest["network"]["dropped"] == {}
    same(one, other, tables)
    pays = ["problem", "status", "objective", "bound"]
    for table, columns in (("solves", pays), ("rounds", ["round", "objective", "numbers"])):
        ours, theirs = (r.table(table)[columns] for r in (one, other))
        assert ours.equals(theirs)
    assert (other.table("rounds")["wall_s"] > 0).all()
    same_after_replay(other, tmp_path / "again", tables, *more)


def test_an_auction_is_the_same_where_a_process_dies_in_the_middle_of_it(
    run_once, tmp_path, monkeypatch
):
    """The second day's forecast is what the first came to: nobody forgets it by dying."""
    team = team_of_run(monkeypatch)
    one = run_once(str(MARKET), coordination="auction")

    def mischief():
        team[0].processes["town"].kill()

    done = after_some_works(monkeypatch, 20, mischief, Hear, gate=1)
    asked = ["communication.transport=tcp"]
    other = quartier.run(MARKET, overrides=asked, out=tmp_path / "over")
    assert done
    assert one.status == other.status == "complete", other.manifest["error"]
    assert other.manifest["network"]["restarts"] == 1
    assert other.manifest["network"]["calls"] == {"coast": 1, "town": 2}
    same(one, other, AUCTION_TABLES)
    first, second = (
        one.table("prices").query("neighbourhood == 'town'")["price_eur_per_kwh"].to_numpy()[k]
        for k in (slice(24), slice(24, None))
    )
    assert abs(first - second).max() > 0.05  # so what is expected counts
    same_after_replay(other, tmp_path / "again", AUCTION_TABLES)


@pytest.mark.parametrize("transport", ["tcp", "mqtt"])
def test_fronts_come_home(transport, run_once, tmp_path):
    one = run_once(str(CASE), coordination="mo-cohda")
    with broker(tmp_path / "broker") as mosquitto:
        other = quartier.run(
            CASE,
            coordination="mo-cohda",
            overrides=over(transport, mosquitto),
            out=tmp_path / "over",
        )
    assert one.status == other.status == "complete", other.manifest["error"]
    assert other.table("negotiations")["agreed"].all()
    for run in (one, other):
        assert run.table("lines")["loading_percent"].max() <= 40.1
    ours, theirs = (r.table("fronts").query("chosen")["value"].to_numpy() for r in (one, other))
    assert theirs == pytest.approx(ours, rel=0.02)
    for kpi in ("lower_cost", "upper_cost"):
        assert other.kpis[kpi] == pytest.approx(one.kpis[kpi], rel=0.02)
    same_after_replay(other, tmp_path / "again", ("units", "plans", "fronts", "redispatch"))

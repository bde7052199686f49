"""Who feeds whom in a run's world, as text: a change of wiring is seen here."""

from __future__ import annotations

from pathlib import Path

from quartier.simulators.wiring import describe, wiring
from quartier.units import KINDS

CASES = Path(__file__).parents[1] / "cases" / "execution-graph"


def by_order() -> list[str]:
    return sorted(KINDS, key=lambda kind: (KINDS[kind].order, kind))


def test_wiring_of_all_kinds_is_as_recorded():
    assert describe(by_order()) == (CASES / "wiring.txt").read_text(encoding="utf-8")


def test_within_a_step_kinds_only_feed_later_ones():
    place = {kind: KINDS[kind].order for kind in KINDS}
    place |= {"planner": -1, "nodes": 10, "grid": 11, "recorder": 12}
    for wire in wiring(by_order()):
        source, target = (end.split(".")[0] for end in (wire.source, wire.target))
        assert wire.shifted or place[source] < place[target], wire


def test_a_world_without_a_grid_feeds_a_copper_plate():
    wires = describe(["pv", "household"], has_grid=False)
    assert "grid" not in wires and "tap_pos" not in wires
    assert "pv.Fleet.power -> copper_plate.CopperPlate.power" in wires
    assert "copper_plate.CopperPlate.connection_points -> recorder" in wires


def test_a_world_without_heat_has_no_nodes():
    assert "nodes" not in describe(["pv", "household", "battery"])

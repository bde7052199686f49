"""Who feeds whom in the mosaik world of a run, and when: stated once, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quartier.units import KINDS


@dataclass(frozen=True, order=True)
class Wire:
    """A flow of data between two entities."""

    source: str
    """``simulator.entity.attribute``."""
    target: str
    shifted: bool = False
    """Whether the target gets the value of the step before."""

    def __str__(self) -> str:
        return f"{self.source} {'~>' if self.shifted else '->'} {self.target}"


GRID, COPPER_PLATE = "grid.Grid", "copper_plate.CopperPlate"
"""What takes the power at the connection points."""


def wiring(kinds: Sequence[str], *, has_grid: bool = True) -> list[Wire]:
    """Everything that is connected in a world with these kinds of unit, sorted.

    Within a step, kinds follow each other by :attr:`UnitKind.order`: each sees the flows
    and power of all lower places in the same step, and the energy in the stores of its nodes at
    the end of the step before. Then the grid is solved, then the recorder writes. All fleets, the
    grid and the recorder report to the planner one step later, so that nobody runs ahead of the
    others: when the planner begins a step, all have done the one before, and none has begun this.
    """
    sink = GRID if has_grid else COPPER_PLATE
    wires = {*_planning(kinds), *_nodes(kinds), *_power(kinds, sink), *_recording(kinds, sink)}
    return sorted(wires | set(_grid() if has_grid else ()))


def describe(kinds: Sequence[str], *, has_grid: bool = True) -> str:
    """The wiring as text: ``a.b.c -> d.e.f`` within a step, ``~>`` one step later."""
    return "\n".join(map(str, wiring(kinds, has_grid=has_grid))) + "\n"


def _planning(kinds: Sequence[str]) -> Iterator[Wire]:
    for kind in kinds:
        for order in ("set_point_kw", "planned_kw"):
            yield Wire(f"planner.{kind}.{order}", f"{kind}.Fleet.{order}")
        yield Wire(f"{kind}.Fleet.state", "planner.Planner.state", shifted=True)
    yield Wire("recorder.Recorder.written", "planner.Planner.written", shifted=True)


def _grid() -> Iterator[Wire]:
    yield Wire("planner.Planner.tap_pos", f"{GRID}.tap_pos")
    yield Wire(f"{GRID}.tap_pos", "planner.Planner.tap_pos", shifted=True)
    for block in ("buses", "lines", "slack_p_mw", "steps", "transformers"):
        yield Wire(f"{GRID}.{block}", f"recorder.Recorder.{block}")


def _nodes(kinds: Sequence[str]) -> Iterator[Wire]:
    at_nodes = [kind for kind in kinds if KINDS[kind].carriers]
    for kind in at_nodes:
        alike = [other for other in at_nodes if _share_a_carrier(kind, other)]
        for lower in _lower(kind, alike):
            yield Wire(f"{lower}.Fleet.flows", f"{kind}.Fleet.flows_of_others")
        for store in alike:
            holds = KINDS[store].holds in KINDS[kind].carriers
            if holds and KINDS[kind].order > 0 and kind != store:
                stored = f"{kind}.Fleet.stored_of_others"
                yield Wire(f"{store}.Fleet.stored", stored, shifted=True)
        way = "led" if KINDS[kind].controls else "fixed"
        yield Wire(f"{kind}.Fleet.flows", f"nodes.Nodes.{way}")
    if at_nodes:
        yield Wire("planner.Planner.sales", "nodes.Nodes.sales")
        for block in ("nodes", "unit_cost"):
            yield Wire(f"nodes.Nodes.{block}", f"recorder.Recorder.{block}")


def _share_a_carrier(one: str, other: str) -> bool:
    return not set(KINDS[one].carriers).isdisjoint(KINDS[other].carriers)


def _power(kinds: Sequence[str], sink: str) -> Iterator[Wire]:
    for kind in kinds:
        yield Wire(f"{kind}.Fleet.power", f"{sink}.power")
        if KINDS[kind].order > 0:
            for lower in _lower(kind, kinds):
                yield Wire(f"{lower}.Fleet.power", f"{kind}.Fleet.power_of_others")


def _recording(kinds: Sequence[str], sink: str) -> Iterator[Wire]:
    for kind in kinds:
        for block in ("units", "unit_cost"):
            yield Wire(f"{kind}.Fleet.{block}", f"recorder.Recorder.{block}")
    yield Wire(f"{sink}.connection_points", "recorder.Recorder.connection_points")
    for block in ("offers", "prices", "allocation", "records"):
        yield Wire(f"planner.Planner.{block}", f"recorder.Recorder.{block}")


def _lower(kind: str, kinds: Sequence[str]) -> list[str]:
    return [other for other in kinds if KINDS[other].order < KINDS[kind].order]

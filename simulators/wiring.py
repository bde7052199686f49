"""Who feeds whom in the mosaik world of a run, and when: stated once, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import networkx as nx

from quartier.units import KINDS


@dataclass(frozen=True, order=True)
class Wire:
    """A flow of data between two entities."""

    source: str
    """``simulator.entity.attribute``."""
    target: str
    shifted: bool = False
    """Whether the target gets the value of the step before (the planner: of its last block)."""

    def __str__(self) -> str:
        return f"{self.source} {'~>' if self.shifted else '->'} {self.target}"

    @property
    def kinds(self) -> tuple[str, str]:
        """Kinds at both ends, where they are fleets."""
        source, target = (
            e.rpartition(".")[0].removesuffix(FLEET) for e in (self.source, self.target)
        )
        return source, target

    def feeds(self, kind: str, attribute: str) -> bool:
        """Whether it feeds an attribute of a fleet."""
        return self.target == f"{kind}{FLEET}.{attribute}"


FLEET, STORED = ".Fleet", "stored"
GRID, COPPER_PLATE = "grid.Grid", "copper_plate.CopperPlate"
"""What takes the power at the connection points."""


def wiring(kinds: Sequence[str], *, has_grid: bool = True) -> list[Wire]:
    """Everything that is connected in a world with these kinds of unit, sorted.

    Within a step, kinds follow each other by :attr:`UnitKind.order`: each sees the flows
    and power of all lower places in the same step, and the energy in the stores of its nodes at
    the end of the step before. Then the grid is solved, then the recorder writes. All fleets, the
    grid and the recorder report to the planner after a block of steps, so that nobody runs ahead of
    the others: when the planner begins a block, all have done the one before, and none this.
    """
    sink = GRID if has_grid else COPPER_PLATE
    wires = {*_planning(kinds), *_nodes(kinds), *_power(kinds, sink), *_recording(kinds, sink)}
    return sorted(wires | set(_grid() if has_grid else ()))


def groups(kinds: Sequence[str]) -> list[tuple[str, ...]]:
    """Kinds that hear of each other in every step, both ways: one simulator steps them together.

    Whoever leads a store sees how full it is, and the store sees in the same step what it is given.
    All others form groups of their own. Groups are in the order of a step.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(kinds)
    among = [wire.kinds for wire in wiring(kinds) if set(wire.kinds) <= set(kinds)]
    graph.add_edges_from(among)
    found = [
        tuple(k for k in kinds if k in part) for part in nx.strongly_connected_components(graph)
    ]
    return sorted(found, key=lambda part: kinds.index(part[-1]))


def describe(kinds: Sequence[str], *, has_grid: bool = True) -> str:
    """The wiring as text: ``a.b.c -> d.e.f`` within a step, ``~>`` one step later.

    Kinds that are stepped together stand above it.
    """
    together = [f"{' + '.join(part)}: step by step" for part in groups(kinds) if len(part) > 1]
    return "\n".join([*together, *map(str, wiring(kinds, has_grid=has_grid))]) + "\n"


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
                yield Wire(f"{store}.Fleet.{STORED}", stored, shifted=True)
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


def simulator_id(kind: str) -> str:
    """Name of a kind's simulator in the world, without the dot that ends it in mosaik's names."""
    return kind.replace(".", "/")

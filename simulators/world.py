"""Builds the mosaik world of a run and lets it run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import mosaik
from mosaik.scenario import ModelFactory
from mosaik.starters import PythonStarter

from quartier.errors import RunFailed
from quartier.hanging import Watchdog
from quartier.results.writer import end_process
from quartier.scenario.own_simulators import OwnSimulator
from quartier.simulators.background import Background
from quartier.simulators.checkpoints import Checkpoints
from quartier.simulators.copper_plate import CopperPlate
from quartier.simulators.execution import Execution
from quartier.simulators.grid import Grid
from quartier.simulators.guard import Guard, Limit
from quartier.simulators.nodes import Nodes
from quartier.simulators.own import GIVES, OWN, TAKES, OwnStarter
from quartier.simulators.planner import Planner
from quartier.simulators.recorder import Recorder
from quartier.simulators.scheduling import settle
from quartier.simulators.time_based import TimeBased
from quartier.simulators.topology import Topology
from quartier.simulators.unit import simulator_of
from quartier.simulators.wiring import (
    COPPER_PLATE,
    FLEET,
    GRID,
    STORED,
    Wire,
    groups,
    simulator_id,
    wiring,
)
from quartier.units import KINDS

START_S = 10.0
"""Wall time that mosaik lets a simulator take to start, at least."""


@contextmanager
def opened(execution: Execution, *, debug: bool = False) -> Iterator[mosaik.World]:
    """Build the world of an execution, and shut it down at the end, whatever happens.

    Parameters
    ----------
    debug
        Whether mosaik keeps the graph of all steps (slow).
    """
    loop, checkpoints = asyncio.new_event_loop(), Checkpoints(execution)
    deadlines = execution.instance.scenario.deadlines

    def hangs(name: str) -> None:
        what = f"{guard.called(name)} hangs {guard.when(name, 'step')} beyond its deadline"
        end_process(f"{what}, in code that never comes back to Python; the process was ended")

    own_s = [own.timeout_s for own in execution.instance.scenario.simulators.values()]
    known = [s for s in (deadlines.call_s, deadlines.plan_s, *own_s) if s is not None]
    watchdog = Watchdog(max(known, default=None), hangs)
    guard = Guard(Limit(deadlines.call_s), execution.told, execution.pace, watchdog)
    world = mosaik.World(
        {},
        mosaik_config={"start_timeout": max([START_S, *own_s]) + START_S},  # theirs come first
        debug=debug,
        cache=False,  # values are pushed when they are made: cheaper, and nothing is kept
        skip_greetings=True,
        configure_logging=False,
        asyncio_loop=loop,
    )
    readers: set[asyncio.Task[Any]] = set()
    try:
        try:
            _build(world, execution, checkpoints, guard)
        finally:
            readers = asyncio.all_tasks(loop)  # of what simulators elsewhere say, to their end
        with watchdog.watching():
            yield world
        if execution.journal.steps == execution.instance.horizon.steps:
            checkpoints.after_step()
    except Exception as error:
        guard.settle(loop)
        explained = guard.explained(error)
        if explained is error:
            raise
        raise explained from error
    finally:
        _cancel(loop, readers)
        world.shutdown()  # type: ignore[no-untyped-call]


def run_world(world: mosaik.World, execution: Execution) -> None:
    """Run all steps in a world that is open.

    Without lazy stepping mosaik waits half as much, and still nobody runs ahead: the planner
    waits for everybody's last step, and everybody for the planner.
    """
    steps = execution.instance.horizon.steps - execution.first_step
    if not steps:  # of a run that was killed while its KPIs were read
        return
    settle(world)
    until = steps * execution.step_s
    world.run(until, print_progress=False, lazy_stepping=False)


def _cancel(loop: asyncio.AbstractEventLoop, kept: set[asyncio.Task[Any]]) -> None:
    """End what a failed or interrupted run has left in its loop, but for ``kept``."""
    tasks = asyncio.all_tasks(loop) - kept
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _build(
    world: mosaik.World, execution: Execution, checkpoints: Checkpoints, guard: Guard
) -> None:
    units = [unit for fleet in execution.fleets.values() for unit in fleet]
    topology = Topology.of(execution.points["name"], units)
    entities = dict(_entities(world, execution, topology, checkpoints, guard))
    together = [set(kinds) for kinds in groups(list(execution.fleets)) if len(kinds) > 1]
    for wire in wiring(list(execution.fleets), has_grid=execution.instance.has_grid):
        if not any(kinds.issuperset(wire.kinds) for kinds in together):
            _connect(world, entities, wire, execution)
    for name, own in execution.instance.scenario.simulators.items():
        _join(world, entities, execution, guard, name, own)


def _entities(
    world: mosaik.World,
    execution: Execution,
    topology: Topology,
    checkpoints: Checkpoints,
    guard: Guard,
) -> Iterator[tuple[str, Any]]:
    """Start all simulators, in the order of a step; yield what can be connected, by name."""
    instance, points = execution.instance, execution.points
    planner = _start(world, Planner, "planner", execution, checkpoints, guard).Planner(
        execution=execution, checkpoints=checkpoints
    )
    yield "planner.Planner", planner
    yield from ((f"planner.{orders.eid}", orders) for orders in planner.children)
    for kinds in groups(list(execution.fleets)):
        name = "+".join(map(simulator_id, kinds))
        simulator = _start(world, simulator_of(*kinds), name, execution, checkpoints, guard)
        for kind in kinds:
            fleet = simulator.Fleet(units=execution.fleets[kind], topology=topology)
            yield f"{kind}.Fleet", fleet
    if any(KINDS[kind].carriers for kind in execution.fleets):
        nodes = _start(world, Nodes, "nodes", execution, checkpoints, guard)
        yield "nodes.Nodes", nodes.Nodes(topology=topology)
    if instance.has_grid:
        grid = _start(world, Grid, "grid", execution, checkpoints, guard, journal=execution.journal)
        background = Background(
            instance.network, instance.background_p_mw, instance.background_q_mvar
        )
        buses = dict(zip(points["name"], points["bus"], strict=True))
        yield (
            GRID,
            grid.Grid(background=background, connection_points=buses, engine=instance.engine),
        )
    else:
        plate = _start(world, CopperPlate, "copper_plate", execution, checkpoints, guard)
        yield (
            COPPER_PLATE,
            plate.CopperPlate(
                connection_points=list(points["name"]), efficiency=instance.connection_efficiency
            ),
        )
    recorder = _start(world, Recorder, "recorder", execution, checkpoints, guard)
    yield "recorder.Recorder", recorder.Recorder(execution=execution)


def _join(
    world: mosaik.World,
    entities: Mapping[str, Any],
    execution: Execution,
    guard: Guard,
    name: str,
    own: OwnSimulator,
) -> None:
    """Let a simulator of the user's own act for a unit: after the planner, before the fleets."""
    starter = OwnStarter(name, own, execution.writer.directory)
    watched = guard.over(starter, Limit(own.timeout_s, "timeout_s"), starter.called)
    started = world.start(watched, sim_id=f"{OWN}{name}", **own.init)
    models: Mapping[str, Any] = cast(Any, started).meta["models"]
    if own.model not in models:
        known = ", ".join(models)
        raise RunFailed(f"simulator {name!r} ({own.where}) has no model {own.model!r}, but {known}")
    entity = getattr(started, own.model)(**own.params)
    attributes = models[own.model]["attrs"]
    if "p_kw" not in attributes:
        said = ", ".join(attributes) or "nothing"
        raise RunFailed(f"simulator {name!r}: model {own.model!r} gives no p_kw, but {said}")
    kind = next(
        k for k, units in execution.fleets.items() if any(u.name == own.unit for u in units)
    )
    unit = next(c for c in entities[f"{kind}.Fleet"].children if c.eid == own.unit)
    order = entities[f"planner.{own.unit}"]
    for taken in (a for a in TAKES if a in attributes):
        world.connect(order, entity, taken)
    for given, measured in ((g, m) for g, m in GIVES.items() if g in attributes):
        world.connect(entity, unit, (given, measured))


def _start(
    world: mosaik.World,
    simulator: Callable[[], TimeBased],
    name: str,
    execution: Execution,
    checkpoints: Checkpoints,
    guard: Guard,
    **more: Any,
) -> ModelFactory:
    made = simulator()
    starter = PythonStarter(lambda: made)  # type: ignore[arg-type]
    deadlines = execution.instance.scenario.deadlines
    plans = isinstance(made, Planner)
    limit = Limit(deadlines.plan_s, "deadlines.plan_s") if plans else Limit(deadlines.call_s)
    factory = world.start(
        guard.over(starter, limit),
        sim_id=name,
        step_size=execution.step_s,
        first_step=execution.first_step,
        pace=execution.pace,
        snapshot=execution.start.get(name),
        **more,
    )
    checkpoints.join(name, made)
    return factory


def _last(execution: Execution, source: str) -> Any:
    """What the planner would have got of a source after the step before the first."""
    kind = source.rpartition(".")[0].removesuffix(FLEET)
    if source == "recorder.Recorder.written":
        return True
    if source.startswith(f"{GRID}."):
        return execution.start["grid"]["tap_pos"]
    name = next(n for n in execution.start if simulator_id(kind) in n.split("+"))
    return dict(execution.start[name][kind]["state"])


def _connect(
    world: mosaik.World, entities: Mapping[str, Any], wire: Wire, execution: Execution
) -> None:
    """Connect two entities; what is from the start of each step comes in the same block."""
    source, _, source_attribute = wire.source.rpartition(".")
    target, _, target_attribute = wire.target.rpartition(".")
    later = wire.shifted and source_attribute != STORED
    # In the first step there is no last one: the planner then takes the instance's own state.
    first = _last(execution, wire.source) if later and execution.start else None
    world.connect(
        entities[source],
        entities[target],
        (source_attribute, target_attribute),
        time_shifted=later,
        initial_data={source_attribute: first} if later else {},
    )

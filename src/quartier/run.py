"""The story of a run, from the scenario's name to the result."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from quartier import kpi
from quartier.agents.network.opening import Opened, opened_stage, serve
from quartier.agents.stage import Stage
from quartier.baseline import check_stage, earlier_baseline
from quartier.coordination import Coordination
from quartier.errors import InputError, QuartierError, RunFailed
from quartier.fingerprint import identity
from quartier.grid.recycled import grid_json
from quartier.instance import Instance, build
from quartier.mechanism import Mechanism, mechanism
from quartier.optimisation import pyo
from quartier.own_code import told
from quartier.problem import Design
from quartier.problem.upper_cost import lower_price
from quartier.progress import Progress, SilentProgress, is_cancellation
from quartier.results import Result, RunWriter, new_run_directory, run_log
from quartier.results.begun import Begun
from quartier.results.files import CannotWrite
from quartier.results.finished import FINISHED
from quartier.run_warnings import warnings
from quartier.scenario.load import LoadedScenario, load
from quartier.scenario.overrides import Overrides
from quartier.simulators.checkpoints import continued
from quartier.simulators.execution import Execution
from quartier.simulators.world import opened, run_world
from quartier.units import KINDS

logger = logging.getLogger(__name__)

BASELINE = "baseline"
"""Folder of the baseline run inside the run folder."""


# One thread: the matrices are small, threads that wait for each other cost a multiple on a busy
# machine, and the sums of BLAS depend on their number.
ONE_THREAD = threadpool_limits.wrap(limits=1, user_api="blas")


@ONE_THREAD  # type: ignore[untyped-decorator]
def run(
    scenario: str | Path,
    *,
    coordination: str | None = None,
    seed: int | None = None,
    overrides: Overrides = (),
    out: str | Path | None = None,
    progress: Progress | None = None,
    report: bool = True,
) -> Result:
    """Run a scenario, and return what it left in its run folder.

    Parameters, result and errors are those of :func:`quartier.run`; one of many runs needs no
    ``report``.
    """
    progress, clock = progress or SilentProgress(), Clock()
    with clock.phase("setup"):
        progress.phase("Reading the scenario")
        loaded = as_asked(load(scenario, overrides, seed), coordination, seed)
    result: Result = run_loaded(
        loaded, source=scenario, out=out, progress=progress, clock=clock, report=report
    )
    return result


@ONE_THREAD  # type: ignore[untyped-decorator]
def run_loaded(
    loaded: LoadedScenario,
    *,
    source: str | Path,
    out: str | Path | None = None,
    progress: Progress | None = None,
    clock: Clock | None = None,
    report: bool = True,
    more: Mapping[str, Any] | None = None,
) -> Result:
    """Run a scenario that is read already; ``more`` are further fields of the manifest."""
    progress, clock = progress or SilentProgress(), clock or Clock()
    with clock.phase("setup"):
        asked = mechanism(loaded.scenario.coordination, loaded.scenario.problem.kind)
        check_stage(asked.name, loaded.scenario.problem.kind, loaded.scenario.communication)
        earlier = earlier_baseline(loaded)
        instance = build(loaded, loaded.scenario.seed)
        folder = _folder(loaded, source, out)
    story = Story(loaded, instance, clock, progress, more=more or {}, source=str(source))
    return story.told(folder, asked, earlier, report=report)


def host(
    scenario: str | Path,
    neighbourhood: str,
    address: str,
    coordination: str | None = None,
    seed: int | None = None,
    overrides: Overrides = (),
) -> None:
    """Host the agents of a neighbourhood for a run over a network, until that is over.

    Parameters
    ----------
    address
        Where the run's orchestrator is: ``tcp://host:port``, or its broker: ``mqtt://host:port``.

    Raises
    ------
    InputError
        With every problem found, or what differs from the orchestrator's.
    RunFailed
        If no orchestrator is there for too long.
    """
    loaded = as_asked(load(scenario, overrides), coordination, seed)
    asked = mechanism(loaded.scenario.coordination, loaded.scenario.problem.kind)
    if not asked.networked:
        raise InputError([f"coordination {asked.name!r} has no agents that live in processes"])
    instance = build(loaded, loaded.scenario.seed)
    pyo.load()
    serve(loaded, instance, asked.planner(), neighbourhood, address)


class Clock:
    """Wall time by phase in seconds."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time that the context lasts."""
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - began

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count a part of a phase as another phase."""
        self.seconds[source] -= seconds
        self.seconds[target] = self.seconds.get(target, 0.0) + seconds


@dataclass
class Story:
    """What the parts of a run share."""

    loaded: LoadedScenario
    instance: Instance
    clock: Clock
    progress: Progress
    title: str = "Run: "
    """What its phases are called by."""
    degraded: list[str] = field(default_factory=list)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the manifest."""
    source: str | None = None
    """What names the scenario to agents in processes of their own; None: its file."""

    def told(
        self,
        folder: Path,
        asked: Mechanism,
        earlier: Result | None,
        begun: Begun | None = None,
        *,
        report: bool = True,
    ) -> Result:
        """Tell it from the beginning, or from where it was begun before, to its end.

        Parameters
        ----------
        earlier
            Run that the scenario names as its baseline, if it names one.
        """
        with self.recorded(folder, asked, begun) as writer:
            baseline = earlier or self.baseline(folder)
            self.execute(asked, writer, begun)
            self.conclude(asked, writer, baseline)
        if report:
            self.report(writer)
        self.progress.done()
        return Result.open(folder)

    @contextmanager
    def recorded(
        self, folder: Path, asked: Mechanism, begun: Begun | None = None
    ) -> Iterator[RunWriter]:
        """Open the run folder; whatever happens, the manifest says how the run ended."""
        manifest = self._manifest(asked)
        if begun is None:
            writer = RunWriter(folder, manifest)
        else:
            manifest |= begun.fields()
            writer = RunWriter.again(folder, manifest, begun.parts, begun.steps)
        with run_log(folder):
            try:
                if self.instance.has_grid:
                    text = grid_json(self.instance.network)
                    (folder / "grid.json").write_text(text, encoding="utf-8")
                self._write_signals(writer, begun.told if begun else 0)
                yield writer
            except (Exception, KeyboardInterrupt, SystemExit) as error:  # users' code may exit
                self.progress.done()
                if is_cancellation(error):
                    self._end(writer, "cancelled", "cancelled by the user")
                    _tell_what_shows(folder, "cancelled")
                    raise
                logger.exception("the run failed; the traceback is in %s", folder / "log.txt")
                failure = _failure(error)
                with suppress(CannotWrite):  # the manifest then says that the run goes on: partial
                    self._end(writer, "failed", str(failure))
                _tell_what_shows(folder, "failed")
                if failure is error:
                    raise
                raise failure from error

    def _manifest(self, asked: Mechanism) -> dict[str, Any]:
        loaded, horizon = self.loaded, self.instance.horizon
        return {
            **identity(loaded, asked.name),
            **self.more,
            "given": loaded.given(),
            "source": str(loaded.path.resolve()),
            "variant": loaded.variant,
            "overrides": list(loaded.overrides),
            "start": horizon.start,
            "end": horizon.end,
            "steps_expected": horizon.steps,
            "notes": [asdict(note) for note in self.instance.notes],
            "warnings": [],
            "own_tables": asked.tables,
            "start_energy_kwh": _start_energy_kwh(self.instance),
            **_merit(self.instance),
        }

    def _write_signals(self, writer: RunWriter, first: int) -> None:
        times = self.instance.horizon.times[first:]
        for name, (values, unit) in self.instance.signals.items():
            columns = {"time": times, "name": name, "value": values[first:], "unit": unit}
            writer.add("signals", columns)

    def baseline(self, folder: Path) -> Result | None:
        """Run what the KPIs compare with, in a folder of its own inside the run folder."""
        name = self.loaded.scenario.baseline
        if name == self.loaded.scenario.coordination:
            return None
        begun, place = None, folder / BASELINE
        if (place / "manifest.json").exists():  # of an earlier start of this run
            done = Result.open(place)
            finished = done.status in FINISHED and (place / "kpis.json").exists()
            if finished and done.manifest["steps_expected"] == self.instance.horizon.steps:
                return done
            begun = Begun.at(place)
        own = replace(self, clock=Clock(), title="Baseline: ", degraded=[])
        asked = mechanism(name, self.loaded.scenario.problem.kind)
        with self.clock.phase("baseline"), own.recorded(place, asked, begun) as writer:
            own.execute(asked, writer, begun)
            own.conclude(asked, writer, None)
        return Result.open(place)

    def execute(self, asked: Mechanism, writer: RunWriter, begun: Begun | None = None) -> None:
        """Let everybody plan and act, step by step, in the mosaik world."""
        source = self.source or source_of(self.loaded)
        with staged(self.loaded, asked, source, writer.directory) as network:
            self._execute(asked, writer, begun, network.stage)
        if network.told:
            writer.update(network=network.told)

    def _execute(
        self, asked: Mechanism, writer: RunWriter, begun: Begun | None, stage: Stage | None
    ) -> None:
        name, coordination = asked.name, asked.planner()
        execution = Execution(
            instance=self._built(coordination, name, writer),
            coordination=coordination,
            name=name,
            rng=np.random.default_rng([self.loaded.scenario.seed, crc32(b"coordination")]),
            writer=writer,
            progress=self.progress,
            stage=stage,
        )
        if begun is not None and begun.kept:
            execution = continued(execution, begun.kept)
        steps = self.instance.horizon.steps
        with ExitStack() as stack:
            with self.clock.phase("setup"):
                if asked.networked is not None:
                    pyo.load()
                world = stack.enter_context(opened(execution))
            self.progress.phase(f"{self.title}{name}", steps)
            self.progress.advance(execution.first_step)
            with self.clock.phase("execution"):
                run_world(world, execution)
        self.clock.move(execution.journal.planning_s, "execution", "planning")
        if execution.journal.steps != steps:
            raise RunFailed(f"only {execution.journal.steps} of {steps} steps were executed")
        self.degraded += execution.journal.degraded()

    def _built(self, coordination: Coordination, name: str, writer: RunWriter) -> Instance:
        """The instance as it is simulated: sized first, where the mechanism chooses sizes."""
        design = getattr(coordination, "design", None)
        if design is None or self.instance.data.bundled is None:
            return self.instance
        self.progress.phase(f"{self.title}{name}, design")
        with self.clock.phase("planning"):
            whole = self.instance.problem(0, 0, self.instance.initial_state(), whole=True)
            found = design(whole)
            if not isinstance(found, Design):
                kind = type(found).__name__
                raise RunFailed(f"coordination {name!r}: design() returned {kind}, not a Design")
            instance = self.instance.built(found)
        writer.update(start_energy_kwh=_start_energy_kwh(instance))
        return instance

    def conclude(self, asked: Mechanism, writer: RunWriter, baseline: Result | None) -> None:
        """Read the KPIs from what was written, and say how the run ended."""
        self.progress.phase(f"{self.title}KPIs")
        writer.flush()
        writer.update(
            wall_times_s=self.clock.seconds,
            baseline=None if baseline is None else _relative(baseline.dir, writer.directory),
        )
        with self.clock.phase("kpis"):
            data = kpi.RunData(Result(writer.directory), baseline)
            writer.write_kpis(kpi.compute(data) | self._own_kpis(asked, data))
            told = list(warnings(data))
        for text in told:
            logger.warning("%s%s", self.title, text)
        writer.update(warnings=told)
        trouble = "; ".join(self.degraded)
        self._end(writer, "degraded" if trouble else "complete", trouble or None)

    def _own_kpis(self, asked: Mechanism, data: kpi.RunData) -> dict[str, dict[str, Any]]:
        """KPIs that the mechanism declares; one that fails degrades the run, which has the rest."""
        table: dict[str, dict[str, Any]] = {}
        for one in asked.kpis:
            try:
                table |= kpi.read(one, data)
            except Exception as error:
                logger.exception("the KPI %s failed", one.name)
                self.degraded.append(f"KPI {one.name!r} failed: {told(error, one.value)}")
        return table

    def report(self, writer: RunWriter) -> None:
        """Write ``report.html``; a run is not lost if that fails."""
        self.progress.phase(f"{self.title}Report")
        with run_log(writer.directory):
            self._write_report(writer)

    def _write_report(self, writer: RunWriter) -> None:
        try:
            with self.clock.phase("report"):
                from quartier.report import write_report  # what draws is slow to import

                write_report(Result(writer.directory))
        except Exception:
            logger.exception(
                "no report.html was written; what the run wrote is there. Try: quartier report %s",
                writer.directory,
            )
        writer.update(wall_times_s=self.clock.seconds)

    def _end(self, writer: RunWriter, status: str, error: str | None) -> None:
        writer.finish(status, error, wall_times_s=self.clock.seconds)


def _tell_what_shows(folder: Path, status: str) -> None:
    """Say how to look at a run that ended early: who waits for an error waits for no report."""
    if folder.name != BASELINE:  # it is inside the run that tells
        logger.warning("%s; 'quartier report %s' shows the rest", status, folder)


def _start_energy_kwh(instance: Instance) -> dict[str, float]:
    """Energy in stores at the start of a run, by unit."""
    return {
        unit.name: unit.state["energy_kwh"]
        for unit in instance.units
        if "energy_kwh" in unit.state and not KINDS[unit.kind].sessions
    }


def _merit(instance: Instance) -> dict[str, dict[str, float]]:
    """Prices of lowering plants by name, where minimum factors make them; what KPIs read."""
    settings = instance.scenario.redispatch
    if settings.minimum_factor is None:
        return {}
    return {"plant_prices": {p.name: lower_price(settings, p) for p in instance.plants}}


@contextmanager
def staged(loaded: LoadedScenario, asked: Mechanism, source: str, folder: Path) -> Iterator[Opened]:
    """Open where the agents of a mechanism live, if it has any; those of a baseline stay here."""
    settings = loaded.scenario.communication
    simulated = settings.transport == "simulated" and settings.replay is None
    if simulated or asked.networked is None or asked.name != loaded.scenario.coordination:
        yield Opened(None)
        return
    with opened_stage(loaded, source, folder) as opened:
        yield opened


def source_of(loaded: LoadedScenario) -> str:
    """What a scenario can be loaded by once more."""
    return f"{loaded.path}:{loaded.variant}" if loaded.variant else str(loaded.path)


def as_asked(loaded: LoadedScenario, coordination: str | None, seed: int | None) -> LoadedScenario:
    """Return the scenario with the coordination and the seed that were asked for."""
    asked = {"coordination": coordination, "seed": seed}
    changes = {name: value for name, value in asked.items() if value is not None}
    return replace(loaded, scenario=loaded.scenario.model_copy(update=changes))


def _folder(loaded: LoadedScenario, source: str | Path, out: str | Path | None) -> Path:
    """Return the run folder, which does not exist yet or is empty."""
    if out is None:
        return new_run_directory(label(loaded, source), loaded.scenario.coordination)
    return empty_folder(Path(out))


def label(loaded: LoadedScenario, source: str | Path) -> str:
    """Return the name of the scenario, with its variant if the user named one."""
    name, variant = loaded.scenario.name, loaded.variant
    asked_for = variant is not None and str(source).endswith(f":{variant}")
    return f"{name}-{variant}" if asked_for else name


def empty_folder(folder: Path) -> Path:
    """Return the folder, unless there is something in it already (InputError)."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError([f"{folder} exists and is not empty: name another folder with --out"])
    return folder


def _failure(error: BaseException) -> QuartierError:
    """Return what the user is told: Quartier's own errors say it, others get a sentence."""
    if isinstance(error, QuartierError):
        return error
    return RunFailed(f"the run failed: {type(error).__name__}: {error} (see log.txt)")


def _relative(path: Path, base: Path) -> str:
    """Path from a run folder to one inside or beside it, so that they can be moved together."""
    if path.is_relative_to(base):
        return str(path.relative_to(base))
    return f"../{path.name}" if path.parent == base.parent else str(path.resolve())

"""The story of a comparison: one scenario, several mechanisms, their KPIs side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from quartier import coordination
from quartier.baseline import check_stage, earlier_baseline
from quartier.coordination import COORDINATIONS
from quartier.errors import InputError, QuartierError
from quartier.fingerprint import identity
from quartier.gaps import SideBySide
from quartier.instance import Instance, build
from quartier.mechanism import mechanism
from quartier.progress import Progress, SilentProgress, is_cancellation
from quartier.report import REPORT, write_comparison
from quartier.results import (
    ComparedRun,
    Comparison,
    Result,
    finished_run,
    new_run_directory,
    run_log,
)
from quartier.results.comparison import is_comparison, write_figures, write_manifest
from quartier.results.folder import RUNS, free_folder
from quartier.run import Clock, Story, as_asked, empty_folder, label
from quartier.scenario.load import LoadedScenario, load
from quartier.scenario.overrides import Overrides
from quartier.scenario.zones import blind
from quartier.units.kinds import is_own

logger = logging.getLogger(__name__)

WORST_FIRST = ("failed", "degraded", "complete")
"""States of a comparison."""


@threadpool_limits.wrap(limits=1, user_api="blas")  # type: ignore[untyped-decorator]
def compare(
    scenario: str | Path,
    coordinations: str | Iterable[str] | None = None,
    *,
    seed: int | None = None,
    overrides: Overrides = (),
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run a scenario under each of several mechanisms, and put their KPIs side by side.

    Parameters, result and errors are those of :func:`quartier.compare`.
    """
    progress = progress or SilentProgress()
    progress.phase("Reading the scenario")
    loaded = as_asked(load(scenario, overrides, seed), None, seed)
    names = mechanisms(coordinations, loaded)
    campaign = Campaign(loaded, names, _folder(loaded, scenario, out), progress)
    campaign.prepare([*RUNS.glob(f"{loaded.scenario.name}*"), campaign.folder])
    with campaign.recorded():
        campaign.run_missing()
        campaign.conclude()
        campaign.report()
    progress.done()
    return Comparison.open(campaign.folder)


def mechanisms(asked: str | Iterable[str] | None, loaded: LoadedScenario) -> tuple[str, ...]:
    """Return the mechanisms to compare, each once, in the order in which they were named.

    Without names: all known ones that answer the scenario's problem, and the scenario's own if it
    is a class of the user's.

    Raises
    ------
    InputError
        With every name that is unknown, or answers another problem.
    """
    problem = loaded.scenario.problem.kind
    unfit = blind(loaded.scenario, coordination.mechanisms(problem))
    known = tuple(name for name in coordination.mechanisms(problem) if name not in unfit)
    if asked is None:
        own = loaded.scenario.coordination
        asked = (*known, *([own] if own not in COORDINATIONS else []))
    elif isinstance(asked, str):
        asked = asked.split(",")
    names = tuple(dict.fromkeys(text for name in asked if (text := name.strip())))
    wrong = [text for name in names for text in _wrong(name, loaded)]
    wrong += blind(loaded.scenario, names).values()
    if wrong or not names:
        raise InputError(wrong or [f"name at least one coordination; known: {', '.join(known)}"])
    return names


def _wrong(name: str, loaded: LoadedScenario) -> Sequence[str]:
    try:
        check_stage(name, loaded.scenario.problem.kind, loaded.scenario.communication)
    except InputError as error:
        return error.problems
    return ()


def _folder(loaded: LoadedScenario, source: str | Path, out: str | Path | None) -> Path:
    """Return the folder of the comparison: new, empty, or that of an earlier comparison."""
    if out is None:
        return new_run_directory(label(loaded, source), "compare")
    return Path(out) if is_comparison(Path(out)) else empty_folder(Path(out))


@dataclass
class Campaign:
    """Runs of one scenario with one baseline, each in a folder of its own or reused."""

    loaded: LoadedScenario
    names: tuple[str, ...]
    folder: Path
    progress: Progress
    runs: dict[str, ComparedRun] = field(default_factory=dict)
    instance: Instance | None = None
    """What is simulated; None if there is nothing to run."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self._earlier = earlier_baseline(self.loaded)
        self._common = None if self._earlier else self.loaded.scenario.baseline

    def prepare(self, places: Sequence[Path]) -> None:
        """Find the runs that need not be run again, and read what the others need."""
        for name in self.names:
            self._reuse(name, places)
        if self._common and self._missing():
            self._reuse(self._common, places)
        if self._missing():
            self.instance = build(self.loaded, self.loaded.scenario.seed)

    def _reuse(self, name: str, places: Sequence[Path]) -> None:
        """Take a finished run; not with classes of the user's own, whose code is not known."""
        units = self.loaded.scenario.unit_items().values()
        outside = self.loaded.scenario.simulators or any(is_own(unit.kind) for unit in units)
        if name in COORDINATIONS and not outside:  # code of the user's may have changed
            found = finished_run(identity(self._under(name), name), places)
            if found is not None:
                error = found.manifest["error"]
                self.runs[name] = ComparedRun(found.dir, found.status, error, reused=True)

    def _under(self, name: str) -> LoadedScenario:
        return as_asked(self.loaded, name, None)

    def _missing(self) -> tuple[str, ...]:
        """What is to be run, the common baseline first."""
        missing = [name for name in self.names if name not in self.runs]
        if missing and self._common and self._common not in self.runs:
            missing = [self._common, *missing]
        return tuple(dict.fromkeys(missing))

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Keep the manifest: whatever happens, it says how the comparison ended."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                [f"cannot make {self.folder}: {error.strerror}; name another with --out"]
            ) from error
        self._save("running")
        try:
            yield
        except BaseException as error:
            self.progress.done()
            self._save("cancelled" if is_cancellation(error) else "failed")
            raise

    def run_missing(self) -> None:
        """Run what is missing; a mechanism that fails leaves the others their turn."""
        missing = self._missing()
        for number, name in enumerate(missing, 1):
            self.runs[name] = self._run(name, f"Run {number} of {len(missing)}: ")
            self._save("running")

    def _run(self, name: str, title: str) -> ComparedRun:
        assert self.instance is not None
        folder = free_folder(self.folder, name)
        story = Story(self._under(name), self.instance, Clock(), self.progress, title)
        asked = mechanism(name, self.loaded.scenario.problem.kind)
        try:
            with story.recorded(folder, asked) as writer:
                story.execute(asked, writer)
                story.conclude(asked, writer, self._baseline(name))
            story.report(writer)
        except QuartierError as error:
            if is_cancellation(error) or not (folder / "manifest.json").exists():
                raise
        manifest = Result(folder).manifest
        return ComparedRun(folder, manifest["status"], manifest["error"])

    def _baseline(self, name: str) -> Result | None:
        """What the KPIs of a run compare with; None for the baseline itself, or if it failed."""
        if self._common is None:
            return self._earlier
        run = self.runs.get(self._common)
        return Result.open(run.dir) if name != self._common and run and run.has_figures else None

    def conclude(self) -> None:
        """Put the figures side by side, and say how the comparison ended."""
        self.progress.phase("KPIs side by side")
        ended = {name: self.runs[name] for name in self.names if self.runs[name].has_figures}
        together = SideBySide({name: Result.open(run.dir) for name, run in ended.items()})
        table = together.figures()
        notes = [Result.open(run.dir).manifest.get("notes", []) for run in ended.values()]
        write_figures(self.folder, {name: table.get(name, {}) for name in self.names})
        self._save(
            self._status(),
            reference_offer=together.reference,
            bound_eur=together.bound_eur,
            notes=notes[0] if notes else [],
            finished=datetime.now(UTC),
        )

    def report(self) -> None:
        """Write ``report.html``; a comparison is not lost if that fails."""
        self.progress.phase("Report")
        (self.folder / REPORT).unlink(missing_ok=True)  # that of an earlier comparison
        try:
            write_comparison(Comparison.open(self.folder))
        except Exception:
            with run_log(self.folder):
                logger.exception(
                    "no report.html was written; the comparison itself is whole."
                    " Try: quartier report %s",
                    self.folder,
                )

    def _status(self) -> str:
        states = {run.status if run.has_figures else "failed" for run in self.runs.values()}
        return next(status for status in WORST_FIRST if status in states)

    def _save(self, status: str, **fields: Any) -> None:
        asked = identity(self.loaded, self.loaded.scenario.coordination)
        del asked["coordination"]
        write_manifest(
            self.folder,
            self.runs,
            status=status,
            started=self.started,
            **asked,
            variant=self.loaded.variant,
            overrides=self.loaded.overrides,
            coordinations=self.names,
            **fields,
        )

"""The story of a study: what is missing is run, whatever fails is told, the rest is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from quartier.errors import InputError
from quartier.progress import Progress, SilentProgress
from quartier.report.study import write_study
from quartier.results import Result, new_run_directory
from quartier.results.files import write_atomically, write_json
from quartier.results.finished import FINISHED, needed_files
from quartier.results.folder import free_folder
from quartier.scenario.load import load
from quartier.sweep.cells import Cell, cells, varied
from quartier.sweep.scheduling import scheduled
from quartier.sweep.single import beside
from quartier.sweep.tables import over_seeds

FILE = "study.json"
RUNS = "runs"
UNCOMPARED = "its baseline failed: without KPIs that compare with it"
"""Remark of a run that is kept alone."""
ABOUT = ("coordination", "seed", "status", "error", "remark", "folder")
"""Columns of the table of runs besides the varied keys and the KPIs."""


@dataclass(frozen=True)
class Study:
    """What a study left in its folder.

    Parameters
    ----------
    dir
        Its folder.
    """

    dir: Path

    @classmethod
    def open(cls, directory: str | Path) -> Study:
        """Return the study in a folder.

        Raises
        ------
        InputError
            If the folder holds none.
        """
        folder = Path(directory)
        if not (folder / FILE).is_file():
            raise InputError([f"{folder} holds no study: {FILE} is missing"])
        return cls(folder)

    @cached_property
    def about(self) -> dict[str, Any]:
        """How the study was asked for: scenario, keys and their values, mechanisms, seeds."""
        found: dict[str, Any] = json.loads((self.dir / FILE).read_text(encoding="utf-8"))
        return found

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the scenario that are varied, in the order in which they were named."""
        return tuple(key for key, values in self.about["values"].items() if len(values) > 1)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run: varied keys, coordination, seed, status, error, remark, folder, its KPIs."""
        return pd.read_parquet(self.dir / "runs.parquet")

    @cached_property
    def kpis(self) -> pd.DataFrame:
        """A row a KPI, mechanism and choice of values: mean over seeds and its interval."""
        return pd.read_parquet(self.dir / "kpis.parquet")

    @property
    def failed(self) -> pd.DataFrame:
        """Runs without KPIs, with the reason."""
        return self.runs[~self.runs["status"].isin(FINISHED)]

    @property
    def uncompared(self) -> pd.DataFrame:
        """Runs whose baseline failed: they have no KPIs that compare with it."""
        return self.runs[self.runs["remark"] == UNCOMPARED]

    @property
    def degraded(self) -> pd.DataFrame:
        """Runs with KPIs that did not go as they should, with the reason."""
        return self.runs[self.runs["status"] == "degraded"]


def sweep(
    scenario: str | Path,
    values: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    coordinations: str | Iterable[str] | None = None,
    *,
    seeds: int | Sequence[int] = 1,
    out: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Study:
    """Run a study; parameters, result and errors are those of :func:`quartier.sweep`."""
    progress = progress or SilentProgress()
    progress.phase("Reading the scenario")
    source = str(scenario)
    path, _, variant = source.partition(":")
    if Path(path).exists():  # workers may be elsewhere on this file system
        source = str(Path(path).resolve()) + (f":{variant}" if variant else "")
    asked = dict(values) if isinstance(values, Mapping) else varied(values)
    numbers = _seeds(seeds)
    every = cells(source, asked, coordinations, numbers)
    folder = _folder(source, out)
    campaign = _Campaign(source, folder, every, progress)
    shown = [cell for cell in every if cell.asked]
    write_json(
        folder / FILE,
        {
            "scenario": source,
            "values": asked,
            "coordinations": list(dict.fromkeys(cell.coordination for cell in shown)),
            "seeds": numbers,
            "started": datetime.now(UTC),
        },
    )
    lost = campaign.run_missing(workers, scheduler)
    progress.phase("Tables and page")
    _write_tables(folder, asked, list(campaign.rows(shown, lost)), campaign.units)
    study = Study.open(folder)
    write_study(folder, study.about, study.keys, study.runs, study.kpis)
    progress.done()
    return study


def _seeds(asked: Any) -> list[int]:
    numbers = list(range(1, asked + 1)) if isinstance(asked, int) else list(asked)
    wrong = [n for n in numbers if isinstance(n, bool) or not isinstance(n, int) or n < 0]
    if wrong:
        told = ", ".join(map(repr, wrong))
        raise InputError([f"seeds: {told} is none; give whole numbers from 0 on, or how many"])
    if not numbers:
        raise InputError(["seeds: a study needs at least one"])
    return list(dict.fromkeys(numbers))


def _folder(source: str, out: str | Path | None) -> Path:
    """The study's folder: new, empty, or that of an earlier study, which it goes on with."""
    if out is None:
        loaded = load(source)
        folder = new_run_directory(loaded.scenario.name, "sweep")
    else:
        folder = Path(out)
        if folder.exists() and not (folder / FILE).is_file() and any(folder.iterdir()):
            raise InputError([f"{folder} exists and holds no study: name another with --out"])
    try:
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError([f"cannot make {folder}: {error.strerror}; name another"]) from error
    return folder.resolve()


class _Campaign:
    """Runs of a study below its folder, each where its digest says."""

    def __init__(
        self, scenario: str, folder: Path, every: Sequence[Cell], progress: Progress
    ) -> None:
        self._scenario, self._runs, self._every = scenario, folder / RUNS, every
        self._progress = progress
        self._place: dict[str, Path] = {}
        self.units: dict[str, tuple[str, str]] = {}
        """Unit and label by KPI."""

    def run_missing(self, workers: int | None, scheduler: str | None) -> dict[str, str]:
        """Run what has not been run; return why by digest where a run left nothing."""
        tasks, lost = [], {}
        cell_of: dict[str, Cell] = {}
        for cell in self._every:
            done = self._finished(cell)
            place = self._place[cell.digest] = done or free_folder(self._runs, cell.name)
            if done is None:
                task = self._task(cell, place)
                tasks.append(task)
                cell_of[task["out"]] = cell
        known = len(self._every) - len(tasks)
        if known:
            self._progress.note(f"{known} of {len(self._every)} runs are there already.")
        if not tasks:
            return {}
        self._progress.phase("Study", len(tasks))
        at_a_time = _at_a_time(workers, len(tasks))
        for task, ended in scheduled(tasks, at_a_time, scheduler, self._runs):
            cell = cell_of[task["out"]]
            if isinstance(ended, str):
                lost[cell.digest] = ended
            if ended:
                why = ended if isinstance(ended, str) else _last_words(Path(task["out"]))
                self._progress.note(f"{cell}: {why}")
            self._progress.advance()
        return lost

    def _finished(self, cell: Cell) -> Path | None:
        for place in sorted(self._runs.glob(f"{cell.name}*/manifest.json")):
            result = Result(place.parent)
            try:
                whole = result.status in FINISHED and not _lacks_baseline(cell, result)
            except (OSError, ValueError):
                continue
            if whole and all((result.dir / name).is_file() for name in needed_files(result)):
                return result.dir
        return None

    def _task(self, cell: Cell, place: Path) -> dict[str, Any]:
        baseline = None if cell.baseline is None else self._place[cell.baseline.digest]
        return {
            "scenario": self._scenario,
            "coordination": cell.coordination,
            "seed": cell.seed,
            "overrides": dict(cell.values),
            "out": str(place),
            "baseline": None if baseline is None else str(baseline),
            "modules": list(cell.modules),
        }

    def rows(self, shown: Sequence[Cell], lost: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """A row a run, with its KPIs if it has any, else with the reason."""
        for cell in shown:
            place = self._place[cell.digest]
            row = dict(cell.values) | {
                "coordination": cell.coordination,
                "seed": cell.seed,
                "remark": None,
                "folder": f"{RUNS}/{place.name}",
            }
            if not (place / "manifest.json").is_file():
                why = lost.get(cell.digest) or _last_words(place)
                yield row | {"status": "failed", "error": why}
                continue
            result = Result(place)
            error = result.manifest.get("error") or lost.get(cell.digest)
            found = {"status": result.status, "error": error}
            if result.status in FINISHED and _lacks_baseline(cell, result):
                found["remark"] = UNCOMPARED
            yield row | found | self._kpis(result)

    def _kpis(self, result: Result) -> dict[str, float]:
        if result.status not in FINISHED:
            return {}
        table = result.kpi_table
        self.units |= {
            str(name): (str(row["unit"]), str(row["label"])) for name, row in table.iterrows()
        }
        return {str(name): float(value) for name, value in table["value"].items()}


def _lacks_baseline(cell: Cell, result: Result) -> bool:
    return cell.baseline is not None and result.manifest.get("baseline") is None


def _at_a_time(workers: int | None, tasks: int) -> int:
    return min(workers or os.cpu_count() or 1, tasks)


def _last_words(place: Path) -> str:
    """The last line that a run said."""
    said = beside(place, ".txt")
    lines = said.read_text(encoding="utf-8", errors="replace").split("\n") if said.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def _write_tables(
    folder: Path,
    values: Mapping[str, Sequence[Any]],
    rows: list[dict[str, Any]],
    units: Mapping[str, tuple[str, str]],
) -> None:
    runs = pd.DataFrame(rows)
    varied_keys = [key for key, several in values.items() if len(several) > 1]
    for key in values:
        if runs[key].map(type).nunique() > 1 or runs[key].map(lambda v: isinstance(v, list)).any():
            runs[key] = runs[key].astype(str)
    kpis = [str(name) for name in runs if name in units]
    runs = runs[[*values, *ABOUT, *kpis]]
    table = over_seeds(runs, [*varied_keys, "coordination"], kpis)
    told = pd.DataFrame([units[k] for k in table["kpi"]], columns=["unit", "label"])
    _write(folder, "runs", runs)
    _write(folder, "kpis", table.join(told))


def _write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    text = frame.to_csv(index=False).encode()
    write_atomically(folder / f"{name}.parquet", frame.to_parquet)
    write_atomically(folder / f"{name}.csv", lambda file: file.write(text))

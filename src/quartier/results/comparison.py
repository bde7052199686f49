"""A comparison folder: which runs it holds or refers to, and their KPIs side by side."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from quartier.errors import InputError
from quartier.results.files import write_atomically, write_json
from quartier.results.result import Result

if TYPE_CHECKING:
    from quartier.results.comparison_plot import ComparisonPlot

Figures: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Mechanism to KPI to ``value``, ``unit`` and ``label``."""


@dataclass(frozen=True)
class ComparedRun:
    """A mechanism's run in a comparison."""

    dir: Path
    status: str
    """Status of the run: complete, degraded, partial, failed or cancelled."""
    error: str | None = None
    reused: bool = False
    """Whether it was there before the comparison."""

    @property
    def has_figures(self) -> bool:
        """Whether it went on to its end, so that it has KPIs."""
        return self.status in {"complete", "degraded"}


class Comparison:
    """What a comparison left in its folder.

    Parameters
    ----------
    directory
        Its folder. Nothing is read before it is asked for; :meth:`open` checks it first.
    """

    def __init__(self, directory: str | Path) -> None:
        self.dir = Path(directory)

    @classmethod
    def open(cls, directory: str | Path) -> Comparison:
        """Return the comparison in a folder.

        Raises
        ------
        InputError
            If the folder holds none that was finished.
        """
        folder = Path(directory)
        missing = [n for n in ("manifest.json", "compare.json") if not (folder / n).is_file()]
        if missing:
            names = " and ".join(missing)
            raise InputError([f"{folder} holds no finished comparison: {names} is missing"])
        return cls(folder)

    def __repr__(self) -> str:
        return f"Comparison({str(self.dir)!r})"

    def _repr_html_(self) -> str:
        from quartier.results.comparison_html import comparison_html

        states = {name: self.runs[name].status for name in self.coordinations}
        ended = [name for name in states if self.runs[name].has_figures]
        return comparison_html(self.dir, self.manifest, self.kpis, states, ended)

    @cached_property
    def plot(self) -> ComparisonPlot:
        """Figures of the page: ``comparison.plot.congestion()``, ``comparison.plot.points()``, ...

        Runs that failed are not in them.

        Raises
        ------
        InputError
            If no run came to its end.
        """
        from quartier.results.comparison_plot import ComparisonPlot

        bound_eur = self.manifest.get("bound_eur")
        return ComparisonPlot(self.results, self.kpis, bound_eur)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the comparison was asked for, the state of its runs, and what it refers to."""
        return _read(self.dir / "manifest.json")

    @property
    def status(self) -> str:
        """The worst of the runs: complete, degraded or failed."""
        return str(self.manifest["status"])

    @property
    def coordinations(self) -> tuple[str, ...]:
        """The mechanisms, in the order in which they were asked for."""
        return tuple(self.manifest["coordinations"])

    @cached_property
    def runs(self) -> dict[str, ComparedRun]:
        """Runs by mechanism; among them the baseline's, even if it was not asked for."""
        return {
            name: ComparedRun(**{**run, "dir": Path(os.path.normpath(self.dir / run["dir"]))})
            for name, run in self.manifest["runs"].items()
        }

    def result(self, coordination: str) -> Result:
        """Return the run of a mechanism, with its tables."""
        return Result.open(self.runs[coordination].dir)

    @property
    def results(self) -> dict[str, Result]:
        """Runs that came to their end, by mechanism, in the order in which they were asked for."""
        return {n: self.result(n) for n in self.coordinations if self.runs[n].has_figures}

    @cached_property
    def figures(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Mechanism to KPI to value, unit and label; empty for a run that failed."""
        return _read(self.dir / "compare.json")

    @cached_property
    def kpis(self) -> pd.DataFrame:
        """KPIs by name, a column per mechanism; NaN where undefined or the run failed.

        Units and labels stand in ``attrs``: ``kpis.attrs["unit"]["losses"]``.
        """
        table = kpi_table(self.figures)
        values = table[list(self.coordinations)].astype(float)
        values.attrs = {name: table[name].to_dict() for name in ("unit", "label")}
        return values


def kpi_table(figures: Figures) -> pd.DataFrame:
    """KPIs with the columns ``label``, ``unit`` and one per mechanism, one row a name."""
    known = {name: kpi for kpis in figures.values() for name, kpi in kpis.items()}
    rows = {
        name: {
            "label": kpi["label"],
            "unit": kpi["unit"],
            **{who: kpis.get(name, {}).get("value") for who, kpis in figures.items()},
        }
        for name, kpi in known.items()
    }
    columns = ["label", "unit", *figures]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("kpi")


def write_figures(directory: Path, figures: Figures) -> None:
    """Write ``compare.json`` (mechanism to KPI to value and unit) and ``compare.csv``."""
    write_json(directory / "compare.json", figures)
    text = kpi_table(figures).to_csv(lineterminator="\n")
    write_atomically(directory / "compare.csv", lambda file: file.write(text.encode()))


def write_manifest(directory: Path, runs: Mapping[str, ComparedRun], **fields: Any) -> None:
    """Write the manifest of a comparison; folders of runs are relative to it."""
    entries = {name: {**asdict(r), "dir": _relative(r.dir, directory)} for name, r in runs.items()}
    write_json(directory / "manifest.json", {**fields, "runs": entries})


def is_comparison(directory: Path) -> bool:
    """Whether a folder holds a comparison, finished or not."""
    try:
        return "coordinations" in _read(directory / "manifest.json")
    except (OSError, json.JSONDecodeError):
        return False


def _relative(path: Path, base: Path) -> str:
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:  # another drive
        return str(path.resolve())


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content

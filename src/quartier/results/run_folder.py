"""What lies in a run folder: manifest, KPIs, tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from quartier.errors import InputError
from quartier.results.alive import is_alive
from quartier.results.pieces import Span, overlapping, part_files, pieces, read, spans
from quartier.results.tables import TABLES, Declared

LARGE_TABLES = ("connection_points", "units", "buses", "lines", "transformers")
"""Tables with a row a step and element."""

KILLED = "its process ended before the run did; to go on: quartier run --resume {}"
"""What is told of a run whose process was killed."""


class RunFolder:
    """A run folder; figures and exports read it.

    Parameters
    ----------
    directory
        The folder. Nothing is read before it is asked for.
    """

    def __init__(self, directory: str | Path) -> None:
        self.dir = Path(directory)
        self._bounds: dict[Path, Span | None] = {}

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the run was asked for and how it ended; one whose process was killed is partial."""
        found = self._json("manifest.json")
        if isinstance(found, dict) and found.get("status") == "running" and not is_alive(self.dir):
            found |= {"status": "partial", "error": KILLED.format(self.dir)}
        return found

    @property
    def status(self) -> str:
        """State of the run: running, complete, degraded, partial, failed or cancelled."""
        return str(self.manifest["status"])

    @property
    def has_grid(self) -> bool:
        """Whether the scenario has a grid; without one, there are no results of any."""
        scenario: dict[str, Any] = self.manifest.get("scenario", {})
        return scenario.get("grid") != "none"

    @cached_property
    def kpi_table(self) -> pd.DataFrame:
        """KPIs with the columns ``value``, ``unit`` and ``label``, one row a name."""
        rows = pd.DataFrame.from_dict(
            self._json("kpis.json"), orient="index", columns=["value", "unit", "label"]
        )
        return rows.astype({"value": float}).rename_axis("kpi")

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the run has written."""
        return tuple(
            sorted(path.parent.name for path in self.dir.glob("tables/*/part-00000.parquet"))
        )

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read a table; its columns and types are as declared, whatever was written.

        Parameters
        ----------
        name
            One of :attr:`tables`.
        columns
            Which are read, all if None. Of a long run, that saves memory and time.

        Raises
        ------
        KeyError
            If the run has no such table or column; the message lists the tables there are.
        """
        files = part_files(self.dir, self._known(name))
        frame: pd.DataFrame = read(files, name, columns, self._own(name)).to_pandas()
        return frame

    def pieces(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Read a table piece by piece, each of some hundred thousand rows, in the order of writing.

        Parameters and errors are those of :meth:`table`. So a year fits into memory::

            highest = max(p["vm_pu"].max() for p in result.pieces("buses", ["vm_pu"]))
        """
        return pieces(self.dir, self._known(name), columns, self._own(name))

    def between(self, name: str, span: Span) -> pd.DataFrame:
        """Read the rows of a table with a ``time`` from the first to the last step of a span."""
        files = overlapping(part_files(self.dir, self._known(name)), span, self._bounds)
        frame: pd.DataFrame = read(files, name, None, self._own(name), span).to_pandas()
        return frame

    def spans(self) -> list[Span]:
        """Spans of time into which a long run is cut to be read; none if it can be read at once."""
        large = [name for name in LARGE_TABLES if name in self.tables]
        return spans(self.dir, large) if large else []

    def _known(self, name: str) -> str:
        if name not in self.tables:
            raise KeyError(f"no table {name!r} in {self.dir}; tables: {', '.join(self.tables)}")
        return name

    def _own(self, name: str) -> Declared | None:
        return None if name in TABLES else self.own_tables

    @property
    def own_tables(self) -> Declared:
        """Tables that the mechanism declared: what their columns hold (see :data:`Declared`)."""
        declared: Declared = self.manifest.get("own_tables", {})  # absent in older folders
        return declared

    def _json(self, name: str) -> dict[str, Any]:
        path = self.dir / name
        if not path.exists():
            raise InputError([f"{self.dir}: {name} is missing; the run did not get that far"])
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError([f"{path} is damaged ({error}); the tables can be read"]) from error
        return content


def read_parts(directory: Path, table: str, own: Declared | None = None) -> pa.Table:
    """Return all rows of a table that have been written, in the order of writing."""
    return read(part_files(directory, table), table, None, own)

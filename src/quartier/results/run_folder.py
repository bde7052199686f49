"""What lies in a run folder: manifest, KPIs, tables."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from quartier.errors import InputError
from quartier.results.alive import is_alive
from quartier.results.tables import TABLES, Declared, schema

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

    def table(self, name: str) -> pd.DataFrame:
        """Read a table; its columns and types are as declared, whatever was written.

        Raises
        ------
        KeyError
            If the run has no such table; the message lists those there are.
        """
        if name not in self.tables:
            raise KeyError(f"no table {name!r} in {self.dir}; tables: {', '.join(self.tables)}")
        own = None if name in TABLES else self.own_tables
        frame: pd.DataFrame = read_parts(self.dir, name, own).to_pandas()
        return frame

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
    parts = sorted((directory / "tables" / table).glob("part-*.parquet"))
    return pa.concat_tables([_part(path, schema(table, own)) for path in parts])


def _part(path: Path, columns: pa.Schema) -> pa.Table:
    """Read a part, or say which one cannot be read: all others can."""
    try:
        with pa.parquet.ParquetFile(path) as file:
            return file.read().cast(columns)
    except (OSError, ValueError, KeyError) as error:  # Arrow's own are among them
        why = str(error).splitlines()[0]
        raise InputError(
            [
                f"{path} is damaged, or was written by another version ({why});"
                " the rest can be read: move it away to read the table without it"
            ]
        ) from error

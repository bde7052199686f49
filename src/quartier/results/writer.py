"""Writes the run folder while a run goes on, so that a killed run stays readable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from filelock import BaseFileLock

from quartier.errors import InputError
from quartier.results.alive import hold
from quartier.results.buffer import TableBuffer
from quartier.results.files import (
    CannotWrite,
    json_field,
    write_atomically,
    write_fields,
    write_json,
)
from quartier.results.run_folder import read_parts
from quartier.results.tables import ColumnType, Declared, columns_of
from quartier.results.uninterrupted import uninterrupted

STEPS_PER_PART = 96
"""Most steps that a killed run loses."""
SECONDS_PER_PART = 2.0
"""Longest time that a killed run loses."""


class RunWriter:
    """The run folder of a run that is going on.

    Parameters
    ----------
    directory
        Run folder; made if it is not there.
    manifest
        What is known at the start: scenario, coordination, seed, versions, ``steps_expected``.
        ``status``, ``steps_written``, ``started`` and ``finished`` are kept by the writer.
        ``own_tables`` are those that the mechanism declares.

    Raises
    ------
    InputError
        If the folder already holds a run.
    """

    def __init__(self, directory: Path, manifest: Mapping[str, Any]) -> None:
        _claim(directory)
        self._begin(directory, manifest, {}, 0)

    def _begin(
        self, directory: Path, manifest: Mapping[str, Any], parts: Mapping[str, int], steps: int
    ) -> None:
        self.directory = directory
        self._lock = _locked(directory)
        self._buffers: dict[str, TableBuffer] = {}
        self._parts: dict[str, int] = dict(parts)
        self._steps = self._steps_in_parts = steps
        self._written_at = time.monotonic()
        start = {"status": "running", "error": None, "started": datetime.now(UTC)}
        self._manifest: dict[str, Any] = {}
        self._fields: dict[str, str] = {}  # as text: most never change, and are many
        try:
            self.update(**{**start, **manifest, "steps_written": steps})
        except CannotWrite:
            self._lock.release()
            raise
        _open[self] = None

    @classmethod
    def again(
        cls, directory: Path, manifest: Mapping[str, Any], parts: Mapping[str, int], steps: int
    ) -> RunWriter:
        """Go on in the folder of a run that ended: what came after ``steps`` is taken away.

        Parameters
        ----------
        parts
            How many parts each table had then, as :attr:`parts` said.
        """
        writer = cls.__new__(cls)
        writer._begin(directory, manifest, parts, steps)
        _take_back(directory, parts)
        return writer

    @property
    def parts(self) -> dict[str, int]:
        """How many parts each table has."""
        return dict(self._parts)

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest as it stands."""
        return dict(self._manifest)

    @property
    def own_tables(self) -> Declared:
        """Tables that the mechanism declares."""
        own: Declared = self._manifest.get("own_tables", {})
        return own

    def add(self, table: str, columns: Mapping[str, Any]) -> None:
        """Add a block of rows, column by column; scalars are repeated, values are copied.

        Numbers and texts that are left out become NaN or null.

        Raises
        ------
        KeyError, ValueError
            If there is no such table or column, a column is missing, or lengths differ.
        """
        if table not in self._buffers:
            self._buffers[table] = TableBuffer(table, self.own_tables)
        self._buffers[table].add(columns)

    def rows(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows given one by one, all with the same columns."""
        rows = list(rows)
        if rows:
            names = dict.fromkeys(name for row in rows for name in row)
            self.add(table, {name: [row.get(name) for row in rows] for name in names})

    @property
    def room(self) -> int:
        """How many steps can still wait to be written."""
        return STEPS_PER_PART - (self._steps - self._steps_in_parts)

    def tick(self, steps: int = 1) -> None:
        """Count steps of the execution, and write what waits if it is time to.

        It is when there is no time left for as long as the present steps may have taken.
        """
        self._steps += steps
        late = time.monotonic() - self._written_at >= SECONDS_PER_PART / 2
        if late or self.room <= 0:
            self.flush()

    @uninterrupted()
    def flush(self) -> None:
        """Write all rows that wait, one Parquet part a table, and the count of steps."""
        for table, buffer in self._buffers.items():
            if buffer:
                self._write_part(table, buffer.take())
        self._written_at, self._steps_in_parts = time.monotonic(), self._steps
        self.update(steps_written=self._steps)

    def update(self, **fields: Any) -> None:
        """Change fields of the manifest, and write it anew."""
        self._manifest.update(fields)
        self._fields |= {name: json_field(name, value) for name, value in fields.items()}
        write_fields(self.directory / "manifest.json", self._fields.values())

    def write_kpis(self, kpis: Mapping[str, Mapping[str, Any]]) -> None:
        """Write ``kpis.json``: ``{name: {"value": x, "unit": "kWh", "label": "..."}}``."""
        write_json(self.directory / "kpis.json", kpis)

    def finish(self, status: str, error: str | None = None, **fields: Any) -> None:
        """Write what is left, and say how the run ended.

        A run that wrote fewer steps than it expected is never said to have finished: its status
        becomes ``partial``.

        Parameters
        ----------
        status
            ``complete``, ``degraded``, ``partial``, ``failed`` or ``cancelled``.
        error
            What went wrong, for the user.
        fields
            Further fields of the manifest.
        """
        try:
            self._end(status, error, fields)
        finally:
            self._lock.release()
            _open.pop(self, None)

    def _end(self, status: str, error: str | None, fields: Mapping[str, Any]) -> None:
        try:
            self.flush()
            self._write_p_set()
        except CannotWrite as lost:
            if status in {"complete", "degraded"}:
                raise
            error = f"{error} ({lost})" if str(lost) not in str(error) else error
        expected = self._manifest.get("steps_expected")
        if status in {"complete", "degraded"} and expected not in {None, self._steps}:
            error = error or f"only {self._steps} of {expected} steps were executed"
            status = "partial"
        self.update(**fields, status=status, error=error, finished=datetime.now(UTC))

    def _write_part(self, table: str, rows: pa.Table) -> None:
        number = self._parts.get(table, 0)
        folder = self.directory / "tables" / table
        folder.mkdir(parents=True, exist_ok=True)
        types = columns_of(table, self.own_tables)
        texts = [name for name, kind in types.items() if kind is ColumnType.TEXT]
        write_atomically(
            folder / f"part-{number:05d}.parquet",
            lambda file: pa.parquet.write_table(rows, file, use_dictionary=texts),
        )
        self._parts[table] = number + 1

    def _write_p_set(self) -> None:
        if "redispatch" in self._parts:
            rows = read_parts(self.directory, "redispatch")
            path = self.directory / "redispatch.csv"
            write_atomically(path, lambda file: pa.csv.write_csv(rows, file))


_open: WeakKeyDictionary[RunWriter, None] = WeakKeyDictionary()
"""Folders of runs that go on: that of a run, and inside it that of its baseline. Whoever drops one
lets go of its folder."""


def end_process(error: str) -> None:
    """End the process at once with exit code 3: whatever runs are going on have failed."""
    for writer in reversed(list(_open)):
        with suppress(Exception):  # whoever hangs may have been writing
            writer.finish("failed", error)
    os.write(2, f"Error: {error}\n".encode())
    os._exit(3)


def _locked(directory: Path) -> BaseFileLock:
    try:
        return hold(directory)
    except BlockingIOError as error:
        raise InputError([f"{error}: wait for it, or end it"]) from error
    except OSError as error:
        raise InputError(
            [f"cannot write into {directory}: {error.strerror}; name another folder with --out"]
        ) from error


def _take_back(directory: Path, parts: Mapping[str, int]) -> None:
    """Remove what a run wrote beyond its first parts, and what it made of all its tables."""
    for path in directory.glob("tables/*/part-*.parquet"):
        if int(path.stem.partition("-")[2]) >= parts.get(path.parent.name, 0):
            path.unlink()
    for name in ("kpis.json", "report.html", "redispatch.csv"):
        (directory / name).unlink(missing_ok=True)


def _claim(directory: Path) -> None:
    """Make the folder, unless it holds a run already."""
    if (directory / "manifest.json").exists():
        raise InputError(
            [f"{directory} already holds a run: name another folder with --out, or delete it"]
        )
    try:
        (directory / "tables").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            [f"cannot make the run folder {directory}: {error.strerror}; name another with --out"]
        ) from error

"""A run folder, read back."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from quartier.errors import InputError
from quartier.results.tables import TABLES, Declared, schema

if TYPE_CHECKING:
    import xarray as xr

    from quartier.results.plot import Plot


class Result:
    """What a run left in its folder; a run that is still going on can be read as well.

    Parameters
    ----------
    directory
        Run folder. Nothing is read before it is asked for; :meth:`open` checks it first.
    """

    def __init__(self, directory: str | Path) -> None:
        self.dir = Path(directory)

    @classmethod
    def open(cls, directory: str | Path) -> Result:
        """Return the result in a run folder.

        Raises
        ------
        InputError
            If the folder is no run folder; the error names what is missing.
        """
        folder = Path(directory)
        if not folder.is_dir():
            raise InputError([f"{folder} is not a folder"])
        missing = [name for name in ("manifest.json", "tables") if not (folder / name).exists()]
        if missing:
            lacks = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            raise InputError([f"{folder} is no run folder: {lacks}"])
        return cls(folder)

    def __repr__(self) -> str:
        return f"Result({str(self.dir)!r})"

    def _repr_html_(self) -> str:
        from quartier.results.html import run_html

        return run_html(self)

    @cached_property
    def plot(self) -> Plot:
        """Figures of the report: ``result.plot.loading_map()``, ``result.plot.schedule()``, ..."""
        from quartier.results.plot import Plot

        return Plot(self)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """How the run was asked for and how it ended."""
        return self._json("manifest.json")

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
    def kpis(self) -> pd.Series[float]:
        """KPIs by name, NaN where undefined; units and labels stand in ``attrs``.

        ``result.kpis["losses"]`` is a number, ``result.kpis.attrs["unit"]["losses"]`` its unit.
        """
        table = self.kpi_table
        values = pd.Series(table["value"], name="value", dtype=float)
        values.attrs = {"unit": table["unit"].to_dict(), "label": table["label"].to_dict()}
        return values

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

    # -- for other tools --------------------------------------------------------------------------
    def to_xarray(self) -> xr.Dataset:
        """Return all tables and KPIs as one :class:`xarray.Dataset` with units.

        A column of a table with one row per time and element is laid out over both:
        ``lines_loading_percent`` over ``time`` and ``line``. All other tables keep their rows over
        a dimension of their own: ``redispatch_p_set_kw`` over ``redispatch_row``. Times are UTC;
        text that does not apply is empty.

        Raises
        ------
        InputError
            If xarray is not installed.
        """
        from quartier.results.export import to_xarray

        return to_xarray(self)

    def to_netcdf(self, path: str | Path) -> Path:
        """Write what :meth:`to_xarray` returns into one netCDF file, and return its path.

        Raises
        ------
        InputError
            If xarray or netCDF4 is not installed.
        """
        from quartier.results.export import to_netcdf

        return to_netcdf(self, path)

    def to_csv(self, folder: str | Path) -> Path:
        """Write every table into a CSV file of a folder, and the KPIs into ``kpis.csv``.

        Comma, decimal point, times in UTC (``2016-07-25T00:00:00Z``); what does not apply is
        empty. Files of the same names are overwritten. Return the folder.
        """
        from quartier.results.export import to_csv

        return to_csv(self, folder)

    def _json(self, name: str) -> dict[str, Any]:
        path = self.dir / name
        if not path.exists():
            raise InputError([f"{self.dir}: {name} is missing; the run did not get that far"])
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content


def read_parts(directory: Path, table: str, own: Declared | None = None) -> pa.Table:
    """Return all rows of a table that have been written, in the order of writing."""
    parts = sorted((directory / "tables" / table).glob("part-*.parquet"))
    whole = pa.concat_tables([pa.parquet.ParquetFile(p).read() for p in parts])
    return whole.cast(schema(table, own))

"""A run folder, read back."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from quartier.errors import InputError
from quartier.results.run_folder import RunFolder

if TYPE_CHECKING:
    import xarray as xr

    from quartier.results.plot import Plot


class Result(RunFolder):
    """What a run left in its folder; a run that is still going on can be read as well.

    Parameters
    ----------
    directory
        Run folder. Nothing is read before it is asked for; :meth:`open` checks it first.
    """

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
    def kpis(self) -> pd.Series[float]:
        """KPIs by name, NaN where undefined; units and labels stand in ``attrs``.

        ``result.kpis["losses"]`` is a number, ``result.kpis.attrs["unit"]["losses"]`` its unit.
        """
        table = self.kpi_table
        values = pd.Series(table["value"], name="value", dtype=float)
        values.attrs = {"unit": table["unit"].to_dict(), "label": table["label"].to_dict()}
        return values

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

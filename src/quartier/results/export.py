"""Results for other tools: xarray and netCDF, CSV.

One rule names everything: the column ``loading_percent`` of the table ``lines`` becomes the
variable ``lines_loading_percent``. Tables that have one row for each time and element
(:data:`GRIDS`) are laid out over these; every other table keeps its rows, over a dimension of its
own (``redispatch_row``). Where an element has several rows at one time all the same, its rows are
kept so, too (``signals_repeated_value`` over ``signals_repeated_row``). So nothing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from quartier.errors import InputError
from quartier.results.described import described, meaning
from quartier.results.files import write_atomically
from quartier.results.tables import TABLES, Declared

if TYPE_CHECKING:
    import xarray as xr

    from quartier.results.run_folder import RunFolder

WRITER = "netCDF4"
"""Package that writes netCDF files."""


@dataclass(frozen=True)
class Grid:
    """How a table is laid out: over time and, unless it is one row a time, over elements.

    ``dimension`` is the name of the elements' dimension, ``key`` the column that tells them apart,
    and ``fixed`` are columns that belong to an element, whatever the time.
    """

    dimension: str | None = None
    key: str | None = None
    fixed: tuple[str, ...] = ()


GRIDS: Mapping[str, Grid] = {
    "units": Grid("unit", "unit", ("neighbourhood", "kind")),
    "connection_points": Grid("connection_point", "name", ("kind", "bus")),
    "nodes": Grid("node", "node", ("carrier",)),
    "buses": Grid("bus", "bus"),
    "lines": Grid("line", "index", ("name",)),
    "transformers": Grid("transformer", "index", ("name",)),
    "signals": Grid("signal", "name", ("unit",)),
    "shares": Grid("neighbourhood", "neighbourhood"),
    "steps": Grid(),
}
"""Tables with one row for each time and element."""


# -- xarray ---------------------------------------------------------------------------------------
def to_xarray(result: RunFolder) -> xr.Dataset:
    """Return a run as one dataset; see :meth:`Result.to_xarray`."""
    _needed("xarray")
    import xarray as xr

    known = [*TABLES, *result.own_tables]
    frames = {name: result.table(name) for name in known if name in result.tables}
    times = _all_times(frames)
    coordinates: dict[str, Any] = {"time": _naive(times)}
    variables: dict[str, Any] = {"manifest": ((), json.dumps(result.manifest))}
    for name, frame in frames.items():
        if name not in GRIDS:
            variables |= _rows(name, frame)
            continue
        once, repeated = _split(frame, GRIDS[name])
        laid_out, elements = _gridded(name, once, GRIDS[name], times)
        variables |= laid_out
        coordinates |= elements
        if len(repeated):
            variables |= _rows(f"{name}_repeated", repeated)
    if (result.dir / "kpis.json").exists():
        coordinates |= _kpi_coordinates(result)
        variables["kpi_value"] = ("kpi", result.kpi_table["value"].to_numpy())
    dataset = xr.Dataset(variables, coords=coordinates, attrs=_attributes(result))
    for variable, values in dataset.variables.items():
        values.attrs.update(_described(str(variable), result.own_tables))
    return dataset


def to_netcdf(result: RunFolder, path: str | Path) -> Path:
    """Write a run into one netCDF file, and return its path."""
    _needed(WRITER)
    dataset = to_xarray(result)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_netcdf(target, engine="netcdf4")
    return target


def _needed(package: str) -> None:
    """Say what to install if an optional package is missing."""
    if find_spec(package) is None:
        raise InputError(
            [f"{package} is not installed; install it with: pip install 'quartier[xarray]'"]
        )


def _attributes(result: RunFolder) -> dict[str, Any]:
    manifest = result.manifest
    kept = ("status", "coordination", "seed", "start", "end")
    return {
        "title": str(manifest.get("scenario", {}).get("name", result.dir.name)),
        "source": f"Quartier {manifest.get('versions', {}).get('quartier', '')}".strip(),
        "power_sign": "positive into the grid",
        "timezone": "UTC",
        **{name: manifest[name] for name in kept if manifest.get(name) is not None},
    }


def _described(variable: str, own: Declared) -> dict[str, str]:
    """Attributes of a variable: what it means, and its unit."""
    if variable == "time":
        return {"long_name": meaning("steps", "time")}
    text, unit = described(variable.replace("_repeated_", "_"), own)
    return {name: value for name, value in (("long_name", text), ("units", unit)) if value}


def _all_times(frames: Mapping[str, pd.DataFrame]) -> pd.DatetimeIndex:
    """Times of all tables that are laid out; a killed run may have written one further."""
    found = [frames[name]["time"] for name in frames if name in GRIDS]
    return pd.DatetimeIndex(pd.concat(found).unique() if found else [], tz="UTC").sort_values()


def _split(frame: pd.DataFrame, grid: Grid) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell rows that can be laid out from those that cannot.

    These are all rows of an element that has several at one time: what was offered at gates whose
    windows overlap stands in ``signals`` more than once.
    """
    if grid.key is None:
        return frame, frame.iloc[:0]
    twice = frame.loc[frame.duplicated(["time", grid.key]), grid.key].unique()
    repeated = frame[grid.key].isin(twice)
    return frame[~repeated], frame[repeated]


def _gridded(
    table: str, frame: pd.DataFrame, grid: Grid, times: pd.DatetimeIndex
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Lay a table out over time and elements; return its variables and coordinates.

    What a run did not write (it was killed, or the signal is not there at all times) is NaN.
    """
    dimensions: tuple[str, ...] = ("time",)
    shape: tuple[int, ...] = (len(times),)
    positions: tuple[NDArray[np.intp], ...] = (times.get_indexer(pd.Index(frame["time"])),)
    coordinates: dict[str, Any] = {}
    if grid.dimension is not None and grid.key is not None:
        place, names = pd.factorize(frame[grid.key])
        elements = frame.drop_duplicates(grid.key)
        coordinates[grid.dimension] = _plain(pd.Series(names))
        for column in grid.fixed:
            label = f"{grid.dimension}_{column}"
            coordinates[label] = (grid.dimension, _plain(elements[column]))
        dimensions, shape = ("time", grid.dimension), (*shape, len(names))
        positions = (*positions, place)
    varying = [c for c in frame.columns if c not in {"time", grid.key, *grid.fixed}]
    variables = {
        f"{table}_{column}": (dimensions, _filled(_plain(frame[column]), positions, shape))
        for column in varying
    }
    return variables, coordinates


def _filled(
    values: NDArray[Any], positions: tuple[NDArray[np.intp], ...], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Array of a shape with values at positions, and nothing (NaN, no text) elsewhere."""
    if len(values) == np.prod(shape):
        filled = np.empty(shape, dtype=values.dtype)
    else:
        is_text = values.dtype.kind == "O"
        filled = np.full(shape, "" if is_text else np.nan, dtype=object if is_text else float)
    filled[positions] = values
    return filled


def _rows(table: str, frame: pd.DataFrame) -> dict[str, Any]:
    """Keep rows as they are, in the order of writing."""
    return {f"{table}_{name}": (f"{table}_row", _plain(frame[name])) for name in frame.columns}


def _plain(values: pd.Series[Any]) -> NDArray[Any]:
    """Values as netCDF knows them: naive UTC times, text without null."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return _naive(pd.DatetimeIndex(values))
    if values.dtype.kind == "O":
        return values.fillna("").to_numpy(dtype=object)
    return values.to_numpy()


def _naive(times: pd.DatetimeIndex) -> NDArray[Any]:
    return times.tz_convert("UTC").tz_localize(None).to_numpy()


def _kpi_coordinates(result: RunFolder) -> dict[str, Any]:
    table = result.kpi_table
    return {
        "kpi": table.index.to_numpy(dtype=object),
        "kpi_unit": ("kpi", table["unit"].to_numpy(dtype=object)),
        "kpi_label": ("kpi", table["label"].to_numpy(dtype=object)),
    }


# -- CSV ------------------------------------------------------------------------------------------
def to_csv(result: RunFolder, folder: str | Path) -> Path:
    """Write every table, and the KPIs, as a CSV file each; see :meth:`Result.to_csv`."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, frame in _frames(result):
        text = frame.to_csv(index=False, lineterminator="\n", date_format=TIME_FORMAT)
        write_atomically(target / f"{name}.csv", partial(_write, text.encode()))
    return target


TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""How times are written: UTC, ISO 8601."""


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _frames(result: RunFolder) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in result.tables:
        yield name, result.table(name)
    if (result.dir / "kpis.json").exists():
        yield "kpis", result.kpi_table.reset_index()

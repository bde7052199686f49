"""Results for xarray, netCDF and CSV say what the tables say, all of it."""

from __future__ import annotations

import importlib.util

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from quartier.errors import InputError
from quartier.quantities import unit_of
from quartier.results import TABLES, Result, RunWriter, export
from quartier.results.described import ABOUT, ELSEWHERE, MEANING, meaning
from quartier.results.export import GRIDS
from quartier.results.tables import ColumnType

TIMES = pd.date_range("2016-07-24T23:00", periods=3, freq="15min", tz="UTC")


def filled(kind, name, rng, size):
    """A column with something that does not apply wherever that may be."""
    if kind is ColumnType.TIME:
        return TIMES[rng.integers(0, len(TIMES), size)]
    if kind is ColumnType.TEXT:
        return [None if k % 4 == 3 else f"{name} {k}" for k in range(size)]
    if kind is ColumnType.COUNT:
        return rng.integers(0, 9, size)
    if kind is ColumnType.FLAG:
        return rng.random(size) < 0.5
    return np.where(rng.random(size) < 0.2, np.nan, rng.standard_normal(size))


def block(table, rng):
    """Rows of a table: of each time and element once, or any."""
    grid, columns = GRIDS.get(table), TABLES[table]
    if grid is None:
        return {name: filled(kind, name, rng, 7) for name, kind in columns.items()}
    elements = 1 if grid.key is None else 4
    rows = {n: filled(k, n, rng, len(TIMES) * elements) for n, k in columns.items()}
    rows["time"] = np.repeat(TIMES.to_numpy(), elements)
    if grid.key is not None:
        is_count = columns[grid.key] is ColumnType.COUNT
        own = [11, 3, 7, 5] if is_count else ["b", "a", "d", "c"]
        rows[grid.key] = own * len(TIMES)
        for name in grid.fixed:
            rows[name] = list(filled(columns[name], name, rng, elements)) * len(TIMES)
    return rows


@pytest.fixture
def result(tmp_path):
    """A run that wrote every table there is."""
    rng = np.random.default_rng(1)
    writer = RunWriter(tmp_path / "run", {"scenario": {"name": "study"}, "seed": 1})
    for table in TABLES:
        writer.add(table, block(table, rng))
    writer.write_kpis(
        {
            "losses": {"value": 12.5, "unit": "MWh", "label": "Grid losses"},
            "voltage_solved": {"value": None, "unit": "1", "label": "Solved"},
        }
    )
    writer.finish("complete")
    return Result.open(tmp_path / "run")


def as_table(dataset, table):
    """The rows of a table, back from a dataset, with text as it stands there."""
    grid, names = GRIDS.get(table), list(TABLES[table])
    if grid is None:
        return pd.DataFrame({n: dataset[f"{table}_{n}"].to_numpy() for n in names})
    own = [v for v in dataset.data_vars if v.startswith(f"{table}_")]
    own = [v for v in own if v.removeprefix(f"{table}_") in names]
    frame = dataset[own].to_dataframe().reset_index()
    frame = frame.rename(columns={v: v.removeprefix(f"{table}_") for v in own})
    if grid.key is None:
        return frame[names]
    places = frame[grid.dimension]
    for name in grid.fixed:
        labels = dataset[f"{grid.dimension}_{name}"].to_series()
        frame[name] = places.map(labels)
    return frame.rename(columns={grid.dimension: grid.key})[names]


def comparable(frame, by):
    """Rows in one order, text without null, naive UTC times, one type of number."""
    frame = frame.copy()
    for name in frame:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            frame[name] = frame[name].dt.tz_convert("UTC").dt.tz_localize(None)
        elif pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].astype(float)
        elif not pd.api.types.is_datetime64_dtype(frame[name]):
            frame[name] = frame[name].astype(object).fillna("")
    return (frame.sort_values(by) if by else frame).reset_index(drop=True)


def assert_says_what_the_table_says(result, dataset, table):
    grid = GRIDS.get(table)
    by = [] if grid is None else ["time", *([grid.key] if grid.key else [])]
    left, right = comparable(result.table(table), by), comparable(as_table(dataset, table), by)
    pd.testing.assert_frame_equal(left, right, check_dtype=False, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_dataset_holds_every_value_of_every_table(result, table):
    assert_says_what_the_table_says(result, result.to_xarray(), table)


def test_netcdf_file_holds_what_the_dataset_holds(result, tmp_path):
    path = result.to_netcdf(tmp_path / "sub" / "run.nc")
    with xr.open_dataset(path, engine="netcdf4") as read:
        read.load()
    written = result.to_xarray()
    assert set(read.variables) == set(written.variables)
    assert read.attrs == written.attrs
    for table in TABLES:
        assert_says_what_the_table_says(result, read, table)
    assert read["lines_loading_percent"].attrs["units"] == "%"
    assert read["kpi_value"].sel(kpi="losses").item() == 12.5
    assert np.isnan(read["kpi_value"].sel(kpi="voltage_solved").item())
    assert str(read["manifest"].item()) == str(written["manifest"].item())


@pytest.mark.parametrize("table", TABLES)
def test_csv_files_hold_every_value_of_every_table(result, tmp_path, table):
    folder = result.to_csv(tmp_path / "csv")
    times = [name for name, kind in TABLES[table].items() if kind is ColumnType.TIME]
    read = pd.read_csv(folder / f"{table}.csv", parse_dates=times, float_precision="round_trip")
    assert list(read) == list(TABLES[table])
    left, right = comparable(result.table(table), []), comparable(read, [])
    pd.testing.assert_frame_equal(left, right, check_dtype=False, check_exact=True)


def test_csv_files_are_the_tables_and_the_kpis(result, tmp_path):
    folder = result.to_csv(tmp_path / "csv")
    assert {path.stem for path in folder.iterdir()} == {*TABLES, "kpis"}
    assert (folder / "kpis.csv").read_text().splitlines()[1] == "losses,12.5,MWh,Grid losses"


def test_variables_have_the_units_that_their_names_end_with(result):
    dataset = result.to_xarray()
    units = {name: values.attrs.get("units") for name, values in dataset.data_vars.items()}
    assert units["units_p_kw"] == "kW"
    assert units["shares_price_eur_per_kwh"] == "EUR/kWh"
    assert units["negotiations_wall_s"] == "s"
    assert units["units_co2_kg"] == "kg"
    assert units["redispatch_sensitivity"] is None


def test_every_table_and_column_is_described():
    assert set(ABOUT) == set(TABLES)
    columns = [(table, column) for table, names in TABLES.items() for column in names]
    assert [pair for pair in columns if not meaning(*pair)] == []
    assert set(ELSEWHERE) <= set(columns)
    assert set(MEANING) <= {column for _, column in columns}


def test_variables_say_what_they_mean(result):
    dataset = result.to_xarray()
    assert dataset["lines_loading_percent"].attrs["long_name"].startswith("loading in percent")
    assert dataset["messages_sender"].attrs["long_name"] == "who sent the message"


def test_every_column_with_a_unit_in_its_name_is_known():
    """A new ending would otherwise be a variable without unit, unseen."""
    without = {name for columns in TABLES.values() for name in columns if unit_of(name) is None}
    assert not {name for name in without if name.rpartition("_")[2] in {"kw", "kwh", "mw", "eur"}}
    numbers = {
        name
        for columns in TABLES.values()
        for name, kind in columns.items()
        if kind is ColumnType.NUMBER and unit_of(name) is None
    }
    assert numbers <= {
        "block",
        "bound",
        "follower_suboptimality",
        "gap",
        "iterations",
        "objective",
        "residual",
        "sensitivity",
        "share",
        "size",
        "tap_pos",
        "tries",
        "value",
    }


def test_what_stands_in_a_table_twice_at_a_time_keeps_its_rows(result):
    """Windows of gates overlap: what was offered for a step is there once a gate."""
    writer = RunWriter(result.dir.parent / "gates", {})
    for value in (1.0, 2.0):
        rows = {"time": TIMES, "name": "band", "value": value, "unit": "kW"}
        writer.add("signals", rows)
    writer.add("signals", {"time": TIMES, "name": "price", "value": 0.3, "unit": "EUR/kWh"})
    writer.finish("complete")
    dataset = Result.open(writer.directory).to_xarray()
    assert dataset["signals_value"].sel(signal="price").to_numpy().tolist() == [0.3] * 3
    assert dataset["signals_repeated_name"].to_numpy().tolist() == ["band"] * 6
    assert dataset["signals_repeated_value"].to_numpy().tolist() == [1.0] * 3 + [2.0] * 3


def test_killed_run_is_filled_with_nan(tmp_path):
    writer = RunWriter(tmp_path / "killed", {})
    writer.add("steps", {"time": TIMES, "converged": True, "iterations": 3.0})
    writer.add("buses", {"time": TIMES[:2], "bus": 4, "vm_pu": 1.0})
    writer.flush()
    dataset = Result.open(tmp_path / "killed").to_xarray()
    assert dataset["buses_vm_pu"].isnull().to_numpy().tolist() == [[False], [False], [True]]
    assert "kpi_value" not in dataset


@pytest.mark.parametrize(
    ("missing", "export_to"),
    [("xarray", lambda r, p: r.to_xarray()), ("netCDF4", lambda r, p: r.to_netcdf(p))],
)
def test_missing_package_is_told_with_what_to_install(
    result, tmp_path, monkeypatch, missing, export_to
):
    found = importlib.util.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(InputError, match=rf"{missing} is not .*pip install 'quartier\[xarray\]'"):
        export_to(result, tmp_path / "run.nc")

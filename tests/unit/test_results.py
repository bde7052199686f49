"""The run folder: what is written, what is refused, what is read back."""

import json
import logging

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from quartier.errors import InputError
from quartier.results import TABLES, Result, RunWriter, new_run_directory, run_log
from quartier.results.tables import ColumnType
from quartier.results.writer import STEPS_PER_PART

START = pd.Timestamp("2016-07-24T22:00Z")


@pytest.fixture
def writer(tmp_path):
    return RunWriter(tmp_path / "run", {"scenario": {"name": "test"}, "steps_expected": 2})


def add_step(writer, time=START):
    writer.add("steps", {"time": time, "converged": True, "iterations": 3})
    writer.tick()


def manifest(writer):
    return json.loads((writer.directory / "manifest.json").read_text())


def test_block_is_read_back_with_scalars_repeated_and_nan_where_nothing_applies(writer):
    writer.add("buses", {"time": START, "bus": [4, 7], "vm_pu": np.array([1.0, 1.01])})
    writer.finish("failed")
    table = Result.open(writer.directory).table("buses")
    assert list(table.columns) == list(TABLES["buses"])
    assert table["time"].tolist() == [START, START]
    assert table["bus"].tolist() == [4, 7]
    assert table["vm_pu"].tolist() == [1.0, 1.01]
    assert table["p_mw"].isna().all()


def test_values_are_copied_because_recycled_power_flows_write_in_place(writer):
    loading = np.array([50.0])
    writer.add("lines", {"time": START, "index": 0, "name": "a", "loading_percent": loading})
    loading[:] = 99.0
    writer.finish("failed")
    assert Result(writer.directory).table("lines")["loading_percent"].tolist() == [50.0]


def test_types_do_not_depend_on_the_values(writer):
    writer.rows("transformers", [{"time": START, "index": 0, "tap_pos": 2}])
    writer.flush()
    writer.rows("transformers", [{"time": START, "index": 0, "name": "T1", "tap_pos": None}])
    writer.finish("failed")
    table = Result(writer.directory).table("transformers")
    assert table["name"].tolist() == [None, "T1"]
    assert table["tap_pos"].dtype == float
    assert str(table["time"].dtype) == "datetime64[ns, UTC]"


def test_rows_with_different_keys_leave_the_rest_empty(writer):
    common = {"gate": 0, "problem": "redispatch", "status": "optimal"}
    writer.rows("solves", [common, {**common, "wall_s": 0.1}])
    writer.finish("failed")
    assert Result(writer.directory).table("solves")["wall_s"].isna().tolist() == [True, False]


def test_no_rows_make_no_table(writer):
    writer.rows("solves", [])
    writer.add("lines", {"time": START, "index": [], "name": []})
    writer.finish("failed")
    assert Result(writer.directory).tables == ()


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ("buses", {"time": START, "bus": 1, "vm": 1.0}, "no column vm; columns: time, bus, vm_pu"),
        ("buses", {"time": START}, "column bus is missing"),
        ("buses", {"time": START, "bus": [1, 2], "vm_pu": [1.0]}, "different lengths"),
        ("buses", {"time": START, "bus": [1, 2], "vm_pu": np.ones((2, 1))}, "'vm_pu'.*dimension"),
        ("buses", {"time": START.tz_localize(None), "bus": 1}, "'time'.*UTC-aware"),
        ("buses", {"time": START, "bus": 1.5}, "'bus'"),
        ("buses", {"time": START, "bus": 1, "vm_pu": "high"}, "'vm_pu'.*could not convert"),
        ("steps", {"time": START, "converged": 0.5}, "'converged'"),
    ],
)
def test_bad_column_is_an_error(writer, table, columns, message):
    with pytest.raises(ValueError, match=message):
        writer.add(table, columns)


def test_unknown_table_is_an_error_that_lists_the_known_ones(writer):
    with pytest.raises(KeyError, match="no table 'busses'; tables: units, connection_points"):
        writer.add("busses", {})


@pytest.mark.parametrize("table", TABLES)
def test_every_table_takes_every_one_of_its_columns(writer, table):
    example = {
        ColumnType.TIME: START,
        ColumnType.TEXT: "x",
        ColumnType.NUMBER: 1.5,
        ColumnType.COUNT: 7,
        ColumnType.FLAG: True,
    }
    row = {name: example[kind] for name, kind in TABLES[table].items()}
    writer.rows(table, [row])
    writer.finish("failed")
    assert Result(writer.directory).table(table).to_dict("records") == [row]


def test_a_part_holds_at_most_so_many_steps(writer):
    for step in range(STEPS_PER_PART + 1):
        add_step(writer, START + step * pd.Timedelta(minutes=15))
    assert manifest(writer)["steps_written"] == STEPS_PER_PART
    writer.finish("failed")
    parts = sorted((writer.directory / "tables" / "steps").iterdir())
    assert [pyarrow.parquet.read_metadata(p).num_rows for p in parts] == [STEPS_PER_PART, 1]
    times = Result(writer.directory).table("steps")["time"]
    assert times.is_monotonic_increasing
    assert len(times) == STEPS_PER_PART + 1


def test_a_slow_step_is_written_at_once(writer, monkeypatch):
    monkeypatch.setattr("quartier.results.writer.SECONDS_PER_PART", 0.0)
    add_step(writer)
    assert len(Result.open(writer.directory).table("steps")) == 1


def test_manifest_says_how_far_the_run_came(writer):
    assert manifest(writer)["status"] == "running"
    assert manifest(writer)["steps_written"] == 0
    add_step(writer)
    add_step(writer)
    writer.update(wall_s={"execution": np.float64(1.5)})
    writer.finish("complete")
    end = manifest(writer)
    assert (end["status"], end["error"], end["steps_written"]) == ("complete", None, 2)
    assert end["scenario"] == {"name": "test"}
    assert end["wall_s"] == {"execution": 1.5}
    assert pd.Timestamp(end["finished"]) >= pd.Timestamp(end["started"])


@pytest.mark.parametrize("status", ["complete", "degraded"])
def test_a_run_that_stopped_early_never_says_it_finished(writer, status):
    add_step(writer)
    writer.finish(status)
    end = manifest(writer)
    assert end["status"] == "partial"
    assert end["error"] == "only 1 of 2 steps were executed"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_stopped_early_keeps_its_reason(writer, status):
    writer.finish(status, error="line 10 does not exist")
    assert (manifest(writer)["status"], manifest(writer)["error"]) == (
        status,
        "line 10 does not exist",
    )


@pytest.mark.parametrize("status", ["complete", "failed", "cancelled"])
def test_what_is_said_at_the_end_stands_in_the_manifest_however_the_run_ended(writer, status):
    writer.finish(status, wall_times_s={"execution": 1.5})
    assert manifest(writer)["wall_times_s"] == {"execution": 1.5}


def test_a_folder_holds_one_run(writer):
    with pytest.raises(InputError, match="already holds a run: name another folder with --out"):
        RunWriter(writer.directory, {})


def test_a_folder_that_cannot_be_made_is_the_users_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make the run folder"):
        RunWriter(tmp_path / "file" / "run", {})


def test_kpis_have_values_units_and_labels(writer):
    writer.write_kpis(
        {
            "losses": {"value": np.float64(12.5), "unit": "MWh", "label": "Grid losses"},
            "congestion_solved": {"value": float("nan"), "unit": "1", "label": "Solved"},
        }
    )
    assert json.loads((writer.directory / "kpis.json").read_text())["congestion_solved"] == {
        "value": None,
        "unit": "1",
        "label": "Solved",
    }
    kpis = Result(writer.directory).kpis
    assert kpis["losses"] == 12.5
    assert np.isnan(kpis["congestion_solved"])
    assert kpis.attrs["unit"]["losses"] == "MWh"
    assert kpis.attrs["label"]["losses"] == "Grid losses"


def test_p_set_is_also_written_as_csv(writer):
    row = {"time": START, "gate": 0, "round": 1, "asset": "north", "kind": "neighbourhood"}
    writer.rows("redispatch", [{**row, "offered_kw": 900.0, "p_set_kw": 500.0}])
    writer.finish("failed")
    table = pd.read_csv(writer.directory / "redispatch.csv", parse_dates=["time"])
    assert list(table.columns) == list(TABLES["redispatch"])
    assert table["p_set_kw"].tolist() == [500.0]
    assert table["time"].tolist() == [START]


def test_a_run_without_redispatch_has_no_csv_of_it(writer):
    writer.finish("failed")
    assert not (writer.directory / "redispatch.csv").exists()


def test_a_missing_table_is_an_error_that_lists_those_there_are(writer):
    add_step(writer)
    writer.flush()
    with pytest.raises(KeyError, match=r"no table 'lines' in .*; tables: steps"):
        Result.open(writer.directory).table("lines")


def test_opening_names_what_is_missing(tmp_path, writer):
    with pytest.raises(InputError, match="nowhere is not a folder"):
        Result.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"manifest\.json and tables are missing"):
        Result.open(tmp_path)
    with pytest.raises(InputError, match=r"kpis\.json is missing; the run did not get that far"):
        _ = Result.open(writer.directory).kpis


def test_new_run_directory_is_new_and_fit_for_a_file_system(tmp_path):
    first = new_run_directory("fliegerhorst", "mine:Strategy", tmp_path)
    assert first.parent == tmp_path / "fliegerhorst"
    assert first.name.startswith("mine-Strategy-")
    first.mkdir(parents=True)
    assert new_run_directory("fliegerhorst", "mine:Strategy", tmp_path) != first


def test_log_holds_what_quartier_and_mosaik_say(tmp_path, capfd):
    from loguru import logger as mosaik_logger

    with run_log(tmp_path) as path:
        logging.getLogger("quartier.somewhere").info("planning gate %d", 0)
        mosaik_logger.patch(lambda record: record.update(name="mosaik.x")).info("ready to rumble")
    logging.getLogger("quartier.somewhere").warning("after the run")
    text = path.read_text()
    assert "quartier.somewhere: planning gate 0" in text
    assert "ready to rumble" in text
    assert "after the run" not in text
    assert "rumble" not in capfd.readouterr().err

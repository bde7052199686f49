"""Scenario files that mean harm: one list of problems, no traceback, nothing written or run."""

from __future__ import annotations

from pathlib import Path

import pytest

from quartier.errors import InputError
from quartier.scenario.csv_table import CsvTable
from quartier.scenario.load import load
from quartier.scenario.record import SeriesError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 12)
)
FILES = {
    "deep": ("a: " + "[" * 20_000 + "]" * 20_000, "nested too deeply"),
    "deep mapping": ("{a: " * 5_000 + "1" + "}" * 5_000, "nested too deeply"),
    "bomb": (BOMB, "unfolds to more than"),
    "itself": ("a: &a [*a]", "unfolds to more|itself|no YAML"),
    "digits": ("seed: " + "9" * 10_000, "cannot be read"),
    "tag": ("name: !!python/object/apply:os.system ['touch harm']", "is no YAML"),
    "own tag": ("name: !thing {a: 1}", "is no YAML"),
    "bytes": (b"name: \xff\xfe", "cannot be read"),
    "null byte": (b"name: a\x00b", "is no YAML"),
    "scalar": ("42", "no mapping"),
    "list": ("- 1", "no mapping"),
    "empty": ("", "no mapping"),
    "wrong types": ("name: {a: 1}\nhorizon: 7\ngrid: []\nneighbourhoods: x", "name"),
    "escape": ("name: ../../harm\n", "name"),
    "merge": ("<<: [1, 2]\n", "is no YAML"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_wrong_input(tmp_path: Path, monkeypatch, name: str) -> None:
    content, problem = FILES[name]
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=problem):
        load(path)
    assert [file.name for file in tmp_path.iterdir()] == ["scenario.yaml"]


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    with path.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(InputError, match="larger than 20 MB"):
        load(path)


def test_a_table_with_line_ends_of_old_macs_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(b"time,p\r2016-05-02T10:00,1\r2016-05-02T10:15,2\r")
    assert CsvTable(path).column("p") == ["1", "2"]


def test_a_cell_without_end_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,p\n2016-05-02T10:00," + "1" * 200_000)
    with pytest.raises(SeriesError, match="is no CSV table: field larger"):
        CsvTable(path)

"""Run folders: the disk is full, the folder is not to be written to, a part is damaged."""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import quartier
from quartier import report
from quartier.cli import app
from quartier.errors import InputError, RunFailed
from quartier.results import Result, RunWriter
from quartier.results.files import CannotWrite
from quartier.simulators import checkpoints

CASE = Path(__file__).parents[1] / "cases" / "sharing"


@pytest.fixture
def little() -> Iterator[Path]:
    """A disk of 300 kB."""
    with disk_of("300k") as disk:
        yield disk


@pytest.fixture
def large() -> Iterator[Path]:
    """A disk that a run fits on."""
    with disk_of("20m") as disk:
        yield disk


@contextmanager
def disk_of(size: str) -> Iterator[Path]:
    """Mount a small disk, outside the folders that pytest clears away."""
    disk = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        disk.rmdir()
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)
    disk.rmdir()


def test_a_full_disk_is_one_clear_error_and_earlier_parts_are_whole(little: Path) -> None:
    writer = RunWriter(little / "run", {"scenario": {"name": "x"}})
    start = pd.Timestamp("2016-07-24T22:00Z")

    def write_on() -> None:
        for step in itertools.count():
            time = start + step * pd.Timedelta(minutes=15)
            writer.add("buses", {"time": time, "bus": list(range(200)), "vm_pu": step / 7})
            writer.tick()

    with pytest.raises(CannotWrite, match=r"cannot write .*: No space left on device; what was"):
        write_on()
    writer.finish("failed", "no space")
    buses = Result.open(little / "run").table("buses")
    assert len(buses) >= 96 * 200 and len(buses) % (96 * 200) == 0
    assert not list((little / "run").rglob("*.tmp"))


def test_a_run_on_a_full_disk_fails_in_words(little: Path) -> None:
    """Exit code 3, not a traceback."""
    (little / "ballast").write_bytes(bytes(230_000))
    with pytest.raises(RunFailed, match=r"cannot write .*No space left on device"):
        quartier.run(CASE, out=little / "run")


def fill(disk: Path) -> None:
    """Write until there is no room left, not for a byte."""
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1024)):
            pass


WRITES = {
    "tables": (RunWriter, "_write_part"),
    "checkpoint": (checkpoints, "write_checkpoint"),
    "kpis": (RunWriter, "write_kpis"),
    "report": (report, "write_report"),
}
"""What fills the disk just before it is written, in the order of a run."""


@pytest.mark.parametrize("what", WRITES)
def test_a_disk_that_is_full_at_any_point_is_one_clear_error_and_exit_code_3(
    large: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report can be built again, so it fails no run; it says how."""
    where, name = WRITES[what]
    write = getattr(where, name)

    def on_a_full_disk(*args: object, **more: object) -> object:
        fill(large)
        return write(*args, **more)

    monkeypatch.setattr(where, name, on_a_full_disk)
    options = ["--set", "baseline=individual", "--set", "checkpoints.every_steps=1", "--quiet"]
    ended = CliRunner().invoke(app, ["run", str(CASE), "--out", str(large / "run"), *options])
    assert ended.exit_code == 3, ended.output
    assert "Traceback" not in ended.output
    assert ended.output.count("No space left on device") == 1, ended.output
    (large / "ballast").unlink()
    result = Result.open(large / "run")
    assert result.status in ("failed", "partial", "complete")
    assert (result.status == "complete") == (what == "report")
    assert all(len(result.table(table)) for table in result.tables)
    assert not list((large / "run").rglob("*.tmp"))


def test_a_folder_that_cannot_be_made_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot make the run folder .*name another with --out"):
        quartier.run(CASE, out=tmp_path / "file" / "run")


@pytest.mark.parametrize("damage", ["cut", "other columns", "no parquet"])
def test_a_damaged_part_is_named_and_the_rest_can_be_read(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    result = quartier.run(CASE, out=folder)
    part = folder / "tables" / "units" / "part-00000.parquet"
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-40])
    elif damage == "no parquet":
        part.write_text("time,unit\n")
    else:  # as another version might have written it
        pd.DataFrame({"when": [1]}).to_parquet(part)
    with pytest.raises(InputError, match=r"part-00000\.parquet is damaged, or was written by"):
        Result.open(folder).table("units")
    rest = [name for name in result.tables if name != "units"]
    assert all(len(Result.open(folder).table(name)) for name in rest)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    quartier.run(CASE, out=tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    path.write_text(path.read_text()[:-9])
    result = Result.open(tmp_path / "run")
    with pytest.raises(InputError, match=r"manifest\.json is damaged .*the tables can be read"):
        _ = result.manifest
    assert len(result.table("units")) == 9
    path.write_text(json.dumps({"status": "complete"}))
    with pytest.raises(InputError, match="its manifest does not say scenario, coordination"):
        quartier.repeat(tmp_path / "run")

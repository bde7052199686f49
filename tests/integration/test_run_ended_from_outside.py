"""A run that is ended from outside: its tables stay readable, and it never says it finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from quartier.results import Result

COMMAND = (
    *(sys.executable, "-m", "quartier", "run", "fliegerhorst", "--coordination", "uncontrolled"),
    *("--set", "horizon.steps=1500"),
    *("--set", "neighbourhoods.fliegerhorst.units.wind.profile=PV3", "--quiet", "--out"),
)
"""A run of some fifteen seconds."""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no POSIX signals on this system")
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("SIGKILL", "partial", -9), ("SIGTERM", "cancelled", 130), ("SIGINT", "cancelled", 130)],
)
def test_tables_of_a_run_that_was_ended_are_readable(tmp_path, name, status, code):
    folder = tmp_path / "run"
    with subprocess.Popen([*COMMAND, str(folder)], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not (folder / "tables" / "connection_points" / "part-00001.parquet").exists():
            assert process.poll() is None, process.communicate()[1].decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(getattr(signal, name))
        sent = time.monotonic()
        said = process.communicate(timeout=30)[1].decode()
        took_s = time.monotonic() - sent
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert took_s <= 5.0 * (1 + os.getloadavg()[0] / (os.cpu_count() or 1))  # 5 s when quiet
    result = Result.open(folder)
    assert result.status == status
    steps = result.table("steps")
    assert 0 < result.manifest["steps_written"] <= len(steps) < 1500
    assert len(result.table("buses")) >= 99 * len(steps)
    assert status == "partial" or len(result.table("connection_points")) == 13 * len(steps)
    assert not (folder / "kpis.json").exists()

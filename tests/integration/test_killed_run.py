"""A process killed in the middle of writing leaves a folder that can be read."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from quartier.results import Result

WRITES_UNTIL_KILLED = """
import itertools, sys
from pathlib import Path
import pandas as pd
from quartier.results import RunWriter

writer = RunWriter(Path(sys.argv[1]), {"steps_expected": 10**9})
start = pd.Timestamp("2016-07-24T22:00Z")
for step in itertools.count():
    time = start + step * pd.Timedelta(minutes=15)
    writer.add("steps", {"time": time, "converged": True, "iterations": step})
    writer.add("buses", {"time": time, "bus": list(range(500)), "vm_pu": 1.0})
    writer.tick()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_run_stays_readable(tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", WRITES_UNTIL_KILLED, str(folder)])
    deadline = time.monotonic() + 60
    while len(list(folder.glob("tables/buses/part-*.parquet"))) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    result = Result.open(folder)
    steps, buses = result.table("steps"), result.table("buses")
    assert steps["iterations"].tolist() == list(range(len(steps)))
    assert len(steps) >= 2 * 96
    assert len(buses) >= 3 * 96 * 500
    assert buses["time"].diff().dropna().max() == pd.Timedelta(minutes=15)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "running"
    assert 0 < manifest["steps_written"] <= len(steps)

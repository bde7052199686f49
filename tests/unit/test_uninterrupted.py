"""Signals that arrive during a write wait for its end."""

from __future__ import annotations

import os
import signal
import threading

import pandas as pd
import pytest

from quartier.results import Result, RunWriter
from quartier.results.uninterrupted import uninterrupted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no POSIX signals on this system")


@pytest.fixture(autouse=True)
def handlers():
    """SIGTERM raises, as in the command line; everything is as before afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end(number):
    done = []

    @uninterrupted()
    def write() -> None:
        os.kill(os.getpid(), number)
        done.append("after the signal")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == ["after the signal"]
    assert signal.getsignal(number) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_are_left_alone():
    done = []

    def write() -> None:
        with uninterrupted():
            done.append("written")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert done == ["written"]


def test_no_row_is_lost_when_the_signal_comes_during_a_flush(tmp_path, monkeypatch):
    writer = RunWriter(tmp_path / "run", {})
    time = pd.Timestamp("2016-07-24T22:00Z")
    write = RunWriter._write_part

    def write_and_be_told_to_stop(self, table, rows):
        os.kill(os.getpid(), signal.SIGTERM)
        write(self, table, rows)

    monkeypatch.setattr(RunWriter, "_write_part", write_and_be_told_to_stop)
    for table in ("steps", "signals"):
        columns = {"converged": True} if table == "steps" else {"name": "x", "value": 1.0}
        writer.add(table, {"time": time, **columns})
    with pytest.raises(KeyboardInterrupt):
        writer.flush()
    result = Result.open(tmp_path / "run")
    assert (len(result.table("steps")), len(result.table("signals"))) == (1, 1)

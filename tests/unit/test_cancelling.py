"""Ctrl-C and SIGTERM stop a run where it reports progress."""

import asyncio
import signal
import threading
import time

import pytest

from quartier import cancelling
from quartier.agents import society
from quartier.cancelling import CancellableProgress, Cancellation
from quartier.errors import RunFailed
from quartier.progress import Cancelled, SilentProgress, is_cancellation


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_at_the_next_report(number):
    cancellation = Cancellation()
    progress = CancellableProgress(SilentProgress(), cancellation)
    with cancellation.listening():
        progress.phase("execution", 2)
        progress.advance()
        signal.raise_signal(number)
        progress.note("still here")
        with pytest.raises(Cancelled):
            progress.advance()
        with pytest.raises(Cancelled):
            progress.phase("KPIs")
        progress.done()


def test_second_signal_interrupts_at_once():
    with Cancellation().listening():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_signal_interrupts_at_last_where_nobody_reports(monkeypatch):
    monkeypatch.setattr(cancelling, "GRACE_S", 0.05)
    with Cancellation().listening():
        signal.raise_signal(signal.SIGINT)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
    assert time.monotonic() - began < 5


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Cancellation().listening():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_cancellation_is_seen_through_what_it_was_turned_into():
    failure = RunFailed("event loop stopped")
    assert not is_cancellation(failure)
    failure.__context__ = KeyboardInterrupt()
    assert is_cancellation(failure)


def test_interrupted_agents_come_to_their_end_first():
    """Python aborts if it ends while a solver of theirs runs."""
    ended = []

    async def negotiate():
        threading.Timer(0.2, cancelling._interrupt_main_thread).start()
        try:
            await asyncio.sleep(30)
        finally:
            time.sleep(0.3)  # a solver, which nothing interrupts
            ended.append(True)

    # Whoever starts the tests in the background may have left the signal to be ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            society.run_apart(negotiate())
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended


def test_first_signal_is_answered(capfd):
    with Cancellation().listening():
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == "Stopping; press Ctrl-C again to stop at once.\n"

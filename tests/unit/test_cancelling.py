"""Ctrl-C and SIGTERM stop a run where it reports progress."""

import signal
import time

import pytest

from quartier import cancelling
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

"""Progress: plain lines where output is piped, bars on a terminal."""

import io
import logging
import sys

import pytest

from quartier import progress
from quartier.progress import PlainProgress, RichProgress, SilentProgress, choose, log_as_notes


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_say_when_phases_begin_and_end():
    stream = io.StringIO()
    shown = PlainProgress(stream)
    shown.phase("planning")
    shown.phase("execution", 2)
    shown.advance()
    shown.note("line 10 is overloaded")
    shown.advance()
    shown.done()
    shown.done()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "planning ..."
    assert lines[1].startswith("planning: done in 0.0 s")
    assert lines[2:4] == ["execution: 2 steps ...", "line 10 is overloaded"]
    assert lines[4].startswith("execution: done in")
    assert len(lines) == 5


def test_plain_lines_count_in_long_phases(monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    stream = io.StringIO()
    shown = PlainProgress(stream)
    shown.phase("execution", 2)
    shown.advance()
    shown.advance()
    assert stream.getvalue().splitlines()[1:] == ["execution: 1 of 2, about 0:00:00 left"]


def test_bars_show_every_phase_once(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = RichProgress()
    shown.phase("planning")
    shown.phase("execution", 2)
    shown.advance(2)
    shown.note("[1] is not markup")
    shown.done()
    last = terminal.getvalue()
    assert "planning" in last
    assert "2/2" in last
    assert "[1] is not markup" in last


@pytest.mark.parametrize(
    ("out", "err", "kind"),
    [
        (Terminal, Terminal, RichProgress),
        (io.StringIO, Terminal, PlainProgress),
        (Terminal, io.StringIO, PlainProgress),
    ],
)
def test_bars_need_a_terminal(monkeypatch, out, err, kind):
    monkeypatch.setattr(sys, "stdout", out())
    monkeypatch.setattr(sys, "stderr", err())
    assert isinstance(choose(quiet=False), kind)
    assert isinstance(choose(quiet=True), SilentProgress)


def test_warnings_and_the_filling_of_the_cache_are_notes():
    stream = io.StringIO()
    with log_as_notes(PlainProgress(stream)):
        logging.getLogger("quartier.cache").info("reading SimBench for the first time")
        logging.getLogger("quartier.run").info("details")
        logging.getLogger("quartier.run").warning("the negotiation ran out of time")
    logging.getLogger("quartier.run").warning("too late")
    assert stream.getvalue().splitlines() == [
        "reading SimBench for the first time",
        "the negotiation ran out of time",
    ]


def test_a_phase_that_is_cut_short_is_not_called_done():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.phase("execution", 3)
    progress.advance()
    progress.done()
    assert stream.getvalue().splitlines()[-1].startswith("execution: stopped at 1 of 3 steps after")

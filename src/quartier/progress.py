"""How a run tells its user how far it is."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_S = 5.0
"""Shortest time between two plain lines about one phase."""


class Cancelled(Exception):
    """The user wants the run to stop; raised where the run reports progress."""


def is_cancellation(error: BaseException | None) -> bool:
    """Whether an error comes from the user's wish to stop, whatever it was turned into."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # what caused itself has no other cause
        if isinstance(error, Cancelled | KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


class Progress(Protocol):
    """What a run reports to: phases with steps, and notes in between."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Begin a phase, which ends the one before; ``total`` is its number of steps."""

    def advance(self, n: int = 1) -> None:
        """Count ``n`` steps of the phase."""

    def note(self, text: str) -> None:
        """Say something that the user should know now."""

    def done(self) -> None:
        """End the last phase. May be called more than once."""


class SilentProgress:
    """Says nothing."""

    def phase(self, name: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, n: int = 1) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def done(self) -> None:
        """Say nothing."""


class PlainProgress:
    """Prints a line when a phase begins, when it ends, and now and then in between."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._name: str | None = None
        self._total: int | None = None
        self._count = 0
        self._began = self._printed = 0.0

    def phase(self, name: str, total: int | None = None) -> None:
        """Print that the phase begins."""
        self.done()
        self._name, self._total, self._count = name, total, 0
        self._began = self._printed = time.monotonic()
        self.note(f"{name} ..." if total is None else f"{name}: {total} steps ...")

    def advance(self, n: int = 1) -> None:
        """Count, and print the count if the last line is some seconds old."""
        self._count += n
        now = time.monotonic()
        if now - self._printed >= LINE_EVERY_S and self._count != self._total:
            self._printed = now
            self.note(f"{self._name}: {self._count}{self._left(now)}")

    def _left(self, now: float) -> str:
        """How many there are, and for how long at this pace."""
        if self._total is None:
            return ""
        left_s = (now - self._began) / self._count * (self._total - self._count)
        return f" of {self._total}, about {timedelta(seconds=round(left_s))} left"

    def note(self, text: str) -> None:
        """Print the text."""
        print(text, file=self._stream, flush=True)

    def done(self) -> None:
        """Print how long the phase took."""
        if self._name is not None:
            ended = "done in"
            if self._total is not None and self._count < self._total:
                ended = f"stopped at {self._count} of {self._total} steps after"
            self.note(f"{self._name}: {ended} {time.monotonic() - self._began:.1f} s")
            self._name = None


class RichProgress:
    """A line with a bar for every phase, for terminals."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        """Add a bar; without ``total`` it only moves."""
        self._complete()
        self._bars.start()
        self._task = self._bars.add_task(name, total=total)

    def advance(self, n: int = 1) -> None:
        """Fill the bar."""
        if self._task is not None:
            self._bars.advance(self._task, n)

    def note(self, text: str) -> None:
        """Print the text above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)

    def done(self) -> None:
        """Let the bars stand as they are."""
        self._complete()
        self._bars.stop()

    def _complete(self) -> None:
        if self._task is not None:
            task = self._bars.tasks[self._task]
            if task.total is None:
                self._bars.update(self._task, total=1, completed=1)
            self._bars.stop_task(self._task)
            self._task = None


def choose(*, quiet: bool) -> Progress:
    """Return bars on a terminal, plain lines where output is piped, nothing if ``quiet``."""
    if quiet:
        return SilentProgress()
    if sys.stderr.isatty() and sys.stdout.isatty():
        return RichProgress()
    return PlainProgress()


class _Notes(logging.Handler):
    """Passes log records on as notes: warnings of Quartier, and what its cache has to say."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name == "quartier.cache":
            self._progress.note(record.getMessage())


@contextmanager
def log_as_notes(progress: Progress) -> Iterator[None]:
    """Show Quartier's warnings, and that a cache is being filled, as notes."""
    logger, handler = logging.getLogger("quartier"), _Notes(progress)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)

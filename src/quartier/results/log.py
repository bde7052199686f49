"""The log file of a run: what Quartier and the libraries below it have to say."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from loguru import logger as loguru_logger

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
LOGURU_FORMAT = "{time:YYYY-MM-DD HH:mm:ss,SSS} {level: <7} {name}: {message}"


@contextmanager
def run_log(directory: Path) -> Iterator[Path]:
    """Write ``log.txt`` in a run folder as long as the context lasts.

    Quartier, mango and pandapower log through :mod:`logging`, mosaik through loguru; Python's
    warnings are logged too. mosaik's messages go to the file instead of the terminal.
    """
    path = directory / "log.txt"
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    with _standard_logging(handler), _loguru(path):
        yield path


class _LogFile(logging.FileHandler):
    """A log that goes without what there is no room for: a full disk is told of elsewhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Go on."""

    def close(self) -> None:
        """Close the file, whatever is lost of it."""
        with suppress(OSError):
            super().close()


@contextmanager
def _standard_logging(handler: logging.Handler) -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("quartier")
    level = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        ours.setLevel(level)
        root.removeHandler(handler)
        handler.close()


@contextmanager
def _loguru(path: Path) -> Iterator[None]:
    _keep_mosaik_off_the_terminal()
    sink = loguru_logger.add(path, level="INFO", format=LOGURU_FORMAT, encoding="utf-8")
    loguru_logger.enable("mosaik")  # mosaik switches itself off when it is imported
    try:
        yield
    finally:
        loguru_logger.disable("mosaik")
        loguru_logger.remove(sink)


@cache
def _keep_mosaik_off_the_terminal() -> None:
    """Let loguru's default sink, where it is still there, leave out what mosaik says."""
    try:
        loguru_logger.remove(0)
    except ValueError:
        return
    loguru_logger.add(
        sys.stderr, filter=lambda record: not str(record["name"]).startswith("mosaik")
    )

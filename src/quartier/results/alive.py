"""Whether the process that writes a run folder is still there: it holds a lock as long as it is."""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

LOCK = ".lock"
"""Name of the locked file in the run folder; the system lets go of it when a process dies."""

logging.getLogger("filelock").setLevel(logging.WARNING)


def hold(directory: Path) -> BaseFileLock:
    """Hold the lock of a run folder until it is released, or this process ends.

    Raises
    ------
    BlockingIOError
        If another process writes there.
    """
    lock = _lock(directory)
    try:
        lock.acquire(timeout=1.0)  # a reader may be having a look
    except Timeout:
        raise BlockingIOError(f"another process writes {directory}") from None
    return lock


def is_alive(directory: Path) -> bool:
    """Whether some process holds the lock of a run folder."""
    if not (directory / LOCK).exists():
        return False
    lock = _lock(directory)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder that must not be written to has no run that goes on
        return False
    lock.release()
    return False


def _lock(directory: Path) -> BaseFileLock:
    return FileLock(directory / LOCK, thread_local=False)

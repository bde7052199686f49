"""Files that are slow to make and quick to read, kept between runs in the user's cache folder."""

from __future__ import annotations

import functools
import logging
import os
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import platformdirs

logger = logging.getLogger(__name__)

Data = TypeVar("Data")


def folder() -> Path:
    """Return the cache folder: ``QUARTIER_CACHE_DIR``, or the platform's place for caches."""
    return Path(os.environ.get("QUARTIER_CACHE_DIR") or platformdirs.user_cache_dir("quartier"))


def key(*packages: str) -> str:
    """Name the versions of the packages that made a file, e.g. ``simbench-1.6.3``."""
    return "-".join(f"{package}-{_version(package)}" for package in packages)


_version = functools.cache(version)


def cached(name: str, write: Callable[[Path], None], read: Callable[[Path], Data]) -> Data:
    """Read a cached file; make it first if it is missing or unreadable.

    Parameters
    ----------
    name
        Path below the cache folder.
    write
        Makes the file at the path it is given.
    read
        Reads it.

    Notes
    -----
    A file appears whole or not at all (written aside, then renamed), so that runs in parallel
    and killed runs do no harm. Where the cache folder cannot be written, a folder for this
    process takes its place.
    """
    path = folder() / name
    if path.is_file():
        try:
            return read(path)
        except Exception:
            path.unlink(missing_ok=True)
    logger.info("Preparing %s: slow this first time, then kept in %s", path.stem, path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, write)
    except OSError:
        path = _fallback() / name.replace("/", "-")
        if not path.is_file():
            _write_whole(path, write)
    return read(path)


def _write_whole(path: Path, write: Callable[[Path], None]) -> None:
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    os.close(handle)
    try:
        write(Path(aside))
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)


@functools.cache
def _fallback() -> Path:
    return Path(tempfile.mkdtemp(prefix="quartier-cache-"))

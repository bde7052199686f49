"""Files that are either whole or not there."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np

from quartier.errors import RunFailed


class CannotWrite(RunFailed, OSError):
    """The disk is full, or the folder is not to be written to."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a temporary file, bring it to the disk, and give it its name.

    A process killed at any moment leaves the old file or the new one, never a part of one.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise CannotWrite(
            f"cannot write {path}: {why}; what was written before is whole"
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` atomically as JSON; NaN and infinity become ``null``."""
    write_fields(path, [json_field(name, value) for name, value in content.items()])


def json_field(name: str, value: Any) -> str:
    """One field of a JSON file, as text for :func:`write_fields`."""
    text = json.dumps({name: plain(value)}, indent=2, ensure_ascii=False, allow_nan=False)
    return text[2:-2]


def write_fields(path: Path, fields: Iterable[str]) -> None:
    """Write a JSON file atomically of fields that are text already."""
    text = "{\n" + ",\n".join(fields) + "\n}\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def plain(value: Any) -> Any:
    """Return ``value`` as JSON can hold it: NumPy, times and paths become plain values."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):  # a time is one, too
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value

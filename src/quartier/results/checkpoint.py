"""A checkpoint: one file with all that a run needs to go on from a step.

Numbers, texts and their mappings and lists stand in it as JSON, arrays beside them as NumPy's own
format: nothing that is read runs code (no pickle), and every number comes back bit by bit.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quartier.errors import InputError
from quartier.results.files import write_atomically

FILE = "checkpoint.npz"
"""Name in the run folder."""
VERSION = 2
"""Raised whenever what stands in a checkpoint changes its meaning."""

ARRAY = "__array__"
"""What stands for an array in the JSON."""
UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile),
    *(ValueError, KeyError, TypeError, AttributeError),
)
"""What reading a damaged file may end in."""


def write_checkpoint(folder: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint, in place of the one before; a process killed meanwhile leaves either.

    Raises
    ------
    TypeError
        If something is in it that is neither JSON nor an array of numbers; it names where.
    """
    arrays: list[NDArray[Any]] = []
    text = json.dumps({"version": VERSION, **_packed(content, arrays, "")})
    named: dict[str, Any] = {f"a{k}": array for k, array in enumerate(arrays)}
    named["json"] = np.frombuffer(text.encode(), dtype=np.uint8)
    write_atomically(folder / FILE, lambda file: np.savez(file, **named))


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the checkpoint of a run folder, None if there is none.

    Raises
    ------
    InputError
        If it is damaged, or of another version.
    """
    path = folder / FILE
    if not path.exists():
        return None
    remedy = "delete it, then the run begins anew"
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            content: dict[str, Any] = json.loads(file["json"].tobytes())
            version = content.pop("version")
            found: dict[str, Any] = _unpacked(content, file)
    except UNREADABLE as error:
        raise InputError([f"{path} is damaged ({error}); {remedy}"]) from error
    if version != VERSION:
        raise InputError([f"{path} is of version {version}, this is {VERSION}; {remedy}"])
    return found


def _packed(value: Any, arrays: list[NDArray[Any]], where: str) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"checkpoint, {where or 'top'}: an array of {value.dtype}")
        arrays.append(value)
        return {ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _packed(item, arrays, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_packed(item, arrays, f"{where}[{k}]") for k, item in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"checkpoint, {where or 'top'}: {type(value).__name__} cannot be kept")


def _unpacked(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {ARRAY}:
            return arrays[f"a{value[ARRAY]}"]
        return {key: _unpacked(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    return value

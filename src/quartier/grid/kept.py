"""What pandapower makes of a network, kept in the cache folder between runs.

A run whose steps power-grid-model solves asks pandapower for little, and each time for the same;
to import pandapower for it takes longer than a day of power flows. Files are found by what the
network holds, so a network that differs in anything has its own.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from quartier import cache

Part = TypeVar("Part")

MOST_BYTES = 200_000_000
"""Size of all files together beyond which the oldest are deleted."""


def kept(digest: str | None, what: str, make: Callable[[], Part]) -> Part:
    """Return what ``make`` returns for a network: from the cache folder, if it was made before.

    Parameters
    ----------
    digest
        :func:`digest_of` the network; None keeps nothing.
    what
        Name of the part, one for everything that follows from the network alone.
    """
    if digest is None:
        return make()
    made: list[Part] = []

    def write(path: Path) -> None:
        made.append(make())
        path.write_bytes(pickle.dumps(made[0]))
        _thin_out(path.parent, MOST_BYTES - path.stat().st_size)

    def read(path: Path) -> Part:
        return made[0] if made else pickle.loads(path.read_bytes())

    versions = cache.key("pandapower", "pandas", "numpy", "scipy")
    return cache.cached(f"{versions}/{digest}-{what}.pickle", write, read)


def digest_of(net: Mapping[str, Any]) -> str | None:
    """Hash all that a network holds, and the code that makes its parts.

    None if there are objects in it that cannot be written.
    """
    found = hashlib.sha256(_code())
    try:
        for name, part in net.items():
            tables = _columns(part) if isinstance(part, pd.DataFrame) else [(name, part)]
            for column, values in tables:
                found.update(f"\n{name} {column}:".encode())
                found.update(_written(values))
    except (TypeError, ValueError):
        return None
    return found.hexdigest()[:32]


def _columns(table: pd.DataFrame) -> list[tuple[Any, Any]]:
    columns = ((name, table.iloc[:, k]) for k, name in enumerate(table.columns))
    return [("index", table.index), *columns]


def _written(values: Any) -> bytes:
    if isinstance(values, pd.Series | pd.Index):
        if isinstance(values.dtype, np.dtype) and values.dtype != object:
            return f"{values.dtype}".encode() + values.to_numpy().tobytes()
        values = [f"{values.dtype}", values.tolist()]
    return json.dumps(values, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if value is pd.NA:
        return "<NA>"
    raise TypeError(f"{type(value)} cannot be written")


@functools.cache
def _code() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


def _thin_out(folder: Path, left: int) -> None:
    """Delete the oldest files but for so many bytes; another process may be faster."""
    with suppress(OSError):
        sizes = {path: path.stat() for path in folder.glob("*.pickle")}
        for path in sorted(sizes, key=lambda path: sizes[path].st_mtime, reverse=True):
            left -= sizes[path].st_size
            if left < 0:
                path.unlink(missing_ok=True)

"""What the workers of a cluster must share with a study: its folder, and this Quartier."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from quartier.errors import InputError

WORKERS_S = 10
"""Time in which a worker must have joined."""


def check_workers(client: Any, address: str, folder: Path) -> None:
    """Refuse a cluster whose workers could not do a study's runs.

    Raises
    ------
    InputError
        With what is wrong with each of its workers.
    """
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise InputError(
            [
                f"the Dask scheduler at {address} has no workers; start some with 'dask worker"
                f" {address}'"
            ]
        ) from error
    mark = folder / f".seen-{uuid4().hex}"
    mark.touch()
    try:
        found: dict[str, Any] = client.run(about_here, str(mark), on_error="return")
    finally:
        mark.unlink()
    here, wrong = about_here(str(folder)), []
    for worker, told in found.items():
        if not isinstance(told, dict):
            wrong.append(f"{worker} cannot import Quartier ({told}); install it there")
            continue
        for what in ("quartier", "python"):
            if told[what] != here[what]:
                wrong.append(f"{worker} has {what} {told[what]}, not {here[what]} as this machine")
        if not told["sees"]:
            wrong.append(f"{worker} does not see {folder}; name one that all share, --out")
    if wrong:
        raise InputError([f"--scheduler: worker {text}" for text in wrong])


def about_here(path: str) -> dict[str, Any]:
    """Say what this process is, and whether it sees a path."""
    return {
        "quartier": version("quartier"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "sees": Path(path).exists(),
    }

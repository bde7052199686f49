"""Where a run is written if the user names no folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

RUNS = Path("runs")
"""Folder of all runs in the working directory."""


def new_run_directory(scenario: str, coordination: str, base: Path | None = None) -> Path:
    """Return a folder that does not exist yet: ``runs/<scenario>/<coordination>-<UTC time>``.

    Parameters
    ----------
    scenario, coordination
        Names; characters that do not suit a file name become ``-``.
    base
        Folder in place of ``runs`` in the working directory.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return free_folder((base or RUNS) / file_name(scenario), f"{coordination}-{moment}")


def free_folder(parent: Path, name: str) -> Path:
    """Return a folder of this name, numbered if there is one already."""
    stem = file_name(name)
    candidate, number = parent / stem, 2
    while candidate.exists():
        candidate, number = parent / f"{stem}-{number}", number + 1
    return candidate


def file_name(name: str) -> str:
    """Return a name with ``-`` for characters that do not suit a file name."""
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "run"

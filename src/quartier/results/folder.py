"""Where a run is written if the user names no folder."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path


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
    parent = (base or Path("runs")) / _file_name(scenario)
    stem = f"{_file_name(coordination)}-{moment}"
    candidate, number = parent / stem, 2
    while candidate.exists():
        candidate, number = parent / f"{stem}-{number}", number + 1
    return candidate


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name).strip("-.") or "run"

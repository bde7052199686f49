"""What readers must know before they believe a page: how a run ended, and what its log warns of."""

from __future__ import annotations

import re

from quartier.results import Result

FINISHED = {"complete", "degraded"}
MOST = 12
"""Warnings of the log that are shown."""
_WARNING = re.compile(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL)\s+(\S+): (.*)$", re.MULTILINE)


def remarks(result: Result) -> list[str]:
    """Return the status, where it is not complete, what was left out, and the log's warnings."""
    return [*_ended(result), *_power_flow(result), *_notes(result), *_logged(result)]


def _ended(result: Result) -> list[str]:
    manifest, status = result.manifest, result.status
    if status == "complete":
        return []
    steps = f"{manifest['steps_written']} of {manifest['steps_expected']} steps were written"
    error = str(manifest["error"]) if manifest["error"] else ""
    if status == "degraded":
        return [f"The run is degraded: {error}"]
    if status == "running":
        return [f"Partial: the run is still going on; {steps}."]
    how = "was killed" if status == "partial" else f"is {status}"
    return [f"Partial: the run {how}; {steps}.", *([error] if error else [])]


def _power_flow(result: Result) -> list[str]:
    if ("steps" if result.has_grid else "connection_points") not in result.tables:
        return ["No step was executed: there is nothing to show but how the run was asked for."]
    if not result.has_grid:
        return []
    failed = int((~result.table("steps")["converged"].astype(bool)).sum())
    return [f"{failed} steps have no power flow; their results are missing."] if failed else []


def _notes(result: Result) -> list[str]:
    """What of the data is not simulated, or taken differently (absent in older folders)."""
    return [f"{note['where']}: {note['what']}." for note in result.manifest.get("notes", ())]


def _logged(result: Result) -> list[str]:
    path = result.dir / "log.txt"
    if not path.exists():
        return []
    found = _WARNING.findall(path.read_text(encoding="utf-8", errors="replace"))
    texts = list(dict.fromkeys(f"{name}: {text}" for name, text in found))
    more = [f"{len(texts) - MOST} more warnings are in log.txt."] if len(texts) > MOST else []
    return [*texts[:MOST], *more]

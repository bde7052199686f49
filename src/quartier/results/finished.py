"""Finished runs that need not be run again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from quartier.errors import InputError
from quartier.results.files import plain
from quartier.results.result import Result

FINISHED = ("complete", "degraded")
"""States of a run that went on to its end; the better one first."""
DEPTHS = ("*/manifest.json", "*/*/manifest.json")
"""Where run folders lie: in the folder, or in that of a comparison or a run (its baseline)."""


def finished_run(identity: Mapping[str, Any], folders: Iterable[Path]) -> Result | None:
    """Return the finished run with this identity, complete rather than degraded, then the latest.

    Parameters
    ----------
    identity
        What the manifest must say, key by key. The coordination that the *scenario* names does
        not count: the key ``coordination`` says who coordinated.
    folders
        Folders in which run folders are looked for.
    """
    wanted = _comparable(plain(identity))
    found = [
        result
        for result in _results(folders)
        if _comparable({key: result.manifest.get(key) for key in wanted}) == wanted
        and _is_whole(result)
    ]
    return max(found, key=_merit, default=None)


def _comparable(identity: Mapping[str, Any]) -> dict[str, Any]:
    scenario = identity.get("scenario") or {}
    others = {key: value for key, value in scenario.items() if key != "coordination"}
    return {**identity, "scenario": others}


def _results(folders: Iterable[Path]) -> Iterator[Result]:
    """Run folders with a manifest that can be read."""
    manifests = {
        path: None for folder in folders for depth in DEPTHS for path in sorted(folder.glob(depth))
    }
    for path in manifests:
        try:
            result = Result.open(path.parent)
            is_run = isinstance(result.manifest, dict) and "scenario" in result.manifest
        except (InputError, OSError, json.JSONDecodeError):
            continue
        if is_run:
            yield result


def _is_whole(result: Result) -> bool:
    """Whether the run finished, with all figures against a baseline if it should have one."""
    manifest = result.manifest
    compared = manifest.get("baseline") is not None
    is_baseline = manifest["scenario"].get("baseline") == manifest["coordination"]
    return (
        result.status in FINISHED
        and (compared or is_baseline)
        and all((result.dir / name).is_file() for name in needed_files(result))
    )


def needed_files(result: Result) -> tuple[str, ...]:
    """Files that a finished run must have besides its tables."""
    return ("kpis.json", "grid.json") if result.has_grid else ("kpis.json",)


def _merit(result: Result) -> tuple[int, str]:
    return -FINISHED.index(result.status), str(result.manifest.get("finished"))

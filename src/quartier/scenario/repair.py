"""What is left of a wrong scenario when the wrong parts are taken out, to check the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from quartier.scenario.models import Scenario
from quartier.scenario.problems import Path, document_path

_MOST_PASSES = 10
_STAND_INS: Mapping[Path, Any] = {
    ("horizon", "start"): "2016-07-25T00:00",
    ("signals", "export_eur_per_kwh"): 0.0,
    ("signals", "import_eur_per_kwh"): 0.0,
}
"""What stands for required keys of sections without which nothing else could be checked."""


@dataclass(frozen=True)
class Rest:
    """What is left of a wrong scenario.

    Parameters
    ----------
    gone
        Paths of what was wrong, and is removed or replaced by a stand-in.
    """

    scenario: Scenario
    gone: frozenset[Path]

    def lacks(self, *start: str) -> bool:
        """Whether something is gone at a path, below it, or above it."""
        return any(path[: len(start)] == start[: len(path)] for path in self.gone)


def repaired(data: Mapping[str, Any]) -> Rest | None:
    """Return the scenario without its wrong parts, None if too little is left."""
    rest = copy.deepcopy(dict(data))
    gone: set[Path] = set()
    for _ in range(_MOST_PASSES):
        try:
            return Rest(Scenario.model_validate(rest), frozenset(gone))
        except ValidationError as error:
            errors = error.errors(include_url=False)
        for path, found in [(document_path(e["loc"], rest), e) for e in errors]:
            gone.add(path)
            if not _repair(rest, path, found):
                return None
        rest.setdefault("name", "unnamed")
    return None


def _repair(rest: dict[str, Any], path: Path, error: ErrorDetails) -> bool:
    """Take out what is wrong at a path; false if too little would be left."""
    if error["type"] == "missing":
        # A key that is missing makes what it is missing in useless.
        return _stand_in(rest, path) or _remove(rest, path[:-1])
    if path[:2] == ("communication", "outages") and error["type"] == "value_error":
        return _without_times(rest, path) or _remove(rest, path)
    return _remove(rest, path)


def _stand_in(rest: dict[str, Any], path: Path) -> bool:
    """Set a required key, or all those of a section; false if nothing stands for it."""
    known = {full: value for full, value in _STAND_INS.items() if full[: len(path)] == path}
    for (section, key), value in known.items():
        rest.setdefault(str(section), {})[key] = value
    return bool(known)


def _without_times(data: Any, path: Path) -> bool:
    """Take an outage's times out, which may not fit; false if it has none."""
    for part in path:
        data = data[part]
    times = [key for key in ("from_s", "to_s") if key in data]
    for key in times:
        del data[key]
    return bool(times)


def _remove(data: Any, path: Path) -> bool:
    """Remove what is at a path; false if that is everything, or it is gone already."""
    if not path:
        return False
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError):
            return True
    if isinstance(data, list):
        data.clear()
    else:
        data.pop(path[-1], None)
    return True

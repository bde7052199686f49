"""What is left of a wrong scenario when the wrong parts are taken out, to check the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from quartier.scenario.models import Scenario
from quartier.scenario.problems import Path, document_path

_MOST_PASSES = 10


def repaired(data: Mapping[str, Any]) -> Scenario | None:
    """Return the scenario without its wrong parts, None if too little is left."""
    rest = copy.deepcopy(dict(data))
    for _ in range(_MOST_PASSES):
        try:
            return Scenario.model_validate(rest)
        except ValidationError as error:
            paths = {
                _removable(document_path(e["loc"], rest), e["type"])
                for e in error.errors(include_url=False)
            }
        if not all(_remove(rest, path) for path in paths):
            return None
        rest.setdefault("name", "unnamed")
    return None


def _removable(path: Path, kind: str) -> Path:
    """A key that is missing makes what it is missing in useless."""
    return path[:-1] if kind == "missing" else path


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

"""From the name of a scenario to the checked scenario: file, variant, overrides, validation."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from quartier.errors import InputError
from quartier.scenario import yaml_file
from quartier.scenario.models import Scenario

FILE_NAME = "scenario.yaml"
_FILE_KEYS = ("variants", "default_variant")
_NAMED = {"neighbourhoods", "units"}
"""Keys whose mappings are keyed by names that the file chooses."""


@dataclass(frozen=True)
class LoadedScenario:
    """A checked scenario and where it comes from.

    Parameters
    ----------
    folder
        Folder that paths in the scenario are relative to.
    variant
        Name of the variant, None if the file has none.
    path
        The file.
    overrides
        ``PATH=VALUE`` as given.
    """

    scenario: Scenario
    folder: Path
    variant: str | None
    path: Path
    overrides: tuple[str, ...] = ()

    def resolved(self) -> dict[str, Any]:
        """Return the scenario with all defaults, as plain data."""
        return self.scenario.model_dump(mode="json", by_alias=True)


def load(source: str | Path, overrides: Sequence[str] = ()) -> LoadedScenario:
    """Load a scenario.

    Parameters
    ----------
    source
        Shipped name, folder or YAML file, each with ``:variant`` if wanted. A folder in the
        working directory goes before a shipped scenario of the same name.
    overrides
        ``PATH=VALUE`` each, e.g. ``horizon.steps=96``; the value is YAML.

    Raises
    ------
    InputError
        With all problems found, each with its path in the file.
    """
    path, wanted = find(str(source))
    data = yaml_file.read(path)
    variant, data = with_variant(data, wanted, str(path))
    problems = [p for p in (_override(data, text) for text in overrides) if p is not None]
    scenario, wrong = validated(data)
    if problems or wrong or scenario is None:
        problems += wrong + _further_problems(data, path.parent)
        raise InputError(list(dict.fromkeys(problems)), str(path))
    return LoadedScenario(scenario, path.parent, variant, path, tuple(overrides))


def shipped() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Title and variants of every scenario that comes with Quartier, by name."""
    found = {}
    for folder in sorted(_shipped_root().iterdir()):
        if (folder / FILE_NAME).is_file():
            data = yaml_file.read(folder / FILE_NAME)
            found[folder.name] = (str(data.get("title", "")), tuple(data.get("variants", {})))
    return found


# -- finding the file -----------------------------------------------------------------------------
def find(source: str) -> tuple[Path, str | None]:
    """Return the file of a scenario and the variant named, if any.

    Raises
    ------
    InputError
        If there is no such scenario.
    """
    name, colon, variant = source.rpartition(":")
    for text, wanted in ((source, None), (name, variant)):
        path = _file(text) if text else None
        if path is not None:
            return path, wanted or None
    from quartier.scenario.problems import suggestion

    name = name if colon else source
    raise InputError(
        [
            f"there is no scenario {name!r}, neither a folder with {FILE_NAME} nor a YAML file nor "
            f"a shipped one{suggestion(name, _shipped_names())}"
        ]
    )


def _file(text: str) -> Path | None:
    path = Path(text)
    if path.is_file():
        return path
    for folder in (path, _shipped_root() / text if re.fullmatch(r"[\w-]+", text) else path):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


@functools.cache
def _shipped_root() -> Path:
    return Path(str(resources.files("quartier.scenarios")))


def _shipped_names() -> list[str]:
    return [folder.name for folder in _shipped_root().iterdir() if (folder / FILE_NAME).is_file()]


# -- variants and overrides ------------------------------------------------------------------------
def with_variant(
    data: Mapping[str, Any], wanted: str | None, source: str
) -> tuple[str | None, dict[str, Any]]:
    """Return the variant's name and the scenario's data with the variant merged in.

    Raises
    ------
    InputError
        If there is no such variant.
    """
    from quartier.scenario.problems import suggestion

    variants = data.get("variants") or {}
    base = {key: value for key, value in data.items() if key not in _FILE_KEYS}
    if not isinstance(variants, Mapping):
        raise InputError(["variants: is no mapping of names to overrides"], source)
    name = wanted or data.get("default_variant") or next(iter(variants), None)
    if name is None:
        return None, base
    if name not in variants:
        raise InputError([f"there is no variant {name!r}{suggestion(str(name), variants)}"], source)
    return str(name), merged(base, variants[name] or {})


def merged(base: Any, over: Any) -> Any:
    """Merge mappings key by key, the second one winning; null removes a key."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return copy.deepcopy(over)
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _override(data: dict[str, Any], text: str) -> str | None:
    """Set ``PATH=VALUE`` in the data; return what is wrong with it."""
    path, equals, value = text.partition("=")
    if not equals or not path:
        return f"--set {text}: write PATH=VALUE, e.g. horizon.steps=96"
    try:
        parsed = yaml_file.parse(value)
    except yaml.YAMLError:
        return f"--set {text}: {value!r} is no YAML value"
    *parents, last = [int(p) if p.isdecimal() else p for p in path.split(".")]
    here: Any = data
    for k, part in enumerate(parents):
        problem = _step_problem(data, here, part, parents[:k])
        if problem:
            return f"--set {text}: {problem}"
        here = here.setdefault(part, {}) if isinstance(here, dict) else here[part]
    problem = _step_problem(data, here, last, parents, creates=True)
    if problem:
        return f"--set {text}: {problem}"
    if parsed is None and isinstance(here, dict):
        here.pop(last, None)
    else:
        here[last] = parsed
    return None


def _step_problem(
    data: Mapping[str, Any],
    here: Any,
    part: str | int,
    before: Sequence[str | int],
    *,
    creates: bool = False,
) -> str | None:
    """What keeps a path from going on to ``part``."""
    from quartier.scenario.problems import suggestion
    from quartier.scenario.schema import keys_at

    where = ".".join(map(str, before)) or "the file"
    if isinstance(here, list):
        inside = isinstance(part, int) and part < len(here)
        return None if inside else f"{where} has {len(here)} entries, counted from 0"
    if not isinstance(here, Mapping):
        return f"{where} is a value, it has no {part!r}"
    if part in here or (creates and before and before[-1] in _NAMED):
        return None
    if before and before[-1] in _NAMED:
        return f"there is no {part!r} in {where}{suggestion(str(part), here)}"
    known = keys_at(before, data)
    if known and part not in known:
        return f"unknown key {part!r} in {where}{suggestion(str(part), known)}"
    return None


# -- validation ---------------------------------------------------------------------------------
def validated(data: Mapping[str, Any]) -> tuple[Scenario | None, list[str]]:
    """Return the scenario, or None and what is wrong with its data."""
    try:
        return Scenario.model_validate(data), []
    except ValidationError as error:
        from quartier.scenario.problems import described

        return None, described(error.errors(include_url=False), data)


def _further_problems(data: Mapping[str, Any], folder: Path) -> list[str]:
    """Problems that only show when data are read, found in what is left of a wrong file."""
    from quartier.scenario.assemble import assemble
    from quartier.scenario.repair import repaired

    scenario = repaired(data)
    if scenario is None:
        return []
    return assemble(scenario, folder, scenario.seed, complete=False)[1]

"""Where scenarios are: shipped ones, folders, YAML files. It imports nothing that is slow."""

from __future__ import annotations

import functools
import re
from importlib import resources
from pathlib import Path

from quartier.errors import InputError
from quartier.scenario import yaml_file

FILE_NAME = "scenario.yaml"


def shipped() -> dict[str, str]:
    """Title of every scenario that comes with Quartier by its name, each followed by its variants.

    A variant is called ``scenario:variant``.
    """
    found = {}
    for name in sorted(_shipped_names()):
        data = yaml_file.read(_shipped_root() / name / FILE_NAME)
        found[name] = str(data["title"])
        for variant, over in data.get("variants", {}).items():
            found[f"{name}:{variant}"] = str((over or {}).get("title", data["title"]))
    return found


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


def shown(path: Path) -> str:
    """Name a scenario's file in a message; a shipped one by its name alone."""
    shipped_one = path.is_relative_to(_shipped_root())
    return f"the shipped scenario {path.parent.name}" if shipped_one else str(path)


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

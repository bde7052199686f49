"""What the figures of a run follow from: two runs that agree in it have the same figures."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quartier.own_code import source_of
from quartier.scenario.load import LoadedScenario

PACKAGES = (
    "quartier",
    "demandlib",
    "mosaik",
    "mosaik-api-v3",
    "mango-agents",
    "pandapower",
    "power-grid-model",
    "pvlib",
    "simbench",
    "pyomo",
    "highspy",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "tsam",
    "windpowerlib",
)
"""Packages whose versions matter for the figures."""

OWN = ("quartier", "quartier.agents", "quartier.scenarios", "quartier.simulators")
"""Packages of ours that may lie in folders of their own."""


def identity(loaded: LoadedScenario, coordination: str) -> dict[str, Any]:
    """Return the fields of the manifest that the figures of a run follow from."""
    scenario = loaded.resolved()
    return {
        "scenario": scenario,
        "coordination": coordination,
        "seed": loaded.scenario.seed,
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
        "code": code(),
        "files": files(scenario, loaded.folder),
        "own_code": own_code(scenario, coordination),
    }


def own_code(scenario: Mapping[str, Any], coordination: str) -> dict[str, str]:
    """Return digests of the user's own modules, by ``module:Class`` as the scenario names them."""
    units = [u for n in scenario["neighbourhoods"].values() for u in n["units"].values()]
    names = dict.fromkeys(name for name in (coordination, *(u["kind"] for u in units)))
    found = {name: source_of(name) for name in names if ":" in name}
    return {n: sha256(path.read_bytes()).hexdigest() for n, path in found.items() if path}


@cache
def code() -> str:
    """Return a digest of Quartier's own source files: its version does not tell of every edit."""
    digest = sha256()
    for name, path in sorted(_sources().items()):
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> dict[str, Path]:
    """Source files by their path below ``quartier``, found once each however they are installed."""
    found = {}
    for package in OWN:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            base = "/".join(package.split(".")[1:])
            for path in Path(folder).rglob("*.py"):
                found[f"{base}/{path.relative_to(folder).as_posix()}".lstrip("/")] = path
    return found


def files(scenario: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return digests of the files that a resolved scenario names, by their name in it.

    Parameters
    ----------
    scenario
        Scenario as plain data.
    folder
        Folder that its paths are relative to.
    """
    names = dict.fromkeys(_texts(scenario))
    return {
        name: sha256((folder / name).read_bytes()).hexdigest()
        for name in names
        if _is_file(folder / name)
    }


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a description is too long for a name
        return False

"""From the name of a scenario to the checked scenario: file, variant, overrides, validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quartier.errors import InputError
from quartier.scenario import yaml_file
from quartier.scenario.files import find, shown
from quartier.scenario.growth import grown
from quartier.scenario.models import Scenario
from quartier.scenario.overrides import Overrides, as_texts, blamed, override, with_variant
from quartier.scenario.problems import described


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

    def given(self) -> dict[str, Any]:
        """Return what of the scenario is no default, as plain data to load it from again.

        Some checks ask whether a value was given, so a resolved scenario can be refused.
        """
        return self.scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)


def load(source: str | Path, overrides: Overrides = (), seed: int | None = None) -> LoadedScenario:
    """Load a scenario.

    Parameters
    ----------
    source
        Shipped name, folder or YAML file, each with ``:variant`` if wanted. A folder in the
        working directory goes before a shipped scenario of the same name.
    overrides
        ``PATH=VALUE`` each, e.g. ``horizon.steps=96``; the value is YAML. Or values by path.
    seed
        Seed of every random draw, also of who is split (``problem.agents``); the file's if None.

    Raises
    ------
    InputError
        With all problems found, each with its path in the file.
    """
    path, wanted = find(str(source))
    texts = as_texts(overrides)
    data = yaml_file.read(path)
    variant, data = with_variant(data, wanted, shown(path))
    problems = [p for p in (override(data, text) for text in texts) if p is not None]
    scenario, wrong = validated(data)
    if problems or wrong or scenario is None:
        problems += wrong + _further_problems(data, path.parent, all_set=not problems)
        raise InputError(blamed(dict.fromkeys(problems), texts), shown(path))
    if seed is not None:
        scenario = scenario.model_copy(update={"seed": seed})
    try:
        scenario = grown(scenario)
    except InputError as error:
        raise InputError(blamed(error.problems, texts), shown(path)) from None
    return LoadedScenario(scenario, path.parent, variant, path, texts)


# -- validation ---------------------------------------------------------------------------------
def validated(data: Mapping[str, Any]) -> tuple[Scenario | None, list[str]]:
    """Return the scenario, or None and what is wrong with its data."""
    try:
        return Scenario.model_validate(data), []
    except ValidationError as error:
        return None, described(error.errors(include_url=False), data)


def _further_problems(data: Mapping[str, Any], folder: Path, *, all_set: bool) -> list[str]:
    """Problems that only show when data are read, found in what is left of a wrong file."""
    from quartier.scenario.assemble import assemble
    from quartier.scenario.repair import repaired

    rest = repaired(data)
    if rest is None:
        return []
    if not all_set:  # an override that could not be followed might have changed anything
        rest = replace(rest, gone=rest.gone | {()})
    return assemble(rest.scenario, folder, rest.scenario.seed, rest)[1]

"""The runs of a study: every value of every key, under every mechanism, with every seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from quartier.compare import mechanisms
from quartier.coordination import COORDINATIONS, path_of
from quartier.errors import InputError
from quartier.fingerprint import identity
from quartier.results.files import plain
from quartier.results.folder import file_name
from quartier.run import as_asked
from quartier.scenario.load import LoadedScenario, load

HOW = {
    "seed": "is no key to vary; say how many seeds, --seeds N",
    "coordination": "is no key to vary; name mechanisms, --coordination A,B",
    "baseline": "is no key to vary; a study shares the scenario's baseline",
}
"""Keys of a scenario that a study has ways of its own for."""

Values = Mapping[str, Any]
"""Value by key of the scenario."""


@dataclass(frozen=True)
class Cell:
    """A run of a study.

    Parameters
    ----------
    digest
        Of all that its figures follow from: two cells that agree in it are one run.
    baseline
        The run that its KPIs are compared with; None for that run itself.
    asked
        Whether it was asked for, or is a baseline only.
    modules
        Modules of Quartier that its run needs.
    """

    values: Values
    coordination: str
    seed: int
    digest: str
    baseline: Cell | None = field(default=None, repr=False)
    asked: bool = True
    modules: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{file_name(self.coordination)}-seed{self.seed}-{self.digest[:10]}"

    def __str__(self) -> str:
        told = [f"{key}={value}" for key, value in self.values.items()]
        return ", ".join([*told, self.coordination, f"seed {self.seed}"])


def varied(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Read ``PATH=V1,V2,...`` each; a value with commas of its own stands in brackets.

    Raises
    ------
    InputError
        With every text that is none.
    """
    found: dict[str, list[Any]] = {}
    wrong = []
    for text in texts:
        path, equals, values = text.partition("=")
        try:
            read = yaml.safe_load(f"[{values}]") if equals and path.strip() else None
        except yaml.YAMLError:
            read = None
        if not read:
            wrong.append(f"--set {text}: write PATH=VALUE, or PATH=V1,V2,... to vary it")
        else:
            found.setdefault(path.strip(), []).extend(map(_as_text, read))
    if wrong:
        raise InputError(wrong)
    return {path: _once(values) for path, values in found.items()}


def _as_text(value: Any) -> Any:
    """Write times as text, which files can hold; all else stays as it is."""
    if isinstance(value, Mapping):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_text(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _once(values: Sequence[Any]) -> list[Any]:
    return [value for k, value in enumerate(values) if value not in values[:k]]


def cells(
    scenario: str,
    values: Mapping[str, Sequence[Any]],
    coordinations: str | Iterable[str] | None,
    seeds: Sequence[int],
) -> list[Cell]:
    """Return the runs of a study, baselines before those that are compared with them.

    Raises
    ------
    InputError
        With everything that is wrong with any of them.
    """
    wrong = [f"{key}: {HOW[key]}" for key in values if key in HOW]
    wrong += [
        f"{key}: {several!r} is no list of values; write [{several!r}], or several"
        if not _is_list(several)
        else f"{key}: there is no value"
        for key, several in values.items()
        if not _is_list(several) or not several
    ]
    if wrong:
        raise InputError(wrong)
    found: dict[str, Cell] = {}
    for chosen in _combinations({key: list(map(_as_text, v)) for key, v in values.items()}):
        for seed in seeds:
            try:
                loaded = load(scenario, chosen, seed)
                names = mechanisms(coordinations, loaded)
            except InputError as error:
                told = ", ".join(f"{key}={value}" for key, value in chosen.items())
                wrong += [f"{told}: {p}" if told and told not in p else p for p in error.problems]
                break
            for cell in _under(loaded, chosen, names, seed):
                known = found.get(cell.digest)
                if known is None or (cell.asked and not known.asked):
                    found[cell.digest] = cell
    if wrong:
        raise InputError(list(dict.fromkeys(wrong)))
    return list(found.values())


def _is_list(values: Any) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str | bytes)


def _combinations(values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _under(
    loaded: LoadedScenario, chosen: Values, names: Sequence[str], seed: int
) -> Iterator[Cell]:
    """The runs with one choice of values and one seed, their baseline first."""
    name = loaded.scenario.baseline
    shared = None
    if not (loaded.folder / name).exists() and not Path(name).exists():
        shared = _cell(loaded, chosen, name, seed, None, asked=name in names)
        yield shared
    for one in names:
        if shared is None or one != name:
            yield _cell(loaded, chosen, one, seed, shared)


def _cell(
    loaded: LoadedScenario,
    chosen: Values,
    coordination: str,
    seed: int,
    baseline: Cell | None,
    *,
    asked: bool = True,
) -> Cell:
    known = plain(identity(as_asked(loaded, coordination, seed), coordination))
    digest = sha256(yaml.safe_dump(known, sort_keys=True).encode()).hexdigest()
    modules = tuple(_modules(loaded, coordination))
    return Cell(dict(chosen), coordination, seed, digest, baseline, asked, modules)


def _modules(loaded: LoadedScenario, coordination: str) -> Iterator[str]:
    """Modules of Quartier, Pyomo and pandapower that a run may need; never those of the user."""
    yield "quartier.run"
    if coordination in COORDINATIONS:
        yield path_of(coordination, loaded.scenario.problem.kind).partition(":")[0]
    if coordination != "uncontrolled":
        yield "pyomo.environ"
    if loaded.scenario.grid_settings is not None:
        yield "pandapower"

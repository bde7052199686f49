"""Which runs a comparison page shows: those of a comparison, or any finished run folders."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from quartier.errors import InputError
from quartier.gaps import SideBySide
from quartier.report.run_report import NEEDED, OF_ALL
from quartier.results import ComparedRun, Comparison, Result
from quartier.results.comparison import is_comparison, kpi_table
from quartier.results.finished import FINISHED, needed_files

TEXTS = ("title", "description", "coordination", "seed")
"""Keys of a scenario that are told elsewhere."""
MADE_BY = ("versions", "code")
"""Fields of the manifest that say with what a run was made."""


@dataclass(frozen=True)
class Compared:
    """Runs side by side.

    Attributes
    ----------
    results
        Runs that came to their end, by what they are called on the page.
    states
        State of every run, also of those that failed.
    missing
        Why a run has no figures.
    kpis
        Values by KPI (index) and run (columns); units and labels in ``attrs``.
    differing
        In what else than the coordination the runs differ: value by key and run.
    one_problem
        Whether all runs solve the same problem, so that costs count from one reference offer.
    reference, bound_eur
        Whose offer costs are counted from, and the lower bound of the upper cost; None if there is
        none.
    """

    results: Mapping[str, Result]
    states: Mapping[str, str]
    missing: Mapping[str, str]
    kpis: pd.DataFrame
    differing: Mapping[str, Mapping[str, str]]
    one_problem: bool
    reference: str | None
    bound_eur: float | None


def of_comparison(comparison: Comparison) -> Compared:
    """Return the runs of a comparison that were asked for."""
    runs = {name: comparison.runs[name] for name in comparison.coordinations}
    return Compared(
        results=comparison.results,
        states={name: _state(run) for name, run in runs.items()},
        missing={
            name: f"it {'failed' if run.status == 'failed' else f'is {run.status}'}: {run.error}"
            for name, run in runs.items()
            if not run.has_figures
        },
        kpis=comparison.kpis,
        differing=differing(comparison.results),
        one_problem=True,
        reference=comparison.manifest.get("reference_offer"),
        bound_eur=comparison.manifest.get("bound_eur"),
    )


def _state(run: ComparedRun) -> str:
    return "reused" if run.reused and run.status == "complete" else run.status


def of_folders(folders: Sequence[Path]) -> Compared:
    """Return finished runs, also of different scenarios, seeds and grids.

    Raises
    ------
    InputError
        With every reason why they cannot be compared.
    """
    problems = list(_repeated(folders))
    found = {}
    for folder in folders:
        try:
            found[folder] = _finished(folder)
        except InputError as error:
            problems += error.problems
    problems += _incomparable(found)
    if problems:
        raise InputError(problems)
    results = dict(zip(_names(list(found.values())), found.values(), strict=True))
    others = differing(results)
    one_problem = not any(key.split(".")[0] not in MADE_BY for key in others)
    together = SideBySide(results) if one_problem and _by_mechanism(results) else None
    return Compared(
        results=results,
        states={name: result.status for name, result in results.items()},
        missing={},
        kpis=_kpis(results, together),
        differing=others,
        one_problem=together is not None,
        reference=None if together is None else together.reference,
        bound_eur=None if together is None else together.bound_eur,
    )


# -- what cannot be compared ----------------------------------------------------------------
def _repeated(folders: Sequence[Path]) -> Iterator[str]:
    if len(folders) < 2:
        yield "name at least two run folders"
    counts = Counter(folder.resolve() for folder in folders)
    for folder, count in counts.items():
        if count > 1:
            yield f"{folder} is named {count} times"


def _finished(folder: Path) -> Result:
    """The run in a folder; an error says why there is none that can be compared."""
    if folder.is_dir() and is_comparison(folder):
        raise InputError([f"{folder} is a comparison: name it alone, or name its runs"])
    result = Result.open(folder)
    try:
        status = result.status
    except (json.JSONDecodeError, KeyError) as error:
        raise InputError([f"{folder}: manifest.json cannot be read: {error}"]) from error
    if status not in FINISHED:
        raise InputError(
            [f"{folder}: the run is {status}; only runs that came to their end can be compared"]
        )
    tables = NEEDED if result.has_grid else OF_ALL
    if "sizes" in result.tables:
        tables = tables - {"units"}  # none may be built
    missing = [f"tables/{name}" for name in sorted(tables - set(result.tables))]
    missing += [name for name in needed_files(result) if not (folder / name).is_file()]
    if missing:
        raise InputError([f"{folder}: {' and '.join(missing)} is missing"])
    return result


def _incomparable(found: Mapping[Path, Result]) -> Iterator[str]:
    minutes = {path: _step_minutes(result) for path, result in found.items()}
    if len(set(minutes.values())) > 1:
        told = "; ".join(f"{path}: {value} min" for path, value in minutes.items())
        yield (
            f"the steps have different lengths ({told}): powers of a step and counts of"
            " overloads cannot be compared"
        )


def _step_minutes(result: Result) -> Any:
    return result.manifest["scenario"]["horizon"]["step_minutes"]


# -- names ----------------------------------------------------------------------------------
def _names(results: Sequence[Result]) -> list[str]:
    """What the runs are called: by mechanism, and by what else tells them apart, if need be."""
    names = [str(result.manifest["coordination"]) for result in results]
    for extra in (_scenario_name, _seed_name, lambda result: result.dir.resolve().name):
        same = Counter(names)
        if max(same.values()) == 1:
            break
        told = [extra(result) for result in results]
        several = len(set(told)) > 1
        for number, text in enumerate(told):
            if several and (same[names[number]] > 1 or extra is _scenario_name):
                names[number] = f"{names[number]}, {text}"
    same = Counter(names)
    return [f"{name} ({n})" if same[name] > 1 else name for n, name in enumerate(names, 1)]


def _scenario_name(result: Result) -> str:
    variant = result.manifest.get("variant")
    return str(variant or result.manifest["scenario"]["name"])


def _seed_name(result: Result) -> str:
    return f"seed {result.manifest['seed']}"


def _by_mechanism(results: Mapping[str, Result]) -> bool:
    return all(name == result.manifest["coordination"] for name, result in results.items())


# -- what differs ---------------------------------------------------------------------------
def differing(results: Mapping[str, Result]) -> dict[str, dict[str, str]]:
    """Return in what else than the coordination runs differ: value by key and run."""
    flat = {name: dict(_facts(result.manifest)) for name, result in results.items()}
    keys = dict.fromkeys(key for facts in flat.values() for key in facts)
    table = {key: {name: facts.get(key, "–") for name, facts in flat.items()} for key in keys}
    return {key: values for key, values in table.items() if len(set(values.values())) > 1}


def _facts(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a run follows from, by dotted key: seed, scenario, files, versions, code."""
    scenario = {k: v for k, v in manifest["scenario"].items() if k not in TEXTS}
    yield "seed", str(manifest["seed"])
    yield from _flat(scenario, "")
    for key in ("files", *MADE_BY):
        yield from _flat(manifest.get(key) or {}, f"{key}")


def _flat(value: Any, key: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [
            fact
            for name, item in value.items()
            for fact in _flat(item, f"{key}.{name}" if key else str(name))
        ]
    text = value if isinstance(value, str) else json.dumps(value)
    digest = key == "code" or key.startswith("files.")
    return [(key, text[:12] if digest else text)]


def _kpis(results: Mapping[str, Result], together: SideBySide | None) -> pd.DataFrame:
    """KPIs counted together if that means anything, else those of each run by itself."""
    if together is not None:
        table = kpi_table(together.figures())
    else:
        own = {n: r.kpi_table.astype(object).to_dict("index") for n, r in results.items()}
        table = kpi_table(own)  # type: ignore[arg-type]
    values = table[list(results)].astype(float)
    values.attrs = {name: table[name].to_dict() for name in ("unit", "label")}
    return values

"""Quartier co-simulates neighbourhoods and the distribution grid above them.

>>> import quartier
>>> result = quartier.run("fliegerhorst", coordination="cohda", seed=1)  # doctest: +SKIP
>>> result.kpis  # doctest: +SKIP
>>> quartier.compare("fliegerhorst", ["uncontrolled", "cohda"]).kpis  # doctest: +SKIP

The command line, ``quartier --help``, does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from quartier.errors import InputError, QuartierError, RunFailed

if TYPE_CHECKING:
    from quartier.progress import Progress
    from quartier.results import Comparison, Result
    from quartier.sweep.study import Study

    __version__: str

__all__ = [
    "Comparison",
    "InputError",
    "QuartierError",
    "Result",
    "RunFailed",
    "Study",
    "__version__",
    "compare",
    "repeat",
    "resume",
    "run",
    "sweep",
]


def run(
    scenario: str | Path,
    *,
    coordination: str | None = None,
    seed: int | None = None,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a scenario, and return what it left in its run folder.

    Parameters
    ----------
    scenario
        A shipped name with an optional variant (``fliegerhorst:max-load``), a folder with a
        ``scenario.yaml``, or a YAML file.
    coordination
        Name of the mechanism, or ``module:Class`` of your own; the scenario's if None.
    seed
        Seed of every random draw; the scenario's if None.
    overrides
        Changes to the scenario: a mapping of paths to values, ``{"horizon.steps": 96}``, or texts
        ``horizon.steps=96`` as for ``--set``.
    out
        Run folder; ``runs/<scenario>/<coordination>-<UTC time>`` if None.
    progress
        Who is told how far the run is; nobody if None.

    Returns
    -------
    Result
        ``result.kpis``, ``result.table("lines")``, ``result.manifest``, ``result.dir``.

    Raises
    ------
    InputError
        With every problem found in the input.
    RunFailed
        If the run could not be finished.
    """
    from quartier.run import run as run_scenario

    result: Result = run_scenario(
        scenario,
        coordination=coordination,
        seed=seed,
        overrides=overrides,
        out=out,
        progress=progress,
    )
    return result


def resume(
    folder: str | Path, *, steps: int | None = None, progress: Progress | None = None
) -> Result:
    """Go on with a run that was killed, failed or was cancelled, from its last checkpoint.

    Its numbers are those of the run that was not interrupted. A run without a checkpoint begins
    anew in its folder.

    Parameters
    ----------
    folder
        Run folder.
    steps
        Steps of the horizon, more than before: so a finished run goes on. It plans at once where
        it had ended, and what depends on the end of the horizon was planned for the old one.
    progress
        Who is told how far the run is; nobody if None.

    Raises
    ------
    InputError
        If there is nothing to go on with, or code, packages or data are no longer those of the
        run: the rest would not fit what was written.
    RunFailed
        If the run could not be finished.
    """
    from quartier.again import resume as resume_run

    result: Result = resume_run(folder, steps=steps, progress=progress)
    return result


def repeat(
    folder: str | Path, *, out: str | Path | None = None, progress: Progress | None = None
) -> Result:
    """Run once more what the manifest of a run says, in a folder of its own.

    ``result.manifest["repeats"]["changed"]`` says what has changed since: code, packages, data.

    Parameters
    ----------
    folder
        Run folder.
    out
        New run folder; ``runs/<scenario>/<coordination>-<UTC time>`` if None.
    progress
        Who is told how far the run is; nobody if None.

    Raises
    ------
    InputError
        If the manifest does not say enough, or its data are gone.
    RunFailed
        If the run could not be finished.
    """
    from quartier.again import repeat as repeat_run

    result: Result = repeat_run(folder, out=out, progress=progress)
    return result


def compare(
    scenario: str | Path,
    coordinations: str | Iterable[str] | None = None,
    *,
    seed: int | None = None,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run a scenario under each of several mechanisms, and put their KPIs side by side.

    All runs share their baseline. A finished run of the same scenario, seed and versions that lies
    below ``runs`` or in ``out`` is not run again. Redispatch cost and the gaps are counted from one
    reference offer p_off: that of the optimisers (the neighbourhoods' optimum without caps), or, if
    none is compared, that of the agents.

    Parameters
    ----------
    scenario
        As for :func:`run`.
    coordinations
        Names of mechanisms, or ``module:Class`` of your own, also as one text with commas; all that
        suit the scenario if None.
    seed
        Seed of every random draw; the scenario's if None.
    overrides
        Changes to the scenario: a mapping of paths to values, ``{"horizon.steps": 96}``, or texts
        ``horizon.steps=96`` as for ``--set``.
    out
        Folder; ``runs/<scenario>/compare-<UTC time>`` if None. That of an earlier comparison may be
        named again.
    progress
        Who is told how far the runs are; nobody if None.

    Returns
    -------
    Comparison
        ``comparison.kpis`` (a column per mechanism), ``comparison.runs``,
        ``comparison.result("cohda")``, ``comparison.status``, ``comparison.dir``. A mechanism that
        failed is among the runs with its error; its KPIs are NaN.

    Raises
    ------
    InputError
        With every problem found in the input.
    """
    from quartier.compare import compare as compare_mechanisms

    comparison: Comparison = compare_mechanisms(
        scenario, coordinations, seed=seed, overrides=overrides, out=out, progress=progress
    )
    return comparison


def sweep(
    scenario: str | Path,
    values: Mapping[str, Sequence[Any]] | Sequence[str] = (),
    coordinations: str | Iterable[str] | None = None,
    *,
    seeds: int | Sequence[int] = 1,
    out: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Study:
    """Run a scenario over values of its keys, mechanisms and seeds, many runs at a time.

    Every run is a process of its own that Dask schedules; its run folder is the state. A run that
    is there already is not run again: name the folder of an earlier study to go on with it, also
    with more values, mechanisms or seeds. Baselines are shared. In a script, call it below
    ``if __name__ == "__main__":``, for Dask's workers import the script.

    Parameters
    ----------
    scenario
        As for :func:`run`.
    values
        Values by key, ``{"communication.loss": [0, 0.1, 0.3]}``, or texts as for ``--set``; one
        value changes the scenario, several are varied, each with each.
    coordinations
        As for :func:`compare`.
    seeds
        Seeds of every random draw, or how many: 1, 2, ...
    out
        Folder; ``runs/<scenario>/sweep-<UTC time>`` if None.
    workers
        Runs at a time on this machine; as many as it has cores if None.
    scheduler
        Address of a Dask cluster, ``tcp://host:8786``, whose workers see the same files.
    progress
        Who is told how far the study is; nobody if None.

    Returns
    -------
    Study
        ``study.kpis`` (means over seeds with 95 % intervals, a row a KPI), ``study.runs`` (a row a
        run), ``study.failed``, ``study.dir``.

    Raises
    ------
    InputError
        With every problem found in the input.
    """
    from quartier.sweep.study import sweep as run_study

    study: Study = run_study(
        scenario,
        values,
        coordinations,
        seeds=seeds,
        out=out,
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )
    return study


class _Package(ModuleType):
    """Keeps ``run`` and ``compare`` functions when Python imports the modules of these names.

    Importing a submodule binds it in its package; here that would replace the function by a
    module that cannot be called.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in {"compare", "run", "sweep"} and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import what is slow to import when it is asked for."""
    if name in {"Comparison", "Result"}:
        from quartier import results

        return getattr(results, name)
    if name == "Study":
        from quartier.sweep.study import Study

        return Study
    if name == "__version__":
        from importlib.metadata import version

        return version("quartier")
    raise AttributeError(f"module 'quartier' has no attribute {name!r}")

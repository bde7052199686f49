"""Quartier co-simulates neighbourhoods and the distribution grid above them.

>>> import quartier
>>> result = quartier.run("fliegerhorst", coordination="cohda", seed=1)  # doctest: +SKIP
>>> result.kpis  # doctest: +SKIP

The command line, ``quartier --help``, does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from quartier.errors import InputError, QuartierError, RunFailed

if TYPE_CHECKING:
    from quartier.progress import Progress
    from quartier.results import Result

    __version__: str

__all__ = ["InputError", "QuartierError", "Result", "RunFailed", "__version__", "run"]


def run(
    scenario: str | Path,
    *,
    coordination: str | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
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
        Changes to the scenario, ``path.to.key=value`` each.
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


class _Package(ModuleType):
    """Keeps ``quartier.run`` a function when Python imports the module of the same name.

    Importing a submodule binds it in its package; here that would replace the function by a
    module that cannot be called.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "run" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import what is slow to import when it is asked for."""
    if name == "Result":
        from quartier.results import Result

        return Result
    if name == "__version__":
        from importlib.metadata import version

        return version("quartier")
    raise AttributeError(f"module 'quartier' has no attribute {name!r}")

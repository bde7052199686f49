"""What a run is compared with, and whether its mechanism is there: checked before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quartier.coordination import COORDINATIONS, path_of
from quartier.errors import InputError

if TYPE_CHECKING:
    from quartier.results import Result
    from quartier.scenario.communication import CommunicationSettings
    from quartier.scenario.load import LoadedScenario


def check_mechanism(name: str, problem: str) -> None:
    """Refuse what :func:`~quartier.mechanism.mechanism` refuses, importing nothing of ours.

    Raises
    ------
    InputError
        If the mechanism is unknown, does not answer the problem, or is one of the user's own that
        cannot be imported or declares what it must not.
    """
    if name in COORDINATIONS:
        path_of(name, problem)
        return
    from quartier.mechanism import mechanism  # it imports all KPIs

    mechanism(name, problem)


def check_stage(name: str, problem: str, settings: CommunicationSettings) -> None:
    """Refuse what :func:`check_mechanism` does, and agents that cannot live where they should.

    Raises
    ------
    InputError
        As there, or if the mechanism's agents live in one process only.
    """
    if settings.transport == "simulated" and settings.replay is None:
        check_mechanism(name, problem)
        return
    from quartier.mechanism import mechanism

    if mechanism(name, problem).networked is False:
        key = "replay" if settings.transport == "simulated" else f"transport: {settings.transport}"
        raise InputError(
            [
                f"communication.{key}: the agents of {name!r} live in one process only;"
                " leave it out for this mechanism"
            ]
        )


def earlier_baseline(loaded: LoadedScenario) -> Result | None:
    """Return the run that the scenario names as its baseline, None if it names a mechanism.

    Raises
    ------
    InputError
        If it is neither, or a run that this one cannot be compared with.
    """
    name = loaded.scenario.baseline
    if name in COORDINATIONS:  # even if a folder beside it is called so
        check_mechanism(name, loaded.scenario.problem.kind)
        return None
    folder = loaded.folder / name
    if not (folder / "manifest.json").exists():
        folder = Path(name)
    if not (folder / "manifest.json").exists():
        check_mechanism(name, loaded.scenario.problem.kind)
        return None
    from quartier.results import Result

    earlier, now = Result.open(folder).manifest, loaded.resolved()
    compared = ("horizon", "grid", "signals", "neighbourhoods", "seed")
    differ = [key for key in compared if earlier["scenario"].get(key) != now[key]]
    if differ or earlier["status"] not in {"complete", "degraded"}:
        why = f"differs in {', '.join(differ)}" if differ else f"is {earlier['status']}"
        raise InputError(
            [f"baseline: the run in {folder} {why}; name another run, or 'uncontrolled'"]
        )
    return Result.open(folder)

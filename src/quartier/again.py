"""Runs that are told once more: continued in their folder, or repeated in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quartier.baseline import check_stage, earlier_baseline
from quartier.errors import InputError
from quartier.fingerprint import identity
from quartier.instance import build
from quartier.mechanism import mechanism
from quartier.progress import Progress, SilentProgress
from quartier.results import Result
from quartier.results.begun import Begun
from quartier.results.files import plain
from quartier.results.finished import FINISHED
from quartier.run import ONE_THREAD, Clock, Story, as_asked, run_loaded, source_of
from quartier.scenario.load import LoadedScenario
from quartier.scenario.models import Scenario
from quartier.scenario.problems import described


@ONE_THREAD  # type: ignore[untyped-decorator]
def resume(
    folder: str | Path,
    *,
    steps: int | None = None,
    progress: Progress | None = None,
    report: bool = True,
) -> Result:
    """Go on with a run in its folder, from its last checkpoint; without one it begins anew.

    Parameters and errors are those of :func:`quartier.resume`.
    """
    progress, folder = progress or SilentProgress(), Path(folder)
    progress.phase("Reading the run")
    begun = Begun.at(folder)
    loaded = as_it_was(folder, begun.manifest)
    if differ := [str(change) for change in changes(begun.manifest, loaded)]:
        raise InputError(
            [
                *(f"{text}: the rest would not fit what was written" for text in differ),
                f"to run it anew: quartier run --from {folder}",
            ],
            str(folder),
        )
    loaded = _as_long(folder, loaded, begun, steps)
    clock = Clock(begun.manifest.get("wall_times_s"))
    with clock.phase("setup"):
        asked = mechanism(loaded.scenario.coordination, loaded.scenario.problem.kind)
        check_stage(asked.name, loaded.scenario.problem.kind, loaded.scenario.communication)
        earlier = earlier_baseline(loaded)
        instance = build(loaded, loaded.scenario.seed)
    story = Story(loaded, instance, clock, progress)
    return story.told(folder, asked, earlier, begun, report=report)


def _as_long(
    folder: Path, loaded: LoadedScenario, begun: Begun, steps: int | None
) -> LoadedScenario:
    """Return the scenario with the horizon asked for; there must be something left to do."""
    status, horizon = begun.manifest["status"], loaded.scenario.horizon
    if status == "running":
        raise InputError([f"the run in {folder} is still going on"])
    steps = horizon.steps if steps is None else steps
    if steps < horizon.steps or (steps == horizon.steps and status in FINISHED):
        more = f"more than {horizon.steps - 1 if status not in FINISHED else horizon.steps}"
        raise InputError(
            [f"the run in {folder} is {status}; to go on, ask for {more} steps (--steps)"]
        )
    if status in FINISHED and begun.steps != horizon.steps:
        raise InputError(
            [
                f"the run in {folder} has no checkpoint at its end (checkpoints.at_end); to run it"
                f" anew with more steps: quartier run --from {folder} --set horizon.steps={steps}"
            ]
        )
    longer = horizon.model_copy(update={"steps": steps})
    return replace(loaded, scenario=loaded.scenario.model_copy(update={"horizon": longer}))


def repeat(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
    report: bool = True,
) -> Result:
    """Run once more what a run's manifest says, in a folder of its own.

    Parameters and errors are those of :func:`quartier.repeat`.
    """
    manifest = Result.open(folder).manifest
    loaded = as_it_was(Path(folder), manifest)
    told = {
        "folder": str(Path(folder).resolve()),
        "changed": [str(change) for change in changes(manifest, loaded)],
    }
    result: Result = run_loaded(
        loaded,
        out=out,
        progress=progress,
        report=report,
        more={"repeats": told},
        source=source_of(loaded),
    )
    return result


# -- what was asked for -------------------------------------------------------------------------
def as_it_was(folder: Path, manifest: Mapping[str, Any]) -> LoadedScenario:
    """Return the scenario, mechanism and seed of a run from its manifest.

    Raises
    ------
    InputError
        If the manifest does not say it, or not in the words of this version.
    """
    lacking = [key for key in ("scenario", "coordination", "seed", "source") if key not in manifest]
    if lacking:
        raise InputError([f"{folder}: its manifest does not say {', '.join(lacking)}"])
    try:
        given = manifest.get("given", manifest["scenario"])
        scenario = Scenario.model_validate(given)
    except ValidationError as error:
        problems = described(error.errors(include_url=False), given)
        raise InputError(problems, f"{folder / 'manifest.json'} (of another version?)") from error
    path = Path(manifest["source"])
    if not path.parent.is_dir():
        raise InputError([f"{folder}: the folder of its scenario, {path.parent}, is gone"])
    overrides = tuple(manifest.get("overrides", ()))
    loaded = LoadedScenario(scenario, path.parent, manifest.get("variant"), path, overrides)
    return as_asked(loaded, manifest["coordination"], manifest["seed"])


@dataclass(frozen=True)
class Change:
    """Something that figures follow from and that is not as it was."""

    what: str
    before: str | None
    now: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.what} is new"
        if self.now is None:
            return f"{self.what} is gone"
        digests = len(self.before) == len(self.now) == 64  # of no use to a reader
        return f"{self.what} has changed" + ("" if digests else f": {self.before} -> {self.now}")


def changes(manifest: Mapping[str, Any], loaded: LoadedScenario) -> Iterator[Change]:
    """What has changed since a run: code, packages, data, and what the scenario's words mean."""
    now = plain(identity(loaded, manifest["coordination"]))
    if manifest.get("code") != now["code"]:
        yield Change("Quartier's code", str(manifest.get("code")), now["code"])
    for field, kind in (("versions", "package"), ("files", "file"), ("own_code", "your code")):
        before = manifest.get(field, {})
        for name in dict.fromkeys([*before, *now[field]]):
            if before.get(name) != now[field].get(name):
                yield Change(f"{kind} {name}", before.get(name), now[field].get(name))
    before, scenario = manifest["scenario"], now["scenario"]
    for key in dict.fromkeys([*before, *scenario]):
        if key not in {"coordination", "seed"} and before.get(key) != scenario.get(key):
            yield Change(f"the scenario's {key}", str(before.get(key)), str(scenario.get(key)))

"""One run of a study, in a process of its own.

It is forked from a template, or ``python -m quartier.sweep.single TASK.json``. Whoever schedules
runs knows nothing of them but that file, so that nothing of a run is left behind in its process.
If that process dies, so does this one: two never write to one folder.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from pathlib import Path


def beside_task(described: Path) -> Path:
    """File with what the run of a task file says."""
    return described.with_name(f"{described.name.removesuffix('.json')}.txt")


def beside(out: Path, ending: str) -> Path:
    """A file beside a run folder that is called as it is."""
    return out.parent / f"{out.name}{ending}"


def main(path: str) -> None:
    """Run what a file describes."""
    _end_with_parent()
    from quartier.errors import QuartierError
    from quartier.hanging import own_process
    from quartier.run import run

    task = json.loads(Path(path).read_text(encoding="utf-8"))
    overrides = dict(task["overrides"])
    if task["baseline"]:  # without one, a run is compared with nothing: with itself
        ended = _has_figures(Path(task["baseline"]))
        overrides["baseline"] = task["baseline"] if ended else task["coordination"]
    try:
        with own_process():
            run(
                task["scenario"],
                coordination=task["coordination"],
                seed=task["seed"],
                overrides=overrides,
                out=task["out"],
                report=False,
            )
    except QuartierError as error:
        sys.exit(" ".join(str(error).split()))


def _has_figures(run: Path) -> bool:
    """Whether a run folder holds a run that came to its end."""
    from quartier.errors import InputError
    from quartier.results import Result
    from quartier.results.finished import FINISHED

    try:
        return Result.open(run).status in FINISHED
    except (InputError, OSError, ValueError):
        return False


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent ends; elsewhere it runs to its end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main(sys.argv[1])

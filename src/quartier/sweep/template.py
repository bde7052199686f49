"""A process that has imported what runs need, and forks one process a run.

Imports take longer than a small run. The template runs nothing itself, so that every run finds it
as clean as a new interpreter; it imports modules of Quartier only, never the user's. ``python -m
quartier.sweep.template`` reads the path of a task file a line, and answers with the exit code of
its run. It ends when its worker does, and takes its run with it: two never write to one folder.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from quartier.sweep import single

FORKS = sys.platform == "linux"
"""Elsewhere every run starts an interpreter of its own."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Runs share the cores: threads of one would only wait for those of another. And no thread may
run when the template forks."""
LOOK_EVERY_S = 0.02
_of_thread = threading.local()


def start(task: Mapping[str, Any], _before: object = None) -> int:
    """Start the run in a process of its own, and wait for it; return its exit code.

    Parameters
    ----------
    task
        ``scenario``, ``coordination``, ``seed``, ``overrides``, ``out``, ``modules`` (of Quartier
        that the run needs) and ``baseline``: a run folder, or None.
    _before
        What has to be done before.

    Raises
    ------
    RuntimeError
        If the process that runs are forked from has ended.
    """
    out = Path(task["out"])
    out.parent.mkdir(parents=True, exist_ok=True)
    described = single.beside(out, ".json")
    described.write_text(json.dumps(dict(task), indent=2), encoding="utf-8")
    if FORKS:
        return run_forked(described)
    with single.beside_task(described).open("w", encoding="utf-8") as said:
        command = [sys.executable, "-m", "quartier.sweep.single", str(described)]
        return subprocess.run(command, stdout=said, stderr=said, check=False).returncode


class Template:
    """The template process of a thread of a worker."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "quartier.sweep.template"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ONE_THREAD,
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def run(self, described: Path) -> int:
        """Let it fork a process for a task file; return the exit code.

        Raises
        ------
        RuntimeError
            If the template has ended.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None and answers is not None  # pipes
        try:
            asked.write(f"{described}\n")
            asked.flush()
            answer = answers.readline()
        except OSError:
            answer = ""
        if not answer:
            code = self.close()
            raise RuntimeError(f"the process that runs are forked from has ended ({code})")
        return int(answer)

    def close(self) -> int:
        """End it, and with it its run; return its exit code."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written
                    pipe.close()
        return self._process.wait()


def run_forked(described: Path) -> int:
    """Run a task file in a process of its own, forked from this thread's template."""
    template: Template | None = getattr(_of_thread, "template", None)
    if template is None:
        template = _of_thread.template = Template()
    try:
        return template.run(described)
    except RuntimeError:
        del _of_thread.template  # the next run gets another one
        raise


def main() -> None:
    """Fork a process for every line of standard input; answer with its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the run, and for the study
    answers = os.fdopen(os.dup(1), "w")
    while path := sys.stdin.readline().strip():
        for module in json.loads(Path(path).read_text(encoding="utf-8"))["modules"]:
            importlib.import_module(module)
        pid = os.fork()
        if pid == 0:
            _run(Path(path))
        answers.write(f"{_ended(pid)}\n")
        answers.flush()


def _ended(pid: int) -> int:
    """Wait for a run, and return its exit code; end it if nobody waits for the answer any more."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if select.select([0], [], [], LOOK_EVERY_S)[0]:  # nobody asks before the answer: EOF
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os._exit(1)


def _run(path: Path) -> None:
    """Be the process of a run, to its end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        said = os.open(single.beside_task(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(source, target)
        single.main(str(path))
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)  # noqa: T201
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main()

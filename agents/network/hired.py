"""Agents' processes that a run starts itself, and again if they die."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

logger = logging.getLogger(__name__)

HIRED = "QUARTIER_HIRED"
"""Environment variable that says to a process that a run started it."""

MOST_STARTS = 4
"""How often a process is started in a run; then it is not the machine's fault any more."""

LAST_WORDS_S = 5.0
"""Longest wall time in s that processes have to come to an end by themselves."""


class Hired:
    """Processes by neighbourhood, watched by a thread.

    Parameters
    ----------
    commands
        What is started, by neighbourhood.
    folder
        Where what they print is kept, in ``agents-<neighbourhood>.txt``.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], folder: Path) -> None:
        self._commands, self._folder = commands, folder
        self._trouble: str | None = None
        self._starts = dict.fromkeys(commands, 0)
        self._ending = threading.Event()
        self.processes = {name: self._start(name) for name in commands}
        self._thread = threading.Thread(target=self._watch, name="hired", daemon=True)
        self._thread.start()

    @property
    def restarts(self) -> int:
        """How often a process was started again."""
        return sum(self._starts.values()) - len(self._starts)

    def trouble(self) -> str | None:
        """Why a process is not started any more; None as long as all are there."""
        return self._trouble

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        self._starts[name] += 1
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                self._commands[name],
                stdin=subprocess.PIPE,  # ends when the run does, however that is
                env=os.environ | {HIRED: "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run, which ends them
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"agents-{name}.txt"

    def _watch(self) -> None:
        while not self._ending.wait(0.2) and self._trouble is None:
            for name, process in self.processes.items():
                code = process.poll()
                if code:
                    self._again(name, code)

    def _again(self, name: str, code: int) -> None:
        if self._starts[name] >= MOST_STARTS or code == 2:
            self._trouble = (
                f"the process with the agents of {name} ended with code {code};"
                f" what it said is in {self._log(name)}"
            )
            return
        logger.warning("the process with the agents of %s ended (code %d): again", name, code)
        _let_go(self.processes[name])
        self.processes[name] = self._start(name)

    def close(self) -> None:
        """Let the processes end, or end them."""
        self._ending.set()
        self._thread.join()
        end = time.monotonic() + LAST_WORDS_S
        for process in self.processes.values():
            try:
                process.wait(max(end - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                process.kill()
            _let_go(process)


def _let_go(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    assert process.stdin is not None  # a pipe
    process.stdin.close()


def end_with_run() -> None:
    """End this process when the run that started it is gone, even if that was killed."""
    if os.environ.get(HIRED):
        threading.Thread(target=_end_with_input, name="run", daemon=True).start()


def _end_with_input() -> None:
    os.read(0, 1)  # nothing is ever written
    os._exit(1)


def command(
    source: str, neighbourhood: str, address: str, options: Sequence[str]
) -> tuple[str, ...]:
    """Return what starts the agents of a neighbourhood."""
    where = ("--neighbourhood", neighbourhood, "--connect", address)
    return (sys.executable, "-m", "quartier", "agents", source, *where, *options)

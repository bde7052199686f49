"""What can go wrong, by whose fault it is."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path


class QuartierError(Exception):
    """Base of every error that Quartier raises on purpose."""


class InputError(QuartierError):
    """The input is wrong: carries every problem found, not just the first (exit code 2).

    Parameters
    ----------
    problems
        One sentence each: what is wrong, where, and what to do.
    source
        File or name that the problems are in.
    """

    def __init__(self, problems: Sequence[str], source: str | None = None) -> None:
        self.problems = tuple(map(_shown, problems))
        self.source = source
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''}"
        head += f" in {source}" if source else " in the input"
        super().__init__("\n".join([f"{head}:", *(f"  - {p}" for p in self.problems)]))


class RunFailed(QuartierError):
    """A run could not be finished (exit code 3); its message says who, where and when."""


class SolveFailed(QuartierError):
    """An optimisation problem has no usable solution; the message says which and why.

    Parameters
    ----------
    problem
        Name of the optimisation problem.
    status
        What the solver said: ``infeasible``, ``unbounded``, ``time-limit``, ...
    hint
        What to do about it.
    why
        Finds what stands against a solution. It is asked when somebody wants to know: that takes
        time, and most failures are expected by whoever asked for a solution.
    """

    def __init__(
        self, problem: str, status: str, hint: str = "", why: Callable[[], str] | None = None
    ) -> None:
        self.problem = problem
        self.status = status
        self._hint, self._why = hint, why
        super().__init__(problem, status, hint)

    @cached_property
    def conflict(self) -> str:
        """What stands against a solution, in the scenario's words; empty where nobody knows."""
        return self._why() if self._why else ""

    def __str__(self) -> str:
        conflict = self.conflict[:1].upper() + self.conflict[1:]
        parts = (f"{self.problem}: {self.status}.", conflict and f"{conflict}.", self._hint)
        return " ".join(part for part in parts if part)


_MOST_SHOWN = 2_000
"""Characters of a problem that are shown: names in a file can have any length."""


def _shown(problem: str) -> str:
    """A problem as any terminal can show it: no control characters, not too long."""
    if len(problem) > _MOST_SHOWN:
        problem = f"{problem[: _MOST_SHOWN // 2]} [...] {problem[-_MOST_SHOWN // 2 :]}"
    printable = (c if c.isprintable() or c == "\n" else _escaped(c) for c in problem)
    return problem if problem.isprintable() else "".join(printable)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def place(error: BaseException, inside: str) -> str:
    """Where an error was raised in a file or folder, as `` (mine.py, line 7)``; else nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    found = [frame for frame in frames if frame.filename.startswith(inside)]
    return f" ({Path(found[-1].filename).name}, line {found[-1].lineno})" if found else ""

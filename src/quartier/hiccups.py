"""What solvers did not do at the first try, kept until somebody writes it down.

Solves are spread over the whole program, and most have no row of their own in a table. So what
went wrong is noted here where it happens, and taken from here once a plan is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from quartier.errors import SolveFailed


@dataclass(frozen=True)
class Hiccup:
    """A problem that was not solved at the first try."""

    problem: str
    status: str
    """How the last try ended."""
    tries: int = 0
    """How often the solver was started."""
    instead: str = ""
    """What was done without a solution, if anything was."""
    conflict: str = ""
    """What stands against a solution, if that is known."""


_noted: list[Hiccup] = []


def note(hiccup: Hiccup) -> None:
    """Keep a hiccup for :func:`take`."""
    _noted.append(hiccup)


def note_kept(failure: SolveFailed, instead: str) -> None:
    """Keep that something else was done for lack of a solution; why, is looked for once."""
    found = Hiccup(failure.problem, failure.status, instead=instead)
    alike = (h for h in _noted if replace(h, conflict="") == found)
    known = next(alike, None)
    note(known or replace(found, conflict=failure.conflict))


def take() -> list[Hiccup]:
    """What was noted since this was asked last, in this process."""
    found = _noted.copy()
    del _noted[: len(found)]
    return found


def rows(hiccups: Iterable[Hiccup]) -> Iterator[dict[str, Any]]:
    """Rows of the table ``solves``: all tries of a problem that ended alike together."""
    tries: Counter[tuple[str, str, str]] = Counter()
    for hiccup in hiccups:
        end = ", ".join(part for part in (hiccup.status, hiccup.instead) if part)
        tries[hiccup.problem, end, hiccup.conflict] += hiccup.tries
    for (problem, status, conflict), count in tries.items():
        more = {"tries": count, "conflict": conflict}
        yield {"problem": problem, "status": status, **{n: v for n, v in more.items() if v}}


def troubles(hiccups: Iterable[Hiccup]) -> Iterator[str]:
    """A sentence for each problem for which something else was done."""
    found = Counter((h.problem, h.status, h.conflict, h.instead) for h in hiccups if h.instead)
    for (problem, status, conflict, instead), times in found.items():
        often = f" ({times} times)" if times > 1 else ""
        why = f" ({conflict})" if conflict else ""
        yield f"{problem}: the solver ends {status}{why}; {instead}{often}"

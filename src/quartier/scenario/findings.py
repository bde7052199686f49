"""Collects what is to be said of a scenario's data, each with its path in the file.

Problems keep a run from starting. Notes do not: they say what is in the user's data and yet not
simulated, or taken differently, so that nothing is left out in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from quartier.errors import InputError
from quartier.scenario.record import HorizonError, SeriesError
from quartier.scenario.series import SIMBENCH


@dataclass(frozen=True)
class Note:
    """Something in the user's data that a run leaves out, or takes differently.

    Parameters
    ----------
    where
        Path in the scenario's file.
    what
        What it is and what becomes of it, in a sentence that goes on after the path.
    table
        What it counts under in the KPI ``not_simulated``; if empty, it leaves nothing out.
    amount, unit
        How much is left out: MW, or kWh for sessions.
    """

    where: str
    what: str
    table: str = ""
    amount: float = 0.0
    unit: str = "MW"


class Findings:
    """Problems and notes found so far, in order, each once."""

    def __init__(self) -> None:
        self._problems: dict[str, None] = {}
        self._notes: dict[Note, None] = {}
        self.horizon_is_wrong = False
        """Whether a source does not cover the horizon."""
        self.cover_is_known = False
        """Whether all sources that do not cover the horizon are noted."""

    @property
    def problems(self) -> list[str]:
        """One sentence each."""
        return list(self._problems)

    def add(self, path: str, problem: str) -> None:
        """Note a problem at a path in the file."""
        self._problems[f"{path}: {problem}"] = None

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is left out of a run, or taken differently."""
        return tuple(self._notes)

    def note(
        self, where: str, what: str, table: str = "", amount: float = 0.0, unit: str = "MW"
    ) -> None:
        """Note what a run leaves out, or takes differently; the arguments are those of a Note."""
        self._notes[Note(where, what, table, amount, unit)] = None

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Note what goes wrong inside, and go on after it."""
        try:
            yield
        except HorizonError as error:
            self.horizon_is_wrong = True
            if self.cover_is_known:
                return
            self.add("horizon" if str(error).startswith(SIMBENCH) else path, str(error))
        except SeriesError as error:
            self.add(path, str(error))
        except InputError as error:
            for problem in error.problems:
                self.add(path, problem)

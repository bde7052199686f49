"""Collects all problems of a scenario's data, each with its path in the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from quartier.errors import InputError
from quartier.scenario.record import HorizonError, SeriesError
from quartier.scenario.series import SIMBENCH


class Findings:
    """Problems found so far, in order, each once."""

    def __init__(self) -> None:
        self._problems: dict[str, None] = {}
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

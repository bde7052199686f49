"""A mechanism as a run uses it: its class, and the tables and KPIs that it declares of its own.

A class may have two attributes besides its method ``plan``::

    tables = {"quotes": {"time": "time", "neighbourhood": "text", "quote": "EUR/kWh"}}
    kpis = (Kpi("mean_quote", "Mean quote", "EUR/kWh", mean_quote),)

A column holds ``time``, ``text``, ``count`` (a whole number), ``flag``, or a number: then its unit
stands there (``1``: it has none). A KPI is a function of the run's tables
(:class:`~quartier.kpi.RunData`), as ours are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quartier.coordination import Coordination, resolve
from quartier.errors import InputError
from quartier.kpi import KPIS, Kpi
from quartier.results.tables import TABLES, Declared
from quartier.scenario.models import NAME_PATTERN


@dataclass(frozen=True)
class Mechanism:
    """Who plans, and what it leaves in the run folder besides what all leave there."""

    name: str
    planner: type[Coordination]
    tables: Declared
    kpis: tuple[Kpi, ...]
    networked: bool | None = None
    """Whether its agents may live in several processes; None: it has no agents."""


def mechanism(name: str, problem: str) -> Mechanism:
    """Return a mechanism for a problem, what it declares checked.

    Parameters
    ----------
    name
        A known mechanism, or a ``module:Class`` in the working directory.
    problem
        Kind of the problem.

    Raises
    ------
    InputError
        As :func:`~quartier.coordination.resolve`, and with all that is wrong in what is declared.
    """
    found = resolve(name, problem)
    tables, kpis = getattr(found, "tables", {}), getattr(found, "kpis", ())
    wrong = [*_wrong_tables(tables), *_wrong_kpis(kpis)]
    if wrong:
        raise InputError([f"coordination {name!r}: {text}" for text in wrong])
    return Mechanism(name, found, tables, tuple(kpis), getattr(found, "networked", None))


def _wrong_tables(tables: Any) -> Iterator[str]:
    if not isinstance(tables, Mapping):
        yield f"tables is {tables!r}; write a mapping of names to columns"
        return
    for name, columns in tables.items():
        if not _is_name(name):
            yield f"table {name!r} is no name: use a letter, then letters, digits, _ and -"
        elif name in TABLES:
            yield f"table {name!r} is one of Quartier's; name yours otherwise"
        elif not isinstance(columns, Mapping) or not columns:
            yield f"table {name!r} needs a mapping of columns to what they hold"
        else:
            for column, word in columns.items():
                if not _is_name(column) or not isinstance(word, str) or not word.strip():
                    yield (
                        f"table {name!r}, column {column!r}: {word!r} says nothing of it; write"
                        " time, text, count, flag, or the unit of a number (1: it has none)"
                    )


def _wrong_kpis(kpis: Any) -> Iterator[str]:
    if not isinstance(kpis, tuple | list):
        yield f"kpis is {kpis!r}; write a tuple of Kpi(name, label, unit, function)"
        return
    known = {kpi.name for kpi in KPIS}
    for kpi in kpis:
        if not isinstance(kpi, Kpi) or not callable(kpi.value):
            yield f"KPI {kpi!r} is none; write Kpi(name, label, unit, function)"
        elif not _is_name(kpi.name):
            yield f"KPI {kpi.name!r} is no name: use a letter, then letters, digits, _ and -"
        elif kpi.name in known:
            yield f"KPI {kpi.name!r} is there already; name yours otherwise"
        else:
            known.add(kpi.name)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) is not None

"""Choices that agents of a process tell each other, a row each, so that sums are products (M6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from quartier.agents.counters import IntArray
from quartier.agents.messages import Entry, Reference
from quartier.quantities import Array

NO_ROW = 0
"""Row of zeros, for agents without a choice."""

MOST_CHOICES = 2**16
"""Choices that an agent can make: the counter of none is greater."""

Sum: TypeAlias = tuple[Array, Array, float]
"""Sum of schedules (kW), of what is curtailable in them (kW), and of own costs (EUR)."""


class Shelf:
    """Schedules and costs of choices, each once however many agents know it.

    It says nothing of who knows what: each agent looks up only what it was told
    (:class:`quartier.agents.ledger.Ledger`).

    Parameters
    ----------
    steps
        Steps ``T`` of a schedule.
    """

    def __init__(self, steps: int) -> None:
        self.entries: list[Entry | None] = [None]
        """By row."""
        self._told = np.zeros((64, steps + 1))
        """Schedule (kW) and own cost (EUR) by row."""
        self._curtailable_kw = np.zeros((4, steps))
        self._loose: IntArray = np.zeros(64, dtype=np.int32)
        """By row, where what is curtailable stands; :data:`NO_ROW` where nothing is."""
        self._signs = np.empty(0)
        """As many times 1 as -1."""
        self._rows: dict[Reference, int] = {}
        self._rows_by_id: dict[int, int] = {}
        """Of entries that are kept here, so that no other object gets their id."""
        self._numbers: dict[str, int] = {}
        self._table: IntArray = np.zeros((8, 8), dtype=np.int32)
        """Row by agent and counter; its last column is empty, so that it stands for no counter."""

    def __len__(self) -> int:
        return len(self.entries)

    def numbers(self, names: Iterable[str]) -> IntArray:
        """Return the numbers that agents have here, shape ``(n,)``."""
        own = self._numbers
        found = np.array([own.setdefault(name, len(own)) for name in names], dtype=np.int32)
        self._table = _grown(self._table, len(own))
        return found

    def rows(self, numbers: IntArray, counters: IntArray) -> IntArray:
        """Return the rows of choices, :data:`NO_ROW` where there is none, shape ``(n,)``."""
        last = self._table.shape[1] - 1
        found: IntArray = self._table[numbers, np.minimum(counters, last)]
        return found

    def add(self, entry: Entry) -> int:
        """Return the row of a choice, which is a new one if it was not here.

        Raises
        ------
        ValueError
            If its counter is beyond :data:`MOST_CHOICES`.
        """
        row = self._rows.get(entry.reference, NO_ROW)
        known = self.entries[row]
        if known is entry or (known is not None and known.says_as(entry)):
            return row
        if not 0 <= entry.counter < MOST_CHOICES:
            raise ValueError(f"choice {entry.counter} of {entry.agent}: no agent makes so many")
        row = len(self.entries)
        self._told, self._loose = _grown(self._told, row + 1), _grown(self._loose, row + 1)
        self._told[row, :-1], self._told[row, -1] = entry.p_kw, entry.cost_eur
        if entry.is_curtailable:
            place = int(self._loose.max()) + 1
            self._curtailable_kw = _grown(self._curtailable_kw, place + 1)
            self._curtailable_kw[place] = entry.curtailable_kw
            self._loose[row] = place
        (number,) = self.numbers([entry.agent])
        self._table = _grown(self._table.T, entry.counter + 2).T
        self._table[number, entry.counter] = self._rows[entry.reference] = row
        self.entries.append(entry)
        self._rows_by_id[id(entry)] = row
        return row

    def add_all(self, entries: Sequence[Entry]) -> list[int]:
        """Return the rows of choices, new ones for those that were not here."""
        known = self._rows_by_id
        rows = [known.get(id(entry), NO_ROW) for entry in entries]
        if NO_ROW in rows:
            rows = [self.add(entry) for entry in entries]
        return rows

    def entries_at(self, rows: IntArray) -> list[Entry]:
        """Return the choices of rows, without those of :data:`NO_ROW`."""
        return [entry for row in rows.tolist() if (entry := self.entries[row]) is not None]

    def change(self, new: IntArray, old: IntArray) -> Sum:
        """What a sum changes by if choices stand in place of as many others, shape ``(k,)`` each.

        It is exact, for what is told lies on a grid (:func:`quartier.agents.messages.on_grid`).
        """
        rows = np.concatenate([new, old])
        half = len(self._signs) // 2
        if len(new) > half:
            half = 2 * len(new)
            self._signs = np.repeat([1.0, -1.0], half)
        signs = self._signs[half - len(new) : half + len(new)]
        told = signs @ self._told.take(rows, axis=0)
        loose = self._loose.take(rows)
        if not np.count_nonzero(loose):
            return told[:-1], self._curtailable_kw[NO_ROW], float(told[-1])
        loose_kw = signs[loose > 0] @ self._curtailable_kw.take(loose[loose > 0], axis=0)
        return told[:-1], loose_kw, float(told[-1])


def _grown(array: Any, least: int) -> Any:
    """Return an array of at least so many rows: twice as many, zeros, if there are fewer."""
    if len(array) >= least:
        return array
    more = np.zeros((max(2 * len(array), least) - len(array), *array.shape[1:]), array.dtype)
    return np.concatenate([array, more])

"""A follower's optimality conditions inside a program of named columns and rows."""

from __future__ import annotations

import numpy as np

from quartier.optimisation.bilevel.duality import Split, duality_row, exact_duality_row
from quartier.optimisation.bilevel.kkt import Conditions, spread
from quartier.optimisation.bilevel.products import Envelopes
from quartier.optimisation.bilevel.program import Program, rows_of
from quartier.program import Block, Indices, stacked


class Placed:
    """Conditions in a program, to which their columns and rows are added.

    Parameters
    ----------
    program
        Its first columns are those of the follower's system.
    conditions
        The follower's.

    Attributes
    ----------
    columns
        Where `[v | ν | z]` stand in the program.
    """

    def __init__(self, program: Program, conditions: Conditions) -> None:
        self.conditions, form = conditions, conditions.form
        self._split: tuple[Split, Indices] | None = None
        self._names = program.names[: conditions.size]
        first, last = len(program), conditions.extra - conditions.switches
        ends = zip(*(end.tolist() for end in conditions.bounds_of_extra()), strict=True)
        names = conditions.names_of_extra(self._names)
        for place, (name, (low, high)) in enumerate(zip(names, ends, strict=True)):
            program.column(name, low, high, integer=place >= last)
        own = np.arange(form.is_own.size)
        self.columns: Indices = np.append(own, first + np.arange(conditions.extra))
        rows = conditions.names_of_rows(self._names)
        _add_rows(program, rows, stacked(conditions.blocks()), self.columns)

    def split(self, program: Program) -> tuple[Split, Indices]:
        """Multipliers in two parts, and their columns; added when first asked for."""
        if self._split is None:
            split, first = Split(self.conditions), len(program)
            entries = self.conditions.form.entry_names(self._names)
            low, high = split.bounds_of_parts()
            for name, *ends in zip(split.names_of_parts(entries), low, high, strict=True):
                program.column(name, *map(float, ends))
            kept = self.columns[: self.conditions.size + self.conditions.rows]
            columns = np.append(kept, first + np.arange(low.size))
            parts = [f"parts of {entries[e]}" for e in np.flatnonzero(~split.bounds.equal)]
            _add_rows(program, parts, split.block, columns)
            self._split = split, columns
        return self._split

    def add_duality(self, program: Program, *, exact: bool = False) -> None:
        """Add strong duality: as a cut where its factors are bounded, or exact (else an error)."""
        split, columns = self.split(program)
        row_of = exact_duality_row if exact else duality_row
        row = row_of(self.conditions.form, split, columns, Envelopes(program))
        if row is not None:
            program.rows.append(row)


def _add_rows(program: Program, names: list[str], block: Block, columns: Indices) -> None:
    program.rows.extend(rows_of(names, *spread(block, columns, len(program))))

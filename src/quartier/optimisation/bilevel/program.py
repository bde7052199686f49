"""A mixed-integer linear program as plain numbers: what every step here reads and extends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import numpy as np
from scipy.sparse import csr_array

from quartier.quantities import Array


@dataclass(frozen=True)
class Row:
    """`lower <= Σ_k coefs[k] v_k <= upper` over the columns of a program."""

    name: str
    coefs: Mapping[int, float]
    lower: float = -inf
    upper: float = inf

    @property
    def is_equality(self) -> bool:
        """Whether both limits are the same number."""
        return self.lower == self.upper


@dataclass
class Program:
    """`min offset + cost·v` over rows and column bounds, some columns integer."""

    names: list[str] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    integer: list[bool] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    cost: dict[int, float] = field(default_factory=dict)
    offset: float = 0.0

    def __len__(self) -> int:
        return len(self.names)

    def column(
        self, name: str, lower: float = -inf, upper: float = inf, *, integer: bool = False
    ) -> int:
        """Add a column and return its index."""
        self.names.append(name)
        self.lower.append(lower)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.names) - 1

    def row(
        self, name: str, coefs: Mapping[int, float], lower: float = -inf, upper: float = inf
    ) -> None:
        """Add a row."""
        self.rows.append(Row(name, coefs, lower, upper))

    def softened(self, row: Row) -> tuple[Row, tuple[int, int]]:
        """A row that may be broken, and the columns added that say how far: below, above."""
        broken = self.column(f"below {row.name}", 0.0), self.column(f"above {row.name}", 0.0)
        coefs = {**row.coefs, broken[0]: 1.0, broken[1]: -1.0}
        return Row(row.name, coefs, row.lower, row.upper), broken

    def copy(self) -> Program:
        """Independent copy; rows are immutable and shared."""
        return Program(
            list(self.names),
            list(self.lower),
            list(self.upper),
            list(self.integer),
            list(self.rows),
            dict(self.cost),
            self.offset,
        )

    def value(self, point: Array) -> float:
        """Objective at a point, shape (columns,)."""
        return self.offset + sum(c * float(point[k]) for k, c in self.cost.items())


def matrix(rows: Sequence[Row], columns: int) -> csr_array:
    """Coefficients of rows as a sparse matrix, shape (rows, columns)."""
    starts = np.cumsum([0, *(len(row.coefs) for row in rows)])
    indices = np.fromiter((k for row in rows for k in row.coefs), dtype=np.int64)
    data = np.fromiter((a for row in rows for a in row.coefs.values()), dtype=float)
    return csr_array((data, indices, starts), shape=(len(rows), columns))


def rows_of(names: Sequence[str], body: csr_array, low: Array, high: Array) -> Iterator[Row]:
    """Rows of a sparse matrix one by one."""
    ends = zip(names, pairwise(body.indptr.tolist()), low.tolist(), high.tolist(), strict=True)
    indices, data = body.indices.tolist(), body.data.tolist()
    for name, (first, last), lower, upper in ends:
        coefs = dict(zip(indices[first:last], data[first:last], strict=True))
        yield Row(name, coefs, lower, upper)


def activity(row: Row, point: Array) -> float:
    """`Σ_k coefs[k] v_k` at a point."""
    return sum(a * float(point[k]) for k, a in row.coefs.items())

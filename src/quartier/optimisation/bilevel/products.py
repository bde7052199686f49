"""Products of two columns: McCormick envelopes, exact where one factor is binary.

For w = u v with `a <= u <= b`, `c <= v <= d` (McCormick, Mathematical Programming 10, 1976):
`w >= a v + c u - a c`, `w >= b v + d u - b d`, `w <= b v + c u - b c`, `w <= a v + d u - a d`.
"""

from __future__ import annotations

from quartier.optimisation.bilevel.program import Program
from quartier.optimisation.bilevel.system import is_finite

MOST_BITS = 12
"""Widest integer that is written in binary digits, in bits."""


class Envelopes:
    """Products in a program as columns, each made once."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._made: dict[tuple[int, int], int] = {}
        self._digits: dict[int, list[tuple[float, int]]] = {}

    def relaxed(self, u: int, v: int) -> int | None:
        """Column of an envelope of `u v`; None if a factor is unbounded."""
        if not all(self._bounded(k) for k in (u, v)):
            return None
        return self._product(u, v)

    def exact(self, u: int, v: int) -> dict[int, float] | None:
        """`u v` as a linear expression; None if u is not discrete or v is unbounded.

        An integer u becomes `a + Σ 2^b z_b` with binary digits z_b.
        """
        if not (self.program.integer[u] and self._bounded(u) and self._bounded(v)):
            return None
        low, high = self.program.lower[u], self.program.upper[u]
        if high - low >= 2**MOST_BITS:
            return None
        if (low, high) == (0.0, 1.0):
            return {self._product(u, v): 1.0}
        terms = {self._product(z, v): weight for weight, z in self._binary(u)}
        terms[v] = low
        return terms

    def _bounded(self, k: int) -> bool:
        return is_finite(self.program.lower[k]) and is_finite(self.program.upper[k])

    def _binary(self, u: int) -> list[tuple[float, int]]:
        if u not in self._digits:
            program, low = self.program, self.program.lower[u]
            name, width = program.names[u], int(program.upper[u] - low)
            digits = [
                (float(2**b), program.column(f"digit {b} of {name}", 0.0, 1.0, integer=True))
                for b in range(width.bit_length())
            ]
            coefs = {u: 1.0, **{z: -weight for weight, z in digits}}
            program.row(f"digits of {name}", coefs, low, low)
            self._digits[u] = digits
        return self._digits[u]

    def _product(self, u: int, v: int) -> int:
        if (u, v) not in self._made:
            self._made[u, v] = self._envelope(u, v)
        return self._made[u, v]

    def _envelope(self, u: int, v: int) -> int:
        p = self.program
        a, b, c, d = p.lower[u], p.upper[u], p.lower[v], p.upper[v]
        corners = (a * c, a * d, b * c, b * d)
        name = f"{p.names[u]}·{p.names[v]}"
        w = p.column(name, min(corners), max(corners))
        p.row(f"{name} (1)", {w: 1.0, v: -a, u: -c}, lower=-a * c)
        p.row(f"{name} (2)", {w: 1.0, v: -b, u: -d}, lower=-b * d)
        p.row(f"{name} (3)", {w: 1.0, v: -b, u: -c}, upper=-b * c)
        p.row(f"{name} (4)", {w: 1.0, v: -a, u: -d}, upper=-a * d)
        return w

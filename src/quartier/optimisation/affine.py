"""Affine functions of columns: what a unit's rows are read with, without Pyomo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Affine:
    """``constant + Σ factor · column``; with ``+ - * /`` as far as they leave it affine."""

    constant: float = 0.0
    factors: Mapping[int, float] = field(default_factory=dict)

    __array_ufunc__: ClassVar[None] = None
    """NumPy's numbers leave the operation to this class."""

    def __add__(self, other: Affine | float) -> Affine:
        if not isinstance(other, Affine):
            return Affine(self.constant + float(other), self.factors)
        factors = dict(self.factors)
        for column, factor in other.factors.items():
            factors[column] = factors.get(column, 0.0) + factor
        return Affine(self.constant + other.constant, factors)

    def __mul__(self, factor: float) -> Affine:
        by = float(factor)
        return Affine(by * self.constant, {k: by * value for k, value in self.factors.items()})

    def __truediv__(self, divisor: float) -> Affine:
        by = float(divisor)
        return Affine(self.constant / by, {k: value / by for k, value in self.factors.items()})

    def __neg__(self) -> Affine:
        return self * -1.0

    def __sub__(self, other: Affine | float) -> Affine:
        return self + -other

    def __rsub__(self, other: float) -> Affine:
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

"""How a bi-level problem shall be solved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from typing import Any

from quartier.quantities import Array


@dataclass(frozen=True)
class Settings:
    """What `BilevelProblem.solve` was asked for; `deadline` is a time on `perf_counter`."""

    reformulation: str = "kkt"
    solver: str = "highs"
    deadline: float = inf
    gap: float = 1e-6
    big_m: float = 1e4
    search_s: float | None = 10.0
    """Most seconds to look for a first solution; None: do not."""
    epsilon: float | None = None
    """ε of the pessimistic value, if it is wanted."""
    start: Array | None = None
    """Point whose leader's decision the search begins with, shape (system columns,)."""
    shift: float | None = None
    """By how much prices move at a time for the robust value, if it is wanted."""
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def left_s(self) -> float | None:
        """Seconds left, at least a little; None without a limit."""
        return None if self.deadline == inf else max(0.1, self.deadline - perf_counter())

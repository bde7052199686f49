"""`uncontrolled`: nobody plans; units follow their own rules, and nothing is redispatched."""

from __future__ import annotations

import numpy as np

from quartier.coordination import Plan
from quartier.problem import Problem, State


class Uncontrolled:
    """Vehicles charge on arrival, batteries act greedily, CHPs follow heat; no caps, no taps."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Return the empty plan: no set point for anybody."""
        return Plan()

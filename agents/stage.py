"""Where the agents of a gate live: in mango's simulated world, or elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from quartier.agents.base import QuartierAgent
from quartier.agents.communication import MeasuredCommunication
from quartier.problem import Problem, State


class Stage(ABC):
    """Lets agents live that a mechanism made; what they leave is on them afterwards."""

    coordinates: ClassVar[bool] = True
    """Whether agents live here that are of no neighbourhood; else nobody needs what they know."""

    def open(  # noqa: B027
        self,
        gate: int,
        first: int,
        state: State,
        *,
        tap_is_fixed: bool,
        rng: np.random.Generator,
        memory: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare for a gate, before its mechanism is asked; here, there is nothing to prepare.

        Parameters
        ----------
        rng
            Is only looked at.
        memory
            What the mechanism remembers of earlier gates; None: it cannot tell.
        """

    @abstractmethod
    def perform(
        self, problem: Problem, agents: Sequence[QuartierAgent], medium: MeasuredCommunication
    ) -> None:
        """Let all agents live for the gate's lead time; ``medium`` counts what they say."""

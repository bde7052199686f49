"""`bilevel`: the DSO sets P_set knowing how each neighbourhood will answer (M7).

The leader decides caps and plants at a fixed tap position (:mod:`quartier.centralised.game`). The
neighbourhoods then answer the caps with their own optimum, binaries kept, and that is what is
executed (:mod:`quartier.centralised.execution`).
"""

from __future__ import annotations

import numpy as np

from quartier.centralised.execution import Execution
from quartier.centralised.game import Game
from quartier.centralised.individual import Process
from quartier.coordination import Plan
from quartier.problem import Problem, State


class Bilevel:
    """The DSO caps with foresight of the neighbourhoods' own optima."""

    def plan(self, problem: Problem, state: State, rng: np.random.Generator) -> Plan:
        """Find the caps, let the neighbourhoods answer them, fit the plants to the answers."""
        process = Process(problem)
        process.run()
        game = Game(process, rng)
        game.solve()
        execution = Execution(game)
        return execution.plan()

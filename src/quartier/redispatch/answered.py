"""A neighbourhood as what it answered: a mix of its answers in place of its units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from quartier.optimisation.prices import Response
from quartier.optimisation.readings import Readings
from quartier.program import Arrays, Indices


class Answered:
    """A part of the joint program: ``exported = Σ α P``, ``Σ α = 1``, at the cost ``Σ α C``.

    Lost energy is in the answers' costs. Columns are α, then net power as exported, and nothing
    imported; rows by step say that the two agree, the last one that weights add up to 1.

    Parameters
    ----------
    answers
        The answers, at least one; their powers have shape ``(T,)``.
    """

    readings = Readings([])

    def __init__(self, answers: Sequence[Response]) -> None:
        power = np.column_stack([answer.p_kw for answer in answers])
        steps, count = power.shape
        self.weights: Indices = np.arange(count)
        self.exported: Indices = count + np.arange(steps)
        self.imported: Indices = count + steps + np.arange(steps)
        self.curtailed: Indices = np.zeros(0, dtype=np.int64)
        unit = sparse.eye_array(steps)
        rows: list[list[Any]] = [
            [-sparse.csr_array(power), unit, -unit],
            [np.ones((1, count)), None, None],
        ]
        sides = np.append(np.zeros(steps), 1.0)
        free, nothing = np.full(steps, np.inf), np.zeros(steps)
        self.arrays = Arrays(
            cost=np.concatenate([[answer.cost_eur for answer in answers], nothing, nothing]),
            lower=np.concatenate([np.zeros(count), -free, nothing]),
            upper=np.concatenate([np.full(count, np.inf), free, nothing]),
            integer=np.zeros(count + 2 * steps, dtype=bool),
            matrix=sparse.csr_array(sparse.block_array(rows)),
            row_lower=sides,
            row_upper=sides,
        )

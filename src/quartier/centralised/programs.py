"""The neighbourhoods' programs, kept from gate to gate: to build them is most of the work."""

from __future__ import annotations

from collections.abc import Mapping

from quartier.optimisation import NeighbourhoodModel
from quartier.problem import Problem


class Mechanism:
    """Keeps the neighbourhoods' programs from gate to gate; only their numbers change."""

    def __init__(self) -> None:
        self._models: dict[str, NeighbourhoodModel] = {}

    def models_of(self, problem: Problem) -> dict[str, NeighbourhoodModel]:
        """Programs of the neighbourhoods by name, moved on from the gate before."""
        self._models = models_of(problem, self._models)
        return self._models

    def snapshot(self) -> dict[str, str]:
        """What a checkpoint keeps: nothing, for programs only save time."""
        return {}


def models_of(
    problem: Problem, before: Mapping[str, NeighbourhoodModel] | None = None
) -> dict[str, NeighbourhoodModel]:
    """Programs of the neighbourhoods by name; those of an earlier gate are moved on."""
    found = dict(before or {})
    for one in problem.neighbourhoods:
        if one.name in found:
            found[one.name].move(one)
        else:
            found[one.name] = NeighbourhoodModel(one)
    return found

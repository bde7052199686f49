"""What the world of a run is built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from quartier.agents.stage import Stage
from quartier.coordination import Coordination
from quartier.instance import Instance
from quartier.progress import Progress
from quartier.results import RunWriter
from quartier.results.writer import STEPS_PER_PART
from quartier.simulators.pace import Pace
from quartier.simulators.time_based import Snapshot
from quartier.units import KINDS
from quartier.units.base import UnitData


@dataclass
class Journal:
    """What the simulators have to tell a run beyond its tables."""

    planning_s: float = 0.0
    """Wall time spent on planning, all gates together."""
    steps: int = 0
    """Steps that were executed."""
    steps_not_converged: int = 0
    """Steps for which the power flow found no solution."""
    trouble: list[str] = field(default_factory=list)
    """What went wrong with a plan without stopping the run, one sentence each."""

    def snapshot(self) -> dict[str, Any]:
        """What is told, as a checkpoint keeps it."""
        return asdict(self)

    def degraded(self) -> tuple[str, ...]:
        """Everything that makes the run ``degraded``."""
        if not self.steps_not_converged:
            return tuple(self.trouble)
        steps = f"{self.steps_not_converged} of {self.steps} steps"
        return (*self.trouble, f"the power flow did not converge in {steps}; their rows are NaN")


@dataclass(frozen=True)
class Execution:
    """One execution: who plans for what, who is told, and who writes it down."""

    instance: Instance
    coordination: Coordination
    name: str
    """What the coordination is called."""
    rng: np.random.Generator
    """Where every random draw of the coordination comes from."""
    writer: RunWriter
    progress: Progress
    journal: Journal = field(default_factory=Journal)
    stage: Stage | None = None
    """Where agents live; None: in a simulated world."""
    first_step: int = 0
    """Step that the execution begins with."""
    start: Mapping[str, Snapshot] = field(default_factory=dict)
    """What each simulator was at the end of the step before the first, by simulator; empty: all
    begin as the instance does."""

    @cached_property
    def pace(self) -> Pace:
        """How many steps are taken at once; simulators of the user's own take them one by one."""
        return Pace(1 if self.instance.scenario.simulators else STEPS_PER_PART)

    @property
    def step_s(self) -> int:
        """Length of a step in seconds, mosaik's unit of time here."""
        return round(self.instance.horizon.dt_h * 3600)

    def told(self, time: int, row: int = 0) -> str:
        """A step of the block at a time of mosaik's, for the user: number and start."""
        step = self.first_step + time // self.step_s + row
        return f"step {step} ({self.instance.horizon.times[step]})"

    @cached_property
    def fleets(self) -> Mapping[str, Sequence[UnitData]]:
        """All units by kind, kinds in the order of a step."""
        plants = [self._with_reactive_power(plant) for plant in self.instance.plants]
        fleets: dict[str, list[UnitData]] = {}
        for unit in (*self.instance.units, *plants):
            fleets.setdefault(unit.kind, []).append(unit)
        return dict(sorted(fleets.items(), key=lambda item: (KINDS[item[0]].order, item[0])))

    def _with_reactive_power(self, plant: UnitData) -> UnitData:
        q_kvar = self.instance.plant_q_kvar[plant.name]
        return replace(plant, series={**plant.series, "q_kvar": q_kvar})

    @cached_property
    def points(self) -> Mapping[str, Sequence[Any]]:
        """Columns of the table ``connection_points`` that never change, in its order."""
        neighbourhoods, plants = self.instance.buses, self.instance.plants
        return {
            "name": [*neighbourhoods, *(p.name for p in plants)],
            "kind": ["neighbourhood"] * len(neighbourhoods) + ["der"] * len(plants),
            "bus": [*neighbourhoods.values(), *(p.bus for p in plants)],
        }

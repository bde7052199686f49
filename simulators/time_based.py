"""What all simulators of Quartier share: they step at equal intervals, and can be continued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import mosaik_api_v3
import numpy as np

from quartier.quantities import Array
from quartier.simulators.inputs import Inputs, asked, total
from quartier.simulators.pace import Pace

HOUR_S = 3600

Snapshot: TypeAlias = Mapping[str, Any]
"""What goes from one step to the next: numbers, texts, arrays, and mappings and lists of them."""


class TimeBased(mosaik_api_v3.Simulator):
    """A time-based mosaik simulator.

    Start it with ``step_size``, the length of a step in mosaik's unit of time (900 by default:
    a quarter of an hour if that unit is a second). ``first_step`` is the number of the step that a
    world begins with (0), and ``snapshot`` what :meth:`snapshot` returned at the end of the step
    before. With a ``pace`` (in process) it takes a block of steps at once, and all arrays that it
    takes and gives have one more axis, of steps, at the front.
    """

    def __init__(self, models: dict[str, dict[str, Any]]) -> None:
        meta = {"api_version": "3.0", "type": "time-based", "models": models}
        super().__init__(meta)  # type: ignore[no-untyped-call]
        self.first_step = 0
        self.pace, self.in_blocks = Pace(), False

    def init(self, sid: str, time_resolution: float = 1.0, **sim_params: Any) -> Any:
        """Remember the length of a step, and what to begin with."""
        self.step_size = int(sim_params.pop("step_size", 900))
        self.dt_h = self.step_size * time_resolution / HOUR_S
        self.first_step = int(sim_params.pop("first_step", 0))
        self._start: Snapshot | None = sim_params.pop("snapshot", None)
        if (pace := sim_params.pop("pace", None)) is not None:
            self.pace, self.in_blocks = pace, True
        self.configure_run(sim_params)
        if sim_params:
            raise TypeError(f"{sid}: unknown parameter {', '.join(sim_params)}")
        return self.meta

    def configure_run(self, sim_params: dict[str, Any]) -> None:
        """Take (pop) further parameters of the simulator."""

    def setup_done(self) -> None:
        """Prepare all that is the same in every step, then begin where a snapshot was taken."""
        self.prepare()
        if self._start is not None:
            self.restore(self._start)

    def prepare(self) -> None:
        """Prepare what is the same in every step."""

    def step_number(self, time: int) -> int:
        """Number of the (first) step at a time of mosaik's."""
        return self.first_step + time // self.step_size

    @property
    def row(self) -> int:
        """Step that it is at, counted from the first of the block."""
        return 0

    def after(self, time: int) -> int:
        """Time of mosaik's at which the next step, or block, begins."""
        return time + self.pace.steps * self.step_size

    def total(self, inputs: Inputs, entity: str, attribute: str, shape: tuple[int, ...]) -> Array:
        """Sum over the sources of an attribute, shape ``(steps, *shape)``; zeros if there are none.

        Raises
        ------
        AtBoundary
            If a source sent something else than finite numbers of that shape.
        """
        steps = self.pace.steps if self.in_blocks else None
        found = total(inputs, entity, attribute, shape, steps)
        return found if self.in_blocks else found[None]

    def asked(
        self, inputs: Inputs, entity: str, attribute: str, shape: tuple[int, ...]
    ) -> Array | None:
        """What one source asks for, ``(steps, *shape)``, NaN where nothing; None without one.

        Raises
        ------
        AtBoundary
            If it sent something else.
        """
        found = asked(inputs, entity, attribute, shape, self.pace.steps if self.in_blocks else None)
        return found if found is None or self.in_blocks else found[None]

    def given(self, values: Any) -> Any:
        """What the present block gives; without blocks, its only row.

        Parameters
        ----------
        values
            Array with one row a step, or a mapping of such; single values stay.
        """
        if self.in_blocks:
            return values
        if isinstance(values, Mapping):
            return {name: self.given(value) for name, value in values.items()}
        return values[0] if isinstance(values, np.ndarray) else values

    def snapshot(self) -> Snapshot:
        """What this simulator needs to go on after the last step; nothing by default."""
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of this simulator, or of one made in the same way."""

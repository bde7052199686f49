"""Steps of many units of one kind: what the simulator and the sampler both run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.balance import made_up
from quartier.units.base import Carrier, Stack, UnitData, UnitKind
from quartier.units.kinds import is_own


def signals_of(kind: UnitKind) -> tuple[str, ...]:
    """What own rules of a kind can look at beyond the unit itself."""
    found = (f"{c}_{name}" for c in kind.carriers for name in ("missing_kw", *STORED))
    return (*found, "p_others_kw")


STORED = ("energy_kwh", "capacity_kwh")


@dataclass(frozen=True)
class StepResult:
    """What the units did in a step, shape ``(N,)`` each; NaN where a quantity does not apply.

    Of several steps, shape ``(T, N)``.
    """

    p_kw: Array
    q_kvar: Array
    heat_kw: Array
    fuel_kw: Array
    power_kw: Mapping[Carrier, Array]
    """Power by carrier beside electricity, as :class:`quartier.units.base.Flow` has it."""
    co2_kg: Array
    cost_eur: Array
    available_kw: Array
    """Available power of curtailable units."""
    energy_kwh: Array
    """Energy of the store at the step's end."""
    driving_kw: Array
    """Power that vehicles drive out of their store."""
    controls: Mapping[str, Array]


Done: TypeAlias = tuple[dict[str, Array], Array]
"""Controls of a step, and energy at its end, shape ``(N,)`` each."""


class Fleet:
    """Units of one kind in their present state.

    Parameters
    ----------
    kind
        Key of :data:`quartier.units.KINDS`.
    units
        All of that kind, over the same horizon, with the series of :meth:`UnitKind.bounded`.
    copies
        Number of independent copies of them all; unit ``i``'s copy ``k`` has the index
        ``i * copies + k``.
    """

    def __init__(self, kind: str, units: Sequence[UnitData], copies: int = 1) -> None:
        self.kind = KINDS[kind]
        self.names = tuple(unit.name for unit in units)
        self.size = len(units) * copies
        self._u = Stack([u.parameters for u in units for _ in range(copies)])
        self._dt_h = units[0].horizon.dt_h
        self._inner, self._boundary = _series(units, copies)
        names = (("energy_kwh",) if self.kind.stores else ()) + self.kind.memory
        self._state = {
            name: np.repeat([float(unit.state[name]) for unit in units], copies) for name in names
        }
        self._share = _share(self.kind.shared_by, units, copies)
        self._hub = _hubs(units, copies) if self.kind.balances else None
        self._keeps_plan = np.repeat([_keeps_plan(self.kind, unit) for unit in units], copies)
        self._zero, self._nan = np.zeros(self.size), np.full(self.size, np.nan)
        self._zero.flags.writeable = self._nan.flags.writeable = False
        # A kind of the user's own is written for one step of many units: it gets no more.
        self._at_once = not names and not is_own(kind)
        self.now = 0
        """Step that was begun last."""

    @property
    def state(self) -> Mapping[str, Array]:
        """State by name, shape ``(N,)`` each."""
        return self._state

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take a state as :attr:`state` has it.

        Raises
        ------
        ValueError
            If it is that of other units.
        """
        if state.keys() != self._state.keys() or any(len(v) != self.size for v in state.values()):
            raise ValueError(f"the state is not that of {self.size} units with {list(self._state)}")
        self._state = {name: np.array(state[name], dtype=float) for name in self._state}

    def state_of(self, index: int) -> dict[str, float]:
        """State of one unit, as :attr:`quartier.units.base.UnitData.state` has it."""
        return {name: float(values[index]) for name, values in self._state.items()}

    def step(
        self, t: int, set_point_kw: Array, signals: Mapping[str, Array] | None = None
    ) -> StepResult:
        """Execute step ``t`` and move on to the next state.

        Parameters
        ----------
        set_point_kw
            Shape ``(N,)``; NaN leaves a unit to its own rule. Ignored by units that take none.
        signals
            What own rules look at (:func:`signals_of`), shape ``(N,)`` each; units on set points,
            and kinds whose rule looks at nothing, need none.
        """
        controls = self.advance(t, set_point_kw, signals or {})
        return self.result(t, controls, self._state.get("energy_kwh", self._nan))

    def steps(
        self, first: int, set_point_kw: Array, signals: Mapping[str, Array] | None = None
    ) -> StepResult:
        """Execute some steps, which nobody else depends on in between, and move on.

        Where nothing goes from one step to the next, all are computed at once.

        Parameters
        ----------
        first
            The first of them.
        set_point_kw, signals
            As :meth:`step` has them, shape ``(T, N)`` each.
        """
        signals, count = signals or {}, len(set_point_kw)
        if self._at_once:
            self.now, window = first, slice(first, first + count)
            s = self._series_at(window)
            controls = self._execute(s, set_point_kw, signals) if self.kind.controls else {}
            return self.result(window, controls, self._nan)
        done: list[Done] = []
        for k in range(count):
            now = {name: values[k] for name, values in signals.items()}
            self.advance(first + k, set_point_kw[k], now, done)
        return self.together(first, done)

    def advance(
        self,
        t: int,
        set_point_kw: Array,
        signals: Mapping[str, Array],
        done: list[Done] | None = None,
    ) -> dict[str, Array]:
        """Execute step ``t`` as :meth:`step` does, and return the controls only.

        Controls, and the energy that they led to, are added to ``done`` for :meth:`together`.
        """
        kind, u, dt_h, self.now = self.kind, self._u, self._dt_h, t
        s = self._series_at(t)
        controls = self._execute(s, set_point_kw, signals) if kind.controls else {}
        if kind.memory:
            self._state |= kind.next_memory(u, self._state, controls, s, dt_h)
        if kind.stores:
            energy_kwh = self._state["energy_kwh"]
            self._state["energy_kwh"] = kind.next_energy(u, energy_kwh, controls, s, dt_h)
        if done is not None:
            done.append((controls, self._state.get("energy_kwh", self._nan)))
        return controls

    def together(self, first: int, done: Sequence[Done]) -> StepResult:
        """Put steps that were executed one by one together, the first of them ``first``."""
        controls = {name: np.stack([x[name] for x, _ in done]) for name in done[0][0]}
        energy_kwh = np.stack([energy for _, energy in done])
        return self.result(slice(first, first + len(done)), controls, energy_kwh)

    def _series_at(self, t: int | slice) -> dict[str, Array]:
        """Series of a step, or of several; those at boundaries as they are at its end."""
        end = slice(t.start + 1, t.stop + 1) if isinstance(t, slice) else t + 1
        s = {name: values[t] for name, values in self._inner.items()}
        return s | {name: values[end] for name, values in self._boundary.items()}

    def result(self, t: int | slice, controls: dict[str, Array], energy_kwh: Array) -> StepResult:
        """What a step, or several, come to: flows from the controls."""
        steps = (t.stop - t.start,) if isinstance(t, slice) else ()
        s, shape = self._series_at(t), (*steps, self.size)
        kind = self.kind
        flow = kind.flow(self._u, controls, s, self._dt_h)
        nothing = self._filled(self._nan, shape)

        def filled(value: Array | float) -> Array:
            return self._filled(value, shape)

        return StepResult(
            p_kw=filled(flow.p_kw),
            q_kvar=filled(flow.q_kvar),
            heat_kw=filled(flow.heat_kw),
            fuel_kw=filled(flow.fuel_kw),
            power_kw={c: filled(flow.of(c)) for c in kind.carriers},
            co2_kg=filled(flow.co2_kg),
            cost_eur=filled(flow.cost_eur),
            available_kw=s["available_kw"] if kind.curtailable else nothing,
            energy_kwh=filled(energy_kwh),
            driving_kw=s.get("driving_kw", nothing),
            controls=controls,
        )

    def measured(self, result: StepResult, p_kw: Array, energy_kwh: Array) -> StepResult:
        """Take what others saw the units do for what they did in the last step.

        Parameters
        ----------
        p_kw, energy_kwh
            Power, and energy of the store at the step's end, shape ``(N,)``; NaN where nothing was
            measured.
        """
        power = np.where(np.isnan(p_kw), result.p_kw, p_kw)
        energy = np.where(np.isnan(energy_kwh), result.energy_kwh, energy_kwh)
        if self.kind.stores:
            self._state["energy_kwh"] = energy.reshape(-1, self.size)[-1]
        return replace(result, p_kw=power, energy_kwh=energy)

    def _execute(
        self, s: dict[str, Array], set_point_kw: Array, signals: Mapping[str, Array]
    ) -> dict[str, Array]:
        kind, u, dt_h = self.kind, self._u, self._dt_h
        if kind.balances:
            made_kw = self._made_up(s, set_point_kw, signals)
            keeps = self._keeps_plan & ~np.isnan(set_point_kw)
            set_point_kw = np.where(keeps, set_point_kw, made_kw)
        free = np.isnan(set_point_kw) if kind.command else True
        if kind.command is None or np.any(free):
            shared = {k: v if self._share is None else v * self._share for k, v in signals.items()}
            rule_kw = kind.rule(u, self._state, s | shared, dt_h)
            set_point_kw = np.where(free, rule_kw, set_point_kw)
        return kind.execute(u, self._state, s, set_point_kw, dt_h)

    def _made_up(
        self, s: dict[str, Array], set_point_kw: Array, signals: Mapping[str, Array]
    ) -> Array:
        """What units make that balance their hubs, their set points being the plan."""
        kind, u, dt_h = self.kind, self._u, self._dt_h
        total_kw = kind.rule(u, self._state, {**s, **signals}, dt_h)
        if self._hub is None:
            return total_kw

        def reached(wanted_kw: Array) -> Array:
            x = kind.execute(u, self._state, s, wanted_kw, dt_h)
            return self._filled(kind.flow(u, x, s, dt_h).of(kind.command), set_point_kw.shape)

        planned_kw = reached(np.nan_to_num(set_point_kw))
        low_kw, high_kw = (reached(np.full_like(planned_kw, end)) for end in (-np.inf, np.inf))
        return made_up(total_kw, planned_kw, low_kw, high_kw, self._hub)

    def _filled(self, value: Array | float, shape: tuple[int, ...]) -> Array:
        if isinstance(value, np.ndarray) and value.shape == shape:
            return value
        if isinstance(value, float) and value == 0.0 and shape == self._zero.shape:
            return self._zero
        return np.asarray(np.broadcast_to(value, shape), dtype=float)


def _series(units: Sequence[UnitData], copies: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Series of all units, shapes ``(T, N)`` and, at the boundaries of steps, ``(T+1, N)``.

    A series that only some units have is zero for the others.
    """
    steps = units[0].horizon.steps
    inner: dict[str, Array] = {}
    boundary: dict[str, Array] = {}
    for name in sorted({name for unit in units for name in unit.series}):
        length = next(len(unit.series[name]) for unit in units if name in unit.series)
        columns = [unit.series.get(name, np.zeros(length)) for unit in units]
        stacked = np.repeat(np.stack(columns, axis=1), copies, axis=1)
        (inner if length == steps else boundary)[name] = np.ascontiguousarray(stacked)
    return inner, boundary


def _keeps_plan(kind: UnitKind, unit: UnitData) -> bool:
    """Whether the unit's node, not the unit, makes up what deviates from the plan: by buying."""
    node = unit.nodes.get(kind.command or "")
    return node is not None and node.makes_up


def _hubs(units: Sequence[UnitData], copies: int) -> NDArray[np.int64] | None:
    """Number of each unit's hub, another for each copy; None if all are alone in theirs."""
    places = [(unit.neighbourhood, unit.hub) for unit in units]
    known = list(dict.fromkeys(places))
    if len(known) == len(places):
        return None
    first = np.array([known.index(place) for place in places], dtype=np.int64) * copies
    return np.asarray((first[:, None] + np.arange(copies)).ravel())


def _share(parameter: str | None, units: Sequence[UnitData], copies: int) -> Array | None:
    """Share of each unit in what its kind does together; None if everyone is alone.

    Units of a kind share by size what their hub lacks, or what their neighbourhood leaves over.
    """
    if parameter is None:
        return None
    sizes = np.array([getattr(unit.parameters, parameter) for unit in units], dtype=float)
    places = [(unit.neighbourhood, unit.hub) for unit in units]
    total = {
        place: sum(s for s, p in zip(sizes, places, strict=True) if p == place) for place in places
    }
    share = sizes / np.array([total[place] for place in places])
    return None if np.all(share == 1.0) else np.repeat(share, copies)

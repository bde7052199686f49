"""Feasible schedules of an agent's units, drawn by simulating them on random set points (M6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from quartier.quantities import Array
from quartier.units import KINDS
from quartier.units.base import UnitData
from quartier.units.evaluate import evaluate_many
from quartier.units.group import Group
from quartier.units.schedule import Schedule

MOST_BLOCKS = 12
"""Most blocks of constant set point in a horizon."""

SAME_KW = 1e-6
"""Controls closer than this make the same schedule."""


def sample(
    units: Sequence[UnitData],
    count: int,
    rng: np.random.Generator,
    penalty_eur_per_kwh: float,
    p_others_kw: Array | None = None,
) -> list[Schedule]:
    """Draw feasible schedules; the first is that of the units' own rules.

    The others follow random set points, carried out by the units' own step, which keeps every
    limit: blocks, one level throughout, one window, single steps, and the extremes (as early and
    as late as can be). In a heat hub boilers keep the balance.

    Parameters
    ----------
    units
        Units of one agent.
    count
        Number of schedules wanted; fewer are returned where the units cannot tell them apart.
    penalty_eur_per_kwh
        Price of heat not served.
    p_others_kw
        Power of the rest of the neighbourhood, which own rules may look at, shape ``(T,)``.
    """
    led = [unit for unit in units if _is_led(unit, units)]
    copies = count if led else 1
    steps = units[0].horizon.steps
    set_points = {unit.name: _set_points(unit, copies, steps, rng) for unit in led}
    controls = Group(units, copies).run(set_points, p_others_kw)
    rows = [values for x in controls.values() for values in x.values()]
    if rows and copies > 1:
        keep = _distinct(np.concatenate(rows, axis=-1))
        controls = {u: {n: v[keep] for n, v in x.items()} for u, x in controls.items()}
    return evaluate_many(units, controls, penalty_eur_per_kwh)


def _is_led(unit: UnitData, units: Sequence[UnitData]) -> bool:
    """Whether set points make a difference: who balances a hub alone does what it must."""
    kind = KINDS[unit.kind]
    if kind.balances:
        alike = [u for u in units if KINDS[u.kind].balances and u.hub == unit.hub]
        return len(alike) > 1
    return kind.command is not None and not kind.curtailable


def own_rules(
    units: Sequence[UnitData],
    penalty_eur_per_kwh: float,
    set_points: Mapping[str, Array] | None = None,
) -> dict[str, Schedule]:
    """What the units of a neighbourhood do when nobody plans for them, by agent.

    It takes a whole neighbourhood: a battery looks at the power of all others, and shares it with
    its like. By the simulator's own step, with the bounds of stores that it keeps; with an exact
    forecast, this is what happens.

    Parameters
    ----------
    units
        All units of one neighbourhood.
    set_points
        Of units that somebody plans for, shape ``(T,)`` each.
    """
    executed = [unit.simulated or unit for unit in units]
    done = Group(executed).run(set_points or {})
    agents: dict[str, list[UnitData]] = {}
    for unit in units:
        agents.setdefault(unit.agent, []).append(unit)
    return {
        agent: evaluate_many(own, {u.name: done[u.name] for u in own}, penalty_eur_per_kwh)[0]
        for agent, own in agents.items()
    }


def followed(
    units: Sequence[UnitData],
    set_points: Mapping[str, Array],
    penalty_eur_per_kwh: float,
    p_others_kw: Array | None = None,
) -> Schedule:
    """Schedule of an agent's units that follow set points as far as their limits allow.

    Parameters
    ----------
    set_points
        By unit, shape ``(T,)``; units that are missing follow their own rule.
    penalty_eur_per_kwh
        Price of heat not served.
    p_others_kw
        Power of the rest of the neighbourhood, which own rules may look at, shape ``(T,)``.
    """
    return evaluate_many(units, Group(units).run(set_points, p_others_kw), penalty_eur_per_kwh)[0]


def _distinct(rows: Array) -> list[int]:
    """Indices of the first of each group of equal rows."""
    seen: dict[bytes, int] = {}
    for k, row in enumerate(np.round(rows / SAME_KW).astype(np.int64)):
        seen.setdefault(row.tobytes(), k)
    return list(seen.values())


def _set_points(unit: UnitData, copies: int, steps: int, rng: np.random.Generator) -> Array:
    """Set points of one unit, shape ``(K, T)``: own rule first, extremes next, then at random."""
    low_kw, high_kw = command_range(unit)
    drawn = [np.full(steps, np.nan), low_kw, high_kw, np.zeros(steps)]
    for k in range(len(drawn), copies):
        levels = _PATTERNS[k % len(_PATTERNS)](steps, rng)
        drawn.append(low_kw + levels * (high_kw - low_kw))
    return np.array(drawn[:copies])


def command_range(unit: UnitData) -> tuple[Array, Array]:
    """Least and greatest set point that can mean something, shape ``(T,)`` each."""
    kind, u = KINDS[unit.kind], unit.parameters
    assert kind.command is not None
    tops = {name: top for name, (_, top) in kind.bounds(u, unit.series).items()}
    nothing = dict.fromkeys(tops, 0.0)
    corners = [nothing, *({**nothing, name: top} for name, top in tops.items())]
    reached = [
        np.broadcast_to(kind.flow(u, x, unit.series, 1.0).of(kind.command), unit.horizon.steps)
        for x in corners
    ]
    return np.min(reached, axis=0), np.max(reached, axis=0)


def _blocks(steps: int, rng: np.random.Generator) -> Array:
    """Blocks of one level each; some are left to the own rule."""
    edges = np.sort(rng.integers(0, steps, rng.integers(1, MOST_BLOCKS)))
    levels = _biased(len(edges) + 1, rng)
    levels[rng.random(len(levels)) < 0.15] = np.nan
    return levels[np.searchsorted(edges, np.arange(steps), side="right")]


def _level(steps: int, rng: np.random.Generator) -> Array:
    """One level throughout."""
    return np.full(steps, rng.random())


def _window(steps: int, rng: np.random.Generator) -> Array:
    """One level within a window, another one outside."""
    first, last = np.sort(rng.integers(0, steps + 1, 2))
    inside, outside = _biased(2, rng)
    levels = np.full(steps, outside)
    levels[first:last] = inside
    return levels


def _single(steps: int, rng: np.random.Generator) -> Array:
    """A level for each step."""
    return _biased(steps, rng)


def _biased(size: int, rng: np.random.Generator) -> Array:
    """Levels from 0 to 1, the two ends more often than what lies between."""
    return np.clip(rng.uniform(-0.5, 1.5, size), 0.0, 1.0)


_PATTERNS = (_blocks, _level, _window, _blocks, _single, _window)

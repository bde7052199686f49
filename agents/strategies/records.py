"""What the agents' process leaves in the tables of the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from quartier.agents.neighbourhood import Outcome
from quartier.agents.society import Society
from quartier.problem import Problem
from quartier.quantities import Array

Row = Mapping[str, Any]


def collect(problem: Problem, agents: Society) -> dict[str, Sequence[Row] | Mapping[str, Any]]:
    """Rows or columns by table, without the column ``gate``."""
    outcomes = [o for n in agents.neighbourhoods.values() for o in n.outcomes]
    tables: dict[str, Sequence[Row] | Mapping[str, Any]] = {
        "redispatch": list(_redispatch(agents)),
        "signals": list(_before(problem, agents)),
        "solves": list(_solves(agents)),
        "negotiations": [_negotiation(o, agents) for o in outcomes],
        "traces": [row for o in outcomes for row in _trace(o)],
        "plans": _plans(problem, agents),
    }
    if agents.medium.keep:
        tables["messages"] = agents.medium.rows
    return {name: rows for name, rows in tables.items() if rows}


def _redispatch(agents: Society) -> Iterator[Row]:
    for step in agents.dso.history:
        for row in step.result.rows:
            yield {**row, "round": step.number}


def _before(problem: Problem, agents: Society) -> Iterator[Row]:
    """Congestion with everything offered, per step: what the KPIs call "before" (M12)."""
    if not agents.dso.history:
        return
    before = agents.dso.history[0].result.before_violations
    for name, unit, values in (
        ("overloads_offered", "1", before.overloads.astype(float)),
        ("overload_energy_offered", "MWh", before.overload_mwh),
        ("voltage_violations_offered", "1", before.voltages.astype(float)),
    ):
        yield from _series(problem, name, unit, values)


def _series(problem: Problem, name: str, unit: str, values: Array) -> Iterator[Row]:
    for time, value in zip(problem.horizon.times, values, strict=True):
        yield {"time": time, "name": name, "value": float(value), "unit": unit}


def _solves(agents: Society) -> Iterator[Row]:
    for step in agents.dso.history:
        yield {
            "problem": f"redispatch-{step.number}",
            "status": "unsolved" if step.result.unsolved.any() else "optimal",
            "objective": step.result.cost_eur,
            "wall_s": step.wall_s,
        }


def _negotiation(outcome: Outcome, agents: Society) -> Row:
    traffic = agents.medium.traffic[outcome.negotiation]
    return {
        "round": outcome.negotiation.round,
        "neighbourhood": outcome.negotiation.neighbourhood,
        "mechanism": "cohda",
        "agents": outcome.agents,
        "messages": traffic.messages,
        "bytes": traffic.payload_bytes,
        "sim_time_s": outcome.ended_s - outcome.started_s,
        "wall_s": outcome.wall_s,
        "objective": outcome.objective_eur,
        "agreed": outcome.agreed,
    }


def _trace(outcome: Outcome) -> Iterator[Row]:
    for sim_time_s, objective in outcome.trace:
        yield {
            "round": outcome.negotiation.round,
            "neighbourhood": outcome.negotiation.neighbourhood,
            "sim_time_s": sim_time_s,
            "objective": objective,
        }


def _plans(problem: Problem, agents: Society) -> dict[str, Array | list[str]]:
    """Power that every unit's agent committed to, by round, with nothing curtailed (columns)."""
    times = problem.horizon.times
    blocks = [
        (number, unit, p_kw)
        for group in agents.units.values()
        for agent in group.values()
        for number, option, _ in agent.history
        for unit, p_kw in option.carried_out.unit_p_kw.items()
    ]
    if not blocks:
        return {}
    return {
        "round": np.repeat([number for number, _, _ in blocks], len(times)),
        "time": np.tile(times.to_numpy(), len(blocks)),
        "unit": np.repeat([unit for _, unit, _ in blocks], len(times)),
        "p_kw": np.concatenate([p_kw for _, _, p_kw in blocks]),
    }

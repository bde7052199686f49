"""What the agents' process leaves in the tables of the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from quartier.agents.caller import Outcome
from quartier.agents.society import Society
from quartier.planning import (
    Row,
    before_rows,
    plan_columns,
    redispatch_rows,
    shiftable_rows,
    solve_rows,
)
from quartier.problem import Problem
from quartier.quantities import Array

Records: TypeAlias = dict[str, Sequence[Row] | Mapping[str, Any]]
"""Rows or columns by table, without the column ``gate``."""


def collect(problem: Problem, agents: Society, mechanism: str) -> Records:
    """What the agents of a gate leave in the tables, whatever they negotiated about."""
    history = [] if agents.dso is None else agents.dso.history
    outcomes = [o for n in agents.speakers.values() for o in n.outcomes]
    tables: Records = {
        "redispatch": list(redispatch_rows(history)),
        "signals": [*before_rows(problem, history), *_shiftable(problem, agents)],
        "solves": list(solve_rows(history)),
        "negotiations": [_negotiation(o, agents, mechanism) for o in outcomes],
        "traces": [row for o in outcomes for row in _trace(o)],
        "plans": _plans(problem, agents),
    }
    if agents.medium.keep:
        tables["messages"] = agents.medium.rows
    return {name: rows for name, rows in tables.items() if rows}


def _shiftable(problem: Problem, agents: Society) -> Iterator[Row]:
    for name, speaker in agents.speakers.items():
        if speaker.outcomes:
            yield from shiftable_rows(problem, name, speaker.outcomes[0].shiftable_kw)


def _negotiation(outcome: Outcome, agents: Society, mechanism: str) -> Row:
    traffic = agents.medium.traffic[outcome.negotiation]
    return {
        "round": outcome.negotiation.round,
        "neighbourhood": outcome.negotiation.neighbourhood,
        "mechanism": mechanism,
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
    blocks = [
        (number, unit, p_kw)
        for group in agents.units.values()
        for agent in group.values()
        for number, option, _ in agent.history
        for unit, p_kw in option.carried_out.unit_p_kw.items()
    ]
    return plan_columns(problem, blocks)

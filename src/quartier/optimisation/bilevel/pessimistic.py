"""The leader's worst objective over the followers' ε-optimal responses to its decision.

The linking decision is held. If no other leader's variable reacts to the followers, this is an LP:
maximise F over the ε-optimal sets, and any response that breaks a leader's constraint counts as
`inf`. Else the leader's reacting variables w (imports that balance, losses) answer the response y
with their own LP, `max_y min_w F`: a bi-level problem again, with the followers as leader. First
its least total violation is maximised, to see whether w can always mend the leader's constraints.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

from quartier.errors import InputError, SolveFailed
from quartier.optimisation.bilevel import milp
from quartier.optimisation.bilevel.lp import Lp
from quartier.optimisation.bilevel.program import Program, Row, activity
from quartier.optimisation.bilevel.reformulate import reformulate
from quartier.optimisation.bilevel.region import Region
from quartier.optimisation.bilevel.response import Response, leader_cost, response_program
from quartier.optimisation.bilevel.system import FollowerForm, System
from quartier.program import Answer
from quartier.quantities import Array

TOLERANCE = 1e-6
BIG_M = 1e5


def pessimistic_value(
    system: System, point: Array, answers: Sequence[Response], epsilon: float
) -> float:
    """Largest (minimised) leader's objective over ε-optimal responses; `inf` if one breaks a row.

    For a QP follower the set of exact optima is taken.

    Returns
    -------
    float
        `nan` if the reacting variables' problem could not be solved.

    Raises
    ------
    InputError
        If a leader's variable that reacts to the followers is integer.
    """
    return worst_response(system, point, answers, epsilon)[0]


def worst_response(
    system: System, point: Array, answers: Sequence[Response], epsilon: float
) -> tuple[float, Array | None]:
    """What :func:`pessimistic_value` says, and the responses; None where it breaks or reacts."""
    reacting = _reacting(system)
    mixed = [row for row in system.leader.rows if _touches(system, row)]
    nature = _nature(system, point, answers, epsilon, reacting)
    for row in mixed:
        if reacting.isdisjoint(row.coefs) and _can_break(nature, row):
            return inf, None
    cost, offset = leader_cost(system, point)
    if not reacting:
        found = Lp(nature).maximise(cost)
        value = found.objective + offset if found.status == "optimal" else nan
        return value, found.point
    return _worst_reaction(system, nature, reacting, cost, offset), None


def _touches(system: System, row: Row) -> bool:
    return not system.own().isdisjoint(row.coefs)


def _reacting(system: System) -> set[int]:
    """Leader's columns, not linking, that some chain of leader's rows ties to a follower's."""
    fixed = set(system.linking())
    own = system.own()
    reached = set(own)
    grown = True
    while grown:
        grown = False
        for row in system.leader.rows:
            fresh = set(row.coefs) - reached - fixed
            if fresh and not reached.isdisjoint(row.coefs):
                reached |= fresh
                grown = True
    found = reached - own
    integers = [system.leader.names[k] for k in sorted(found) if system.leader.integer[k]]
    if integers:
        raise InputError(
            [
                f"leader's variable '{integers[0]}' reacts to the followers and is integer; the "
                "pessimistic value needs reacting variables that are continuous"
            ],
            "solve(pessimistic=True)",
        )
    return found


def _nature(
    system: System,
    point: Array,
    answers: Sequence[Response],
    epsilon: float,
    reacting: set[int],
) -> Program:
    """The ε-optimal sets of the followers; all leader's columns held but the reacting ones."""
    program = response_program(system, point, answers, epsilon)
    leaders = {id(row) for row in system.leader.rows}
    program.rows = [row for row in program.rows if id(row) not in leaders]
    program.cost, program.offset = {}, 0.0
    for k in set(range(len(point))) - system.own() - reacting:
        program.lower[k] = program.upper[k] = float(point[k])
    return program


def _can_break(nature: Program, row: Row) -> bool:
    high = Lp(nature).maximise(row.coefs)
    low = Lp(nature).minimise(row.coefs)
    return _end(row, high) > row.upper or -_end(row, low, -1.0) < row.lower


def _end(row: Row, found: Answer, sign: float = 1.0) -> float:
    """Greatest `sign · row`, less what may be rounding."""
    if found.status == "unbounded":
        return inf
    if found.point is None:
        raise SolveFailed("a follower's worst response", found.status)
    value = sign * activity(row, found.point)
    return value - TOLERANCE * max(1.0, abs(value))


def _worst_reaction(
    system: System, nature: Program, reacting: set[int], cost: dict[int, float], offset: float
) -> float:
    rows = [row for row in system.leader.rows if not reacting.isdisjoint(row.coefs)]
    violation = _game(*_elastic(nature, reacting, rows))
    if violation > TOLERANCE:
        return inf
    return _game(nature, reacting, rows, cost) + offset


def _elastic(
    nature: Program, reacting: set[int], rows: Sequence[Row]
) -> tuple[Program, set[int], list[Row], dict[int, float]]:
    """Reacting LP that minimises its total violation."""
    program = nature.copy()
    columns, soft, cost = set(reacting), [], {}
    for row in rows:
        soft_row, broken = program.softened(row)
        soft.append(soft_row)
        columns |= {*broken}
        cost.update(dict.fromkeys(broken, 1.0))
    return program, columns, soft, cost


def _game(
    nature: Program, reacting: set[int], rows: Sequence[Row], cost: dict[int, float]
) -> float:
    """`max_y min_w cost`: y in `nature`, w the reacting columns under `rows`."""
    leader = nature.copy()
    leader.cost = {k: -c for k, c in cost.items()}
    own = {k: c for k, c in cost.items() if k in reacting}
    form = FollowerForm.of("reaction", sorted(reacting), rows, own, {}, {}, size=len(leader))
    region = Region(System(leader, {}, (form,)))
    region.bound_columns()
    try:
        single = reformulate(region, "kkt", BIG_M)
    except InputError:
        return nan
    found = milp.solve(single.program)
    return -found.objective if found.status == "optimal" else nan

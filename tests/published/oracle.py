"""A second way to the optimistic value of a leader's decision: plain Pyomo, nothing of ours.

Fix the leader's decision, solve each follower, keep its optimum as a constraint, optimise the
leader's objective over what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyomo.environ as pyo

from .catalogue import Built

TOLERANCE = 1e-7


def leader_variables(built: Built) -> list[pyo.Var]:
    """Variables that belong to no follower."""
    theirs = {id(v) for f in built.followers for v in f.variables()}
    every = built.model.component_data_objects(pyo.Var, descend_into=True)
    return [v for v in every if id(v) not in theirs]


def optimistic_value(built: Built, decision: Mapping[str, float]) -> float | None:
    """Leader's objective at a decision (sense as in the model), None if none is feasible."""
    m = built.model
    for variable in leader_variables(built):
        variable.fix(decision[variable.name])
    objectives = list(m.component_data_objects(pyo.Objective, active=True, descend_into=True))
    constraints = list(m.component_data_objects(pyo.Constraint, active=True, descend_into=True))
    theirs = [_one(f.block.component_data_objects(pyo.Objective)) for f in built.followers]
    (own,) = [o for o in objectives if all(o is not t for t in theirs)]
    kept = pyo.ConstraintList()
    m.add_component("kept", kept)
    for follower, objective in zip(built.followers, theirs, strict=True):
        _activate([*objectives, *constraints], [objective, *_rows(follower.block)])
        if not _solve(m):
            return None
        sign = 1 if objective.sense == pyo.minimize else -1
        best = sign * pyo.value(objective)
        kept.add(sign * objective.expr <= best + TOLERANCE * max(1.0, abs(best)))
        for constraint in kept.values():
            constraint.deactivate()
    _activate(objectives, [own])
    for constraint in [*constraints, *kept.values()]:
        constraint.activate()
    return pyo.value(own) if _solve(m) else None


def _rows(block: pyo.Block) -> list[pyo.Constraint]:
    return list(block.component_data_objects(pyo.Constraint, active=None, descend_into=True))


def _one(found: Sequence[pyo.Objective]) -> pyo.Objective:
    (only,) = list(found)
    return only


def _activate(every: Sequence[object], chosen: Sequence[object]) -> None:
    for component in every:
        component.deactivate()
    for component in chosen:
        component.activate()


def _solve(model: pyo.ConcreteModel) -> bool:
    solver = pyo.SolverFactory("appsi_highs")
    found = solver.solve(model, load_solutions=False)
    if found.solver.termination_condition != pyo.TerminationCondition.optimal:
        return False
    solver.load_vars()
    return True

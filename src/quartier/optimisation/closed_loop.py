"""Do optimiser, simulator and sampler agree on a unit? The contract of every kind (M1, a to c).

The physics of a unit is written once, but a ``min``, a ``max`` or a switch needs code of its own
where it is executed. What this module looks at is what keeps the two from drifting apart. For a
kind of your own::

    check([unit_of(KINDS["mine:Mine"], parameters, series)])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from quartier.errors import QuartierError
from quartier.optimisation import pyo
from quartier.optimisation.block import UnitTerms, add_nodes, add_units
from quartier.optimisation.compiled import Compiled
from quartier.optimisation.local_choice import GAP, LocalChoice
from quartier.optimisation.repair import netted
from quartier.problem import ConnectionTerms
from quartier.program import Highs
from quartier.quantities import Array, Horizon
from quartier.units import KINDS
from quartier.units.balance import by_node
from quartier.units.base import ELECTRICITY, UnitData, UnitKind, UnitParameters
from quartier.units.evaluate import evaluate
from quartier.units.group import Group
from quartier.units.node import Node
from quartier.units.sampling import sample
from quartier.units.schedule import Schedule

PENALTY_EUR_PER_KWH = 10.0
"""Price of heat not served."""

CONTROL_TOLERANCE_KW = 2e-5
ENERGY_TOLERANCE_KWH = 1e-4
ROW_TOLERANCE = 1e-6

Controls = Mapping[str, Mapping[str, Array]]
"""Controls by unit and name, shape ``(T,)`` each."""


class Disagreement(QuartierError):
    """Two views of a unit do not agree; the message says which, and where."""


def unit_of(
    kind: UnitKind,
    parameters: UnitParameters,
    series: Mapping[str, Array],
    start: str = "2016-07-25T00:00+01:00",
    dt_h: float = 0.25,
    nodes: Mapping[str, Node] | None = None,
    name: str = "unit",
) -> UnitData:
    """Make a unit ready for a horizon as long as its series, to look at its kind alone.

    Parameters
    ----------
    series
        What :meth:`UnitKind.requests` names, shape ``(T,)`` each.
    nodes
        Nodes by carrier; without one, units of the same carrier share a node of that name (what a
        unit pays itself apart).
    name
        Name of the unit, to tell several apart.
    """
    steps = len(next(iter(series.values()))) if series else 96
    state = dict(kind.initial(parameters))
    served = [c for c in kind.served(parameters) if c not in kind.priced]
    nodes = {c: (nodes or {}).get(c) or Node(c, c) for c in served}
    unit = UnitData(
        name=f"place.{name}",
        parameters=parameters,
        neighbourhood="place",
        agent="place",
        horizon=Horizon(pd.Timestamp(start).tz_convert("UTC"), steps, dt_h),
        nodes=nodes,
        series=dict(series),
        state=state,
        start_energy_kwh=state.get("energy_kwh", 0.0),
    )
    return kind.bounded(unit)


def check(units: Sequence[UnitData], seed: int = 1) -> None:
    """Check the units of one agent: all that must hold of a kind, on random prices.

    Parameters
    ----------
    units
        The unit to check; with it, what it needs to act at all (of a heat hub: the demand).

    Raises
    ------
    Disagreement
        At the first that does not hold.
    """
    rng = np.random.default_rng(seed)
    steps = units[0].horizon.steps
    price = 0.15 + 0.1 * np.sin(np.arange(steps) / 7.0) + 0.03 * rng.standard_normal(steps)
    price[steps // 4 : steps // 4 + 4] = -0.05
    _check_replay(units, price)
    schedules = sample(units, 50, rng, PENALTY_EUR_PER_KWH)
    for schedule in schedules:
        worst, row = violation(units, schedule)
        if worst > ROW_TOLERANCE:
            raise Disagreement(f"a sampled schedule breaks {row} of the optimiser by {worst:g}")
    _check_optimum(units, schedules, rng)


# -- (a) the simulator repeats what the optimiser planned ------------------------------------------
def _check_replay(units: Sequence[UnitData], price_eur_per_kwh: Array) -> None:
    planned = netted(units, optimal_controls(units, price_eur_per_kwh))
    done, energy = replay(units, planned)
    for unit in units:
        wanted, found = (_told(unit, x[unit.name]) for x in (planned, done))
        for name, values in wanted.items():
            _compare(f"{unit.name}.{name}", values, found[name], CONTROL_TOLERANCE_KW)
    expected = evaluate(units, planned, PENALTY_EUR_PER_KWH).energy_kwh
    for name, energy_kwh in energy.items():
        _compare(f"{name}.energy_kwh", expected[name], energy_kwh, ENERGY_TOLERANCE_KWH)


def _told(unit: UnitData, x: Mapping[str, Array]) -> Mapping[str, Array]:
    """What a plan says of a unit: its controls, or what they do where on and off can be a tie."""
    kind = KINDS[unit.kind]
    if not any(control.binary for control in kind.controls):
        return x
    flow = kind.flow(unit.parameters, x, unit.series, unit.horizon.dt_h)
    shape = unit.horizon.steps
    return {c: np.broadcast_to(flow.of(c), shape) for c in (ELECTRICITY, *kind.carriers)}


def _compare(what: str, planned: Array, done: Array, tolerance: float) -> None:
    wrong = np.flatnonzero(~(np.abs(planned - done) <= tolerance))
    if len(wrong):
        t = int(wrong[0])
        raise Disagreement(
            f"{what} in step {t}: planned {planned[t]:g}, but the simulator does {done[t]:g}"
        )


def priced_model(
    units: Sequence[UnitData], price_eur_per_kwh: Array
) -> tuple[pyo.ConcreteModel, list[UnitTerms]]:
    """All controls of the units against a price on power, as a Pyomo model."""
    model = pyo.ConcreteModel()
    parts = add_units(model, units)
    nodes = add_nodes(model, parts)
    dt_h = units[0].horizon.dt_h
    cost = sum(
        flow.cost_eur - dt_h * price_eur_per_kwh[t] * flow.p_kw
        for part in parts
        for t, flow in enumerate(part.flows)
    )
    penalty = PENALTY_EUR_PER_KWH * nodes.penalised_kwh
    model.cost_eur = pyo.Objective(expr=cost + nodes.paid_eur + penalty)
    return model, parts


def optimal_controls(units: Sequence[UnitData], price_eur_per_kwh: Array) -> Controls:
    """Controls that are cheapest against a price on power."""
    model, parts = priced_model(units, price_eur_per_kwh)
    compiled = Compiled(model)
    answer = Highs("closed loop", compiled.arrays).solve()
    if answer.status != "optimal":
        raise Disagreement(f"the optimiser ends {answer.status} without any cap or limit")

    def number(x: Any) -> float:
        return float(answer.values[compiled.index([x])[0]] if compiled.holds(x) else x)

    return {
        part.unit.name: {
            name: np.array([number(x) for x in xs]) for name, xs in part.controls.items()
        }
        for part in parts
    }


def commands_of(units: Sequence[UnitData], controls: Controls) -> dict[str, Array]:
    """Set points that stand for controls, by unit that takes any."""
    found = {}
    for unit in units:
        kind = KINDS[unit.kind]
        if kind.command:
            flow = kind.flow(unit.parameters, controls[unit.name], unit.series, unit.horizon.dt_h)
            found[unit.name] = flow.of(kind.command)
    return found


def replay(
    units: Sequence[UnitData], controls: Controls
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Step the units on the set points of controls, by the simulator's own step.

    Returns
    -------
    controls, energy_kwh
        By unit and name, shape ``(T,)``; by store, at the boundaries, shape ``(T+1,)``.
    """
    group = Group(units)
    done = group.run(commands_of(units, controls))
    energy = {}
    for unit in units:
        if KINDS[unit.kind].stores:
            start = [unit.state["energy_kwh"]]
            energy[unit.name] = np.concatenate([start, group.energy_kwh[unit.name][0]])
    return {unit: {n: v[0] for n, v in x.items()} for unit, x in done.items()}, energy


# -- (b) what is sampled is feasible for the optimiser ---------------------------------------------
def violation(units: Sequence[UnitData], schedule: Schedule) -> tuple[float, str]:
    """Greatest violation of the optimiser's rows and bounds by a schedule, and where."""
    model, parts = priced_model(units, np.zeros(units[0].horizon.steps))
    for part in parts:
        worst, control = _fill_in(model, part, schedule)
        if worst > ROW_TOLERANCE:
            return worst, control
    _fill_in_nodes(model, parts)
    return max(_violations(model), default=(0.0, ""))


def _fill_in(model: pyo.ConcreteModel, part: UnitTerms, schedule: Schedule) -> tuple[float, str]:
    """Give a unit's variables their values; return how far a fixed control is missed."""
    unit, x = part.unit.name, schedule.controls[part.unit.name]
    worst = (0.0, "")
    for name, controls in part.controls.items():
        for t, control in enumerate(controls):
            if hasattr(control, "is_expression_type"):
                control.set_value(float(x[name][t]), skip_validation=True)
            else:
                worst = max(worst, (abs(control - float(x[name][t])), f"{unit}.{name}[{t}]"))
    energy = model.component(unit.replace(".", "_")).component("energy_kwh")
    for t in energy or ():
        energy[t].set_value(float(schedule.energy_kwh[unit][t]), skip_validation=True)
    return worst


def _fill_in_nodes(model: pyo.ConcreteModel, parts: Sequence[UnitTerms]) -> None:
    by_name = {part.unit.name: part for part in parts}
    for node, members in by_node([part.unit for part in parts]):
        block = model.component(f"node_{node.name}")
        for t in block.balance:
            net_kw = sum(pyo.value(by_name[u.name].flows[t].of(node.carrier)) for u in members)
            net_kw -= 0.0 if node.demand_kw is None else float(node.demand_kw[t])
            left = node.balance(net_kw)
            for name in ("rejected_kw", "unserved_kw", "bought_kw", "sold_kw"):
                if block.component(name) is not None:
                    block.component(name)[t].set_value(float(getattr(left, name)))


def _violations(model: pyo.ConcreteModel) -> list[tuple[float, str]]:
    found = [
        (max(-row.lslack(), -row.uslack()), row.name)
        for row in model.component_data_objects(pyo.Constraint, active=True)
    ]
    for variable in model.component_data_objects(pyo.Var):
        low, high = variable.bounds
        value = variable.value
        beyond = max(
            value - high if high is not None else 0.0, low - value if low is not None else 0.0
        )
        if variable.is_binary():
            beyond = max(beyond, abs(value - round(value)))
        found.append((beyond, variable.name))
    return found


# -- (c) the optimum is never worse than the best sample -------------------------------------------
def _check_optimum(
    units: Sequence[UnitData], schedules: Sequence[Schedule], rng: np.random.Generator
) -> None:
    steps, dt_h = units[0].horizon.steps, units[0].horizon.dt_h
    residual_kw = 250.0 + 300.0 * np.sin(np.arange(steps) / 9.0) + 20.0 * rng.standard_normal(steps)
    loose_kw = np.full(steps, 150.0)
    for cap_kw in (np.inf, 300.0):
        terms = _terms(steps, dt_h, cap_kw)
        best = value(
            LocalChoice(units, terms).best(residual_kw, loose_kw), terms, residual_kw, loose_kw
        )
        sampled = min(value(s, terms, residual_kw, loose_kw) for s in schedules)
        binaries = any(c.binary for unit in units for c in KINDS[unit.kind].controls)
        if best > sampled + (GAP * abs(sampled) if binaries else 1e-6):
            raise Disagreement(
                f"with a cap of {cap_kw:g} kW the optimum costs {best:g} EUR, but a sampled "
                f"schedule only {sampled:g}"
            )


def value(
    schedule: Schedule, terms: ConnectionTerms, residual_kw: Array, curtailable_kw: Array
) -> float:
    """Cost of a schedule beside the power of all others, as an agent weighs it (M6)."""
    p_kw, loose_kw = residual_kw + schedule.p_kw, curtailable_kw + schedule.curtailable_kw
    return float(terms.cost_eur(p_kw, loose_kw)) + terms.own_eur(schedule)


def _terms(steps: int, dt_h: float, cap_kw: float) -> ConnectionTerms:
    hours = np.arange(steps) * dt_h % 24
    export = np.where(hours < 12, 0.05, 0.09)
    return ConnectionTerms(
        dt_h=dt_h,
        export_eur_per_kwh=export,
        import_eur_per_kwh=export + 0.2,
        curtailment_eur_per_kwh=0.10,
        co2_eur_per_kg=0.05,
        peak_eur_per_kw=0.0,
        penalty_eur_per_kwh=PENALTY_EUR_PER_KWH,
        p_max_kw=np.full(steps, cap_kw),
        p_min_kw=np.full(steps, -np.inf),
    )

"""One physics: optimiser, simulator and sampler agree, for every kind of unit (M1).

(a) an optimiser's schedule replayed through the simulator's step gives the same states;
(b) every schedule that an agent samples is feasible for the optimiser;
(c) the optimum is never worse than the best sampled schedule;
(d) the program of each unit is a golden LP file in ``tests/cases/lp``.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.opt import WriterFactory

from quartier.optimisation import LocalChoice
from quartier.optimisation.block import add_hubs, add_unit, add_units
from quartier.optimisation.local_choice import GAP
from quartier.optimisation.program import Program, matrix_form
from quartier.optimisation.repair import netted
from quartier.units import KINDS
from quartier.units.base import Session
from quartier.units.evaluate import evaluate
from quartier.units.heat_hub import heat_capacity_kwh, stores_heat
from quartier.units.sampling import sample
from quartier.units.step import Fleet

from . import factories

STEPS = 96
PENALTY = 10.0
CASES = Path(__file__).parents[1] / "cases" / "lp"
REWRITE = "QUARTIER_REWRITE_CASES"
"""Set this environment variable to write the golden files anew."""

VARIANTS = [
    *((kind, {}) for kind in KINDS),
    ("chp", {"ramp_kw_per_h": 150.0}),
    ("chp", {"available": False}),
    ("heat_pump", {"cop": 3.0}),
    ("battery", {"standing_loss_per_h": 0.01, "start_soc": 0.9}),
    ("battery", {"min_soc": 0.0, "max_soc": 1.0, "start_soc": 1.0}),
]
every_unit = pytest.mark.parametrize(
    ("kind", "changes"), VARIANTS, ids=[f"{k}{'-' if c else ''}{'-'.join(c)}" for k, c in VARIANTS]
)


def group_of(kind, changes):
    """The unit, and what it needs around it, all over the same horizon."""
    own = factories.unit(kind, steps=STEPS, **changes)
    others = [u for u in factories.agents_of(kind, steps=STEPS) if u.kind != kind]
    return (*others, own)


def priced_model(units, price, relax=False):
    """All controls of the units against a price on power, as a Pyomo model."""
    model = pyo.ConcreteModel()
    parts = add_units(model, units, relax)
    unserved = add_hubs(model, parts)
    dt_h = units[0].horizon.dt_h
    cost = sum(
        flow.cost_eur - dt_h * price[t] * flow.p_kw
        for part in parts
        for t, flow in enumerate(part.flows)
    )
    model.cost_eur = pyo.Objective(expr=cost + PENALTY * unserved)
    return model, parts


def optimal_controls(units, price):
    model, parts = priced_model(units, price)
    program = Program("test", matrix_form(model))
    values, outcome = program.solve()
    assert outcome.status == "optimal"

    def number(x):
        return values[program.index([x])[0]] if hasattr(x, "is_expression_type") else x

    return {
        part.unit.name: {
            name: np.array([number(x) for x in xs]) for name, xs in part.controls.items()
        }
        for part in parts
    }


def commands_of(units, controls):
    found = {}
    for unit in units:
        kind = KINDS[unit.kind]
        if kind.command:
            flow = kind.flow(unit.parameters, controls[unit.name], unit.series, unit.horizon.dt_h)
            found[unit.name] = getattr(flow, kind.command)
    return found


def replay(units, commands):
    """Step the units as the simulator does; return controls, energies and heat by step."""
    units = sorted(units, key=lambda u: KINDS[u.kind].order)
    fleets = [Fleet(u.kind, [u]) for u in units]
    capacity = sum(heat_capacity_kwh(u) for u in units)
    controls = {u.name: [] for u in units}
    energy = {u.name: [u.state["energy_kwh"]] for u in units if KINDS[u.kind].stores}
    for t in range(units[0].horizon.steps):
        heat = 0.0
        stored = sum(
            float(f.state["energy_kwh"][0])
            for f, u in zip(fleets, units, strict=True)
            if stores_heat(u)
        )
        for fleet, unit in zip(fleets, units, strict=True):
            signals = {
                "heat_missing_kw": np.array([-heat]),
                "hub_energy_kwh": np.array([stored]),
                "hub_capacity_kwh": np.array([capacity]),
                "p_others_kw": np.zeros(1),
            }
            wanted = commands.get(unit.name, np.full(STEPS, np.nan))[t : t + 1]
            result = fleet.step(t, wanted, signals)
            heat += result.heat_kw[0]
            controls[unit.name].append({n: v[0] for n, v in result.controls.items()})
            if unit.name in energy:
                energy[unit.name].append(result.energy_kwh[0])
    return controls, energy


@every_unit
def test_optimal_schedule_replayed_by_the_simulator_gives_the_same_states(kind, changes):
    units = group_of(kind, changes)
    rng = np.random.default_rng(2)
    price = 0.15 + 0.1 * np.sin(np.arange(STEPS) / 7.0) + 0.03 * rng.standard_normal(STEPS)
    price[20:24] = -0.05
    controls = netted(units, optimal_controls(units, price))
    replayed, energy = replay(units, commands_of(units, controls))
    for name, planned in controls.items():
        for control, values in planned.items():
            done = [step[control] for step in replayed[name]]
            np.testing.assert_allclose(done, values, atol=2e-5, err_msg=f"{name}.{control}")
    planned_energy = evaluate(units, controls, PENALTY).energy_kwh
    for name, values in energy.items():
        np.testing.assert_allclose(values, planned_energy[name], atol=1e-4)


@every_unit
def test_sampled_schedules_are_feasible_for_the_optimiser(kind, changes):
    units = group_of(kind, changes)
    model, parts = priced_model(units, np.zeros(STEPS))
    for schedule in sample(units, 25, np.random.default_rng(3), PENALTY):
        fill_in(parts, schedule)
        fill_in_hub(model, parts)
        assert worst_violation(model) < 1e-6


def fill_in(parts, schedule):
    for part in parts:
        x = schedule.controls[part.unit.name]
        for name, controls in part.controls.items():
            for t, control in enumerate(controls):
                if hasattr(control, "is_expression_type"):
                    control.set_value(x[name][t], skip_validation=True)
                else:
                    assert abs(control - x[name][t]) < 1e-9
        block = part.unit.name.replace(".", "_")
        if part.unit.name in schedule.energy_kwh:
            owner = next(iter(part.controls.values()))
            first = next(c for c in owner if hasattr(c, "is_expression_type"))
            energy = first.parent_block().energy_kwh
            assert first.parent_block().local_name == block
            for t in energy:
                energy[t].set_value(schedule.energy_kwh[part.unit.name][t], skip_validation=True)


def fill_in_hub(model, parts):
    hub = model.component("hub_heat")
    if hub is None:
        return
    for t in hub.balance:
        heat = sum(pyo.value(part.flows[t].heat_kw) for part in parts)
        hub.rejected_kw[t].set_value(max(heat, 0.0))
        hub.unserved_kw[t].set_value(max(-heat, 0.0))


def worst_violation(model):
    worst = 0.0
    for row in model.component_data_objects(pyo.Constraint, active=True):
        worst = max(worst, -row.lslack(), -row.uslack())
    for variable in model.component_data_objects(pyo.Var):
        low, high = variable.bounds
        worst = max(
            worst,
            variable.value - high if high is not None else 0.0,
            low - variable.value if low is not None else 0.0,
        )
        if variable.is_binary():
            worst = max(worst, abs(variable.value - round(variable.value)))
    return worst


@every_unit
@pytest.mark.parametrize("cap_kw", [np.inf, 300.0])
def test_optimum_is_never_worse_than_the_best_sample(kind, changes, cap_kw):
    units = group_of(kind, changes)
    terms = factories.terms(STEPS, p_max_kw=cap_kw, co2_eur_per_kg=0.05)
    rng = np.random.default_rng(4)
    residual = 250.0 + 300.0 * np.sin(np.arange(STEPS) / 9.0) + 20.0 * rng.standard_normal(STEPS)
    loose = np.full(STEPS, 150.0)

    def value(schedule):
        own = schedule.cost_eur + terms.co2_eur_per_kg * schedule.co2_kg
        curtailable = schedule.curtailable_kw + loose
        return float(terms.cost_eur(residual + schedule.p_kw, curtailable)) + own

    best = value(LocalChoice(units, terms).best(residual, loose))
    sampled = min(value(s) for s in sample(units, 100, np.random.default_rng(5), PENALTY))
    allowed = GAP * abs(sampled) if kind == "chp" else 1e-6
    assert best <= sampled + allowed


@pytest.mark.parametrize("kind", KINDS)
def test_program_of_each_unit_is_its_golden_file(kind):
    text = lp_text(kind)
    path = CASES / f"{kind}.lp"
    if os.environ.get(REWRITE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path.name} is missing; write it with {REWRITE}=1"
    assert text == path.read_text(), f"{path.name} differs; if that is meant, use {REWRITE}=1"


def lp_text(kind):
    unit = factories.unit(kind, steps=6, dt_h=0.5, **SHOWN.get(kind, {}))
    unit = factories.rounded(replace(unit, **DATA.get(kind, {})))
    model = pyo.ConcreteModel(name=kind)
    model.unit = pyo.Block()
    part = add_unit(model.unit, unit)
    cost = sum(flow.cost_eur - 0.5 * (0.1 * flow.p_kw + 0.05 * flow.heat_kw) for flow in part.flows)
    model.cost_eur = pyo.Objective(expr=cost)
    stream = io.StringIO()
    WriterFactory("lp").write(model, stream, symbolic_solver_labels=True)
    return stream.getvalue()


SHOWN = {
    "chp": {"ramp_kw_per_h": 100.0},
    "heat_pump": {"cop": 3.0},
    "battery": {"standing_loss_per_h": 0.01},
}
"""Parameters that show every row of a unit in its file."""

DATA = {
    "pv": {"series": {"available_kw": np.array([0.0, 10.0, 200.0, 450.0, 300.0, 5.0])}},
    "ev_station": {"sessions": (Session(1, 3, 8.0, 11.0), Session(4, 6, 15.0, 22.0))},
}
"""Series and sessions that show something."""


def test_every_golden_file_has_its_kind():
    assert {path.stem for path in CASES.glob("*.lp")} == set(KINDS)

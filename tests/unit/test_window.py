"""A program moved on to another window is the one that is built anew, number by number."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from pyomo.environ import value

from quartier.errors import SolveFailed
from quartier.optimisation import NeighbourhoodModel
from quartier.optimisation.affine import Affine
from quartier.problem import NeighbourhoodProblem
from quartier.units import KINDS
from quartier.units.base import GAS, HEAT
from quartier.units.node import Node, Tariff

from . import factories

STEPS, EVERY, RUN = 32, 12, 80
STATES = (
    {"energy_kwh": 600.0, "on": 1.0, "p_kw": 90.0, "hours": 0.5},
    {"energy_kwh": 150.0, "on": 0.0, "p_kw": 0.0, "hours": 0.25},
    {},
)
"""States that no plan before led to."""


def problem_at(first, units, terms=None, steps=STEPS, **state):
    """What is asked at a step of a run."""
    parts = tuple(
        u.window(first, steps, {name: state.get(name, v) for name, v in u.state.items()})
        for u in units
    )
    terms = terms or factories.terms(parts[0].horizon.steps)
    return NeighbourhoodProblem("place", 1, parts[0].horizon, parts, terms, 0.1)


def prices(k):
    """No two steps alike: where they are, one may as well charge in either."""
    apart = 1e-3 * np.random.default_rng(k).random(STEPS)
    return factories.terms(
        STEPS,
        import_eur_per_kwh=0.3 + 0.1 * k + apart,
        co2_eur_per_kg=0.1 * k,
        p_max_kw=300.0 + k,
    )


def numbers(model):
    arrays = model._assembly.arrays_under(model._assembly.terms)
    words = ("quadratic", "names")
    found = {f.name: getattr(arrays, f.name) for f in fields(arrays) if f.name not in words}
    return {**found, "matrix": arrays.matrix.toarray()}


def assert_like_anew(model, problem):
    anew = NeighbourhoodModel(problem)
    for name, wanted in numbers(anew).items():
        np.testing.assert_allclose(numbers(model)[name], wanted, rtol=1e-12, atol=1e-12)
    assert_same_plan(model.solve(), anew.solve())


def assert_same_plan(one, other):
    assert one.cost_eur == pytest.approx(other.cost_eur, rel=1e-12)
    np.testing.assert_allclose(one.p_kw, other.p_kw, atol=1e-9)


def is_in_place(model):
    return model._assembly._is_moved


def moved(units):
    """The model of units at one window after the other, each checked against one made anew."""
    model = NeighbourhoodModel(problem_at(0, units))
    for k, state in enumerate(STATES, start=1):
        problem = problem_at(k * EVERY, units, prices(k), **state)
        model.move(problem)
        assert_like_anew(model, problem)
        yield model


BY_DAY = ("solar_thermal",)
"""Kinds that have a choice by day only."""


@pytest.mark.parametrize("kind", [k for k in KINDS if not KINDS[k].sessions and k not in BY_DAY])
def test_every_kind_moves_in_place(kind):
    for model in moved(factories.agents_of(kind, steps=RUN)):
        assert is_in_place(model)


def test_stores_whose_end_has_a_worth_move_in_place():
    units = tuple(
        replace(u, end_eur_per_kwh=0.15)
        for kind in ("battery", "thermal_storage")
        for u in factories.agents_of(kind, steps=RUN)
    )
    for model in moved(units):
        assert is_in_place(model)
        solution = model.solve()
        assert solution.cost_eur == pytest.approx(solution.objective_eur, abs=1e-6)


def test_nodes_with_demand_and_tariffs_move_in_place():
    tariff = Tariff(np.linspace(0.03, 0.09, RUN), 700.0, 0.2)
    nodes = {
        HEAT: Node("heat", HEAT, np.linspace(10.0, 90.0, RUN), None, Tariff(np.full(RUN, 0.01))),
        GAS: Node("gas", GAS, buy=tariff),
    }
    own_price = {"fuel_eur_per_kwh": 0.0, "fuel_co2_kg_per_kwh": 0.0}
    units = tuple(
        replace(factories.unit(kind, steps=RUN, **own_price), nodes=nodes)
        for kind in ("chp", "boiler")
    )
    for model in moved(units):
        assert is_in_place(model)


def test_caps_after_a_move_are_those_of_a_program_built_anew():
    units = (factories.unit("pv", steps=RUN), factories.unit("battery", steps=RUN))
    model, problem = NeighbourhoodModel(problem_at(0, units)), problem_at(EVERY, units)
    model.move(problem)
    capped = factories.terms(STEPS, p_max_kw=40.0)
    model.update(capped)
    anew = NeighbourhoodModel(replace(problem, terms=capped))
    assert_same_plan(model.solve(), anew.solve())


OTHERS = {
    "vehicles": (("ev_station", "battery"), problem_at, {}),
    "the sun": (("solar_thermal", "heat_demand"), problem_at, {}),
    "the end of the run": (("battery",), problem_at, {"steps": 20}),
    "the end of the run without a choice": (("pv",), problem_at, {"steps": 20}),
    "a price on the peak": (
        ("battery",),
        problem_at,
        {"terms": factories.terms(STEPS, peak_eur_per_kw=4.0)},
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_columns_or_rows_are_built_anew(name):
    kinds, at, what = OTHERS[name]
    units = tuple(factories.unit(kind, steps=RUN) for kind in kinds)
    model, problem = NeighbourhoodModel(problem_at(0, units)), at(EVERY, units, **what)
    model.move(problem)
    assert not is_in_place(model)
    assert_like_anew(model, problem)


def test_a_unit_that_breaks_down_is_built_anew():
    units = factories.heat_hub("chp", "boiler", steps=RUN)
    model = NeighbourhoodModel(problem_at(0, units))
    demand, chp, boiler = units
    broken = chp.parameters.model_copy(update={"available": False})
    problem = problem_at(EVERY, (demand, replace(chp, parameters=broken), boiler))
    model.move(problem)
    assert not is_in_place(model)
    assert_like_anew(model, problem)


def test_what_is_declared_is_declared_anew_after_a_move():
    units = (factories.unit("battery", steps=RUN),)
    model, problem = NeighbourhoodModel(problem_at(0, units)), problem_at(EVERY, units)
    model.move(problem_at(EVERY, units, energy_kwh=300.0))
    balance = model.declared(problem.terms).component("place_battery").energy[1]
    energy = model._assembly.declared.model.component("place_battery").energy_kwh[1]
    energy.value = 300.0
    for control in ("charge_kw", "discharge_kw"):
        model._assembly.declared.model.component("place_battery").component(control)[0].value = 0.0
    assert value(balance.body) == pytest.approx(0.0)


def test_a_window_that_no_choice_can_serve_names_the_neighbourhood():
    """A CHP at 10 MW that may only fall by 10 kW an hour."""
    chp = factories.unit("chp", steps=RUN, ramp_kw_per_h=10.0)
    model = NeighbourhoodModel(problem_at(0, (chp,)))
    model.move(problem_at(EVERY, (chp,), on=1.0, p_kw=1e4, hours=9.0))
    with pytest.raises(SolveFailed, match="neighbourhood place"):
        model.solve()


def test_affine_functions_keep_their_columns():
    x, y = Affine(factors={0: 1.0}), Affine(factors={1: 1.0})
    body = 3.0 - (np.float64(2.0) * x - y / 4 + sum([x, y, 1]))
    assert body == Affine(2.0, {0: -3.0, 1: -0.75})

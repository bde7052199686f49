"""The optimisation's value is the value that everybody else computes; its updates are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartier.centralised.member import Member
from quartier.errors import SolveFailed
from quartier.optimisation import LocalChoice, NeighbourhoodModel
from quartier.optimisation.block import add_unit, add_units
from quartier.optimisation.compiled import Compiled
from quartier.optimisation.connection import add_connection
from quartier.optimisation.declared import Declared
from quartier.optimisation.local_choice import GAP
from quartier.problem import NeighbourhoodProblem, Supply
from quartier.program import Highs
from quartier.units import KINDS

from . import factories

STEPS = 64


def neighbourhood(terms, *more, steps=STEPS):
    units = (
        factories.unit("pv", steps=steps),
        factories.unit("wind", steps=steps, seed=2),
        factories.unit("battery", steps=steps),
        *(factories.unit("household", f"place.h{i}", steps=steps, seed=i) for i in range(30)),
        *(factories.unit("ev_station", f"place.ev{i}", steps=steps, seed=i) for i in range(5)),
        *factories.heat_hub("chp", "thermal_storage", "boiler", steps=steps),
        *more,
    )
    return NeighbourhoodProblem("place", 1, units[0].horizon, units, terms, 0.1)


TERMS = {
    "plain": {},
    "capped": {"p_max_kw": 500.0},
    "capped both ways": {"p_max_kw": 400.0, "p_min_kw": -50.0},
    "forced to draw": {"p_max_kw": -20.0},
    "peak": {"peak_eur_per_kw": 4.0},
    "dear export": {"export_eur_per_kwh": -0.3, "import_eur_per_kwh": 0.1},
    "emissions": {"co2_eur_per_kg": 0.3, "p_max_kw": 700.0},
}


@pytest.mark.parametrize("relax", [True, False], ids=["relaxed", "binary"])
@pytest.mark.parametrize("name", TERMS)
def test_objective_is_the_value_of_the_schedules(name, relax):
    terms = factories.terms(STEPS, **TERMS[name])
    solution = NeighbourhoodModel(neighbourhood(terms), relax).solve()
    every = solution.schedules.values()
    full = sum(s.p_kw for s in every)
    loose = sum(s.curtailable_kw for s in every)
    own = sum(s.cost_eur + terms.co2_eur_per_kg * s.co2_kg for s in every)
    value = float(terms.cost_eur(full, loose)) + own
    assert solution.status == "optimal"
    assert solution.repairs == 0
    assert solution.objective_eur == pytest.approx(value, rel=1e-6, abs=1e-6)
    assert solution.cost_eur == pytest.approx(value, rel=1e-12)
    assert solution.bound_eur <= solution.objective_eur + 1e-6
    assert solution.gap <= 1e-4 + 1e-9


def test_curtailment_of_a_solution_is_shared_pro_rata_and_keeps_the_cap():
    terms = factories.terms(STEPS, p_max_kw=500.0)
    problem = neighbourhood(terms)
    solution = NeighbourhoodModel(problem).solve()
    assert terms.excess_kw(solution.p_kw).max() < 1e-6
    available = {u.name: u.series["available_kw"] for u in problem.units if "pv" in u.name}
    wind = next(u for u in problem.units if u.kind == "wind").series["available_kw"]
    pv = available["place.pv"]
    share = solution.curtailed_kw["place.wind"] / wind
    both = pv > 0
    np.testing.assert_allclose(solution.curtailed_kw["place.pv"][both], (share * pv)[both])
    total = sum(s.p_kw for s in solution.schedules.values())
    np.testing.assert_allclose(solution.p_kw, total - sum(solution.curtailed_kw.values()))


def test_relaxation_bounds_the_binary_problem():
    problem = neighbourhood(factories.terms(STEPS, p_max_kw=600.0))
    relaxed = NeighbourhoodModel(problem, relax_binaries=True).solve()
    binary = NeighbourhoodModel(problem).solve()
    assert relaxed.objective_eur <= binary.objective_eur + 1e-6
    assert binary.bound_eur >= relaxed.objective_eur - 1e-6


DEARER = np.linspace(0.2, 0.5, STEPS)
PRICES = {
    "import and export": {"import_eur_per_kwh": DEARER, "export_eur_per_kwh": DEARER - 0.15},
    "emissions": {"co2_eur_per_kg": 0.5},
    "curtailment": {"curtailment_eur_per_kwh": 0.02, "export_eur_per_kwh": -0.1},
    "penalty": {"penalty_eur_per_kwh": 3.0, "p_max_kw": 300.0},
    "peak": {"peak_eur_per_kw": 2.0},
    "all": {
        "import_eur_per_kwh": DEARER,
        "co2_eur_per_kg": 0.2,
        "curtailment_eur_per_kwh": 0.04,
        "penalty_eur_per_kwh": 5.0,
        "peak_eur_per_kw": 3.0,
    },
}


@pytest.mark.parametrize("peak", [0.0, 1.0])
@pytest.mark.parametrize("name", PRICES)
def test_new_prices_in_place_are_those_of_a_model_built_anew(name, peak):
    terms = factories.terms(STEPS, peak_eur_per_kw=peak)
    other = replace(factories.terms(STEPS, **PRICES[name]), peak_eur_per_kw=3 * peak)
    units = neighbourhood(terms).units
    before, anew = (Declared("place", units, t) for t in (terms, other))
    arrays = [one.compile().arrays for one in (before, anew)]
    assert before.fits(other)
    cost, constant = before.cost(other)
    by_name = [
        dict(zip((v.name for v in one.compiled._variables), values, strict=True))
        for one, values in ((before, cost), (anew, arrays[1].cost))
    ]
    assert by_name[0] == pytest.approx(by_name[1], rel=1e-12, abs=1e-15)
    assert constant == pytest.approx(arrays[1].offset, rel=1e-12)


def test_new_prices_of_a_tidied_program_are_those_of_one_built_anew():
    """What is fixed has left the columns, and costs what it costs all the same."""
    other = factories.terms(STEPS, **PRICES["import and export"], co2_eur_per_kg=0.3)
    members = [
        Member(neighbourhood(terms), convex=True) for terms in (factories.terms(STEPS), other)
    ]
    cost, constant = members[0].declared.cost(other)
    assert cost == pytest.approx(members[1].arrays.cost, rel=1e-12, abs=1e-15)
    assert constant == pytest.approx(members[1].arrays.offset, rel=1e-12)


def test_the_first_price_on_a_peak_is_a_program_of_its_own():
    terms = factories.terms(STEPS)
    model = NeighbourhoodModel(neighbourhood(terms))
    other = factories.terms(STEPS, peak_eur_per_kw=4.0)
    model.update(other)
    anew = NeighbourhoodModel(neighbourhood(other)).solve()
    assert model.solve().objective_eur == pytest.approx(anew.objective_eur, rel=2e-4)


def test_new_prices_ask_pyomo_for_nothing(monkeypatch):
    """Once compiled, numbers change inside the solver only."""
    model = NeighbourhoodModel(neighbourhood(factories.terms(STEPS)))
    model.solve()
    model.update(factories.terms(STEPS, co2_eur_per_kg=0.1))  # compiles what else there is, once
    for name in ("Declared", "MixedProgram"):
        monkeypatch.setattr(f"quartier.optimisation.assembly.{name}", None)
    monkeypatch.setattr("quartier.optimisation.compiled.pyo", None)
    for changes in PRICES.values():
        model.update(replace(factories.terms(STEPS, **changes), peak_eur_per_kw=0.0))
        model.solve()


@pytest.mark.parametrize("changes", [{"p_max_kw": 350.0}, *PRICES.values()])
def test_updated_model_equals_one_built_anew(changes):
    terms = factories.terms(STEPS)
    other = factories.terms(STEPS, **changes)
    model = NeighbourhoodModel(neighbourhood(terms))
    model.solve()
    model.update(other)
    anew = NeighbourhoodModel(neighbourhood(other)).solve()
    assert model.solve().objective_eur == pytest.approx(anew.objective_eur, rel=2e-4)


prices = st.floats(-0.3, 0.6)
powers = st.lists(st.floats(-900, 900), min_size=6, max_size=6).map(np.array)
feeding = st.lists(st.floats(100, 900), min_size=6, max_size=6).map(np.array)


@settings(max_examples=60)
@given(
    st.one_of(powers, feeding),
    powers,
    st.tuples(st.lists(prices, min_size=6, max_size=6).map(np.array), prices),
    st.floats(-300, 700),
    st.sampled_from([-np.inf, -400.0]),
    st.sampled_from([0.0, 0.02, 0.2, 2.0]),
)
def test_connection_block_is_the_cost_function(p_kw, loose_kw, pair, p_max, p_min, peak):
    export, dear = np.minimum(*pair), np.maximum(*pair)
    # With a price on the peak, importing so as to curtail has to cost: else the cost function is
    # no minimum.
    terms = factories.terms(
        6,
        export_eur_per_kwh=export,
        import_eur_per_kwh=np.maximum(dear, -0.1) if peak else dear,
        p_max_kw=p_max,
        p_min_kw=p_min,
        peak_eur_per_kw=peak,
    )
    loose = np.maximum(loose_kw, 0.0)
    model = pyo.ConcreteModel()
    model.connection = pyo.Block()
    add_connection(model.connection, terms, list(map(float, p_kw)), loose, list(range(6)))
    model.cost = pyo.Objective(expr=model.connection.cost_eur)
    found = Highs("connection", Compiled(model).arrays).solve()
    assert found.objective == pytest.approx(float(terms.cost_eur(p_kw, loose)), abs=1e-5)


@settings(max_examples=40)
@given(powers, powers, st.lists(st.tuples(st.floats(0, 400), st.floats(0.1, 0.5)), max_size=4))
def test_blocks_that_serve_are_in_the_connection_block(p_kw, loose_kw, own):
    """Their power joins both rows; other prices of the same blocks change numbers only."""
    power, price = np.array(own, dtype=float).reshape(-1, 2).T[:, :, None].repeat(6, axis=2)
    blocks = Supply(factories.terms(6).dt_h, price, np.zeros_like(price), power)
    terms = factories.terms(6, export_eur_per_kwh=0.05, import_eur_per_kwh=0.5)
    terms = replace(terms, served=blocks)
    loose = np.maximum(loose_kw, 0.0)
    model = pyo.ConcreteModel()
    model.connection = pyo.Block()
    add_connection(model.connection, terms, list(map(float, p_kw)), loose, list(range(6)))
    model.cost = pyo.Objective(expr=model.connection.cost_eur)
    found = Highs("connection", Compiled(model).arrays).solve()
    assert found.objective == pytest.approx(float(terms.cost_eur(p_kw, loose)), abs=1e-5)


def test_power_fed_in_at_a_loss_lowers_a_peak_that_is_worth_it():
    """Four hours at -0.50 EUR/kWh; curtailing costs 0.10, a kW of the peak 1.00 EUR.

    To lift the least power from 0 to 30 costs 0.40 EUR/kW in one step, from 30 to 50 in two; all
    three would cost more than the peak is worth.
    """
    terms = factories.terms(4, 1.0, export_eur_per_kwh=-0.5, peak_eur_per_kw=1.0)
    p_kw = np.array([100.0, 130.0, 150.0, 500.0])
    loose = np.array([100.0, 100.0, 100.0, 0.0])
    np.testing.assert_allclose(terms.curtailed_kw(p_kw, loose), [50.0, 80.0, 100.0, 0.0])
    others = np.array([p_kw, [-1.0, 130.0, 150.0, 500.0]])
    curtailed = terms.curtailed_kw(others, np.minimum(loose, np.maximum(others, 0.0)))
    np.testing.assert_allclose(curtailed[1], [0.0, 100.0, 100.0, 0.0])  # it imports: nothing gained


def test_agents_best_reply_is_as_good_as_the_optimum_leaves_room_for():
    terms = factories.terms(STEPS, p_max_kw=500.0)
    problem = neighbourhood(terms)
    optimum = NeighbourhoodModel(problem, relax_binaries=False).solve()
    total = sum(s.p_kw for s in optimum.schedules.values())
    loose = sum(s.curtailable_kw for s in optimum.schedules.values())
    for agent, units in problem.agents.items():
        if agent in {"pv", "wind"} or agent.startswith("place.h"):
            continue
        own = optimum.schedules[agent]
        reply = LocalChoice(units, terms).best(total - own.p_kw, loose - own.curtailable_kw)
        gain = reply.cost_eur - own.cost_eur
        before = float(terms.cost_eur(total, loose))
        gain += float(terms.cost_eur(total - own.p_kw + reply.p_kw, loose)) - before
        assert abs(gain) <= GAP * abs(optimum.cost_eur) + 1e-6, agent


def test_same_calls_give_the_same_schedules():
    units = factories.heat_hub("chp", "thermal_storage", "boiler", steps=STEPS)
    terms = factories.terms(STEPS, p_max_kw=300.0)
    rng = np.random.default_rng(8)
    residuals = [400.0 * rng.standard_normal(STEPS) for _ in range(4)]

    def run():
        choice = LocalChoice(units, terms)
        return [choice.best(r, np.zeros(STEPS)).p_kw for r in residuals]

    np.testing.assert_array_equal(run(), run())


def test_peak_counts_steps_in_which_the_unit_cannot_act():
    steps = 96  # vehicles come in the evening
    unit = factories.unit("ev_station", steps=steps)
    assert unit.series["plug_kw"].any()
    terms = factories.terms(steps, peak_eur_per_kw=50.0)
    residual = -8.0 * np.random.default_rng(3).random(steps)
    residual[np.flatnonzero(unit.series["plug_kw"] == 0.0)[0]] = -15.0
    others = factories.unit("household", steps=steps)
    others = replace(others, series={"load_kw": -residual})
    problem = NeighbourhoodProblem("all", 1, unit.horizon, (unit, others), terms, 0.1)
    reply = LocalChoice([unit], terms).best(residual, np.zeros(steps))
    value = float(terms.cost_eur(residual + reply.p_kw, np.zeros(steps)))
    assert value == pytest.approx(NeighbourhoodModel(problem).solve().objective_eur, abs=1e-6)


def test_a_peak_without_a_step_to_act_in_is_no_unbounded_program():
    unit = factories.unit("ev_station", steps=STEPS)
    assert not unit.series["plug_kw"].any()
    schedule = LocalChoice([unit], factories.terms(STEPS, peak_eur_per_kw=50.0)).best(
        np.zeros(STEPS), np.zeros(STEPS)
    )
    assert not schedule.p_kw.any()


def test_full_battery_that_could_burn_energy_is_told_not_to():
    unit = factories.unit("battery", steps=12, start_soc=0.9)
    terms = factories.terms(12, p_max_kw=0.0)
    choice = LocalChoice([unit], terms)
    schedule = choice.best(np.full(12, 100.0), np.zeros(12))
    assert choice.repairs > 0
    x = schedule.controls[unit.name]
    assert np.all(np.minimum(x["charge_kw"], x["discharge_kw"]) == 0.0)
    energy = schedule.energy_kwh[unit.name]
    assert np.all(energy <= unit.series["energy_max_kwh"] + 1e-6)
    idle = float(terms.cost_eur(np.full(12, 100.0), np.zeros(12)))
    cost = float(terms.cost_eur(100.0 + schedule.p_kw, np.zeros(12))) + schedule.cost_eur
    assert cost <= idle + 1e-6
    repairs = choice.repairs
    again = choice.best(np.full(12, 100.0), np.zeros(12))
    np.testing.assert_allclose(again.p_kw.sum(), schedule.p_kw.sum(), atol=1e-6)
    assert choice.repairs > repairs  # what was closed had been opened again


def test_units_without_choice_have_their_one_schedule():
    units = (factories.unit("household", steps=STEPS), factories.unit("pv", steps=STEPS))
    schedule = LocalChoice(units, factories.terms(STEPS)).best(np.zeros(STEPS), np.zeros(STEPS))
    expected = units[1].series["available_kw"] - units[0].series["load_kw"]
    np.testing.assert_allclose(schedule.p_kw, expected)


def test_state_that_breaks_every_schedule_is_named():
    unit = factories.unit("chp", steps=8, min_up_h=2.0, ramp_kw_per_h=10.0)
    broken = replace(unit, state={"on": 1.0, "p_kw": 400.0, "hours": 0.25})
    with pytest.raises(SolveFailed, match=r"local choice of heat: infeasible"):
        LocalChoice([broken], factories.terms(8)).best(np.zeros(8), np.zeros(8))


def test_row_without_variables_is_checked():
    unit = factories.unit("chp", steps=8, available=False, ramp_kw_per_h=10.0)
    running = replace(unit, state={"on": 1.0, "p_kw": 100.0, "hours": 9.0})
    model = pyo.ConcreteModel()
    with pytest.raises(SolveFailed, match=r"place\.chp: infeasible"):
        add_unit(model, running)


def test_heat_is_not_thrown_away_to_spare_a_curtailment():
    """A heat pump makes what its hub needs, however much wind is curtailed meanwhile."""
    units = factories.heat_hub("heat_pump", "thermal_storage", steps=STEPS)
    plenty = np.full(STEPS, 5000.0)
    reply = LocalChoice(units, factories.terms(STEPS, p_max_kw=0.0)).best(plenty, plenty)
    heat_kw = sum(
        KINDS[u.kind].flow(u.parameters, reply.controls.get(u.name, {}), u.series, 0.25).heat_kw
        for u in units
    )
    assert np.abs(heat_kw).max() == pytest.approx(0.0, abs=1e-6)


def test_units_whose_names_differ_by_where_the_dot_is_keep_blocks_of_their_own():
    battery = factories.unit("battery")
    model = pyo.ConcreteModel()
    terms = add_units(model, [replace(battery, name=name) for name in ("a.b_c", "a_b.c")])
    assert len(terms) == 2
    assert len(list(model.component_objects(pyo.Block, descend_into=False))) == 2

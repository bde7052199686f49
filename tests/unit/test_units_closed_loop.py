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
from pydantic import PositiveFloat
from pyomo.opt import WriterFactory

from quartier.optimisation import LocalChoice
from quartier.optimisation.block import add_unit
from quartier.optimisation.closed_loop import (
    Disagreement,
    check,
    optimal_controls,
    replay,
    value,
    violation,
)
from quartier.optimisation.local_choice import GAP
from quartier.optimisation.repair import netted
from quartier.units import KINDS
from quartier.units.base import SeriesRequest, Source
from quartier.units.battery import Battery, BatteryParameters
from quartier.units.evaluate import evaluate
from quartier.units.sampling import sample
from quartier.units.stays import Session

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
    ("chp", {"hydrogen_share": 0.07}),
    ("boiler", {"hydrogen_share": 0.07}),
    ("heat_pump", {"cop": 3.0}),
    ("battery", {"standing_loss_per_h": 0.01, "start_soc": 0.9}),
    ("battery", {"min_soc": 0.0, "max_soc": 1.0, "start_soc": 1.0}),
    ("fuel_cell", {"thermal_efficiency": 0.0}),
    ("ev_fleet", {"standing_loss_per_h": 0.01, "v2g_kw": 0.0}),
    ("flexible_demand", {"band_kwh": 0.0}),
    ("flexible_demand", {"power_kw": 30.0}),
]
every_unit = pytest.mark.parametrize(
    ("kind", "changes"), VARIANTS, ids=[f"{k}{'-' if c else ''}{'-'.join(c)}" for k, c in VARIANTS]
)


def group_of(kind, changes):
    """The unit, and what it needs around it, all over the same horizon."""
    own = factories.unit(kind, steps=STEPS, **changes)
    others = [u for u in factories.agents_of(kind, changes, steps=STEPS) if u.kind != kind]
    return (*others, own)


@every_unit
def test_optimal_schedule_replayed_by_the_simulator_gives_the_same_states(kind, changes):
    units = group_of(kind, changes)
    rng = np.random.default_rng(2)
    price = 0.15 + 0.1 * np.sin(np.arange(STEPS) / 7.0) + 0.03 * rng.standard_normal(STEPS)
    price[20:24] = -0.05
    controls = netted(units, optimal_controls(units, price))
    replayed, energy = replay(units, controls)
    for name, planned in controls.items():
        for control, values in planned.items():
            done = replayed[name][control]
            np.testing.assert_allclose(done, values, atol=2e-5, err_msg=f"{name}.{control}")
    planned_energy = evaluate(units, controls, PENALTY).energy_kwh
    for name, values in energy.items():
        np.testing.assert_allclose(values, planned_energy[name], atol=1e-4)


@every_unit
def test_sampled_schedules_are_feasible_for_the_optimiser(kind, changes):
    units = group_of(kind, changes)
    for schedule in sample(units, 25, np.random.default_rng(3), PENALTY):
        worst, row = violation(units, schedule)
        assert worst < 1e-6, row


@every_unit
@pytest.mark.parametrize("cap_kw", [np.inf, 300.0])
def test_optimum_is_never_worse_than_the_best_sample(kind, changes, cap_kw):
    units = group_of(kind, changes)
    terms = factories.terms(STEPS, p_max_kw=cap_kw, co2_eur_per_kg=0.05)
    rng = np.random.default_rng(4)
    residual = 250.0 + 300.0 * np.sin(np.arange(STEPS) / 9.0) + 20.0 * rng.standard_normal(STEPS)
    loose = np.full(STEPS, 150.0)
    best = value(LocalChoice(units, terms).best(residual, loose), terms, residual, loose)
    sampled = min(
        value(schedule, terms, residual, loose)
        for schedule in sample(units, 100, np.random.default_rng(5), PENALTY)
    )
    allowed = GAP * abs(sampled) if kind == "chp" else 1e-6
    assert best <= sampled + allowed


@every_unit
def test_check_for_users_finds_nothing_in_our_kinds(kind, changes):
    check(group_of(kind, changes))


class LossyParameters(BatteryParameters):
    """A shipped kind would say ``Literal["lossy"]``."""

    kind: str
    loss_eur_per_kwh: PositiveFloat
    profile: Source


class Lossy(Battery):
    """A kind that nobody has heard of."""

    Parameters = LossyParameters

    def requests(self, u):
        return {"given_kw": SeriesRequest(u.profile, "kW", factor=u.power_kw, rated_kw=u.power_kw)}


def test_a_new_kind_needs_one_entry_and_its_fixtures_are_made_from_its_parameters(monkeypatch):
    monkeypatch.setitem(KINDS, "lossy", Lossy())
    unit = factories.unit("lossy", steps=STEPS)
    assert unit.parameters.loss_eur_per_kwh > 0
    assert unit.series["given_kw"].shape == (STEPS,)
    check(group_of("lossy", {}))
    assert "charge_kw" in lp_text("lossy")


class Sloppy(Battery):
    """Claims to lose nothing where it is executed."""

    def execute(self, u, state, s, set_point_kw, dt_h):
        return {**super().execute(u, state, s, set_point_kw, dt_h), **self.wrong(set_point_kw)}

    def wrong(self, set_point_kw):
        return {"charge_kw": np.maximum(-set_point_kw, 0.0) + 0.01}


class Greedy(Battery):
    """Promises the optimiser less power than it has."""

    def bounds(self, u, s):
        return {"charge_kw": (0.0, 0.5 * u.power_kw), "discharge_kw": (0.0, u.power_kw)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(Sloppy(), "charge_kw in step .*the simulator does"), (Greedy(), "breaks unit|breaks place")],
)
def test_check_finds_a_kind_whose_execution_differs_from_its_model(monkeypatch, wrong, message):
    units = group_of("battery", {})
    monkeypatch.setitem(KINDS, "battery", wrong)
    with pytest.raises(Disagreement, match=message):
        check(units)


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

"""Bundles in a scenario: what is refused, typical days, sizes, and the figures of M11."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from quartier.centralised.bundles.mechanisms import BilevelBundles, CentralBundles, technical_of
from quartier.centralised.bundles.offers import at_once
from quartier.errors import InputError
from quartier.instance import build
from quartier.problem import Bundling
from quartier.quantities import Horizon
from quartier.scenario.bundles_asked import TypicalSettings
from quartier.scenario.load import load
from quartier.scenario.typical_days import typical
from quartier.units.size import of_size

from .factories import horizon, unit

CASE = Path(__file__).parents[1] / "cases" / "bundles"


def asked(source=CASE, **changes):
    overrides = {name.replace("__", "."): value for name, value in changes.items()}
    instance = build(load(source, overrides))
    return instance.problem(0, 0, instance.initial_state(), whole=True)


def solved(mechanism, problem):
    """The mechanism's rows of ``solves`` by problem, once it has a design."""
    made = mechanism()
    made.design(problem)
    rows = made.plan(problem, None, np.random.default_rng(1)).records["solves"]
    return {row["problem"]: row for row in rows}


# -- the figures of M11, by the shipped scenario -------------------------------------------------
@pytest.mark.parametrize(
    ("variant", "profit"),
    [("three", 225_001), ("four", 240_941), ("five", 246_027), ("twelve-days", 222_074)],
)
def test_profit_is_that_of_the_model(variant, profit):
    """Stores that begin all days alike cost some 10 EUR of it."""
    row = solved(BilevelBundles, asked(f"bundles:{variant}"))["bilevel"]
    assert row["objective"] == pytest.approx(profit, rel=1e-4)
    assert row["gap"] <= 1e-4


def test_days_of_their_own_are_the_published_case():
    problem = asked("bundles")
    free = replace(technical_of(problem), alike=False)
    found = at_once(free, problem.asks(Bundling).offers)
    assert found.profit_eur == pytest.approx(225_001, rel=1e-5)


def test_welfare_is_what_no_profit_exceeds():
    """All groups' outside bills less the least cost of all: 258,704 EUR a year (M11)."""
    problem = asked("bundles")
    cost = solved(CentralBundles, problem)["central"]["objective"]
    outside = problem.asks(Bundling).offers.outside_eur[:, 0].sum()
    assert outside - cost == pytest.approx(258_704, rel=1e-4)


@pytest.mark.parametrize("method", ["direct", "cuts"])
@pytest.mark.parametrize(
    ("rule", "bill"), [("mandatory", 7884), ("none", 7884), ("optional", 8760)]
)
def test_what_need_not_be_offered_costs_the_operator_nothing(rule, bill, method):
    """Power alone would be sold at 0.25, below the competitor's 0.3: only `both` is offered."""
    rows = solved(BilevelBundles, asked(problem__rule=rule, problem__method=method))
    assert rows["response town"]["objective"] == pytest.approx(bill, rel=1e-6)
    assert rows["response town"]["follower_suboptimality"] <= 1e-9
    assert rows["bilevel"]["objective"] == pytest.approx(bill - 4816, abs=1e-3)


def test_a_unit_without_a_price_is_there_already():
    """One kW of boiler, four are needed: heat is not offered, for it cannot be served."""
    rows = solved(BilevelBundles, asked(problem__sizes=None))
    power = 2 * 24 * (100 * 0.1 + 265 * 0.2) + 2 * 10
    assert rows["bilevel"]["objective"] == pytest.approx(0.25 * 17_520 - power, rel=1e-6)


def test_what_is_fed_in_needs_a_connection():
    """A CHP that makes 4/3 kWh of power with each of heat: without a connection, power only."""
    changes = {
        "neighbourhoods__system__units": {
            "chp": {
                "kind": "chp",
                "p_max_kw": 1,
                "electric_efficiency": 0.4,
                "thermal_efficiency": 0.3,
            }
        },
        "problem__sizes": {"chp": {"capital_eur": 100, "life_years": 20}},
    }
    power = 0.25 * 17_520 - 17_520 / 0.4 * 0.04 - 2 * 5
    both = 0.225 * 17_520 + 0.1125 * 35_040 - 35_040 / 0.3 * 0.04 - 16 / 3 * 5 - 10 / 3 * 10
    for most, profit in ((0.0, power), (None, both)):
        rows = solved(BilevelBundles, asked(problem__connection__most=most, **changes))
        assert rows["bilevel"]["objective"] == pytest.approx(profit, rel=1e-6)


# -- what is refused -----------------------------------------------------------------------------
def problems(**changes):
    with pytest.raises(InputError) as caught:
        asked(**changes)
    return "\n".join(caught.value.problems)


def test_everything_wrong_with_offers_is_one_list():
    found = problems(
        problem__sold__heat__most_eur_per_kwh=None,
        problem__sold__hydrogen={"most_eur_per_kwh": 0.5},
        problem__bundles__gas=["hydrogen"],
        problem__bundles__again=["heat", "electricity"],
        problem__bundles__typo=["haet"],
        problem__groups__town__outside_eur_per_kwh={"electricity": 0.3},
        problem__sizes__boilr={"capital_eur": 1, "life_years": 1},
        problem__days=[365],
        signals__export_eur_per_kwh=0.05,
    )
    assert "problem.sold.heat: has no most_eur_per_kwh: prices, and with them" in found
    assert "problem.bundles.gas: no user can want it: no group needs hydrogen" in found
    assert "problem.bundles.again: no user can want it: 'both' holds the same" in found
    assert "problem.bundles.typo: haet is not sold; did you mean heat?" in found
    assert "problem.groups.town.outside_eur_per_kwh: says nothing of heat" in found
    assert "problem.sizes.boilr: there is no such unit; did you mean boiler?" in found
    assert "problem.days: says 1 days, but the horizon has 2" in found
    assert "signals.export_eur_per_kwh: is paid to nobody here" in found


def test_a_carrier_nobody_can_supply_is_named():
    found = problems(
        problem__sold__cold={"most_eur_per_kwh": 0.5},
        problem__bundles__cold=["cold"],
        problem__groups__town__needs__cold={"csv": "s.csv", "column": "heat"},
        problem__groups__town__outside_eur_per_kwh__cold=0.2,
    )
    assert "problem.sold.cold: nobody can supply cold: no unit of the system makes it" in found


def test_what_a_sized_system_cannot_have_is_named():
    found = problems(
        horizon__steps=30,
        problem__days=None,
        neighbourhoods__system__p_max_kw=10,
        neighbourhoods__system__nodes__gas__demand=3.0,
        neighbourhoods__system__units__chp={"kind": "chp", "p_max_kw": 1, "p_min_kw": 0.5},
        neighbourhoods__system__units__cars={"kind": "ev_station", "power_kw": 11},
        neighbourhoods__other={"units": {"pv": {"kind": "pv", "power_kw": 1, "profile": "pv:3"}}},
    )
    assert "horizon.steps: is 30, which is no whole number of days of 24 steps" in found
    assert "neighbourhoods: are system, other, but an operator has one system" in found
    assert "neighbourhoods.system.p_max_kw: is chosen here" in found
    assert "neighbourhoods.system.nodes.gas: may only buy here" in found
    assert "neighbourhoods.system.units.chp: switches on and off" in found
    assert "neighbourhoods.system.units.cars: a ev_station is a load that is moved" in found


def test_loads_have_no_size_and_days_no_ramp():
    """To build none of a load would cost the least; the first hour of a day has none before it."""
    units = "neighbourhoods__system__units__"
    inv = {"capital_eur": 1, "life_years": 1}
    home = {"kind": "household", "profile": {"csv": "s.csv", "column": "power", "unit": "kW"}}
    found = problems(
        **{
            f"{units}grid": {"kind": "electric_heater", "power_kw": 1, "efficiency": 0.99},
            f"{units}chp": {"kind": "chp", "p_max_kw": 1, "ramp_kw_per_h": 0.1},
            f"{units}home": home,
            f"{units}shop": home
            | {"kind": "interruptible_load", "share": 0.1, "incentive_eur_per_kwh": 0.1},
        },
        problem__sizes__home=inv,
        problem__sizes__shop=inv,
    )
    assert "units.grid: has the name that the connection has" in found
    assert "units.chp.ramp_kw_per_h: ties a day to the one before" in found
    assert "problem.sizes.home: is a load" in found
    assert "problem.sizes.shop: is a load" in found


def test_energy_of_a_series_without_any_is_refused(tmp_path):
    frame = pd.read_csv(CASE / "s.csv").assign(heat=0.0)
    frame.to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "scenario.yaml").write_text((CASE / "scenario.yaml").read_text())
    with pytest.raises(InputError, match=r"kwh_per_household.heat: cannot be shared out: heat of"):
        asked(tmp_path, problem__groups__town__kwh_per_household={"heat": 100})


def test_wrong_keys_are_named_where_they_stand():
    """The kind of the problem is a key of it, too."""
    found = problems(problem__days=[0, 365])
    assert "problem.days.0: should be greater than 0 (got 0)" in found


def test_days_that_are_no_year_are_noted():
    instance = build(load(CASE, {"problem.days": [100, 100]}))
    assert any("stand for 200 days" in note.what for note in instance.notes)


# -- typical days --------------------------------------------------------------------------------
HOURS = np.arange(60 * 24)
SEASON = {"cold": np.where(HOURS < 40 * 24, 3.0, 1.0) + 0.1 * np.sin(HOURS * np.pi / 12)}
SIXTY_DAYS = Horizon(pd.Timestamp("2022-12-31T23:00", tz="UTC"), len(HOURS), 1.0)


def test_two_seasons_are_two_typical_days_and_stand_for_all():
    found = typical(SIXTY_DAYS, TypicalSettings(count=2), [], SEASON)
    assert sorted(found.weights) == [20.0, 40.0]
    assert found.weights[np.argmax(found.days < 40)] == 40.0
    assert found.horizon.steps == 48
    assert found.of(SEASON["cold"]) @ np.repeat(found.weights, 24) == pytest.approx(
        SEASON["cold"].sum()
    )


def test_days_of_each_month_stand_for_it():
    """January has 31 days, February 28, and one is left."""
    found = typical(SIXTY_DAYS, TypicalSettings(count=1, per="month"), [], SEASON)
    assert found.weights.tolist() == [31.0, 28.0, 1.0]


def test_a_year_is_sized_by_its_typical_days(tmp_path):
    """Needs are scaled to the energy that is stated, whichever days are chosen."""
    times = pd.date_range("2016-01-01", periods=24 * 366, freq="h")
    warm = 2 + np.cos(2 * np.pi * times.dayofyear / 366)
    frame = pd.DataFrame({"time": times, "power": 2.0, "heat": warm, "price": 0.1})
    frame["time"] = frame["time"].dt.strftime("%Y-%m-%dT%H:%M+01:00")
    frame.to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "scenario.yaml").write_text((CASE / "scenario.yaml").read_text())
    problem = asked(
        tmp_path,
        horizon={"start": "2016-01-01T00:00+01:00", "steps": 24 * 365, "step_minutes": 60},
        problem__days=None,
        problem__typical={"count": 4},
        problem__groups__town__kwh_per_household={"heat": 30_000},
    )
    bundling = problem.asks(Bundling)
    assert problem.horizon.steps == 4 * 24
    assert bundling.weights.sum() == pytest.approx(365)
    assert bundling.offers.need_kwh(0, "heat") == pytest.approx(30_000)
    assert bundling.offers.need_kwh(0, "electricity") == pytest.approx(2 * 8760)
    assert solved(BilevelBundles, problem)["bilevel"]["gap"] <= 1e-6


# -- sizes ---------------------------------------------------------------------------------------
def test_many_of_a_unit_are_one_of_that_size():
    one = unit("battery", horizon(8))
    many = of_size(one, 2.5, 900.0)
    assert many.parameters.energy_kwh == 2.5 * one.parameters.energy_kwh
    assert many.parameters.power_kw == 2.5 * one.parameters.power_kw
    assert many.parameters.charge_efficiency == one.parameters.charge_efficiency
    assert many.state["energy_kwh"] == many.start_energy_kwh == 900.0
    alike = of_size(one, 2.5)
    assert alike.state["energy_kwh"] == alike.start_energy_kwh == 2.5 * one.start_energy_kwh > 0
    assert alike.parameters.start_soc == one.parameters.start_soc
    sun = of_size(unit("pv", horizon(8)), 3.0)
    assert sun.series["available_kw"] == pytest.approx(
        3 * unit("pv", horizon(8)).series["available_kw"]
    )

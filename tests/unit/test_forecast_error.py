"""Forecasts that err: as drawn, the same for the same seed, and only in plans."""

from __future__ import annotations

import numpy as np
import pytest

from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.forecast_error import ForecastErrorSettings, errors, news
from quartier.scenario.load import load

ERRING = ("forecast_error.std.pv=0.3", "forecast_error.std.wind=0.2", "horizon.steps=96")
SUMMER = "aachen:summer"


def planned(instance, first=0, name="available_kw"):
    """What is expected at a gate, by unit."""
    problem = instance.problem(0, first, instance.initial_state())
    units = [unit for one in problem.neighbourhoods for unit in one.units]
    return {unit.name: unit.series[name] for unit in units if name in unit.series}


@pytest.fixture(scope="module")
def erring():
    return build(load(SUMMER, ERRING))


def test_errors_grow_with_the_lead_time_and_hang_together():
    """AR(1): variance ``1 - φ^2k`` after k steps, correlation ``φ`` of neighbours far ahead."""
    drawn = np.array([errors(news("wind", 7, 40, seed), 0.8) for seed in range(4000)])
    assert np.all(drawn[:, 0] == 0.0)
    assert drawn.var(axis=0) == pytest.approx(1 - 0.8 ** (2 * np.arange(40)), abs=0.1)
    assert np.corrcoef(drawn[:, 38], drawn[:, 39])[0, 1] == pytest.approx(0.8, abs=0.03)
    assert drawn.mean(axis=0) == pytest.approx(np.zeros(40), abs=0.06)


def test_without_errors_plans_see_what_happens():
    instance = build(load(SUMMER, ("horizon.steps=48",)))
    happens = {unit.name: unit.series for unit in instance.units}
    for name, values in planned(instance).items():
        assert values == pytest.approx(happens[name]["available_kw"][:48])


def test_plans_see_the_forecast_and_the_run_what_happens(erring):
    happens = {unit.name: unit.series["available_kw"] for unit in erring.units if "pv" in unit.name}
    for name, sun_kw in happens.items():
        expected_kw = planned(erring)[name]
        assert expected_kw[0] == sun_kw[0]
        assert not np.allclose(expected_kw, sun_kw[:48])
        assert np.all(expected_kw[sun_kw[:48] == 0.0] == 0.0), "no sun is expected at night"
        rated_kw = next(u for u in erring.units if u.name == name).parameters.power_kw
        assert expected_kw.max() <= rated_kw
    load_kw = {unit.name: unit.series.get("load_kw") for unit in erring.units}
    for name, expected_kw in planned(erring, name="load_kw").items():
        assert np.array_equal(expected_kw, load_kw[name][:48]), "households do not err here"


def test_the_same_seed_gives_the_same_forecasts(erring):
    again, other = build(load(SUMMER, ERRING)), build(load(SUMMER, (*ERRING, "seed=2")))
    for name, values in planned(erring).items():
        assert np.array_equal(values, planned(again)[name])
        assert not np.array_equal(values, planned(other)[name])


def test_the_same_weather_errs_alike_and_a_new_gate_looks_again(erring):
    first, second = planned(erring), planned(erring, first=24)
    shares = [first[f"{name}.pv"] / first[f"{name}.pv"].max() for name in ("rural", "suburban")]
    assert shares[0] == pytest.approx(shares[1])
    assert not np.allclose(first["rural.wind"][24:], second["rural.wind"][:24])


def test_households_err_each_for_itself():
    settings = ForecastErrorSettings(std={"household": 0.1})
    instance = build(load(SUMMER, ("horizon.steps=48",)))
    homes = [unit for unit in instance.units if unit.kind == "household"]
    drawn = [
        settings.forecast(home, home.series["load_kw"], False, 0, 48, 1) / home.series["load_kw"]
        for home in homes
    ]
    assert not np.allclose(drawn[0], drawn[1])


def test_a_later_gate_knows_more_of_the_same_future():
    """``e_0(t) - e_g(t) = φ^(t-g) e_0(g)``: what is known by then is no error any more."""
    z = news("wind", 0, 60, seed=3)
    assert np.array_equal(z[20:], news("wind", 20, 40, seed=3)), "the same draws at any gate"
    early, late = errors(z, 0.9), errors(z[20:], 0.9)
    assert early[20:] - late == pytest.approx(0.9 ** np.arange(40) * early[20])


def test_a_forecast_that_is_old_errs_from_the_gate_on():
    instance = build(load(SUMMER, ("horizon.steps=48", "forecast_error.std.wind=0.1")))
    turbine = next(unit for unit in instance.units if unit.kind == "wind")
    happens = turbine.series["available_kw"]
    new, old = (
        ForecastErrorSettings(std={"wind": 0.1}, age_h=age).forecast(
            turbine, happens, True, 10, 30, 1
        )
        for age in (0.0, 6.0)
    )
    assert new[10] == happens[10] != old[10]
    assert np.array_equal(old[:10], happens[:10])


def test_the_share_that_units_have_in_common():
    instance = build(load(SUMMER, ("horizon.steps=48",)))
    homes = [unit for unit in instance.units if unit.kind == "household"][:2]

    def drawn(share):
        settings = ForecastErrorSettings(std={"household": 0.1}, common={"household": share})
        return np.array(
            [
                [
                    settings.forecast(home, np.ones(48), False, 0, 48, seed)[24] - 1.0
                    for home in homes
                ]
                for seed in range(400)
            ]
        ).T

    assert np.array_equal(*drawn(1.0))
    assert abs(np.corrcoef(drawn(0.0))[0, 1]) < 0.15 < np.corrcoef(drawn(0.5))[0, 1] < 0.75


STATION = ("horizon.steps=96", "forecast_error.arrival_h=2.0")


@pytest.fixture(scope="module")
def stations():
    instance = build(load("fliegerhorst", STATION))
    return [unit for unit in instance.units if unit.sessions], instance


def test_vehicles_come_at_another_time_than_expected(stations):
    units, instance = stations
    problem = instance.problem(0, 0, instance.initial_state())
    expected = {unit.name: unit for one in problem.neighbourhoods for unit in one.units}
    moved = 0
    for unit in units:
        for truth, stay in zip(unit.sessions, expected[unit.name].sessions, strict=True):
            assert (stay.departure, stay.due_kwh) == (truth.departure, truth.due_kwh)
            assert stay.departure - stay.arrival >= min(
                truth.departure - truth.arrival, stay.due_kwh / (unit.parameters.power_kw * 0.25)
            )
            moved += stay.arrival != truth.arrival
        assert np.all(
            expected[unit.name].series["energy_min_kwh"]
            <= 1e-9 + sum(stay.due_kwh for stay in unit.sessions)
        )
    assert moved > len(units) / 2


def test_who_is_there_is_known_and_who_is_not_does_not_come_before(stations):
    units, _ = stations
    settings = ForecastErrorSettings(arrival_h=2.0)
    for unit in units:
        for gate in (20, 60, 80):
            expected = settings.arrivals(unit, gate, 96 - gate, 1)
            for truth, stay in zip(unit.sessions, expected, strict=True):
                if truth.arrival <= gate:
                    assert stay == truth
                else:
                    assert stay.arrival > gate


def test_nobody_errs_by_nothing(stations):
    units, _ = stations
    assert ForecastErrorSettings().arrivals(units[0], 0, 96, 1) is units[0].sessions


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("forecast_error.common.pv=0.5", "does not err; add it to std"),
        ("forecast_error.hourly_correlations.pv=0.5", "does not err; add it to std"),
        ("forecast_error.common.pv=1.5", "less than or equal to 1"),
        ("forecast_error.arrival_h=-1", "greater than or equal to 0"),
        ("forecast_error.std.pv=-0.1", "greater than or equal to 0"),
        ("forecast_error.std.pvv=0.1", "did you mean pv"),
        ("forecast_error.std.battery=0.1", "no unit of this kind could be forecast"),
        ("forecast_error.hourly_correlation=1", "less than 1"),
    ],
)
def test_wrong_settings_are_refused(override, why):
    with pytest.raises(InputError, match=why):
        build(load(SUMMER, (override,)))


def test_all_wrong_settings_are_listed_at_once():
    with pytest.raises(InputError) as raised:
        load(SUMMER, ("forecast_error.std.windd=0.1", "forecast_error.hourly_correlation=2"))
    text = str(raised.value)
    assert "did you mean wind" in text and "less than 1" in text

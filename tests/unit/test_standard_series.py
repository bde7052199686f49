"""Standard series: PV, wind and load from test reference years and profiles, for any year."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from quartier.quantities import Horizon
from quartier.scenario import weather
from quartier.scenario.renewables import ROUGHNESS_M
from quartier.scenario.standard import standard
from quartier.units import KINDS

YEAR = Horizon(pd.Timestamp("2022-12-31T23:00Z"), 8760, 1.0)
"""2023 in CET."""


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory):
    """What is read was made here, with warnings as errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUARTIER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def over(source: str, horizon: Horizon = YEAR) -> np.ndarray:
    made = standard(source)
    assert made is not None
    return made.over(horizon).on(horizon, source)


def by_hour(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 24).mean(axis=0)


def centroid(values: np.ndarray) -> float:
    """Hour of the day, in CET, about which a series lies."""
    return float(np.average(np.arange(24) + 0.5, weights=by_hour(values)))


# -- PV -------------------------------------------------------------------------------------------
def test_pv_yields_what_it_does_in_germany():
    power = over("pv:5")
    assert 750 < power.sum() < 1050
    assert power.min() == 0.0
    assert power.max() < 1.0
    assert by_hour(power)[[0, 23]].tolist() == [0.0, 0.0]
    june, december = power[3624:4344], power[8016:]
    assert june.mean() > 4 * december.mean()


def test_pv_that_faces_south_lies_about_true_noon():
    """Essen, 6.97 degrees east: 12:32 CET in the mean over the year."""
    noon = 12 + 4 * (15 - weather.station(5).longitude_deg) / 60
    assert centroid(over("pv:5:30:180")) == pytest.approx(noon, abs=0.15)
    assert centroid(over("pv:5:30:90")) < noon - 0.4
    assert centroid(over("pv:5:30:270")) > noon + 0.4


def test_flat_pv_follows_the_irradiance():
    data = weather.reference_year(5, 2023)
    irradiance = (data["B"] + data["D"]).to_numpy()
    daily = [x.reshape(-1, 24).sum(axis=1) for x in (over("pv:5:0"), irradiance)]
    assert np.corrcoef(*daily)[0, 1] > 0.99


# -- wind -----------------------------------------------------------------------------------------
def test_wind_follows_the_power_curve_at_the_hub():
    """By the logarithmic law; E-82/2300 has 532 kW at 7 m/s, and all it can from 14 m/s on."""
    to_hub = np.log(108 / ROUGHNESS_M) / np.log(10 / ROUGHNESS_M)
    at_hub = weather.reference_year(5, 2023)["WG"] * to_hub
    power = over("wind:5:E-82/2300:108")
    assert power[(at_hub < 1.0).to_numpy()].max() == 0.0
    assert power[(at_hub.between(15, 20)).to_numpy()].min() == pytest.approx(1.0, abs=0.02)
    seven = power[(at_hub.between(6.9, 7.1)).to_numpy()]
    assert pytest.approx(seven.mean(), rel=0.1) == 532 / 2300


def test_wind_gets_more_with_the_height_and_stays_below_the_rating():
    low, high = over("wind:5:E-82/2300:78"), over("wind:5")
    assert 1500 < low.sum() < high.sum() < 3000
    assert high.max() <= 1.0


def test_windpowerlib_leaves_the_root_logger_alone():
    before = list(logging.getLogger().handlers)
    over("wind:6:E-82/2300:78")
    assert logging.getLogger().handlers == before


# -- prices ---------------------------------------------------------------------------------------
def test_synthetic_prices_have_the_shape_of_the_market():
    """Level, spread and hours below zero of 2023 and 2024; low at noon, dear in winter evenings."""
    price = over("synthetic:day-ahead")
    assert 78 < price.mean() < 95
    assert 30 < price.std() < 55
    assert 200 < (price < 0).sum() < 500
    assert -42.6 < price.min() < 0
    assert 200 < price.max() < 300
    summer, winter = by_hour(price[3624:5832]), by_hour(price[: 59 * 24])
    assert 11 <= summer.argmin() <= 14
    assert 17 <= winter.argmax() <= 20
    assert winter.mean() > summer.mean()


# -- load and heat --------------------------------------------------------------------------------
def test_load_has_its_energy_and_peaks_in_winter_evenings():
    load = over("bdew:H0")
    assert load.sum() == pytest.approx(1.0)
    winter = by_hour(load[: 59 * 24])
    assert 17 <= int(winter.argmax()) <= 20
    assert load[: 31 * 24].mean() > 1.2 * load[181 * 24 : 212 * 24].mean()


def test_load_follows_the_clock():
    """A Wednesday by the clock before it changes, and one after."""
    days = [
        Horizon(pd.Timestamp(f"2023-{day}T00:00", tz="Europe/Berlin"), 24, 1.0)
        for day in ("03-22", "03-29")
    ]
    before, after = (over("bdew:G0", day) for day in days)
    assert after == pytest.approx(before)


def test_households_of_bdew_have_no_reactive_power():
    kind = KINDS["household"]
    parameters = kind.Parameters(kind="household", profile="bdew:H0")
    assert set(kind.requests(parameters)) == {"load_kw"}


def test_heating_alone_rests_on_warm_days():
    with_water, alone = over("bdew:EFH:5"), over("heating:EFH:5")
    assert with_water.sum() == pytest.approx(alone.sum()) == pytest.approx(1.0)
    days = [x.reshape(-1, 24).sum(axis=1) for x in (with_water, alone)]
    assert days[0].min() > 4 * days[1].min()


def test_a_horizon_over_new_year_reads_both_years():
    turn = Horizon(pd.Timestamp("2023-12-31T20:00Z"), 6, 1.0)
    for source in ("pv:5", "wind:5", "bdew:H0"):
        assert np.isfinite(over(source, turn)).all()


@pytest.mark.parametrize("source", ["PV3", "H0-A_pload", "signal:temperature", "pv"])
def test_what_is_no_standard_series(source):
    assert standard(source) is None

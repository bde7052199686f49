"""The one checked path of every series: dimension, sign, marks of missing values, ranges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.quantities import Horizon
from quartier.scenario import checked
from quartier.scenario.record import SeriesError
from quartier.scenario.series import SeriesReader
from quartier.units.base import CsvColumn, SeriesRequest

START = pd.Timestamp("2016-05-02T00:00Z")


@pytest.fixture
def read(tmp_path):
    """Read hourly values of two days in a unit; return them and what is said."""

    def reader(values, unit, request=None, name=None, **options):
        times = pd.date_range(START, periods=48, freq="h")
        values = np.broadcast_to(values, 48)
        rows = [f"{t:%Y-%m-%dT%H:%MZ},{v}" for t, v in zip(times, values, strict=True)]
        (tmp_path / "s.csv").write_text("\n".join(["time,p", *rows]))
        source = CsvColumn(csv="s.csv", column="p", unit=unit)
        said: list[str] = []
        series = SeriesReader(tmp_path, note=lambda where, what: said.append(f"{where}: {what}"))
        asked = SeriesRequest(source, request or unit, **options)
        horizon = Horizon(START, 48, 1.0)
        if name:
            return series.series(name, asked, horizon), said
        return series.read(asked, horizon), said

    return reader


SUN = np.tile(np.clip(np.sin((np.arange(24) - 6) / 12 * np.pi), 0, None).round(4), 2)


@pytest.mark.parametrize(
    ("values", "unit", "said"),
    [
        (800 * SUN, "kW", None),
        (0.8 * SUN, "MW", None),
        (800e3 * SUN, "W", None),
        (SUN, "1", None),
        (0.0 * SUN, "kW", None),
        (1200 * SUN, "kW", "1.5 times the rated 800 kW"),
        (0.8 * SUN, "kW", "only 0.8 kW (0.1 %) of the rated 800 kW"),
        (SUN, "kW", "is it a share"),
        (0.001 * SUN, "1", "only 0.8 kW"),
        (np.where(SUN == 1, 400, 0) * (np.arange(48) == 12) / 20, "kW", "of the rated"),
    ],
)
def test_power_against_the_rated_one(read, values, unit, said):
    _, notes = read(values, unit, "kW", factor=800.0, rated_kw=800.0)
    assert len(notes) == (said is not None), notes
    assert said is None or said in notes[0]


@pytest.mark.parametrize(
    ("values", "unit", "request_unit", "problem"),
    [
        (800e3 * SUN, "kW", "kW", "1e.03 times the rated 800 kW; give its unit"),
        (100 * SUN, "1", "kW", "reaches 100, but a share .* give its unit"),
        (100 * SUN, "1", "1", "reaches 100, but a share .* divide it by p_mw"),
        (np.where(SUN == 1, -999, SUN), "1", "1", "has no value"),
        (-5.0, "1", "1", "reaches -5"),
        (283.0, "degC", "degC", "between -60 and 60 degC; if it is in K"),
        (10.0, "K", "degC", "reaches -263.15 degC"),
        (85.0, "EUR/kWh", "EUR/kWh", "typically 85 EUR/kWh.* unit: EUR/MWh"),
        (20.0, "degC", "kW", "is a temperature .degC., but a power"),
        (20.0, "kW", "EUR/kWh", "is a power .kW., but a price"),
        (20.0, "EUR/MWh", "1", "is a price .EUR/MWh., but a share"),
    ],
)
def test_what_no_honest_data_have_is_refused(read, values, unit, request_unit, problem):
    with pytest.raises(SeriesError, match=problem):
        read(values, unit, request_unit, rated_kw=800.0)


@pytest.mark.parametrize(
    ("values", "unit", "said"),
    [
        (80.0, "EUR/MWh", None),
        (0.3, "EUR/kWh", None),
        (-0.5, "EUR/kWh", None),
        (0.0, "EUR/kWh", None),
        (3.0, "EUR/kWh", "is it in ct/kWh"),
        (0.3, "EUR/MWh", "is it in EUR/kWh rather"),
    ],
)
def test_prices_in_another_unit_are_doubted(read, values, unit, said):
    _, notes = read(values, unit, "EUR/kWh")
    assert len(notes) == (said is not None), notes
    assert said is None or said in notes[0]


@pytest.mark.parametrize(
    ("price", "problem"),
    [
        (85.0, "the price is typically 85"),
        ([{"from": "00:00", "eur_per_kwh": 30.0}], "the price from 00:00 is typically 30"),
    ],
)
def test_prices_as_numbers_go_the_same_way(tmp_path, price, problem):
    from pydantic import TypeAdapter

    from quartier.scenario.models import Price

    reader = SeriesReader(tmp_path)
    with pytest.raises(SeriesError, match=problem):
        reader.price(TypeAdapter(Price).validate_python(price), Horizon(START, 4, 1.0))


def test_a_temperature_as_a_number_goes_the_same_way(tmp_path):
    reader = SeriesReader(tmp_path, temperature=283.15)
    with pytest.raises(SeriesError, match="if it is in K"):
        reader.read(SeriesRequest("signal:temperature", "degC"), Horizon(START, 4, 1.0))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (100 * SUN - 1e-6, None),
        (100 * SUN - 0.3, "is negative in steps (-0.3 in step 0): taken for 0"),
    ],
)
def test_standby_of_inverters_is_no_load(read, values, said):
    found, notes = read(values, "kW", name="available_kw", rated_kw=100.0)
    assert found.min() == 0
    assert len(notes) == (said is not None), notes
    assert said is None or said in notes[0]


@pytest.mark.parametrize("name", checked.NEVER_NEGATIVE)
def test_what_must_not_be_negative(read, name):
    with pytest.raises(SeriesError, match=f"{name} is negative"):
        read(100 * SUN - 20, "kW", name=name)


@given(
    mark=st.sampled_from([-999.0, 9999.0, -9999.0, -99.0, 999.9]),
    scale=st.floats(0.01, 9.0),
    at=st.integers(0, 47),
)
def test_marks_of_missing_values_are_no_values(mark, scale, at):
    values = scale * SUN
    values[at] = mark
    cleaned, found = checked.without_marks(values)
    assert found == mark
    assert np.isnan(cleaned).tolist() == [k == at for k in range(48)]


@given(st.lists(st.floats(100, 2000), min_size=5), st.sampled_from([999.0, -999.0, 9999.0]))
def test_a_value_among_its_like_is_no_mark(values, mark):
    cleaned, found = checked.without_marks(np.array([*values, 990.0, 9000.0, mark]))
    assert found is None
    assert np.isfinite(cleaned).all()


# -- annual energy ------------------------------------------------------------------------------
def test_a_measured_series_is_never_scaled(read):
    found, notes = read(100 * SUN, "kW", annual_kwh=2900.0)
    assert found == pytest.approx(100 * SUN)
    assert notes == []


def test_a_shape_is_scaled_and_a_short_one_said(read):
    found, notes = read(SUN, "1", "kW", annual_kwh=8760.0)
    assert found.mean() == pytest.approx(1.0)
    assert notes == ["s.csv: column 'p' covers 2 days; their mean is taken for that of the year"]


@pytest.mark.parametrize("unit", ["degC", "EUR/MWh"])
def test_a_load_is_a_power(read, unit):
    with pytest.raises(SeriesError, match="but a power"):
        read(20.0, unit, "kW", annual_kwh=2900.0)


def test_a_share_of_a_measured_series_tells_nothing(read, tmp_path):
    read(1.0, "kW")
    measured = CsvColumn(csv="s.csv", column="p")
    with pytest.raises(SeriesError, match="a share of what"):
        read(SUN, "1", "kW", annual_kwh=2900.0, annual_source=measured)

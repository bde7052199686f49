"""Sources as series: SimBench, BDEW, test reference years, CSV; daylight saving, steps, units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quartier.grid import simbench
from quartier.quantities import Horizon
from quartier.scenario.csv_series import CsvFile
from quartier.scenario.models import TimeOfUse
from quartier.scenario.node_settings import MarketPrice
from quartier.scenario.record import HorizonError, Record, SeriesError
from quartier.scenario.series import SeriesReader
from quartier.scenario.tariff import time_of_use
from quartier.units.base import CsvColumn, SeriesRequest

START = pd.Timestamp("2016-07-24T23:00Z")


def horizon(start: str | pd.Timestamp = START, steps: int = 130, dt_h: float = 0.25) -> Horizon:
    return Horizon(pd.Timestamp(start), steps, dt_h)


@pytest.fixture
def reader(tmp_path):
    return SeriesReader(tmp_path)


def write(folder: Path, text: str, name: str = "data.csv") -> CsvColumn:
    (folder / name).write_text(text, encoding="utf-8")
    return CsvColumn(csv=name, column="p")


def power(source: str | CsvColumn, **options: object) -> SeriesRequest:
    return SeriesRequest(source, "kW", **options)


# -- SimBench -------------------------------------------------------------------------------------
def test_simbench_profile_times_rating(reader):
    row = 206 * 96
    expected = 900 * simbench.profiles(2, ["PV3"])["PV3"][row : row + 130]
    assert np.array_equal(reader.read(power("PV3", factor=900.0), horizon()), expected)


@pytest.mark.parametrize(("dt_h", "parts"), [(0.5, 2), (1.0, 4)])
def test_longer_steps_are_means(reader, dt_h, parts):
    fine = reader.read(power("WP4"), horizon(steps=96))
    coarse = reader.read(power("WP4"), horizon(steps=96 // parts, dt_h=dt_h))
    assert coarse == pytest.approx(fine.reshape(-1, parts).mean(axis=1))


def test_shorter_steps_repeat_and_keep_the_energy(reader):
    fine = reader.read(power("WP4"), horizon(steps=12, dt_h=1 / 12))
    assert fine == pytest.approx(np.repeat(reader.read(power("WP4"), horizon(steps=4)), 3))


@given(
    step_min=st.sampled_from([5, 7, 10, 15, 30, 60]),
    dt_min=st.sampled_from([5, 10, 15, 30, 60]),
    offset_s=st.integers(0, 7200),
    seed=st.integers(0, 99),
)
def test_means_are_weighted_by_overlap(step_min, dt_min, offset_s, seed):
    """Against the plain sum over seconds: any lengths, any start."""
    values = np.random.default_rng(seed).normal(size=60)
    record = Record(START, step_min / 60, values)
    steps = (step_min * 3600 - offset_s) // (dt_min * 60)
    assume(steps > 0)
    read = record.on(horizon(START + pd.Timedelta(seconds=offset_s), steps, dt_min / 60), "it")
    seconds = np.repeat(values, step_min * 60)[offset_s : offset_s + steps * dt_min * 60]
    assert read == pytest.approx(seconds.reshape(steps, -1).mean(axis=1))


def test_half_hours_stamped_between_the_steps_count_half_each():
    record = Record(START + pd.Timedelta(minutes=30), 1.0, np.array([1.0, 3.0, 7.0]))
    read = record.on(horizon(START + pd.Timedelta(hours=1), 2, 1.0), "it")
    assert read.tolist() == [2.0, 5.0]


def test_a_missing_value_beside_the_horizon_is_none():
    record = Record(START, 1.0, np.array([np.nan, 3.0, np.nan]))
    assert record.on(horizon(START + pd.Timedelta(hours=1), 4), "it").tolist() == [3.0] * 4


def test_annual_energy_is_that_of_the_whole_year(reader):
    year = Horizon(simbench.PROFILE_START, simbench.PROFILE_ROWS, 0.25)
    load = reader.read(power("H0-A", annual_kwh=2900.0), year)
    assert load.sum() * 0.25 == pytest.approx(2900.0)


@pytest.mark.parametrize(
    ("start", "hours"),
    [("2016-12-31T12:00Z", 12), ("2016-12-30T13:00Z", 35), ("2016-12-31T12:00Z", 24)],
)
def test_annual_energy_does_not_hang_on_where_the_horizon_ends(reader, start, hours):
    """An hour into the next year reads two years of the profile, and halves nothing."""
    request = power("bdew:EFH:4", annual_kwh=2e4)
    short = reader.read(request, horizon(start, 4, 1.0))
    assert reader.read(request, horizon(start, hours, 1.0))[:4] == pytest.approx(short)


@pytest.mark.parametrize("years", [1, 2, 3])
def test_annual_energy_of_a_file_of_many_years_is_that_of_each(reader, tmp_path, years):
    times = pd.date_range("2013-01-01", f"{2013 + years}-01-01", freq="D", inclusive="left")
    rows = [f"{time:%Y-%m-%d},0.5" for time in times]
    write(tmp_path, "\n".join(["time,p", *rows]))
    source = CsvColumn(csv="data.csv", column="p", unit="1", timezone="Etc/GMT-1")
    year = Horizon(pd.Timestamp("2013-01-01T00:00+01:00").tz_convert("UTC"), 365, 24.0)
    read = reader.read(power(source, annual_kwh=8760.0), year)
    assert read == pytest.approx(1.0)


def test_reactive_power_is_scaled_as_the_active_power(reader):
    active = simbench.profiles(2, ["H0-A_pload"])["H0-A_pload"]
    reactive = simbench.profiles(2, ["H0-A_qload"])["H0-A_qload"]
    request = SeriesRequest(
        "H0-A_qload", "kvar", factor=-0.4, annual_kwh=2900.0, annual_source="H0-A_pload"
    )
    row = 206 * 96
    expected = -0.4 * reactive[row : row + 130] * 2900.0 / (active.sum() * 0.25)
    assert reader.read(request, horizon()) == pytest.approx(expected)


def test_horizon_outside_the_year_is_refused(reader):
    with pytest.raises(HorizonError, match="covers 2015-12-31 23:00 UTC to 2016-12-31 23:00 UTC"):
        reader.read(power("PV3"), horizon("2016-12-31T00:00Z"))


def test_unknown_profile_is_named_with_what_is_near(reader):
    with pytest.raises(SeriesError, match="did you mean PV3"):
        reader.read(power("PV33"), horizon())


# -- BDEW, test reference years -------------------------------------------------------------------
def test_heat_profile_has_the_annual_energy_and_more_in_winter(reader):
    year = Horizon(pd.Timestamp("2015-12-31T23:00Z"), 8784, 1.0)
    heat = reader.read(power("bdew:MFH:3", annual_kwh=900e3), year)
    assert heat.sum() == pytest.approx(900e3)
    assert heat[: 31 * 24].mean() > 4 * heat[182 * 24 : 213 * 24].mean()


def test_heat_profile_follows_the_clock_through_daylight_saving(reader):
    """The morning peak is at the same local hour before and after the clocks change."""

    def first_hours(day: str) -> np.ndarray:
        start = pd.Timestamp(day, tz="Europe/Berlin").tz_convert("UTC")
        return reader.read(power("bdew:EFH", annual_kwh=1.0), Horizon(start, 24, 1.0))

    assert first_hours("2016-03-25").argmax() == first_hours("2016-03-29").argmax()


def test_heat_profile_may_span_new_year(reader):
    heat = reader.read(power("bdew:EFH:4", annual_kwh=2e4), horizon("2016-12-31T12:00Z", 24, 1.0))
    assert (heat > 0).all()


def test_temperature_of_the_test_reference_year(reader):
    """Row `3 1 1 1 1 ... -0.6` of TRY2010_03: the hour that ends at 1:00 CET."""
    request = SeriesRequest("try:3", "degC")
    read = reader.read(request, horizon("2015-12-31T23:00Z", 3, 1.0))
    assert read.tolist() == [-0.6, -1.1, -1.6]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("bdew:XYZ", "no heat profile bdew:XYZ"),
        ("bdew:EFH:99", "no test reference year of region 99"),
        ("try:north", "write the region as a number"),
        ("try:3:4", "too many parts; write it as try:3"),
        ("bdew:H0:3", "is the same everywhere"),
        ("pv:99", "no test reference year of region 99"),
        ("pv:3:steep", "write tilt and azimuth as numbers, e.g. pv:3:30:180"),
        ("pv:3:120", "tilt is 0 .flat. to 90"),
        ("wind:3:E-82", "no turbine 'E-82'; known: .*E-82/2300"),
        ("wind:3:E-82/2300:108km", "write height as numbers"),
        ("wind:3:E-82/2300:1080", "a hub 1080 m high cannot be"),
        ("signal:temperature", "set signals.temperature"),
    ],
)
def test_sources_that_do_not_exist(reader, source, problem):
    with pytest.raises(SeriesError, match=problem):
        reader.read(SeriesRequest(source, "degC"), horizon())


@pytest.mark.parametrize(("temperature", "first"), [(5, 5.0), ("try:3", 13.5)])
def test_the_scenarios_temperature(tmp_path, temperature, first):
    reader = SeriesReader(tmp_path, temperature=temperature)
    read = reader.read(SeriesRequest("signal:temperature", "degC"), horizon(steps=4))
    assert read.tolist() == [first] * 4


# -- CSV: time ------------------------------------------------------------------------------------
def local_csv(start: str, stop: str) -> str:
    """Quarter hours of a stretch of time, written as the clock in Berlin shows them."""
    times = pd.date_range(start, stop, freq="15min", tz="UTC").tz_convert("Europe/Berlin")
    rows = [f"{time:%Y-%m-%d %H:%M},{k}" for k, time in enumerate(times)]
    return "\n".join(["time,p", *rows])


@pytest.mark.parametrize("day", ["2016-03-27", "2016-10-30"])
def test_local_time_through_daylight_saving(reader, tmp_path, day):
    start = pd.Timestamp(f"{day}T00:00Z") - pd.Timedelta(hours=6)
    source = write(tmp_path, local_csv(str(start)[:19], f"{day}T20:00"))
    read = reader.read(power(source), horizon(start, steps=96))
    assert read.tolist() == list(range(96))


def test_simbenchs_own_local_times_read_as_csv(tmp_path):
    from simbench.networks.extract_simbench_grids_from_csv import complete_data_path

    file = CsvFile(Path(complete_data_path(2)) / "RESProfile.csv")
    record = file.record(CsvColumn(csv="RESProfile.csv", column="PV1"))
    assert record.start == simbench.PROFILE_START
    assert record.step_h == 0.25
    assert np.array_equal(record.values, simbench.profiles(2, ["PV1"])["PV1"])


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["2016-03-27 01:45", "2016-03-27 02:00", "2016-03-27 02:15"], "02:00 does not exist"),
        (["2016-10-30 01:30", "2016-10-30 02:30", "2016-10-30 03:30"], "02:30 is ambiguous"),
        (
            ["2016-07-25 00:00", "2016-07-25 00:15", "2016-07-25 00:45", "2016-07-25 01:00"],
            r"a gap between 2016-07-24 22:15 UTC and 2016-07-24 22:45 UTC \(line 4\)",
        ),
        (
            ["2016-07-25 00:00", "2016-07-25 00:15", "2016-07-25 00:15", "2016-07-25 00:30"],
            "a step back or a repeated time",
        ),
        (["2016-07-25 00:00", "noon"], "line 3: 'noon' is no time"),
        (["2016-07-25 00:00", "2016-07-25 00:15Z"], "line 2: a time without the offset"),
        (["2016-07-25 00:00"], "fewer than two rows"),
    ],
)
def test_wrong_times_are_named(reader, tmp_path, rows, problem):
    source = write(tmp_path, "\n".join(["time,p", *(f"{row},1" for row in rows)]))
    with pytest.raises(SeriesError, match=problem):
        reader.read(power(source), horizon(steps=1))


def test_times_with_offsets_need_no_zone(reader, tmp_path):
    rows = "time,p\n2016-10-30T02:00+02:00,1\n2016-10-30T02:00+01:00,2\n2016-10-30T03:00+01:00,3"
    source = write(tmp_path, rows)
    read = reader.read(power(source), horizon("2016-10-30T00:00Z", 3, 1.0))
    assert read.tolist() == [1, 2, 3]


def test_a_file_in_winter_time_all_year(reader, tmp_path):
    rows = [f"2016-03-27 {h:02d}:00,{h}" for h in range(6)]
    write(tmp_path, "\n".join(["time,p", *rows]))
    source = CsvColumn(csv="data.csv", column="p", timezone="Etc/GMT-1")
    assert reader.read(power(source), horizon("2016-03-27T00:00Z", 3, 1.0)).tolist() == [1, 2, 3]


def test_unknown_time_zone(reader, tmp_path):
    write(tmp_path, "time,p\n2016-07-25 00:00,1\n2016-07-25 01:00,2")
    source = CsvColumn(csv="data.csv", column="p", timezone="Europe/Oldenburg")
    with pytest.raises(SeriesError, match="no time zone"):
        reader.read(power(source), horizon(steps=1))


SMARD = {
    "german": ("Datum von", "Datum bis", "Deutschland/Luxemburg [€/MWh] Originalauflösungen"),
    "english": ("Start date", "End date", "Germany/Luxembourg [€/MWh] Original resolutions"),
}
"""Names of columns as SMARD exports them."""


def smard(folder: Path, language: str, start: str, prices: Sequence[float | None]) -> CsvColumn:
    """Write hourly prices in EUR/MWh as SMARD's export has them; return their column."""
    times = pd.date_range(start, periods=len(prices) + 1, freq="h", tz="UTC")
    german = language == "german"

    def time(stamp: pd.Timestamp) -> str:
        local = stamp.tz_convert("Europe/Berlin")
        if german:
            return f"{local:%d.%m.%Y %H:%M}"
        return f"{local:%b} {local.day}, {local:%Y} {local.hour % 12 or 12}:{local:%M %p}"

    def number(price: float | None) -> str:
        text = "-" if price is None else f"{price:,.2f}"
        return text.translate(str.maketrans(".,", ",.")) if german else text

    names = SMARD[language]
    rows = [
        f"{time(begin)};{time(end)};{number(price)};-"
        for begin, end, price in zip(times[:-1], times[1:], prices, strict=True)
    ]
    write(folder, "\n".join(["\ufeff" + ";".join([*names, "Schweiz [€/MWh]"]), *rows]))
    return CsvColumn(csv="data.csv", column=names[2])


@pytest.mark.parametrize("language", SMARD)
@pytest.mark.parametrize(
    ("start", "hours"),
    [("2023-03-25T23:00", 23 + 24), ("2023-10-28T22:00", 25 + 24), ("2023-07-01T22:00", 24)],
)
def test_prices_as_smard_exports_them(reader, tmp_path, language, start, hours):
    """Days of 23, 25 and 24 hours; negative, above thousand; the unit stands in the header."""
    prices = [-500.0, 1031.5, 0.0, *np.linspace(-5.25, 80, hours - 3).round(2)]
    source = smard(tmp_path, language, start, prices)
    read = reader.price(source, horizon(f"{start}Z", hours, 1.0))
    assert 1000 * read == pytest.approx(prices)
    on_top = MarketPrice(market=source, plus_eur_per_kwh=0.1)
    assert reader.price(on_top, horizon(f"{start}Z", hours, 1.0)) == pytest.approx(read + 0.1)


def test_what_smards_export_lacks_is_named(reader, tmp_path):
    source = smard(tmp_path, "english", "2023-07-01T22:00", [50.0, None, 60.0])
    with pytest.raises(SeriesError, match=r"no value at 2023-07-01 23:00 UTC .1 missing"):
        reader.price(source, horizon("2023-07-01T22:00Z", 3, 1.0))
    with pytest.raises(SeriesError, match=r"no column 'France'; it has .*Germany/Luxembourg"):
        reader.price(source.model_copy(update={"column": "France"}), horizon(steps=1))
    wrong = CsvColumn(csv=source.csv, column=source.column, unit="EUR/kWh")
    with pytest.raises(SeriesError, match=r"in \[€/MWh\] by its name; remove unit: EUR/kWh"):
        reader.price(wrong, horizon(steps=1))


def test_no_price_is_made_of_another_series(reader):
    with pytest.raises(SeriesError, match=r"is a share .1., but a price"):
        reader.price(MarketPrice(market="pv:3"), horizon())
    with pytest.raises(SeriesError, match="no synthetic 'intraday'; known: day-ahead"):
        reader.price(MarketPrice(market="synthetic:intraday"), horizon())


# -- CSV: values ----------------------------------------------------------------------------------
DAY = "\n".join(["time,p,q", *(f"2016-07-25 {h:02d}:00,{h / 24},{h}" for h in range(24))])


@pytest.mark.parametrize(
    ("column", "unit", "factor", "expected"),
    [
        ("p", "1", 48.0, 2.0),
        ("q", "kW", 48.0, 1.0),
        ("q", "MW", 1.0, 1000.0),
        ("q", "W", 1.0, 1e-3),
    ],
)
def test_shares_are_scaled_and_powers_converted(reader, tmp_path, column, unit, factor, expected):
    write(tmp_path, DAY)
    source = CsvColumn(csv="data.csv", column=column, unit=unit)
    read = reader.read(power(source, factor=factor), horizon("2016-07-24T23:00Z", 1, 1.0))
    assert read == pytest.approx([expected])


@pytest.mark.parametrize(
    ("source", "wanted", "problem"),
    [
        ({"column": "q", "unit": "1"}, "kW", "reaches 21, but a share"),
        ({"column": "p", "unit": "kW"}, "degC", r"is a power \(kW\), but a temperature"),
        ({"column": "x"}, "kW", "no column 'x'; it has p, q"),
        ({"column": "p", "csv": "none.csv"}, "kW", "there is no file"),
    ],
)
def test_columns_that_do_not_fit(reader, tmp_path, source, wanted, problem):
    write(tmp_path, DAY)
    request = SeriesRequest(CsvColumn.model_validate({"csv": "data.csv", **source}), wanted)
    with pytest.raises(SeriesError, match=problem):
        reader.read(request, horizon("2016-07-25T00:00Z", 20, 1.0))


def test_kelvin_becomes_celsius(reader, tmp_path):
    write(tmp_path, "time,p\n2016-07-25 00:00,273.15\n2016-07-25 01:00,283.15")
    source = CsvColumn(csv="data.csv", column="p", unit="K")
    read = reader.read(SeriesRequest(source, "degC"), horizon("2016-07-24T22:00Z", 2, 1.0))
    assert read == pytest.approx([0.0, 10.0])


@pytest.mark.parametrize(
    ("value", "problem"),
    [("abc", "line 3: 'abc' in column 'p' is no number"), ("", "no value at 2016-07-24 23:00 UTC")],
)
def test_values_that_are_none(reader, tmp_path, value, problem):
    text = f"time,p\n2016-07-25 00:00,1\n2016-07-25 01:00,{value}\n2016-07-25 02:00,3"
    source = write(tmp_path, text)
    with pytest.raises(SeriesError, match=problem):
        reader.read(power(source), horizon("2016-07-24T22:00Z", 3, 1.0))


def test_a_file_that_is_no_table(reader, tmp_path):
    source = write(tmp_path, "time,p\n1,2\n1,2,3,4\n")
    with pytest.raises(SeriesError, match="no CSV table"):
        reader.read(power(source), horizon())


# -- time of use ----------------------------------------------------------------------------------
TARIFF = [
    TimeOfUse.model_validate({"from": "06:00", "eur_per_kwh": 0.3}),
    TimeOfUse.model_validate({"from": "22:00", "eur_per_kwh": 0.2}),
]


def test_tariff_follows_the_local_clock_through_daylight_saving():
    for day in ("2016-03-26", "2016-03-27", "2016-10-30"):
        midnight = pd.Timestamp(day, tz="Europe/Berlin")
        prices = time_of_use(TARIFF, Horizon(midnight.tz_convert("UTC"), 100, 0.25))
        times = pd.date_range(midnight, periods=100, freq="15min")
        day_time = (times.hour >= 6) & (times.hour < 22)
        assert np.array_equal(prices, np.where(day_time, 0.3, 0.2))


def test_tariff_within_a_long_step_is_a_mean():
    tariff = [
        TimeOfUse.model_validate({"from": "00:00", "eur_per_kwh": 0.2}),
        TimeOfUse.model_validate({"from": "06:15", "eur_per_kwh": 0.6}),
    ]
    start = pd.Timestamp("2016-07-25T06:00", tz="Europe/Berlin").tz_convert("UTC")
    assert time_of_use(tariff, Horizon(start, 1, 1.0)) == pytest.approx([0.5])


@given(
    entries=st.dictionaries(st.integers(0, 1439), st.floats(-1, 1), min_size=1, max_size=5),
    start_s=st.integers(0, 2 * 86400),
    dt_min=st.sampled_from([5, 15, 60]),
    day=st.sampled_from(["2016-03-26", "2016-07-25", "2016-10-29"]),
)
def test_tariffs_are_averaged_exactly(entries, start_s, dt_min, day):
    """Against the price at every second of the clock."""
    tariff = [
        TimeOfUse.model_validate({"from": f"{m // 60:02d}:{m % 60:02d}", "eur_per_kwh": price})
        for m, price in entries.items()
    ]
    start = pd.Timestamp(day, tz="Europe/Berlin").tz_convert("UTC") + pd.Timedelta(seconds=start_s)
    seconds = pd.date_range(start, periods=6 * dt_min * 60, freq="s").tz_convert("Europe/Berlin")
    of_day = np.array(seconds.hour * 60 + seconds.minute)
    at = np.searchsorted(sorted(entries), of_day, side="right") - 1
    prices = np.array([entries[m] for m in sorted(entries)])[at].reshape(6, -1).mean(axis=1)
    assert time_of_use(tariff, Horizon(start, 6, dt_min / 60)) == pytest.approx(prices, abs=1e-12)


# -- energy, and other stamps ---------------------------------------------------------------------
@pytest.mark.parametrize(("unit", "scale"), [("kWh", 1.0), ("MWh", 1e3), ("Wh", 1e-3)])
def test_energy_of_each_interval_is_a_power(reader, tmp_path, unit, scale):
    source = write(tmp_path, "time,p\n2016-07-25T00:00,1\n2016-07-25T00:15,2\n2016-07-25T00:30,3\n")
    source = source.model_copy(update={"unit": unit})
    span = horizon("2016-07-24T22:00Z", 3)
    assert reader.read(power(source), span) == pytest.approx(4 * scale * np.array([1.0, 2.0, 3.0]))


def test_stamps_in_the_middle_of_their_intervals(reader, tmp_path):
    source = write(tmp_path, "time,p\n2016-07-25T00:30,1\n2016-07-25T01:30,2\n2016-07-25T02:30,3\n")
    source = source.model_copy(update={"stamps": "middle"})
    span = horizon("2016-07-24T22:00Z", 3, 1.0)
    assert reader.read(power(source), span) == pytest.approx([1.0, 2.0, 3.0])

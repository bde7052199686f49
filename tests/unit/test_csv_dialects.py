"""CSV as people have it: one table in every dialect reads the same, or is refused by name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quartier.errors import InputError
from quartier.quantities import Horizon
from quartier.scenario.csv_numbers import readings
from quartier.scenario.csv_series import CsvFile
from quartier.scenario.record import Record, SeriesError
from quartier.scenario.session_file import SessionFile
from quartier.scenario.stamps import read_stamps
from quartier.units.base import CsvColumn

START = pd.Timestamp("2016-05-11T22:00Z")  # local midnight
FORMS = {
    "iso": "%Y-%m-%dT%H:%M",
    "seconds": "%Y-%m-%d %H:%M:%S",
    "dotted": "%d.%m.%Y %H:%M",
    "short": "%d.%m.%y %H:%M",
    "slashed": "%d/%m/%Y %H:%M",
    "american": "%m/%d/%Y %I:%M %p",
    "dashed": "%d-%m-%Y %H:%M",
    "pvgis": "%Y%m%d:%H%M",
}


def read(path: Path, **options: object) -> tuple[Record, list[str]]:
    said: list[str] = []
    source = CsvColumn.model_validate({"csv": path.name, "column": "p", **options})
    return CsvFile(path, "p").record(source, said.append), said


def german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(-5000, 5000), min_size=49, max_size=60),
    form=st.sampled_from(sorted(FORMS)),
    numbers=st.sampled_from(["plain", "american", "german", "swiss"]),
    separator=st.sampled_from([";", "\t", ",", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
    head=st.integers(0, 3),
    tail=st.booleans(),
    spaces=st.booleans(),
)
def test_one_table_in_every_dialect(
    tmp_path, values, form, numbers, separator, encoding, head, tail, spaces
):
    values = [round(value, 2) for value in values]
    written = {
        "plain": lambda v: f"{v:.2f}",
        "american": lambda v: f"{v:,.2f}",
        "german": german,
        "swiss": lambda v: f"{v:,.2f}".replace(",", "'"),
    }[numbers]
    times = pd.date_range(START, periods=len(values), freq="h").tz_convert("Europe/Berlin")
    quote = '"' if separator == "," else ""
    gap = separator + " " * spaces
    lines = [f"Zähler {k}" for k in range(head)] + [gap.join(["Zeit", "p", "größe"])]
    lines += [
        gap.join([f"{t:{FORMS[form]}}", f"{quote}{written(v)}{quote}", "7"])
        for t, v in zip(times, values, strict=True)
    ]
    lines += ["", "erstellt am Rechner"] * tail
    path = tmp_path / "any.csv"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    record, _ = read(path)
    assert (record.start, record.step_h) == (START, 1.0)
    assert record.values == pytest.approx(values)


@given(st.lists(st.integers(1000, 999_999), min_size=1, max_size=9), st.sampled_from(".,"))
def test_whole_numbers_with_thousands_have_two_readings(values, mark):
    cells = pd.Series([f"{v // 1000}{mark}{v % 1000:03d}" for v in values])
    both = readings(cells)
    other = {".": ",", ",": "."}[mark]
    assert both[mark] == pytest.approx(np.array(values) / 1000)
    assert both[other].tolist() == values


@pytest.mark.parametrize(
    ("cells", "decimal", "values"),
    [
        (["1.234", "0.5"], ".", [1.234, 0.5]),
        (["1.234", "12.5"], ".", [1.234, 12.5]),
        (["1.234", "1.234.567"], ",", [1234, 1234567]),
        (["1.234", "5,5"], ",", [1234, 5.5]),
        (["1,234", "5.5"], ".", [1234, 5.5]),
        (["0.123"], ".", [0.123]),
        (["−3,5", "+2"], ",", [-3.5, 2]),
        (["1 234,5"], ",", [1234.5]),
        (["1e3", ".5"], ".", [1000, 0.5]),
    ],
)
def test_all_cells_of_a_column_tell_its_decimal_mark(cells, decimal, values):
    found = readings(pd.Series(cells))
    assert list(found) == [decimal]
    assert found[decimal] == pytest.approx(values)


@pytest.mark.parametrize("cell", ["inf", "1.2.3", "12 kW", ".", "0x10", "1,2,3", "--"])
def test_what_is_no_number(cell):
    assert readings(pd.Series([cell])) == {}


TWO = "2016-05-12 00:00{s}{a}\n2016-05-12 01:00{s}{b}\n"


@pytest.mark.parametrize(
    ("separator", "a", "b", "options", "values"),
    [
        (",", "1.200", "1.300", {}, [1.2, 1.3]),
        (";", "1.200", "1.300", {"decimal": "."}, [1.2, 1.3]),
        (";", "1.200", "1.300", {"decimal": ","}, [1200, 1300]),
        ("\t", "1.200", "1.300", {}, [1.2, 1.3]),
        (";", "1.200", "1.300", {}, "is 1.2 .* or 1200 .* say decimal"),
        (",", '"1,200"', '"1,300"', {}, "is 1200 .* or 1.2 .* say decimal"),
        (";", "1.5", "2,5", {}, "'1.5' has a decimal point, '2,5' .line 3. a decimal comma"),
        (";", "1.5", "2.5", {"decimal": ","}, "'1.5' in column 'p' is no number with a decimal c"),
        (";", "1.5", "n/a", {}, [1.5, np.nan]),
        (",", "1", "2,5", {}, "line 3 has 3 cells, the header 2 .*decimal comma need quotes"),
    ],
)
def test_numbers_with_two_readings_are_refused_unless_told(
    tmp_path, separator, a, b, options, values
):
    path = tmp_path / "two.csv"
    path.write_text(f"time{separator}p\n" + TWO.format(s=separator, a=a, b=b))
    if isinstance(values, str):
        with pytest.raises(SeriesError, match=values):
            read(path, **options)
    else:
        assert read(path, **options)[0].values == pytest.approx(values, nan_ok=True)


def test_other_columns_tell_the_decimal_mark(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("time;p;q\n2016-05-12 00:00;1.200;0,5\n2016-05-12 01:00;1.300;0,7\n")
    record, said = read(path)
    assert record.values.tolist() == [1200, 1300]
    assert "1.200 is 1200" in said[0]


@pytest.mark.parametrize(
    ("cells", "first", "order"),
    [
        (["02/05/2016", "13/05/2016"], "2016-05-02", "dmy"),
        (["02/05/2016", "02/13/2016"], "2016-02-05", "mdy"),
        (["02.05.2016"], "2016-05-02", None),
        (["2/5/16", "3/5/16", "4/5/16"], "2016-05-02", "dmy"),  # days rather than months apart
        (["05/05/2016"], "2016-05-05", "dmy"),
        (["16-05-31", "16-06-01"], "2016-05-31", "ymd"),
        (["2016/02/05"], "2016-02-05", None),
        (["02.05.2016 24:00"], "2016-05-03", None),
        (["02.05.2016 12:30 AM"], "2016-05-02 00:30", None),
        (["02.05.2016 00:15 Uhr"], "2016-05-02 00:15", None),
    ],
)
def test_dates_in_the_one_way_that_fits_all(cells, first, order):
    stamps = read_stamps(cells + cells[-1:] * (len(cells) == 1), "it", regular=len(cells) > 1)
    assert stamps.clock[0] == pd.Timestamp(first)
    assert stamps.order == order


@pytest.mark.parametrize("option", ["day-first", "month-first"])
def test_dates_with_two_readings_are_refused_unless_told(tmp_path, option):
    path = tmp_path / "day.csv"
    path.write_text("time,p\n02/05/2016 00:00,1\n02/05/2016 01:00,2\n")
    with pytest.raises(SeriesError, match=r"2016-05-02 \(day first\) or 2016-02-05 \(month first"):
        read(path)
    day = {"day-first": "2016-05-02", "month-first": "2016-02-05"}[option]
    start = read(path, dates=option)[0].start
    assert start == pd.Timestamp(day, tz="Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "options", "start"),
    [
        ("time;p\n{a} 00:00;1\n{a} 01:00;2", {"stamps": "end"}, "2016-05-11 23:00"),
        ("time;p\n{a} 00:00;1\n{a} 01:00;2", {"stamps": "start"}, "2016-05-12 00:00"),
        ("bis;p\n{a} 01:00;1\n{a} 02:00;2", {"stamps": "end"}, "2016-05-12 00:00"),
        ("Datum von;Datum bis;p\n{a} 00:00;{a} 01:00;1\n{a} 01:00;{a} 02:00;2", {}, "2016-05-12"),
        ("Ende;Beginn;p\n{a} 01:00;{a} 00:00;1\n{a} 02:00;{a} 01:00;2", {}, "2016-05-12"),
        ("Datum;von;bis;p\n{a};23:00;24:00;1\n13.05.2016;00:00;01:00;2", {}, "2016-05-12 23:00"),
        (
            "von;bis;p\n{a} 00:00:00;{a} 00:59:59;1\n{a} 01:00:00;{a} 01:59:59;2",
            {},
            "2016-05-12",
        ),
        ("time;date;p\n00:00;{a};1\n01:00;{a};2", {}, "2016-05-12"),
        ("p;time\n1;{a} 00:00\n2;{a} 01:00", {}, "2016-05-12"),
        ("time;p\n[-];[kW]\n{a} 00:00;1\n{a} 01:00;2", {}, "2016-05-12"),
        ("time;p;\n{a} 00:00;1;\n{a} 01:00;2;\n", {}, "2016-05-12"),
        ("p;when\n1;{a} 00:00 MESZ\n2;{a} 01:00 MESZ", {"timezone": "UTC"}, "2016-05-12"),
        ("time;p\n{a};1\n{a} 01:00;2", {}, "2016-05-12"),
    ],
)
def test_what_a_stamp_means(tmp_path, text, options, start):
    path = tmp_path / "stamps.csv"
    path.write_text(text.format(a="12.05.2016"))
    record, _ = read(path, **options)
    assert record.start == pd.Timestamp(start, tz="Europe/Berlin")
    assert record.values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "options", "problem"),
    [
        ("bis;p\n{a} 01:00;1\n{a} 02:00;2", {}, "'bis', which sounds like the end"),
        (
            "von;bis;p\n{a} 00:00;{a} 01:00;1\n{a} 01:00;{a} 02:00;2",
            {"stamps": "end"},
            "remove stamps: end",
        ),
        (
            "von;bis;p\n{a} 00:00;{a} 01:00;1\n{a} 01:00;{a} 01:30;2",
            {},
            "line 3: the interval does not end 60 min after its start",
        ),
        ("{a} 00:00;1\n{a} 01:00;2", {}, "no line names its columns"),
        ("time;p;p\n{a} 00:00;1;1\n{a} 01:00;2;2", {}, "several columns 'p'"),
        ("time;q\n{a} 00:00;1\n{a} 01:00;2", {}, "no column 'p'; it has"),
        ("time;p\n{a} 00:00;1\nSumme;2\n{a} 02:00;2", {}, "line 3: 'Summe' is no time"),
        ("time;p\n{a} 25:00;1\n{a} 26:00;2", {}, "line 2: .* is no time"),
        ("", {}, "it is empty"),
    ],
)
def test_tables_that_cannot_be_are_named(tmp_path, text, options, problem):
    path = tmp_path / "wrong.csv"
    path.write_text(text.format(a="12.05.2016"))
    with pytest.raises(SeriesError, match=problem):
        read(path, **options)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"PK\x03\x04\x14\x00rest", "workbook"), (bytes(range(256)) * 4, "binary data")],
)
def test_what_is_no_text_is_named(tmp_path, content, kind):
    path = tmp_path / "book.csv"
    path.write_bytes(content)
    with pytest.raises(SeriesError, match=f"is no text but .*{kind}.*export it as CSV"):
        read(path)


@pytest.mark.parametrize(("jitter_s", "right"), [(2, True), (8, True), (60, False)])
def test_clocks_that_drift_a_little_are_regular(tmp_path, jitter_s, right):
    path = tmp_path / "meter.csv"
    times = pd.date_range("2016-05-12", periods=9, freq="15min")
    drift = pd.to_timedelta([0, 1, 0, jitter_s, 0, 1, 0, 0, 0], unit="s")
    rows = [f"{time:%Y-%m-%d %H:%M:%S},1" for time in times + drift]
    path.write_text("\n".join(["time,p", *rows]))
    if right:
        record, said = read(path)
        assert record.step_h == 0.25
        assert f"up to {jitter_s} s off" in said[0]
    else:
        with pytest.raises(SeriesError, match="steps are not the"):
            read(path)


def test_plain_files_are_read_without_a_word(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("time,p\n2016-05-12T00:00,1.234\n2016-05-12T01:00,2.345\n")
    assert read(path)[1] == []


PUBLIC = {
    # PVGIS: key and value above, an explanation below; UTC, of which only the page tells.
    "pvgis": (
        "Latitude (decimal degrees):\t53.140\nRadiation database:\tPVGIS-SARAH2\n\n\n"
        "time,P,G(i),H_sun,T2m,Int\n20160512:0011,1.5,0.0,0.0,9.05,0.0\n"
        "20160512:0111,2.5,0.0,0.0,9.0,0.0\n\nP: PV system power (W)\n"
        "PVGIS (c) European Union, 2001-2024\n",
        {"column": "P", "timezone": "UTC"},
        "2016-05-12T00:11Z",
    ),
    # SMARD: a dash for what is missing, thousands.
    "smard": (
        "\ufeffDatum von;Datum bis;Photovoltaik [MWh] Originalauflösungen;Sonstige\n"
        "12.05.2016 02:00;12.05.2016 02:15;1,50;-\n12.05.2016 02:15;12.05.2016 02:30;2,50;1.031,5",
        {"column": "Photovoltaik [MWh] Originalauflösungen"},
        "2016-05-12T00:00Z",
    ),
    # Transmission operators: zones in columns of their own.
    "zones": (
        "Datum;von;Zeitzone von;bis;Zeitzone bis;MW\n"
        "12.05.2016;00:00;UTC;00:15;UTC;1,5\n12.05.2016;00:15;UTC;00:30;UTC;2,5\n",
        {"column": "MW"},
        "2016-05-12T00:00Z",
    ),
    "opsd": (
        "utc_timestamp,cet_cest_timestamp,DE_load\n"
        "2016-05-12T00:00:00Z,2016-05-12T02:00:00+0200,1.5\n"
        "2016-05-12T01:00:00Z,2016-05-12T03:00:00+0200,2.5\n",
        {"column": "DE_load"},
        "2016-05-12T00:00Z",
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_exports_of_public_sources(tmp_path, name):
    text, options, start = PUBLIC[name]
    path = tmp_path / f"{name}.csv"
    path.write_text(text, encoding="utf-8")
    said: list[str] = []
    source = CsvColumn.model_validate({"csv": path.name, **options})
    record = CsvFile(path, source.column).record(source, said.append)
    assert record.start == pd.Timestamp(start)
    assert record.values.tolist() == [1.5, 2.5]
    assert not any("UTC" in text for text in said)


def test_utc_in_the_head_is_a_doubt(tmp_path):
    path = tmp_path / "head.csv"
    path.write_text("time (UTC),p\n2016-05-12T00:00,1\n2016-05-12T01:00,2\n")
    assert "say timezone: UTC" in read(path)[1][0]
    assert read(path, timezone="UTC")[1] == []


TEXT = """
time p von bis Datum station arrival departure due_kwh max_kw 2016-05-12 12.05.2016 02/05/16 ev 11
2016-05-12T00:00 2016-05-12T01:00 99.99.2016 00:00 01:00 24:00 25:61 1 1.200 1,5 -999 nan inf x € #
[kW] UTC +02:00 20160512:0011 1e400 9999-12-31T00:00 0000-01-01 2262-04-12T00:00 " 2016-03-27T02:30
"""
CELLS = st.sampled_from(TEXT.split())


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, max_size=5), max_size=6),
    names=st.sampled_from(
        [[], ["time", "p"], ["station", "arrival", "departure", "due_kwh", "max_kw"]]
    ),
    separator=st.sampled_from([";", ",", "\t", " ", "\x00"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)
def test_no_file_is_worse_than_a_named_problem(tmp_path, rows, names, separator, encoding):
    path = tmp_path / "any.csv"
    path.write_bytes("\n".join(separator.join(row) for row in [names, *rows]).encode(encoding))
    with contextlib.suppress(SeriesError):
        read(path)
    with contextlib.suppress(SeriesError, InputError):
        SessionFile(path).sessions("ev", 11.0, Horizon(START, 8, 0.25))

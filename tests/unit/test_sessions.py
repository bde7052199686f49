"""EV sessions: drawn from distributions, or read from a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.errors import InputError
from quartier.quantities import Horizon
from quartier.scenario.record import SeriesError
from quartier.scenario.session_file import SessionFile
from quartier.scenario.sessions import Stay, drawn, fitted
from quartier.units.ev_station import EvStationParameters
from quartier.units.stays import Session

START = pd.Timestamp("2016-07-24T22:00Z")  # local midnight
DAY = Horizon(START, 130, 0.25)


def station(**parameters: float) -> EvStationParameters:
    return EvStationParameters(kind="ev_station", **{"power_kw": 11.0, **parameters})


def hours(text: str) -> int:
    """Step of DAY at a local time of its first or second day."""
    return int((pd.Timestamp(text, tz="Europe/Berlin") - START) / pd.Timedelta(minutes=15))


# -- drawn ----------------------------------------------------------------------------------------
def test_the_same_seed_and_name_draw_the_same():
    assert drawn(station(), "q.ev-1", DAY, 1) == drawn(station(), "q.ev-1", DAY, 1)


@pytest.mark.parametrize(("name", "seed"), [("q.ev-2", 1), ("q.ev-1", 2)])
def test_other_names_and_seeds_draw_otherwise(name, seed):
    u = station(sessions_per_day=1.0)
    assert drawn(u, name, DAY, seed) != drawn(u, "q.ev-1", DAY, 1)


@given(
    seed=st.integers(0, 2**32),
    per_day=st.floats(0, 4),
    stay=st.floats(0.5, 30),
    energy=st.floats(1, 80),
    dt_h=st.sampled_from([0.25, 0.5, 1.0]),
    hour=st.integers(0, 23),
)
def test_sessions_fit_the_horizon_can_be_charged_and_never_overlap(
    seed, per_day, stay, energy, dt_h, hour
):
    u = station(
        sessions_per_day=per_day, stay_h_mean=stay, stay_h_std=stay / 3, energy_kwh_mean=energy
    )
    horizon = Horizon(START + pd.Timedelta(hours=hour), 40, dt_h)
    sessions = drawn(u, "q.ev", horizon, seed).sessions
    end = 0
    for session in sessions:
        assert end <= session.arrival < session.departure <= 40
        assert 0 < session.due_kwh <= 11 * dt_h * (session.departure - session.arrival) + 1e-9
        end = session.departure


def test_mean_values_are_those_asked_for():
    u = station(sessions_per_day=0.7, energy_kwh_mean=12.0, energy_kwh_std=3.0, stay_h_mean=9.0)
    days = 200
    horizon = Horizon(START, 96 * days, 0.25)
    sessions = [s for k in range(20) for s in drawn(u, f"q.ev-{k}", horizon, 1).sessions]
    assert len(sessions) / (20 * days) == pytest.approx(0.7, rel=0.03)
    assert np.mean([s.due_kwh for s in sessions]) == pytest.approx(12.0, rel=0.02)
    arrivals = [(s.arrival % 96) / 4 for s in sessions]
    assert np.mean(arrivals) == pytest.approx(17.5, abs=0.3)


def test_a_vehicle_there_before_the_horizon_has_been_charging():
    u = station(
        sessions_per_day=1.0,
        arrival_h_mean=23.0,
        arrival_h_std=0.0,
        stay_h_mean=10.0,
        stay_h_std=0.0,
        energy_kwh_mean=20.0,
        energy_kwh_std=0.0,
    )
    first, second = drawn(u, "q.ev", DAY, 1).sessions
    assert first == Session(0, hours("2016-07-25 09:00"), 20.0 - 11.0, 11.0)
    stay, inside = 10.0, 130 / 4 - 23.0
    assert second == Session(hours("2016-07-25 23:00"), 130, 20.0 * inside / stay, 11.0)


@pytest.mark.parametrize(("per_day", "stay_h"), [(2.0, 12.0), (3.0, 2.0), (1.5, 10.0), (1.0, 30.0)])
def test_as_many_sessions_a_day_as_asked_for(per_day, stay_h):
    """Several a day are spread over it; a vehicle leaves when the next one comes."""
    spread = {"stay_h_std": stay_h / 5, "arrival_h_std": 2.0}
    u = station(sessions_per_day=per_day, stay_h_mean=stay_h, energy_kwh_mean=5.0, **spread)
    horizon = Horizon(START, 96 * 100, 0.25)
    found = [drawn(u, f"q.ev-{k}", horizon, 1) for k in range(10)]
    count = sum(len(f.sessions) for f in found)
    assert count / (10 * 100) == pytest.approx(per_day, rel=0.04)
    crowded = sum(f.gone_h for f in found) > 0.05 * count * stay_h
    assert crowded == (per_day * stay_h > 20)


@pytest.mark.parametrize("day", ["2016-03-27", "2016-10-30", "2016-07-25"])
@pytest.mark.parametrize("hour", [1.5, 17.5])
def test_vehicles_come_by_the_clock_on_days_of_daylight_saving(day, hour):
    u = station(
        sessions_per_day=1.0, arrival_h_mean=hour, arrival_h_std=0.0, stay_h_mean=2.0, stay_h_std=0
    )
    midnight = pd.Timestamp(day, tz="Europe/Berlin")
    horizon = Horizon(midnight.tz_convert("UTC"), 100, 0.25)
    arrival = horizon.times[drawn(u, "q.ev", horizon, 1).sessions[0].arrival]
    expected = pd.Timestamp(f"{day} {int(hour):02d}:30", tz="Europe/Berlin")
    assert arrival == expected


@given(
    arrival=st.floats(-5, 40),
    stay=st.floats(0.01, 12),
    share=st.floats(0.01, 1.0),
    dt_h=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_what_whole_steps_leave_out_is_counted(arrival, stay, share, dt_h):
    """Inside the horizon, sessions and what is left out are all that is due."""
    due = 11.0 * stay * share
    horizon = Horizon(START, round(48 / dt_h), dt_h)
    found = fitted([Stay(arrival, arrival + stay, due, 11.0)], horizon)
    total = sum(s.due_kwh for s in found.sessions) + found.left_out_kwh
    if arrival >= 0 and arrival + stay <= 48:
        assert total == pytest.approx(due)
    else:
        assert total <= due + 1e-9
    assert bool(found.said) == (found.left_out_kwh > 0)


# -- read -----------------------------------------------------------------------------------------
HEADER = "station,arrival,departure,due_kwh,max_kw\n"


@pytest.fixture
def read(tmp_path):
    def reader(rows: str, name: str = "ev-1") -> tuple[Session, ...]:
        (tmp_path / "ev.csv").write_text(HEADER + rows)
        return SessionFile(tmp_path / "ev.csv").sessions(name, 11.0, DAY).sessions

    return reader


def test_sessions_are_read_in_whole_steps_inside_the_stay(read):
    rows = (
        "ev-1,2016-07-25T17:50,2016-07-26T07:10,14,22\n"
        "ev-2,2016-07-25T01:00,2016-07-25T02:00,3,3.7\n"
        "ev-1,2016-07-25T08:00+02:00,2016-07-25T10:00+02:00,5,3.7\n"
    )
    assert read(rows) == (
        Session(hours("2016-07-25 08:00"), hours("2016-07-25 10:00"), 5.0, 3.7),
        Session(hours("2016-07-25 18:00"), hours("2016-07-26 07:00"), 14.0, 11.0),
    )
    assert len(read(rows, "ev-2")) == 1


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            "ev-1,2016-07-25T18:00,2016-07-25T19:00,14,11\n",
            "line 2: the vehicle is due 14 kWh, but 11 kW over the 1 h of its stay give at most 11",
        ),
        (
            "ev-1,2016-07-25T18:00,2016-07-25T17:00,14,11\n",
            "line 2: the vehicle departs before it arrives",
        ),
        (
            "ev-1,2016-07-25T18:00,2016-07-25T22:00,1,11\n"
            "ev-1,2016-07-25T21:00,2016-07-25T23:00,1,11\n",
            "line 2: at station 'ev-1' the next vehicle arrives before this one has left",
        ),
        ("ev-1,noon,2016-07-25T22:00,1,11\n", "line 2: 'noon' is no time"),
        ("ev-1,2016-03-27T02:30,2016-07-25T22:00,1,11\n", "skipped by daylight saving"),
        ("ev-1,2016-07-25T18:00,2016-07-25T22:00,-1,11\n", "due_kwh is '-1', not a number above 0"),
    ],
)
def test_sessions_that_cannot_be_are_named(read, rows, problem):
    with pytest.raises(InputError, match=problem):
        read(rows)


def test_files_that_cannot_be_are_named(tmp_path):
    with pytest.raises(SeriesError, match="there is no file"):
        SessionFile(tmp_path / "none.csv")
    (tmp_path / "ev.csv").write_text("station,arrival\n")
    with pytest.raises(SeriesError, match="departure, due_kwh, max_kw"):
        SessionFile(tmp_path / "ev.csv")


GERMAN = "station;arrival;departure;due_kwh;max_kw\n"


@pytest.mark.parametrize(
    "text",
    [
        GERMAN + "ev-1;25.07.2016 18:00;26.07.2016 07:00;14,5;11",
        "\ufeff" + GERMAN + "ev-1;25.07.2016 18:00 Uhr;26.07.2016 07:00;14,5;11,0",
        "station, arrival, departure, due_kwh, max_kw\n"
        "ev-1, 25/07/2016 18:00, 26/07/2016 07:00, 14.5, 11.0",
        "depot of 2016\n" + HEADER + "ev-1,2016-07-25T16:00Z,2016-07-26 07:00,14.5,11",
        "due_kwh\tmax_kw\tstation\tdeparture\tarrival\n"
        "14.5\t11\tev-1\t7/26/2016 7:00 AM\t7/25/2016 6:00 PM",
    ],
)
def test_sessions_in_any_dialect(tmp_path, text):
    (tmp_path / "ev.csv").write_text(text, encoding="utf-8")
    found = SessionFile(tmp_path / "ev.csv").sessions("ev-1", 11.0, DAY)
    arrival, departure = hours("2016-07-25 18:00"), hours("2016-07-26 07:00")
    assert found.sessions == (Session(arrival, departure, 14.5, 11.0),)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("ev-1;2016-06-05;2016-06-06;1.234;11", "due_kwh'.* 1.234 .*or 1234"),
        ("ev-1;05/06/2016 10:00;05/06/2016 11:00;1;11", r"2016-06-05 .*or 2016-05-06"),
    ],
)
def test_sessions_with_two_readings_are_refused(tmp_path, row, problem):
    (tmp_path / "ev.csv").write_text(GERMAN + row)
    with pytest.raises(SeriesError, match=problem):
        SessionFile(tmp_path / "ev.csv")


def test_all_wrong_lines_of_a_station_are_named(read):
    rows = (
        "ev-1,2016-07-25T18:00,2016-07-25T17:00,1,11\n"
        "ev-1,noon,2016-07-25T22:00,-1,11\n"
        "ev-2,noon,2016-07-25T22:00,1,11\n"
    )
    with pytest.raises(InputError) as caught:
        read(rows)
    assert len(caught.value.problems) == 2
    assert all("line 3" in problem for problem in caught.value.problems)


def test_a_stay_between_two_steps_is_said(tmp_path):
    (tmp_path / "ev.csv").write_text(HEADER + "ev-1,2016-07-25T10:05,2016-07-25T10:12,0.5,11\n")
    found = SessionFile(tmp_path / "ev.csv").sessions("ev-1", 11.0, DAY)
    assert (found.sessions, found.short, found.left_out_kwh) == ((), 1, 0.5)
    assert "1 stay(s) hold no whole step (0.5 kWh)" in found.said

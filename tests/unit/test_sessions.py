"""EV sessions: drawn from distributions, or read from a file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartier.quantities import Horizon
from quartier.scenario.record import SeriesError
from quartier.scenario.sessions import SessionFile, drawn
from quartier.units.base import Session
from quartier.units.ev_station import EvStationParameters

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
    sessions = drawn(u, "q.ev", Horizon(START + pd.Timedelta(hours=hour), 40, dt_h), seed)
    end = 0
    for session in sessions:
        assert end <= session.arrival < session.departure <= 40
        assert 0 < session.due_kwh <= 11 * dt_h * (session.departure - session.arrival) + 1e-9
        end = session.departure


def test_mean_values_are_those_asked_for():
    u = station(sessions_per_day=0.7, energy_kwh_mean=12.0, energy_kwh_std=3.0, stay_h_mean=9.0)
    days = 200
    horizon = Horizon(START, 96 * days, 0.25)
    sessions = [s for k in range(20) for s in drawn(u, f"q.ev-{k}", horizon, 1)]
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
    first, second = drawn(u, "q.ev", DAY, 1)
    assert first == Session(0, hours("2016-07-25 09:00"), 20.0 - 11.0, 11.0)
    stay, inside = 10.0, 130 / 4 - 23.0
    assert second == Session(hours("2016-07-25 23:00"), 130, 20.0 * inside / stay, 11.0)


# -- read -----------------------------------------------------------------------------------------
HEADER = "station,arrival,departure,due_kwh,max_kw\n"


@pytest.fixture
def read(tmp_path):
    def reader(rows: str, name: str = "ev-1") -> tuple[Session, ...]:
        (tmp_path / "ev.csv").write_text(HEADER + rows)
        return SessionFile(tmp_path / "ev.csv").sessions(name, 11.0, DAY)

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
            r"line 2: the vehicle is due 14 kWh, but 11 kW over the 1 h .* at most 11 kWh",
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
    with pytest.raises(SeriesError, match=problem):
        read(rows)


def test_files_that_cannot_be_are_named(tmp_path):
    with pytest.raises(SeriesError, match="there is no file"):
        SessionFile(tmp_path / "none.csv")
    (tmp_path / "ev.csv").write_text("station,arrival\n")
    with pytest.raises(SeriesError, match="departure, due_kwh, max_kw"):
        SessionFile(tmp_path / "ev.csv")

"""Grids of users that went wrong, as cases in ``tests/cases/grids``, and some nobody sent."""

from __future__ import annotations

import warnings

import numpy as np
import pandapower as pp
import pytest
from typer.testing import CliRunner

from quartier import Result
from quartier.cli import app
from quartier.errors import InputError
from quartier.grid import simbench
from quartier.instance import build
from quartier.problem import Offer
from quartier.redispatch import redispatch
from quartier.scenario.load import load
from tests.unit.grid_cases import (
    CASES,
    assert_like_pandapower,
    case,
    first_step,
    instance_of,
    net_of,
    village,
    written,
)

# pandapower's own, of the older files that it ships
pytestmark = pytest.mark.filterwarnings("ignore:tap_dependency_table is missing:DeprecationWarning")

NAMES = sorted(folder.name for folder in CASES.iterdir())
WRONG = [name for name in NAMES if "problems" in case(name)]
RIGHT = [name for name in NAMES if name not in WRONG and name != "huge_load"]


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_by_table_row_and_column(name, tmp_path):
    folder = written(name, tmp_path)
    with pytest.raises(InputError) as caught:
        build(load(folder))
    assert [p.replace(f"{folder}/", "") for p in caught.value.problems] == case(name)["problems"]


@pytest.mark.parametrize("name", RIGHT)
def test_the_rest_is_as_in_pandapower_and_what_is_left_out_is_said(name, tmp_path):
    told = case(name)
    instance = build(load(written(name, tmp_path)))
    notes = [note.what for note in instance.notes if "SimBench profiles" not in note.what]
    for part in told.get("notes", ()):
        assert any(part in what for what in notes), notes
    assert len(notes) == len(told.get("notes", ()))
    amounts = {note.table: note.amount for note in instance.notes if note.table}
    assert amounts == pytest.approx(told.get("not_simulated", {}))
    if "plants" in told:
        assert [plant.name for plant in instance.plants] == told["plants"]
    if "taps" in told:
        assert instance.network.net.trafo["tap_pos"].tolist() == told["taps"]
    if "simbench" in told.get("scenario", {}).get("grid", {}) or "gen" in told.get("change", {}):
        return  # their profiles are no constant powers
    plain = net_of(told)
    plain.storage["in_service"] = False
    for line in told.get("scenario", {}).get("grid", {}).get("lines_out", ()):
        plain.line.loc[plain.line["name"] == line, "in_service"] = False
    assert_like_pandapower(first_step(instance), plain)


def test_bus_and_lines_take_digits_for_an_index(tmp_path):
    instance = build(load(written("bus_digits", tmp_path)))
    assert instance.buses == {"farm": 3}
    assert instance.network.line_limit_percent.tolist() == [100.0, 60.0]


def test_a_plant_that_is_cut_off_feeds_in_nothing(tmp_path):
    instance = build(load(written("island", tmp_path)))
    assert instance.plants == ()
    assert instance.background_p_mw.sum() == pytest.approx(-1.0)  # the town alone


def test_what_a_gen_feeds_in_follows_its_profile(tmp_path):
    instance = build(load(written("gen_profile", tmp_path)))
    share = simbench.profiles(2, ["PV3"])["PV3"]
    at = (instance.horizon.start - simbench.PROFILE_START) // np.timedelta64(15, "m")
    assert 0 < share[at] < 1
    assert instance.background_p_mw[0, 3] == pytest.approx(2.0 * share[at])


@pytest.mark.parametrize("name", [name for name in RIGHT if "violations" in case(name)])
def test_what_caps_cannot_cure_stays_as_it_is(name, tmp_path):
    """No lever is made of noise, and no tap is moved that leaves more excess."""
    instance = build(load(written(name, tmp_path)))
    asked = instance.problem(0, 0, instance.initial_state()).grid
    offers = [
        Offer(who, kind, bus, up, up, none, none, 0.1, 0.3)
        for who, kind, bus, up, none in _offers(instance)
    ]
    found = redispatch(asked, offers)
    assert found.before_violations.voltages.tolist() == [case(name)["violations"]]
    assert found.after_violations.voltages.tolist() == [case(name)["violations"]]
    assert found.cost_eur == 0
    assert all(np.isinf(cap.p_max_kw).all() for cap in found.caps.values())


def _offers(instance):
    none = np.zeros(1)
    yield "farm", "neighbourhood", instance.buses["farm"], np.array([500.0]), none
    for plant in instance.plants:
        yield plant.name, "der", plant.bus, plant.series["available_kw"], none


# -- grids that nobody sent ---------------------------------------------------------------------
SHIPPED = (
    {"name": "mv_oberrhein"},  # taps -2 and -3
    {"name": "create_cigre_network_mv"},
    {"name": "create_kerber_dorfnetz"},
    {"name": "example_simple"},
    {"name": "case14"},
    {"name": "case118"},
)


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda shipped: shipped["name"])
def test_odd_taps_of_pandapowers_networks_are_kept(shipped, tmp_path):
    net = net_of({"network": shipped})
    rng = np.random.default_rng(7)
    known = net.trafo["tap_min"].notna() & net.trafo["tap_max"].notna()
    rows = net.trafo.index[known]
    net.trafo.loc[rows, "tap_pos"] = [
        float(rng.integers(low, high + 1))
        for low, high in zip(net.trafo.tap_min[rows], net.trafo.tap_max[rows], strict=True)
    ]
    bus = int(net.load["bus"].iloc[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandapower's own, on reading its files
        instance = instance_of(net, tmp_path, neighbourhoods={"farm": {"bus": bus}})
        assert_like_pandapower(first_step(instance), net)


def test_the_operator_moves_what_it_can_move_on_load(tmp_path):
    net = village()
    pp.create_bus(net, 0.4)
    pp.create_transformer(net, 2, 4, "0.4 MVA 20/0.4 kV", name="T2", tap_pos=1)
    assert instance_of(net, tmp_path / "a").network.regulated.tolist() == [0]
    own = instance_of(net, tmp_path / "b", grid={"tap_changers": ["T2"]}).network
    assert (own.regulated.tolist(), own.tap_pos, own.tap_min, own.tap_max) == ([1], 1, -2, 2)
    with pytest.raises(InputError, match=r"grid.tap_changers: no transformer 'T9' in the grid"):
        instance_of(net, tmp_path / "c", grid={"tap_changers": ["T9"]})


def test_taps_that_differ_move_by_the_same_number_of_steps(tmp_path):
    network = build(load(written("taps_apart", tmp_path))).network
    assert (network.tap_min, network.tap_pos, network.tap_max) == (-9, -2, 6)
    assert network.with_tap(6).trafo["tap_pos"].tolist() == [6.0, 9.0, 2.0]


def test_validate_and_run_say_once_what_is_left_out(tmp_path):
    folder = written("storage", tmp_path)
    for command in (("validate",), ("run", "--quiet", "--out", str(tmp_path / "run"))):
        answer = CliRunner().invoke(app, [command[0], str(folder), *command[1:]])
        assert answer.exit_code == 0
        assert answer.stderr.count("1 storage of 1 MW do nothing") == 1
    result = Result.open(tmp_path / "run")
    assert result.kpis["not_simulated[storage]"] == 1.0
    assert any("storage" in note["what"] for note in result.manifest["notes"])

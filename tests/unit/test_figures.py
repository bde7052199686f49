"""Figures draw what the tables say: small tables whose figures are known by hand."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from quartier.figures import (
    costs,
    ev_stays,
    fronts,
    grid_map,
    groups,
    heat_map,
    limits,
    negotiation,
    nodes,
    redispatch,
    schedules,
    storage,
    style,
)
from quartier.figures.compared import changes
from quartier.figures.frames import group_name
from quartier.figures.grid import Grid, beyond_band, by_highest, loadings
from quartier.units import KINDS

TIMES = pd.date_range("2016-07-25T00:00Z", periods=2, freq="15min")


@pytest.fixture
def grid():
    buses = pd.DataFrame(
        {"name": ["a", "b", "c"], "x": [0.0, 1.0, 2.0], "y": [0.0, 0.0, 1.0]}
    ).assign(vm_min_pu=0.9, vm_max_pu=1.1)
    lines = pd.DataFrame(
        {"name": ["ab", "bc"], "from_bus": [0, 1], "to_bus": [1, 2], "limit_percent": [100.0, 50.0]}
    )
    return Grid(buses, lines, lines.iloc[:0])


def table(index, **columns):
    """Long table: one row a time and element, columns given as (time, element) arrays."""
    rows = pd.MultiIndex.from_product([TIMES, range(2)], names=["time", index]).to_frame(False)
    return rows.assign(**{name: np.ravel(values) for name, values in columns.items()})


@pytest.fixture
def lines():
    return table("index", loading_percent=[[20.0, 49.0], [101.0, 60.0]])


TRANSFORMERS = pd.DataFrame({"time": TIMES[:0], "index": [], "loading_percent": []})


def trace(figure, role):
    return next(t for t in figure.data if (t.meta or {}).get("role") == role)


def test_line_is_drawn_in_the_class_of_its_loading_relative_to_its_own_limit(grid, lines):
    buses = pd.DataFrame({"time": TIMES[0], "bus": [0, 1, 2], "vm_pu": [0.89, 1.0, 1.11]})
    places = pd.DataFrame({"name": ["nord"], "kind": ["neighbourhood"], "bus": [2]})
    drawn = grid_map.loading_map(grid, lines, TRANSFORMERS, buses, places, TIMES[0])
    classes = [t for t in drawn.data if (t.meta or {}).get("role") == "lines"]
    segments = {t.name: list(zip(t.x, t.y, strict=True)) for t in classes if t.x}
    assert segments == {
        "line below 25 % of its limit": [(0.0, 0.0), (1.0, 0.0), (None, None)],
        "75 to 99 %": [(1.0, 0.0), (2.0, 1.0), (None, None)],  # 49 % of a limit of 50 %
    }
    assert list(trace(drawn, "buses").marker.symbol) == ["triangle-down", "circle", "triangle-up"]
    assert list(trace(drawn, "neighbourhood").x) == [2.0]
    assert trace(drawn, "hits").text[1] == "line 1 bc: 49.0 %"


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 0), (25, 1), (98.99, 3), (100.0, 4), (100.2, 5), (1e6, 5)]
)
def test_class_of_a_loading(percent, expected):
    assert [len(members) for members in grid_map.classes_of([percent])].index(1) == expected


def test_heat_map_holds_the_loadings_with_the_highest_last(grid, lines):
    drawn = heat_map.loading(grid, lines, TRANSFORMERS)
    heat = trace(drawn, "loading")
    assert list(heat.y) == ["line 0 ab", "line 1 bc"]  # 120 % of its limit is above 101 %
    assert np.array(heat.z).tolist() == [[20.0, 101.0], [49.0, 60.0]]
    assert list(heat.x) == ["2016-07-25T00:00:00", "2016-07-25T00:15:00"]
    over = trace(drawn, "overloads")
    assert list(zip(over.x, over.y, strict=True)) == [
        ("2016-07-25T00:15:00", "line 0 ab"),
        ("2016-07-25T00:15:00", "line 1 bc"),
    ]
    assert by_highest(*loadings(grid, lines, TRANSFORMERS)) == list(heat.y)


def test_voltages_are_those_of_the_buses_nearest_to_a_limit(grid):
    rows = table("bus", vm_pu=[[1.0, 1.05], [0.92, 0.91]])
    drawn = {t.name: t for t in limits.voltages(grid, rows).data}
    assert list(drawn["highest against its limit"].y) == [1.05, 0.92]
    assert list(drawn["lowest against its limit"].y) == [1.0, 0.91]
    assert list(drawn["lowest against its limit"].text) == ["bus 0", "bus 1"]
    assert set(drawn["limit of that bus (lower)"].y) == {0.9}


def test_distance_from_the_band_is_counted_on_the_nearer_side(grid):
    rows = pd.DataFrame({"bus": [0, 1, 2], "vm_pu": [0.88, 1.0, 1.13]})
    assert beyond_band(grid, rows).tolist() == pytest.approx([0.02, -0.1, 0.03])


def test_element_over_time_has_its_own_limit(grid, lines):
    drawn = limits.element(grid, lines, "line", 1)
    assert [list(t.y) for t in drawn.data] == [[49.0, 60.0], [50.0, 50.0]]


def test_limits_of_a_voltage_are_told_apart_on_an_axis_that_need_not_reach_zero(grid):
    drawn = limits.element(grid, table("bus", vm_pu=[[1.0, 1.05], [0.92, 0.91]]), "bus", 0)
    _, upper, lower = drawn.data
    assert (upper.name, lower.name) == ("upper limit", "lower limit")
    assert upper.line.dash != lower.line.dash
    assert upper.line.color != lower.line.color
    assert drawn.layout.yaxis.rangemode == "normal"


CAPS = pd.DataFrame(
    {
        "time": [TIMES[0], TIMES[0], TIMES[1], TIMES[1]],
        "gate": [0, 0, 0, 0],
        "round": [1, 2, 1, 1],
        "asset": ["nord", "nord", "nord", "park"],
        "kind": "neighbourhood",
        "offered_kw": [100.0, 100.0, -50.0, 10.0],
        "p_set_kw": [80.0, 60.0, -30.0, 12.0],
        "reason_element": ["line 0 ab", "line 0 ab", "bus 2 (consumption)", "preventive: bus 2"],
        "sensitivity": 1.0,
        "cost_eur": 0.0,
    }
)


def test_caps_in_force_are_those_of_the_last_round_on_each_side():
    rows = redispatch.measures(CAPS)
    assert rows["cut_kw"].tolist() == [40.0, 20.0, 0.0]
    assert rows["element"].tolist() == ["line 0 ab", "bus 2", "bus 2"]
    assert rows["preventive"].tolist() == [False, False, True]
    assert rows["consumption"].tolist() == [False, True, False]


def test_energy_forbidden_by_cause():
    drawn = {t.name: dict(zip(t.y, t.x, strict=True)) for t in redispatch.causes(CAPS, 0.25).data}
    assert drawn["nord"] == pytest.approx({"line 0 ab": 0.01, "bus 2": 0.005})
    assert drawn["park"] == {"line 0 ab": 0.0, "bus 2": 0.0}


def plans(rows):
    columns = ["gate", "round", "step", "unit", "p_kw"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(time=[TIMES[step] for step in frame["step"]])


def test_change_of_plan_is_what_is_handed_out_less_what_was_offered():
    table = plans(
        [
            (0, 0, 1, "nord.b-1", 99.0),  # an earlier gate: not in force at step 1
            (0, 0, 0, "nord.b-1", 5.0),
            (0, 1, 0, "nord.b-1", 3.0),  # a later round: before curtailment, not what is done
            (0, 0, 0, "nord.b-2", 1.0),
            (1, 0, 1, "nord.b-1", 7.0),
            (1, 0, 1, "sued.b-1", 4.0),
        ]
    )
    units = pd.DataFrame(
        {"time": [TIMES[0], TIMES[0], TIMES[1]], "unit": ["nord.b-1", "nord.b-2", "nord.b-1"]}
    ).assign(neighbourhood="nord", kind="battery", planned_kw=[2.0, 1.0, 7.0])
    change = schedules.plan_change(table, units, "nord")
    assert change.loc[(TIMES[0], "nord.b")].tolist() == [6.0, 3.0, -3.0]
    assert change.loc[(TIMES[1], "nord.b")].tolist() == [7.0, 7.0, 0.0]
    drawn = schedules.reaction(table, units, "nord").data
    assert [(t.name, list(t.y)) for t in drawn] == [("Battery", [-3.0, 0.0])]


def test_units_of_a_group_have_one_name():
    assert [group_name(n) for n in ("nord.ev11-3", "nord.h0a", "a-b.c")] == [
        "nord.ev11",
        "nord.h0a",
        "a-b.c",
    ]


def test_energy_stands_at_the_end_of_its_step():
    units = pd.DataFrame(
        {"time": TIMES, "neighbourhood": "nord", "unit": "nord.battery", "kind": "battery"}
    ).assign(energy_kwh=[40.0, 30.0])
    (line,) = storage.stores(units, "nord", {"nord.battery": 50.0}).data
    assert list(line.y) == [50.0, 40.0, 30.0]
    assert list(line.x) == ["2016-07-25T00:00:00", "2016-07-25T00:15:00", "2016-07-25T00:30:00"]


def test_stay_is_filled_by_the_share_delivered():
    sessions = pd.DataFrame(
        {"unit": ["nord.ev-1"], "session": [0], "arrival": TIMES[:1], "departure": TIMES[1:]}
    ).assign(due_kwh=10.0, delivered_kwh=4.0)
    stay, delivered = ev_stays.ev_stays(sessions).data
    assert list(stay.x) == [900_000.0]
    assert list(delivered.x) == pytest.approx([360_000.0])
    times = ["2016-07-25T00:00:00", "2016-07-25T00:15:00"]
    assert list(stay.customdata[0]) == ["nord.ev-1", 0, *times, 10.0, 4.0]


def test_messages_are_counted_by_sender_and_kind_with_lost_ones_apart():
    rows = pd.DataFrame(
        {
            "sim_time_s": [0.0, 0.1, 5.0],
            "sender": ["a", "a", "b"],
            "kind": ["Start", "Start", "Gossip"],
            "delivered": [True, False, True],
        }
    )
    drawn = {t.name: dict(zip(t.y, t.x, strict=True)) for t in negotiation.messages(rows).data}
    assert drawn == {"Start": {"a": 1}, "Start (lost)": {"a": 1}, "Gossip": {"b": 1}}
    over_time = {t.name: sum(t.y) for t in negotiation.message_times(rows).data}
    assert over_time == {"Start": 2, "Gossip": 1}


def test_small_senders_share_a_row_and_none_is_lost():
    senders = [f"agent{i}" for i in range(negotiation.MOST_AGENTS + 5)]
    rows = pd.DataFrame({"sender": senders, "kind": "Gossip", "delivered": True})
    counts = negotiation.by_agent(rows)
    assert len(counts) == negotiation.MOST_AGENTS + 1
    assert counts["messages"].sum() == len(rows)


def test_front_shows_every_point_and_the_chosen_one_as_a_star():
    rows = [
        {"point": point, "objective": name, "value": value, "chosen": point == 1}
        for point, values in enumerate([(1.0, 9.0, 5.0), (2.0, 7.0, 6.0)])
        for name, value in zip(["peak_import_kw", "flexibility_kw", "co2_kg"], values, strict=True)
    ]
    table = pd.DataFrame(rows).assign(gate=0, neighbourhood="nord", method="exact")
    points, chosen, scale = fronts.front(table, "nord").data
    assert (list(points.x), list(points.y)) == ([1.0], [9.0])
    assert (list(chosen.x), list(chosen.y)) == ([2.0], [7.0])
    assert chosen.marker.symbol == "star"
    assert scale.text == (" 5", " 5.5", " 6")
    assert scale.marker.size == (8.0, 15.0, 22.0)


def test_of_two_chosen_points_the_one_under_p_set_is_carried_out():
    methods = {"mo-cohda": -2.0, "mo-cohda-capped": -1.0}
    rows = [
        {"method": method, "objective": name, "value": value}
        for method, value in methods.items()
        for name in ("peak_import_kw", "flexibility_kw")
    ]
    table = pd.DataFrame(rows).assign(gate=0, neighbourhood="nord", point=0, chosen=True)
    figure = fronts.front(table, "nord")
    offered, done = figure.data
    assert (offered.name, done.name) == (
        "offered, mo-cohda, gate 0",
        "carried out, mo-cohda-capped, gate 0",
    )
    assert offered.marker.symbol != done.marker.symbol
    assert offered.marker.color != done.marker.color
    assert "feed-in" in figure.layout.xaxis.title.text
    (alone,) = fronts.front(table[table["method"] == "mo-cohda"], "nord").data
    assert alone.name == "carried out, mo-cohda, gate 0"


def test_rounds_of_any_level_are_drawn_by_their_distance_to_the_end():
    table = pd.DataFrame(
        {
            "gate": 0,
            "round": [0, 0, 1, 1, 1],
            "neighbourhood": "nord",
            "sim_time_s": [1.0, 2.0, 1.0, 2.0, 3.0],
            "objective": [-5550.0, -5551.0, 3000.0, 2999.0, 3000.0],
        }
    )
    first, second = negotiation.objective(table).data
    assert [row[1] for row in first.customdata] == [-5550.0, -5551.0]
    assert [row[2] for row in second.customdata] == [0.0, -1.0, 0.0]
    assert first.y[0] == pytest.approx(2.0, abs=1e-3)  # log10 of 100 cents
    assert first.y[1] == 0.0
    assert list(second.y) == pytest.approx([0.0, -first.y[0], 0.0])


def test_costs_of_several_runs_stand_side_by_side():
    kpis = pd.DataFrame(
        {"label": ["Cost (nord)", "Losses"], "a": [1.0, 9.0], "b": [2.0, 9.0]},
        index=["cost[nord]", "losses"],
    )
    drawn = {t.name: dict(zip(t.y, t.x, strict=True)) for t in costs.costs(kpis).data}
    assert drawn == {"a": {"Cost (nord)": 1.0}, "b": {"Cost (nord)": 2.0}}


def test_neighbouring_looks_differ_without_their_colour():
    looks = [style.look(number) for number in range(32)]
    for one, other in pairwise(looks):
        assert one.pattern != other.pattern
        assert one.dash != other.dash
        assert one.symbol != other.symbol
    assert len({(look.colour, look.pattern) for look in looks}) == len(looks)


def test_every_kind_that_is_shipped_has_a_look_that_no_other_has():
    assert all(kind.shown for kind in KINDS.values())
    looks = [(look.colour, look.pattern) for look in style.kind_looks(KINDS).values()]
    assert len(set(looks)) == len(looks)


def test_groups_look_like_their_kind_and_those_of_one_kind_differ():
    kinds = {"battery": "battery", "ev11": "ev_station", "ev22": "ev_station"}
    looks = groups.looks(kinds)
    of_kind = style.kind_looks(KINDS)
    assert looks["battery"] == of_kind["battery"]
    assert looks["ev11"] == of_kind["ev_station"]
    assert looks["ev22"].colour == looks["ev11"].colour
    assert looks["ev22"].pattern != looks["ev11"].pattern
    names = ["Battery", "Charging stations ev11", "Charging stations ev22"]
    assert list(groups.labels(kinds).values()) == names


def test_a_kind_looks_the_same_in_schedule_answer_difference_and_stores():
    units = pd.DataFrame(
        {"time": TIMES, "neighbourhood": "nord", "unit": "nord.b", "kind": "battery"}
    ).assign(p_kw=1.0, planned_kw=2.0, energy_kwh=3.0, available_kw=np.nan)
    powers = [pd.DataFrame({"b": [p, p], changes.POINT: p}, TIMES) for p in (0.0, 1.0)]
    kinds = groups.kinds(units, "nord")
    columns = ["offer_kw", "p_kw", "flex_up_kw", "flex_down_kw", "p_set_max_kw", "p_set_min_kw"]
    points = pd.DataFrame({"time": TIMES, "name": "nord", **dict.fromkeys(columns, 0.0)})
    planned = plans([(0, 0, 0, "nord.b", 5.0), (0, 0, 1, "nord.b", 5.0)])
    drawn = [
        schedules.schedule(units, points, "nord"),
        schedules.reaction(planned, units, "nord"),
        changes.difference(*powers, ("A", "B"), "nord", kinds),
    ]
    assert {figure.data[0].name for figure in drawn} == {"Battery"}
    markers = [figure.data[0].marker for figure in drawn]
    assert markers[0] == markers[1] == markers[2]
    (line,) = storage.stores(units, "nord").data
    assert line.line.color == markers[0].color


def test_kinds_of_ones_own_get_looks_of_their_own():
    looks = style.kind_looks(["pv", "river", "mill"])
    assert looks["pv"] == style.kind_looks(KINDS)["pv"]
    assert looks["river"] != looks["mill"]
    assert style.kind_label("run_of_river") == "Run of river"


def test_nodes_show_what_there_is_at_each():
    balances = pd.DataFrame(
        {
            "time": TIMES,
            "node": ["nord.h2", "nord.h2"],
            "carrier": "hydrogen",
            "demand_kw": [3.0, 4.0],
            "bought_kw": [0.0, 1.0],
            "sold_kw": float("nan"),
            "unserved_kw": 0.0,
            "rejected_kw": 0.0,
        }
    )
    drawn = nodes.nodes(balances, "nord").data
    assert [trace.name for trace in drawn] == ["h2 (hydrogen): demand", "h2 (hydrogen): bought"]
    assert list(drawn[1].y) == [0.0, 1.0]
    assert len(nodes.nodes(balances, "sued").data) == 0

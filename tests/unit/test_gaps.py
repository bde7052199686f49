"""Figures of several runs: one reference offer, gaps to the bi-level optimum and to its bound."""

from __future__ import annotations

import pandas as pd
import pytest

from quartier.gaps import SideBySide, bound_eur, gap
from quartier.kpi import RunData
from quartier.kpi.redispatch import upper_cost
from quartier.results import Result, RunWriter
from quartier.run_warnings import warnings

from . import kpi_runs

TIMES = list(pd.to_datetime(["2016-07-24T22:00Z", "2016-07-24T22:30Z"]))
SCENARIO = {
    "horizon": {"step_minutes": 30},
    "gates": {"first": 0, "horizon_steps": None},
    "neighbourhoods": {"nord": {"redispatch_price_eur_per_kwh": 0.2}},
    "redispatch": {
        "price_eur_per_kwh": 0.1,
        "plant_prices": {},
        "raise_price_eur_per_kwh": 0.3,
        "loss_price_eur_per_kwh": 0.06,
    },
}
LOSS_EUR = 0.1 * 1000 * 0.06


@pytest.fixture
def run_of(tmp_path):
    """Return a run in which 0.1 MWh were lost, and a load was capped at 4 kW in one step."""

    def make(name, offer_kw=None, solves=None, loss_mw=0.1, **scenario) -> Result:
        writer = RunWriter(tmp_path / name, {"scenario": {**SCENARIO, **scenario}})
        writer.add("lines", {"time": TIMES, "index": 0, "name": "a", "loss_mw": loss_mw})
        point = {"time": TIMES, "name": "nord", "kind": "neighbourhood", "bus": 7}
        planned = {} if offer_kw is None else {"offer_kw": offer_kw, "p_set_min_kw": [-4.0, -99.0]}
        writer.add("connection_points", {**point, "p_kw": [-4.0, -9.0], **planned})
        if solves:
            writer.rows("solves", [{"gate": 0, "problem": "bound", **row} for row in solves])
        writer.update(steps_expected=2)
        writer.flush()
        writer.write_kpis(
            {
                key: {"value": 0.0, "unit": "EUR", "label": key}
                for key in ("redispatch_cost", "upper_cost")
            }
        )
        return Result(writer.directory)

    return make


@pytest.mark.parametrize(
    ("cost", "reference", "expected"),
    [
        (110.0, 100.0, (0.1, "1")),
        (90.0, 100.0, (-0.1, "1")),
        (-90.0, -100.0, (0.1, "1")),
        (3.0, 0.0, (3.0, "EUR")),
        (3.0, 0.009, (2.991, "EUR")),
    ],
)
def test_a_gap_is_relative_unless_its_reference_is_next_to_nothing(cost, reference, expected):
    value, unit = gap(cost, reference)
    assert (pytest.approx(value), unit) == expected


def test_reduced_load_is_counted_from_the_same_offer_for_all(run_of):
    runs = {
        "uncontrolled": run_of("uncontrolled"),
        "cohda": run_of("cohda", [-8.0, -9.0]),
        "bilevel": run_of("bilevel", [-10.0, -9.0]),
    }
    together = SideBySide(runs)
    assert together.reference == "bilevel"
    figures = together.figures()
    reduced_eur = (10 - 4) * 0.5 * 0.3
    for name in ("cohda", "bilevel"):
        assert figures[name]["redispatch_cost"]["value"] == pytest.approx(reduced_eur)
        assert figures[name]["upper_cost"]["value"] == pytest.approx(LOSS_EUR + reduced_eur)
    assert figures["uncontrolled"]["redispatch_cost"]["value"] == 0


def test_without_optimisers_the_offer_is_that_of_the_agents(run_of):
    runs = {"uncontrolled": run_of("uncontrolled"), "mine": run_of("mine", [-9.0, -9.0])}
    assert SideBySide(runs).reference == "mine"
    assert SideBySide({**runs, "cohda": run_of("cohda", [-8.0, -9.0])}).reference == "cohda"
    assert SideBySide({"uncontrolled": runs["uncontrolled"]}).reference is None


def test_gaps_compare_executed_costs_with_bilevel_and_its_bound(run_of):
    bound = [{"status": "optimal", "objective": 5.0, "bound": 5.0}]
    runs = {
        "cohda": run_of("cohda", [-4.0, -9.0], loss_mw=0.11),
        "bilevel": run_of("bilevel", [-4.0, -9.0], bound),
    }
    figures = SideBySide(runs).figures()
    assert figures["cohda"]["gap_to_bilevel"]["value"] == pytest.approx(0.1)
    assert figures["bilevel"]["gap_to_bilevel"]["value"] == 0
    assert figures["cohda"]["gap_to_bound"]["value"] == pytest.approx(6.6 / 5 - 1)
    assert figures["bilevel"]["gap_to_bound"]["value"] == pytest.approx(LOSS_EUR / 5 - 1)


def test_gaps_are_undefined_without_a_reference(run_of):
    (figures,) = SideBySide({"cohda": run_of("cohda", [-4.0, -9.0])}).figures().values()
    assert figures["gap_to_bilevel"] == {"value": None, "unit": "1", "label": "Gap to bilevel"}
    assert figures["gap_to_bound"]["value"] is None


def test_anticipation_is_worth_what_bilevel_saves_against_individual(run_of):
    runs = {
        "individual": run_of("individual", [-8.0, -9.0]),  # 4 kW for half an hour at 0.3
        "bilevel": run_of("bilevel", [-8.0, -9.0], loss_mw=0.099),
    }
    figures = SideBySide(runs).figures()
    assert figures["bilevel"]["value_of_anticipation"]["value"] == pytest.approx(LOSS_EUR / 100)
    share = figures["bilevel"]["value_of_anticipation_share"]["value"]
    assert share == pytest.approx(LOSS_EUR / 100 / 0.6)
    assert "value_of_anticipation" not in figures["individual"]


def test_anticipation_has_no_share_of_nothing(run_of):
    runs = {name: run_of(name, [-4.0, -9.0]) for name in ("individual", "bilevel")}
    figures = SideBySide(runs).figures()["bilevel"]
    assert figures["value_of_anticipation"]["value"] == pytest.approx(0)
    assert figures["value_of_anticipation_share"]["value"] is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"status": "optimal", "objective": 5.0}], 5.0),
        ([{"status": "time-limit", "objective": 5.0}], None),
        ([{"status": "time-limit", "objective": 5.0, "bound": 4.0}], 4.0),
        ([{"gate": 1, "status": "optimal", "objective": 5.0}], None),
        ([{"problem": "bilevel", "status": "optimal", "objective": 5.0}], None),
        ([], None),
    ],
)
def test_only_what_is_proven_is_a_bound(run_of, rows, expected):
    assert bound_eur(run_of("bilevel", solves=rows)) == expected


@pytest.mark.parametrize("gates", [{"first": 1}, {"horizon_steps": 1}])
def test_bounds_of_parts_of_the_horizon_make_no_bound(run_of, gates):
    rows = [{"status": "optimal", "objective": 5.0, "bound": 5.0}]
    run = run_of("bilevel", solves=rows, gates={**SCENARIO["gates"], **gates})
    assert bound_eur(run) is None


def test_emissions_of_imports_cost_the_leader_what_the_scenario_says(run_of):
    price = {**SCENARIO["redispatch"], "import_co2_eur_per_kg": 0.05}
    run = run_of("run", redispatch=price)
    writer_signals = pd.DataFrame(
        {
            "time": TIMES * 2,
            "name": ["slack_p_mw"] * 2 + ["co2_kg_per_kwh"] * 2,
            "value": [2.0, -1.0, 0.4, 0.4],
        }
    )
    data = RunData(run)
    data._tables["signals"] = writer_signals
    assert upper_cost(data) == pytest.approx(LOSS_EUR + 2000 * 0.5 * 0.4 * 0.05)


def test_a_bound_beyond_its_objective_is_a_warning_of_the_run(tmp_path):
    """Of two programs one is wrong: 210 cannot bound a cost of 200 from below."""
    rows = {
        "gate": [0, 0],
        "problem": ["central", "response nord"],
        "objective": [200.0, 50.0],
        "bound": [210.0, 50.0],
        "gap": [-0.05, 0.0],
    }
    (said,) = warnings(RunData(kpi_runs.run_of(tmp_path, {"solves": rows})))
    assert said.startswith("central at gate 0: its bound 210 is beyond its objective 200")

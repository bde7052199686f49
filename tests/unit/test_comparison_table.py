"""The table of a comparison: what it marks, and how it fits a terminal."""

from __future__ import annotations

import pytest

from quartier.comparison_table import print_comparison
from quartier.errors import InputError
from quartier.results import ComparedRun, Comparison
from quartier.results.comparison import kpi_table, write_figures, write_manifest
from quartier.scoreboard import LINES

UNITS = {"upper_cost": "EUR", "losses": "MWh", "overloads": "1", "gap_to_bilevel": "1"}
FINE = {"overloads": 0.0, "voltage_violations": 0.0, "steps_not_converged": 0.0}


def kpis(**values):
    return {
        name: {"value": value, "unit": UNITS.get(name, "1"), "label": name.title()}
        for name, value in values.items()
    }


@pytest.fixture
def comparison(tmp_path):
    def make(figures, **runs):
        states = {name: ComparedRun(tmp_path / name, "complete") for name in figures} | runs
        write_figures(tmp_path, figures)
        write_manifest(
            tmp_path,
            states,
            status="complete",
            coordinations=list(figures),
            reference_offer="bilevel",
        )
        return Comparison.open(tmp_path)

    return make


@pytest.fixture
def printed(monkeypatch, capsys):
    """Return the lines printed, split into words at two spaces or more."""

    def show(comparison, width=80):
        monkeypatch.setenv("COLUMNS", str(width))
        print_comparison(comparison)
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        return [[word.strip() for word in line.split("  ") if word.strip()] for line in lines]

    return show


def test_the_best_of_those_that_keep_the_limits_is_marked(comparison, printed):
    figures = {
        "uncontrolled": kpis(**{**FINE, "overloads": 5.0}, upper_cost=40.0, gap_to_bilevel=-0.2),
        "cohda": kpis(**FINE, upper_cost=51.5, gap_to_bilevel=0.03),
        "bilevel": kpis(**FINE, upper_cost=50.0, gap_to_bilevel=0.0),
    }
    lines = printed(comparison(figures))
    assert ["Overloads", "5", "0*", "0*"] in lines
    assert ["Upper cost, EUR", "(40)", "51.50", "50*"] in lines
    assert ["Gap to bilevel, %", "(-20.00)", "3.00", "0.00*"] in lines
    assert ["* best; ( ) leaves the grid's limits violated"] in lines


def test_nothing_is_best_where_all_are_alike(comparison, printed):
    figures = {name: kpis(**FINE, losses=0.5) for name in ("cohda", "bilevel")}
    lines = printed(comparison(figures))
    assert ["Overloads", "0", "0"] in lines
    assert ["Losses, MWh", "0.5000", "0.5000"] in lines


def test_a_gap_to_next_to_nothing_is_in_euros(comparison, printed):
    entry = {"value": 3.0, "unit": "EUR", "label": "Gap to bilevel"}
    figures = {"cohda": {**kpis(**FINE), "gap_to_bilevel": entry}}
    assert ["Gap to bilevel, %", "3 EUR"] in printed(comparison(figures))


def test_what_anticipation_saves_is_told_and_explained(comparison, printed):
    saved = {"value_of_anticipation": 115.7, "value_of_anticipation_share": 0.0298}
    figures = {"individual": kpis(**FINE), "bilevel": kpis(**FINE, **saved)}
    figures["bilevel"]["value_of_anticipation"]["unit"] = "EUR"
    lines = printed(comparison(figures))
    assert ["Anticipation saves, EUR", "–", "115.7"] in lines
    assert ["... of redispatch, %", "–", "2.98"] in lines
    assert any(line and line[0].startswith("Anticipation: what bilevel saves") for line in lines)


def test_a_failed_run_has_a_column_without_figures(comparison, printed, tmp_path):
    failed = ComparedRun(tmp_path / "central", "failed", "no solution")
    reused = ComparedRun(tmp_path / "elsewhere", "complete", reused=True)
    figures = {"central": {}, "cohda": kpis(**FINE, losses=0.5)}
    lines = printed(comparison(figures, central=failed, cohda=reused))
    assert ["Run", "failed", "reused"] in lines
    assert ["Losses, MWh", "–", "0.5000"] in lines
    assert ["* best"] in lines


def test_if_nothing_ran_there_is_still_a_table(comparison, printed, tmp_path):
    lines = printed(comparison({"cohda": {}}, cohda=ComparedRun(tmp_path / "x", "failed", "no")))
    assert ["Run", "failed"] in lines


def test_zeros_that_are_as_they_should_be_are_left_out(comparison, printed):
    figures = {
        "cohda": kpis(**FINE, ev_energy_missing=0.0, heat_unserved=1e-14, cap_violations=2.0)
    }
    shown = {line[0] for line in printed(comparison(figures)) if line}
    assert "P_set not kept" in shown
    assert not shown & {"EV missing, kWh", "Heat unserved, kWh", "No power flow, steps"}


def test_a_wide_terminal_names_the_kpis_in_the_files(comparison, printed):
    figures = {"cohda": kpis(**FINE, losses=0.5)}
    assert ["Losses, MWh", "0.5000", "losses"] in printed(comparison(figures), width=120)


@pytest.mark.parametrize("width", [40, 80])
def test_mechanisms_that_do_not_fit_beside_come_below(comparison, printed, width):
    names = ["uncontrolled", *(f"mine:Strategy{number}" for number in range(6))]
    figures = {name: kpis(**FINE, losses=0.5, upper_cost=12345.6) for name in names}
    lines = printed(comparison(figures), width)
    assert sum(line[:1] == ["Losses, MWh"] for line in lines) > 1
    assert all(any(name in line for line in lines) for name in names)
    assert not any("…" in word for line in lines for word in line)


def test_every_mechanism_that_ships_fits_80_characters(comparison, printed):
    names = ("uncontrolled", "cohda", "individual", "central", "bilevel")
    every = {
        line.kpi: 0.9876 if line.percent else 12345.6 for lines in LINES.values() for line in lines
    }
    lines = printed(comparison({name: kpis(**{**every, **FINE}) for name in names}))
    assert sum(line[:1] == ["Overloads"] for line in lines) == 1


# -- files ----------------------------------------------------------------------------------------
def test_kpis_have_a_column_per_mechanism_also_for_those_that_failed(comparison):
    found = comparison({"central": {}, "cohda": kpis(losses=0.5, upper_cost=None)})
    assert list(found.kpis.columns) == ["central", "cohda"]
    assert found.kpis.loc["losses", "cohda"] == 0.5
    assert found.kpis.loc["losses"].isna().tolist() == [True, False]
    assert found.kpis.loc["upper_cost"].isna().all()
    assert found.kpis.attrs["unit"]["losses"] == "MWh"


def test_csv_has_a_line_per_kpi(comparison):
    found = comparison({"cohda": kpis(losses=0.5), "bilevel": kpis(losses=0.4, peak=None)})
    assert (found.dir / "compare.csv").read_text().splitlines() == [
        "kpi,label,unit,cohda,bilevel",
        "losses,Losses,MWh,0.5,0.4",
        "peak,Peak,1,,",
    ]


def test_order_of_kpis_is_that_of_the_runs():
    table = kpi_table({"a": {}, "b": kpis(losses=1.0, upper_cost=2.0)})
    assert list(table.index) == ["losses", "upper_cost"]


def test_folders_of_runs_are_relative_to_the_comparison(comparison, tmp_path):
    there = ComparedRun(tmp_path.parent / "cohda-1", "complete", reused=True)
    found = comparison({"cohda": kpis(losses=0.5)}, cohda=there)
    assert found.manifest["runs"]["cohda"]["dir"] == "../cohda-1"
    assert found.runs["cohda"] == there


def test_opening_names_what_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json and compare\.json is missing"):
        Comparison.open(tmp_path)

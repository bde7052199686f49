"""What is left out of the user's data is said: once, and in the KPIs."""

from __future__ import annotations

import pytest

from quartier import kpi
from quartier.report.remarks import remarks
from quartier.scenario.findings import Findings
from quartier.terminal import print_notes

STORAGES = {"where": "grid.json", "what": "2 storages", "table": "storage", "unit": "MW"}
STAYS = {"where": "ev.csv", "what": "a stay", "table": "sessions", "unit": "kWh"}
ASSUMED = {"where": "grid.json", "what": "taken for a", "table": "", "amount": 0.0, "unit": "MW"}


def test_a_note_is_kept_once_and_is_no_problem():
    findings = Findings()
    for _ in range(2):
        findings.note("grid.json", "a controller does not act", "controller")
    assert [note.where for note in findings.notes] == ["grid.json"]
    assert findings.problems == []


def test_notes_add_up_in_the_kpi_by_table_and_unit(data):
    notes = [{**STORAGES, "amount": 0.5}, {**STORAGES, "amount": 0.25}, {**STAYS, "amount": 7.0}]
    table = kpi.compute(data({}, notes=[*notes, ASSUMED]))
    left_out = {name: e for name, e in table.items() if name.startswith("not_simulated")}
    assert {name: (entry["value"], entry["unit"]) for name, entry in left_out.items()} == {
        "not_simulated[storage]": (0.75, "MW"),
        "not_simulated[sessions]": (7.0, "kWh"),
    }


@pytest.mark.parametrize("manifest", [{}, {"notes": []}])
def test_without_notes_there_is_no_such_kpi(data, manifest):
    assert not [name for name in kpi.compute(data({}, **manifest)) if "not_simulated" in name]


def test_the_page_and_the_terminal_say_them(data, capsys):
    run = data({}, notes=[ASSUMED])
    assert "grid.json: taken for a." in remarks(run.result)
    print_notes([ASSUMED])
    assert capsys.readouterr().err.count("grid.json: taken for a") == 1

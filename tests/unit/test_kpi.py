"""KPIs of the process, and the table of all KPIs."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from quartier import kpi
from quartier.kpi import process
from quartier.problem import COUPLINGS
from tests.unit.kpi_runs import points


# -- process -----------------------------------------------------------------------------
def test_negotiations(data):
    table = {
        "gate": 0,
        "round": [0, 1],
        "neighbourhood": "nord",
        "mechanism": "cohda",
        "agents": 25,
        "messages": [100, 50],
        "bytes": [1000, 500],
        "sim_time_s": [3.0, 2.0],
        "wall_s": [1.0, 0.5],
        "agreed": [True, False],
    }
    run = data({"negotiations": table})
    assert process.negotiations(run) == 2
    assert process.negotiation_agents(run) == 25
    assert process.negotiation_messages(run) == 150
    assert process.negotiation_bytes(run) == 1500
    assert process.negotiation_sim_time(run) == 5.0
    assert process.negotiation_wall_time(run) == 1.5
    assert process.negotiation_agreement(run) == 0.5


def test_hypervolume_is_the_mean_of_the_fronts_offered(data):
    names = ["hypervolume[nord]", "hypervolume[nord]", "hypervolume[west]", "co2"]
    values = [0.6, 0.7, 0.8, 7.0]
    start = pd.Timestamp("2016-07-25", tz="UTC")
    run = data({"signals": {"time": start, "name": names, "value": values, "unit": "1"}})
    assert process.negotiation_hypervolume(run) == pytest.approx(0.7)


def test_hypervolume_is_undefined_without_fronts(data):
    assert process.negotiation_hypervolume(data({})) is None


# -- the table ---------------------------------------------------------------------------
def test_every_kpi_of_an_empty_run_is_a_number_or_undefined(data):
    table = kpi.compute(data({}, wall_times_s={"planning": 1.0, "execution": 2.0}))
    assert table["wall_time_planning"] == {
        "value": 1.0,
        "unit": "s",
        "label": "Wall time of planning",
    }
    for entry in table.values():
        assert entry["value"] is None or isinstance(entry["value"], float)


def test_groups_become_keys(data):
    table = kpi.compute(data({"connection_points": points(p_kw=[5.0, -1.0])}))
    assert table["import[nord]"]["label"] == "Energy imported (nord)"


def test_every_kpi_is_defined_in_its_docstring():
    for figure in kpi.KPIS:
        assert figure.definition, figure.name
        assert figure.label[0].isupper(), figure.name


@pytest.mark.parametrize("problem", COUPLINGS)
def test_kpi_names_are_unique_apart_from_groups(problem):
    """Of all that a run has: profit, say, is read otherwise where days stand for a year."""
    run = SimpleNamespace(problems=(problem,), has_grid=True, has_zones=True)
    names = [
        figure.name
        for figure in kpi.KPIS
        if kpi.applies(figure, run) and not figure.value.__name__.endswith("_by")
    ]
    assert len(names) == len(set(names))

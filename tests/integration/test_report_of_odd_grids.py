"""The report is always written: whatever the grid, and whatever failed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import quartier
from quartier.report import sections, write_report
from quartier.report.run_report import run_page
from quartier.results.grid_file import read_grid
from tests.unit.grid_cases import case, village, write, written
from tests.unit.large_grid import large_run

LARGE = 8_000
"""Buses: more than a page draws with all their figures (somebody sent 37,587)."""


@pytest.mark.parametrize("name", ["huge_load", "geo_odd", "g_case33bw"])
def test_a_run_leaves_its_report(name, tmp_path):
    """No step converges; coordinates are odd; there is no transformer."""
    result = quartier.run(written(name, tmp_path), overrides={"horizon.steps": 2})
    page = (result.dir / "report.html").read_text(encoding="utf-8")
    assert '"map"' in page
    assert "This cannot be shown" not in page
    assert case(name).get("report", case(name).get("notes", [""])[0]) in page
    if name == "huge_load":
        assert result.status == "degraded"
        kpis = result.kpis
        assert np.isnan(kpis["overloads"])
        assert np.isnan(kpis["voltage_violations"])
        assert kpis["steps_not_converged"] == 2


def test_what_fails_on_the_page_leaves_the_rest(tmp_path, monkeypatch):
    result = quartier.run(write(village(), tmp_path, {}))

    def broken(*_):
        raise KeyError("nan")

    monkeypatch.setattr(sections, "schedules_section", broken)
    page = write_report(result).read_text(encoding="utf-8")
    assert "This cannot be shown: KeyError" in page
    assert 'id="map"' in page


@pytest.mark.parametrize(
    "geo", ["", "x", "{}", '{"coordinates": 3}', '{"coordinates": ["a", "b"]}', None, 5, "[1, NaN]"]
)
def test_any_odd_coordinate_is_none(geo, tmp_path):
    net = village()
    net.bus["geo"] = [json.dumps({"type": "Point", "coordinates": [8 + k, 53]}) for k in range(4)]
    net.bus["max_vm_pu"], net.bus["min_vm_pu"] = 1.1, 0.9
    net.line["max_loading_percent"] = net.trafo["max_loading_percent"] = 100.0
    folder = write(net, tmp_path, {})
    assert read_grid(folder / "grid.json").placed
    net.bus["geo"] = net.bus["geo"].astype(object)
    net.bus.at[2, "geo"] = geo
    drawn = read_grid(write(net, tmp_path, {}) / "grid.json")
    assert not drawn.placed
    assert np.isfinite(drawn.buses[["x", "y"]].to_numpy(float)).all()


def test_a_large_grid_shows_what_is_nearest_to_its_limits(tmp_path):
    result = large_run(tmp_path, LARGE, steps=2)
    page = run_page(result)
    told = [text for text in page.warnings if f"{LARGE:,} buses" in text]
    assert len(told) == 1
    elements, buses = page.model["elements"]["labels"], page.model["buses"]["labels"]
    assert f"line {LARGE // 2}" in elements
    assert f"bus {LARGE // 3}" in buses
    assert "bus 7" in buses
    assert len(elements) <= 900
    assert len(buses) <= 2200
    path = write_report(result)
    assert path.stat().st_size < 15e6


def test_a_drawing_of_many_buses_keeps_branches_apart(tmp_path):
    large_run(tmp_path, 1200, steps=1)
    places = read_grid(tmp_path / "grid.json").buses[["x", "y"]]
    assert len(pd.DataFrame(places.round(9)).drop_duplicates()) == 1200

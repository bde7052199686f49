"""A kind of unit of the user's own: named ``module:Class``, one file, no entry anywhere."""

from __future__ import annotations

import json
import sys
from textwrap import dedent

import jsonschema
import numpy as np
import pytest
import yaml

from quartier.errors import InputError
from quartier.instance import build
from quartier.scenario.load import load
from quartier.scenario.schema import keys_at, scenario_schema
from quartier.simulators.unit import simulator_of
from quartier.units import KINDS

KIND = '''
    from typing import Literal

    from pydantic import PositiveFloat

    from quartier.units.base import ELECTRICITY, CsvColumn, Flow, SeriesRequest, UnitParameters
    from quartier.units.curtailable import CurtailableKind


    class Depth(CsvColumn):
        unit: Literal["m"] = "m"


    class Parameters(UnitParameters):
        gadget_kw: PositiveFloat
        depth: Depth


    class Gadget(CurtailableKind):
        """Feeds in."""

        Parameters = Parameters

        def requests(self, u):
            return {"available_kw": SeriesRequest(u.depth, "m", factor=u.gadget_kw)}


    class WithoutParameters(CurtailableKind):
        """Says nothing of its parameters."""


    class OldCommand(Gadget):
        """Names a column instead of a carrier."""

        command = "p_kw"


    class Steam(Gadget):
        """Makes heat that it does not speak of."""

        def flow(self, u, x, s, dt_h):
            return Flow({ELECTRICITY: x["p_kw"], "heat": x["p_kw"]})


    number = 3
'''
SCENARIO = {
    "name": "study",
    "horizon": {"start": "2016-07-25T10:00", "steps": 4},
    "grid": {"simbench": "1-MV-rural--2-sw"},
    "signals": {"export_eur_per_kwh": 0.08, "import_eur_per_kwh": 0.3},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a package of own kinds and a series."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    package = tmp_path / f"own_{tmp_path.name.replace('-', '_')}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kinds.py").write_text(dedent(KIND))
    times = [f"2016-07-25T10:{minute:02d}" for minute in (0, 15, 30, 45)] + ["2016-07-25T11:00"]
    rows = [f"{time},{k + 1}" for k, time in enumerate(times)]
    (tmp_path / "river.csv").write_text("\n".join(["time,depth", *rows]))
    return package


def written(folder, unit):
    place = {"bus": 15, "units": {"gadget": unit}}
    path = folder.parent / "study.yaml"
    path.write_text(yaml.safe_dump({**SCENARIO, "neighbourhoods": {"quarter": place}}))
    return path


def gadget(folder, name="Gadget", **changes):
    depth = {"csv": "river.csv", "column": "depth", "unit": "m"}
    return {"kind": f"{folder.name}.kinds:{name}", "gadget_kw": 2.0, "depth": depth, **changes}


def problems(path):
    with pytest.raises(InputError) as error:
        load(path)
    return error.value.problems


def test_own_kind_is_read_with_its_own_parameters_and_units_of_measure(folder):
    loaded = load(written(folder, gadget(folder)))
    (unit,) = build(loaded).units
    np.testing.assert_allclose(unit.series["available_kw"], [2.0, 4.0, 6.0, 8.0])
    assert KINDS[unit.kind] is KINDS[unit.kind]
    assert unit.kind not in set(KINDS)
    shown = loaded.resolved()["neighbourhoods"]["quarter"]["units"]["gadget"]
    assert shown["gadget_kw"] == 2.0
    assert json.loads(json.dumps(shown))["depth"]["column"] == "depth"


def test_own_kind_has_a_simulator_under_its_class_name(folder):
    simulator = simulator_of(gadget(folder)["kind"])
    assert simulator.__name__ == "Gadget"
    assert "gadget_kw" in simulator().meta["models"]["Gadget"]["params"]


def test_wrong_parameters_of_an_own_kind_are_named_with_their_path(folder):
    wrong = gadget(folder, gadget_kw=-1, gadget=1)
    del wrong["depth"]
    at = "neighbourhoods.quarter.units.gadget"
    assert sorted(problems(written(folder, wrong))) == [
        f"{at}.depth: is missing",
        f"{at}.gadget: unknown key; did you mean gadget_kw or agents?",
        f"{at}.gadget_kw: should be greater than 0 (got -1)",
    ]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Nothing", "has no class 'Nothing'"),
        ("number", "is no class derived from quartier.units.base.UnitKind"),
        ("WithoutParameters", "its class needs Parameters, derived from"),
        ("OldCommand", "its command is 'p_kw', which is none of its carriers: electricity"),
    ],
)
def test_what_is_no_kind_is_told(folder, name, why):
    (problem,) = problems(written(folder, gadget(folder, name)))
    assert problem.startswith("neighbourhoods.quarter.units.gadget: kind ")
    assert why in problem


def test_a_flow_that_a_kind_does_not_speak_of_is_told(folder):
    with pytest.raises(InputError) as error:
        build(load(written(folder, gadget(folder, "Steam"))))
    (problem,) = error.value.problems
    assert "has to do with heat, but its class does not say so" in problem


def test_module_that_is_not_there_is_told(folder):
    (problem,) = problems(written(folder, {"kind": "no_such_module:Gadget"}))
    assert "no module 'no_such_module' in " in problem


def test_series_in_a_unit_of_measure_that_was_not_asked_for_is_refused(folder):
    text = (folder / "kinds.py").read_text()
    (folder / "kinds.py").write_text(text.replace('(u.depth, "m",', '(u.depth, "km",'))
    with pytest.raises(InputError, match="is in 'm', but 'km' is needed"):
        build(load(written(folder, gadget(folder))))


def test_editors_accept_an_own_kind_and_still_check_ours(folder):
    validator = jsonschema.Draft202012Validator(scenario_schema())
    data = yaml.safe_load(written(folder, gadget(folder)).read_text())
    assert list(validator.iter_errors(data)) == []
    data["neighbourhoods"]["quarter"]["units"]["gadget"]["kind"] = "pv"
    assert list(validator.iter_errors(data))


def test_keys_of_an_own_kind_are_known(folder):
    unit = gadget(folder)
    path = ("neighbourhoods", "q", "units", "g")
    data = {"neighbourhoods": {"q": {"units": {"g": unit}}}}
    assert set(keys_at(path, data)) == {"kind", "count", "agents", "nodes", "gadget_kw", "depth"}


def test_mistake_in_an_own_kind_is_told_with_its_line_beside_other_problems(folder):
    text = (folder / "kinds.py").read_text()
    (folder / "kinds.py").write_text(text.replace("factor=u.gadget_kw", "factor=u.nothing"))
    path = written(folder, gadget(folder))
    data = yaml.safe_load(path.read_text())
    data["neighbourhoods"]["quarter"]["bus"] = "nowhere"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError) as error:
        build(load(path))
    bus, kind = error.value.problems
    assert bus.startswith("neighbourhoods.quarter.bus: there is no bus 'nowhere'")
    assert kind.startswith("neighbourhoods.quarter.units.gadget: kind ")
    assert "'nothing'" in kind
    assert kind.endswith("(kinds.py, line 25)")

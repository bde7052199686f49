"""The JSON schema for editors: current, and in agreement with what ships."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from quartier.scenario import yaml_file
from quartier.scenario.models import Scenario
from quartier.scenario.schema import keys_at, scenario_schema, schema_text
from quartier.units import KINDS

SHIPPED = Path(str(resources.files("quartier.scenarios")))
FILES = [
    SHIPPED / "fliegerhorst" / "scenario.yaml",
    Path(yaml_file.__file__).with_name("template.yaml"),
]


@pytest.fixture(scope="module")
def validator():
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_shipped_schema_is_current():
    """Write it anew with ``python -m quartier.scenario.schema``."""
    assert (SHIPPED / "scenario.schema.json").read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("path", FILES, ids=["fliegerhorst", "template"])
def test_shipped_files_keep_to_the_schema_and_name_it(validator, path):
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")
    assert list(validator.iter_errors(yaml_file.read(path))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"horizn": {}},
        {"seed": -1},
        {"neighbourhoods": {"q": {"bus": 1, "units": {"pv": {"kind": "pv", "power": 1}}}}},
        {"variants": {"v": {"horizon": {"stps": 3}}}},
        {"variants": {"v": {"neighbourhoods": {"q": {"units": {"pv": {"kind": "pvv"}}}}}}},
    ],
)
def test_wrong_files_do_not_keep_to_the_schema(validator, wrong):
    data = {**yaml_file.read(FILES[1]), **wrong}
    assert list(validator.iter_errors(data))


def test_variants_may_remove_and_need_nothing(validator):
    data = {**yaml_file.read(FILES[1]), "variants": {"v": {"gates": None, "horizon": {"steps": 4}}}}
    assert list(validator.iter_errors(data)) == []


def test_every_field_is_described():
    """The docstring under a field is its text in the schema and in the reference page."""
    schema = scenario_schema()
    bodies = {"Scenario": schema, **schema["$defs"]}
    missing = [
        f"{model}.{name}"
        for model, body in bodies.items()
        for name, field in body.get("properties", {}).items()
        if name != "kind"
        and not {"description", "$ref"} & set(field)
        and not model.endswith("Override")
    ]
    assert missing == []


def test_every_kind_of_unit_is_in_the_schema():
    unit = Scenario.model_json_schema()["$defs"]["NeighbourhoodSettings"]["properties"]["units"]
    patterns = next(iter(unit["patternProperties"].values()))
    assert set(patterns["discriminator"]["mapping"]) == set(KINDS)


def test_keys_at_a_path_depend_on_the_kind():
    data = {"neighbourhoods": {"q": {"units": {"b": {"kind": "battery"}}}}}
    path = ("neighbourhoods", "q", "units", "b")
    assert "wear_eur_per_kwh" in keys_at(path, data)
    assert "profile" not in keys_at(path, data)
    assert "steps" in keys_at(("horizon",))

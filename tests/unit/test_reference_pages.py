"""The parts of the documentation that are written from the code: complete, and cited in full."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from quartier.kpi import KPIS
from quartier.results import TABLES
from quartier.scenario.schema import scenario_schema
from quartier.units import KINDS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def written():
    """Return the generated Markdown of a page, by the module that writes it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(DOCS / "_generate"), *sys.path])
        yield lambda name: importlib.import_module(f"{name}_reference").generated()


def rows(text):
    return [line for line in text.splitlines() if line.startswith("| `")]


def test_every_kpi_has_its_definition(written):
    text = written("kpi")
    headings = re.findall(r"^### `(\w+)(?:\[\.\.\.\])?`$", text, flags=re.MULTILINE)
    assert sorted(headings) == sorted(kpi.name for kpi in KPIS)
    for kpi in KPIS:
        assert kpi.definition.split("\n")[0].split("`")[0].replace("#{", "\\#{") in text


def test_every_key_of_the_scenario_stands_in_its_section(written):
    text, schema = written("scenario"), scenario_schema()
    sections = dict(re.findall(r"^## [^\n]*\{ #(\w+) \}\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    models = {n.lower(): b for n, b in schema["$defs"].items() if not n.endswith("Override")}
    assert set(sections) == {name for name, body in models.items() if "properties" in body}
    for name, section in sections.items():
        keys = {k for k, f in models[name]["properties"].items() if k != "kind" or "const" not in f}
        assert set(re.findall(r"^\| `(\w+)`", section, re.M)) == keys, name
    whole = text.split("\n## ")[1] if text.startswith("\n") else text.split("## ")[1]
    assert set(re.findall(r"^\| `(\w+)`", whole, re.M)) == set(schema["properties"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_unit_has_a_section_and_a_model(written, kind):
    assert f"## Unit of kind `{kind}`" in written("scenario")
    models = (DOCS / "models/units.md").read_text(encoding="utf-8")
    assert re.search(rf"^## .*`{kind}`", models, re.M)


def test_every_column_of_every_table_is_there_with_its_meaning(written):
    text = written("results")
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert set(sections) == set(TABLES)
    for table, section in sections.items():
        columns = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]* \| (.+) \|$", section, re.M)
        assert [name for name, _ in columns] == list(TABLES[table])
        assert all(meaning.strip() for _, meaning in columns)


def test_short_names_of_papers_and_models_are_written_out(written):
    citations = importlib.import_module("citations")
    page = "reference/kpis.md"
    shown = citations.cited("Lost (M4; seed 001 eq. 4-5; M12), as `M4` says (M12).", page)
    paper = "[Ramirez Acosta et al. 2023](papers.md#ramirez-acosta)"
    assert shown == f"Lost ([redispatch](../models/dso.md); {paper} eq. 4-5), as `M4` says."
    for name in ("kpi", "scenario", "results"):
        text = citations.cited(written(name), page)
        assert not re.search(r"\b[Ss]eed \d|\(M\d", text)


def test_papers_cited_on_the_pages_are_on_the_page_of_papers():
    papers = (DOCS / "reference/papers.md").read_text(encoding="utf-8")
    known = set(re.findall(r"\{ #([\w-]+) \}", papers))
    pages = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    cited = set(re.findall(r"papers\.md#([\w-]+)", pages))
    assert cited <= known
    assert cited


GLOSSARY = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8")
IN_CODE = sorted(set(re.findall(r"`((?:[a-z_]+\.)+\w+)`", GLOSSARY)))


@pytest.mark.parametrize("name", IN_CODE)
def test_what_the_glossary_names_is_in_the_code(name):
    parts = f"quartier.{name}".split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        break
    for part in parts[cut:]:
        found = getattr(found, part)

"""What there is: scenarios, coordination mechanisms, kinds of units, KPIs."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

Rows: TypeAlias = Iterator[tuple[str, ...]]
"""Name and one-line description of each; mechanisms have the matrix of problems in between."""


def scenarios() -> Rows:
    """Shipped scenarios, each followed by its variants."""
    from quartier.scenario.load import load, shipped

    for name, (title, variants) in shipped().items():
        yield name, title
        for variant in (f"{name}:{variant}" for variant in variants):
            yield variant, load(variant).scenario.title


def coordinations() -> Rows:
    """Coordination mechanisms known by name, and the problems that they answer: a matrix."""
    from quartier.coordination import COORDINATIONS, problems

    for name, answered in COORDINATIONS.items():
        cells = ["yes" if problem in answered else "–" for problem in problems()]
        yield name, *cells, _class_summary(next(iter(answered.values())))


def units() -> Rows:
    """Kinds of units."""
    from quartier.units import KINDS

    for name, kind in KINDS.items():
        yield name, _summary(type(kind).__doc__)


def kpis() -> Rows:
    """KPIs with their units and what they are called."""
    from quartier.kpi import KPIS

    for name, kpi in {kpi.name: kpi for kpi in KPIS}.items():
        unit = {"1": ", a share", "count": ""}.get(kpi.unit, f" in {kpi.unit}")
        yield name, f"{kpi.label}{unit}"


def _class_summary(path: str) -> str:
    """First line of a class's docstring, read without importing what the class needs."""
    module, _, name = path.partition(":")
    spec = importlib.util.find_spec(module)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _summary(ast.get_docstring(node))
    return ""


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


def headings(what: str) -> tuple[str, ...]:
    """Headings of what stands between name and description in a list."""
    if what != "coordinations":
        return ()
    from quartier.coordination import problems

    return problems()


CATALOGUE: dict[str, Callable[[], Rows]] = {
    "scenarios": scenarios,
    "coordinations": coordinations,
    "units": units,
    "kpis": kpis,
}
"""All that can be listed, in this order."""

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
    from quartier.scenario.files import shipped

    yield from shipped().items()


def coordinations() -> Rows:
    """Coordination mechanisms known by name, and the problems that they answer: a matrix."""
    from quartier.coordination import COORDINATIONS, problems

    for name, answered in COORDINATIONS.items():
        cells = ["yes" if problem in answered else "–" for problem in problems()]
        yield name, *cells, _class_summary(next(iter(answered.values())))


def units() -> Rows:
    """Kinds of units."""
    package = _source("quartier.units")
    module_of = {
        alias.name: statement.module
        for statement in package.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
    for name, made in _entries(package, "KINDS"):
        module = module_of[made].rpartition(".")[2]
        yield name, _class_summary(f"quartier.units:{made}", f"{module}.py")


def kpis() -> Rows:
    """KPIs with their units and what they are called."""
    from quartier.kpi import KPIS

    for name, kpi in {kpi.name: kpi for kpi in KPIS}.items():
        unit = {"1": ", a share", "count": ""}.get(kpi.unit, f" in {kpi.unit}")
        yield name, f"{kpi.label}{unit}"


def _class_summary(path: str, file: str | None = None) -> str:
    """First line of a class's docstring, read without importing what the class needs.

    Parameters
    ----------
    path
        ``module:Class``.
    file
        Name of the file beside the module's that the class stands in, if not in its own.
    """
    module, _, name = path.partition(":")
    for node in _source(module, file).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def _source(module: str, file: str | None = None) -> ast.Module:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ast.Module([], [])
    path = Path(spec.origin)
    return ast.parse((path.with_name(file) if file else path).read_text(encoding="utf-8"))


def _entries(package: ast.Module, name: str) -> Iterator[tuple[str, str]]:
    """Keys of ``NAME: Type = Type({"key": Class(), ...})``, with the class of each."""
    for statement in package.body:
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == name:
            for node in ast.walk(statement):
                if isinstance(node, ast.Dict):
                    for key, made in zip(node.keys, node.values, strict=True):
                        if isinstance(key, ast.Constant) and isinstance(made, ast.Call):
                            yield str(key.value), ast.unparse(made.func)


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
BRIEF = ("scenarios", "coordinations", "units")
"""What is listed if nothing is asked for."""

"""The reference of KPIs, from the docstrings of the functions that read them."""

from __future__ import annotations

import inspect
import sys

from citations import markdown

from quartier.kpi import KPIS, Kpi


def generated() -> str:
    """Return the generated part as Markdown."""
    parts = []
    modules = list(dict.fromkeys(kpi.value.__module__ for kpi in KPIS))
    for module in modules:
        title = inspect.getdoc(sys.modules[module]) or ""
        title = title.partition(":")[0].removeprefix("KPIs of ").removeprefix("the ")
        parts.append(f"## {title[0].upper()}{title[1:]}\n")
        parts += [_entry(kpi) for kpi in KPIS if kpi.value.__module__ == module]
    return "\n".join(parts)


def _entry(kpi: Kpi) -> str:
    unit = {"1": "a share", "count": "a number"}.get(kpi.unit, f"in {kpi.unit}")
    text = markdown(inspect.cleandoc(kpi.definition)).replace("#{", "\\#{")
    name = f"{kpi.name}[...]" if "Groups" in str(kpi.value.__annotations__["return"]) else kpi.name
    return f"### `{name}`\n\n**{kpi.label}**, {unit}.\n\n{text}\n"

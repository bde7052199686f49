"""A comparison as a notebook shows it: how each run ended, and the KPIs that decide."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quartier.scoreboard import Cell, cells, notes, shown_lines

if TYPE_CHECKING:
    import pandas as pd

BEST = "★ "


def comparison_html(
    folder: Path,
    manifest: Mapping[str, Any],
    kpis: pd.DataFrame,
    states: Mapping[str, str],
    ended: Collection[str],
) -> str:
    """Return a small HTML table with a column a mechanism, the best of every line starred.

    Parameters
    ----------
    manifest
        Of the comparison.
    kpis
        Values by KPI (index) and mechanism (columns).
    states
        How each mechanism's run ended.
    ended
        Mechanisms whose runs have figures.
    """
    names = list(states)
    told = notes(kpis, list(ended), manifest.get("reference_offer"))
    rows = [_row("Run", [escape(state) for state in states.values()])]
    for _, lines in shown_lines(kpis):
        for line in lines:
            found = cells(line, kpis)
            rows.append(_row(line.label, [marked(found[name]) for name in names]))
    head = (
        f"<p><strong>{escape(str(manifest['scenario']['name']))}</strong>, "
        f"seed {manifest['seed']}: <strong>{escape(str(manifest['status']))}</strong><br>"
        f"<code>{escape(str(folder))}</code></p>"
    )
    heads = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    foot = "<br>".join(escape(note.replace("* best", "★ best")) for note in told)
    return (
        f"<div>{head}<table><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table><p><small>{foot}</small></p></div>"
    )


def marked(cell: Cell) -> str:
    """A value with a star if it is the best, in brackets if it does not count."""
    if cell.is_best:
        return f"<strong>{BEST}{escape(cell.text)}</strong>"
    return escape(cell.text if cell.counts else f"({cell.text})")


def _row(label: str, values: list[str]) -> str:
    first = f"<th scope='row' style='text-align:left'>{escape(label)}</th>"
    others = "".join(f"<td style='text-align:right'>{value}</td>" for value in values)
    return f"<tr>{first}{others}</tr>"

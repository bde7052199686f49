"""A run as a notebook shows it: status and the KPIs that decide."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from quartier.errors import InputError
from quartier.quantities import shown
from quartier.results.numbers import text

if TYPE_CHECKING:
    from quartier.results.run_folder import RunFolder

DECIDING = (
    "overloads",
    "voltage_violations",
    "max_line_loading",
    "redispatch_energy",
    "redispatch_cost",
    "curtailed_energy",
    "ev_energy_missing",
    "heat_unserved",
    "co2_local",
    "cost",
)
"""KPIs in the short table."""


def run_html(result: RunFolder) -> str:
    """Return a small HTML table: scenario, mechanism, status, and the KPIs that decide."""
    manifest = result.manifest
    error = f": {manifest['error']}" if manifest.get("error") else ""
    head = (
        f"<p><strong>{escape(str(manifest['scenario']['name']))}</strong>, "
        f"{escape(str(manifest['coordination']))}, seed {manifest['seed']}: "
        f"<strong>{escape(result.status)}</strong>{escape(error)}<br>"
        f"<code>{escape(str(result.dir))}</code></p>"
    )
    return f"<div>{head}{_table(result)}</div>"


def _table(result: RunFolder) -> str:
    try:
        kpis = result.kpi_table
    except InputError as error:
        return f"<p>{escape(error.problems[0])}</p>"
    deciding = kpis.reindex([name for name in DECIDING if name in kpis.index])
    rows = [
        f"<tr><th scope='row' style='text-align:left'>{escape(str(row['label']))}</th>"
        f"<td style='text-align:right'>{text(value)}</td>"
        f"<td style='text-align:left'>{escape(unit)}</td></tr>"
        for row in deciding.to_dict("records")
        for value, unit in [shown(float(row["value"]), str(row["unit"]))]
    ]
    more = f"<caption>{len(kpis)} KPIs in <code>result.kpis</code></caption>"
    return f"<table>{more}<tbody>{''.join(rows)}</tbody></table>"

"""What a user should know of a run that came to its end and yet is not what was meant."""

from __future__ import annotations

from collections.abc import Iterator

from quartier.kpi import RunData
from quartier.kpi.grid import overloads, voltage_violations


def warnings(run: RunData) -> Iterator[str]:
    """Say what the grid did in spite of a plan that was clean.

    The status stays ``complete``: nothing failed, but a plan rests on forecasts and on gates.
    """
    if "redispatch" in run.result.tables:
        yield from _unforeseen(run)


def _unforeseen(run: RunData) -> Iterator[str]:
    """Limits that were passed although the DSO's own power flow had found them kept."""
    found = [
        f"{count:g} {what}"
        for count, what in (
            (overloads(run), "overloads (element and step)"),
            (voltage_violations(run), "voltage violations (bus and step)"),
        )
        if count
    ]
    if found:
        yield (
            f"{' and '.join(found)} remained after redispatch: caps rest on forecasts, on what "
            "assets can still do, and on the steps that a gate plans"
        )

"""Whether simulators of the user's own act for units that are there, and that they can act for."""

from __future__ import annotations

from collections.abc import Mapping

from quartier.scenario.findings import Findings
from quartier.scenario.own_simulators import OwnSimulator
from quartier.scenario.problems import suggestion
from quartier.units import KINDS
from quartier.units.base import ELECTRICITY


def check_simulators(
    asked: Mapping[str, OwnSimulator], kind_of: Mapping[str, str], findings: Findings
) -> None:
    """Note simulators that act for nobody, or for what they cannot act for.

    Parameters
    ----------
    kind_of
        Kind by unit.
    """
    acted: dict[str, str] = {}
    for name, own in asked.items():
        path = f"simulators.{name}.unit"
        if own.unit in acted:
            findings.add(path, f"{own.unit} is acted for by {acted[own.unit]} already")
        acted.setdefault(own.unit, name)
        if own.unit not in kind_of:
            findings.add(path, f"there is no unit {own.unit!r}{suggestion(own.unit, kind_of)}")
            continue
        kind = KINDS[kind_of[own.unit]]
        if kind.carriers or kind.sessions or kind.command not in {None, ELECTRICITY}:
            findings.add(
                path,
                f"{own.unit} is a {kind_of[own.unit]}; simulators act for units that have to do"
                " with electricity alone, and with no stays of vehicles",
            )

"""What a grid's data hold that a run does not simulate, said in notes with its power."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from quartier.grid import simbench
from quartier.grid.tables import Net, column, label
from quartier.grid.tap_changers import without_effect
from quartier.scenario.findings import Findings

_INJECTING = {"load": "draws", "sgen": "feeds in", "gen": "feeds in"}
_COSTS = ("poly_cost", "pwl_cost")
_MOST_NAMES = 5


def note_left_out(net: Net, dark: frozenset[int], path: str, findings: Findings) -> None:
    """Note what of a grid is not simulated.

    Parameters
    ----------
    net
        The grid as its data have it.
    dark
        Buses that are out of service or not connected to the upper grid.
    path
        Where the grid is named in the scenario's file.
    """
    storages = net.storage[net.storage["in_service"].astype(bool)]
    if len(storages):
        power = power_mw(storages)
        findings.note(
            path,
            f"{_count(storages, 'storage')} of {power:g} MW do nothing: put batteries into a "
            "neighbourhood",
            "storage",
            power,
        )
    for kind, does in _INJECTING.items():
        rows = cut_off(net[kind], dark)
        if len(rows):
            power = power_mw(rows)
            what = f"{_count(rows, kind)} of {power:g} MW at buses without supply: none {does}"
            findings.note(path, f"{what} ({_names(kind, rows)})", kind, power)
    for said, table in _idle(net):
        findings.note(path, said, table)


def cut_off(table: pd.DataFrame, dark: frozenset[int]) -> pd.DataFrame:
    """Elements in service at buses that are not supplied."""
    used = table["in_service"].to_numpy(dtype=bool)
    return table[used & table["bus"].isin(list(dark)).to_numpy(dtype=bool)]


def power_mw(rows: pd.DataFrame) -> float:
    """Power of elements in MW, scaled and without sign."""
    return float(np.abs(column(rows, "p_mw", 0.0) * column(rows, "scaling", 1.0)).sum())


def note_profiles(names: Sequence[str], findings: Findings) -> None:
    """Note which of SimBench's scenarios gave the profiles of a grid that is not SimBench's."""
    shown = ", ".join(sorted(names)[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    findings.note(
        "grid",
        f"SimBench profiles ({shown}) are those of its scenario {simbench.NEWEST_SCENARIO}, the "
        "far future: the grid does not say which",
    )


def _idle(net: Net) -> Iterator[tuple[str, str]]:
    """What has no power of its own, and its table: taps without effect, controllers, costs."""
    for row in without_effect(net.trafo):
        name = label("transformer", net.trafo, row)
        yield (
            f"the tap of {name} has no effect, as in pandapower: set tap_changer_type (e.g. to "
            "Ratio), tap_side and tap_neutral to make it act",
            "",
        )
    controllers = net["controller"] if "controller" in net else pd.DataFrame()
    acting = [type(row.object).__name__ for row in controllers.itertuples() if bool(row.in_service)]
    for name, count in Counter(acting).items():
        what = f"{count} controller {name} does not act: what it controls stays as the data have it"
        yield what, "controller"
    for kind in _COSTS:
        if kind in net and len(net[kind]):
            what = f"{len(net[kind])} {kind} not read: prices are those of the scenario"
            yield what, kind


def _count(rows: pd.DataFrame, kind: str) -> str:
    return f"{len(rows)} {kind}"


def _names(kind: str, rows: pd.DataFrame) -> str:
    shown = [label(kind, rows, k) for k in range(min(len(rows), _MOST_NAMES))]
    more = f" and {len(rows) - _MOST_NAMES} more" if len(rows) > _MOST_NAMES else ""
    return ", ".join(shown) + more

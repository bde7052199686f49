"""Runs side by side in which a player prices carriers: who gains, and profit by a cap (M10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import pandas as pd

from quartier.figures import pricing
from quartier.problem import Pricing
from quartier.report.blocks import Section
from quartier.report.compared_runs import Compared
from quartier.report.sections import block

CAP = re.compile(r"problem\.carriers\.[^.]+\.cap_eur_per_kwh")
"""Key of a carrier's cap."""
UNTOLD = ("versions", "code", "files", "baseline")
"""What tells runs apart without being a setting that a line of a figure stands for."""

UNPRICED = ("–", "null")
"""Caps of runs in which a carrier has none."""


def is_priced(compared: Compared) -> bool:
    """Whether a player prices carriers in all runs."""
    asked = [result.manifest["scenario"].get("problem") for result in compared.results.values()]
    return all(isinstance(one, Mapping) and one["kind"] == Pricing.kind for one in asked)


def pricing_section(compared: Compared) -> Section:
    """Who gains by the player's prices; its profit by a cap, where runs differ in one."""
    who = (
        "What each neighbourhood pays less than at best at its own tariffs, as planned (runs that"
        " nobody plans have none), and what the player earns, as executed."
    )
    kpis = compared.kpis[list(compared.results)]
    blocks = [block("gains", partial(pricing.gains_by_run, kpis), who, eager=True)]
    for carrier, table in cap_curves(compared).items():
        draw = partial(pricing.curve, table, carrier)
        lead = "Other settings of the runs of a line are the same."
        blocks.append(block(f"cap-{carrier}", draw, lead))
    return Section("pricing-part", "Prices of the player", blocks)


def cap_curves(compared: Compared) -> dict[str, pd.DataFrame]:
    """Profit by the cap of each carrier that runs differ in.

    Returns
    -------
    dict of DataFrame
        By carrier, a row a run: ``series`` (mechanism, and what else it differs in),
        ``cap_eur_per_kwh``, ``profit``.
    """
    differing, found = dict(compared.differing), {}
    for key in [key for key in differing if CAP.fullmatch(key)]:
        others = {k: v for k, v in differing.items() if k != key and not k.startswith(UNTOLD)}
        rows = [
            {
                "series": ", ".join(
                    [str(result.manifest["coordination"])]
                    + [f"{k.rpartition('.')[2]} {v[run]}" for k, v in others.items()]
                ),
                "cap_eur_per_kwh": float(cap),
                "profit": compared.kpis.loc["profit", run],
            }
            for run, result in compared.results.items()
            if (cap := differing[key][run]) not in UNPRICED
        ]
        if len({row["cap_eur_per_kwh"] for row in rows}) > 1:
            found[key.split(".")[2]] = pd.DataFrame(rows)
    return found

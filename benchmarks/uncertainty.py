"""200 draws of the default day with forecasts that err, planned once and anew every hour.

Prints the time on two workers, the limits that are passed with gates within the day and without
(the same draws), and how far KPIs spread. With ``--margins`` also what margins cost and save.
Without ``--out`` nothing is kept; with it, a study that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import pandas as pd

import quartier

SHOWN = (
    "overloads",
    "overload_energy",
    "voltage_violations",
    "cap_violations",
    "cap_violation_energy",
    "curtailed_energy",
    "upper_cost",
    "lower_cost",
    "forecast_error[wind]",
    "forecast_error[pv]",
)
LIMITS = ("overloads", "voltage_violations", "cap_violations")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=130)
    parser.add_argument("--every", type=int, default=4, help="steps between gates within the day")
    parser.add_argument("--coordination", default="individual")
    parser.add_argument("--margins", type=float, nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        out = options.out or Path(folder)
        gates = studied(out / "gates", options, "gates.every", [options.steps, options.every])
        told(gates, "gates.every")
        fewer(gates, options)
        if options.margins:
            margins = [0.0, *options.margins]
            told(
                studied(out / "margins", options, "redispatch.margin", margins), "redispatch.margin"
            )
    print(f"load {os.getloadavg()[0]:.1f}")


def studied(out: Path, options: argparse.Namespace, key: str, values: list) -> quartier.Study:
    began = time.perf_counter()
    study = quartier.sweep(
        "fliegerhorst:forecast-errors",
        {"horizon.steps": [options.steps], key: values},
        [options.coordination],
        seeds=options.draws,
        out=out,
        workers=options.workers,
    )
    seconds = time.perf_counter() - began
    print(
        f"{key}: {options.draws} draws, {len(study.runs)} runs and as many baselines on"
        f" {options.workers} workers: {seconds:.0f} s; {len(study.failed)} failed"
    )
    return study


def told(study: quartier.Study, key: str) -> None:
    """Print how far KPIs spread."""
    rows = study.kpis[study.kpis["kpi"].isin(SHOWN)]
    columns = [key, "mean", "low", "high", "std", "least", "p5", "median", "p95", "greatest"]
    with pd.option_context("display.width", 160):
        print(rows.set_index("kpi")[columns].round(3).to_string())


def fewer(study: quartier.Study, options: argparse.Namespace) -> None:
    """Print in how many draws gates within the day pass fewer limits."""
    by_draw = study.runs.set_index(["gates.every", "seed"])[list(LIMITS)].sum(axis=1)
    once, often = by_draw.loc[options.steps], by_draw.loc[options.every]
    print(
        f"limits passed: {once.sum():.0f} planned once, {often.sum():.0f} every {options.every}"
        f" steps; fewer in {(often < once).sum()} draws, more in {(often > once).sum()}"
    )


if __name__ == "__main__":
    main()

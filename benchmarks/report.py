"""A large report: size, time to write it, and time until its first figure is drawn in Chromium.

The run is made up: numbers of steps, lines and messages as asked for. Its peer in the same run is a
page with Plotly and one line of two points, which no report can beat.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from playwright.sync_api import Browser, sync_playwright

from quartier.report import write_report
from quartier.report.blocks import Figure, Page, Section
from quartier.report.page import write_page
from quartier.results import Result, RunWriter

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
UNITS = {"pv": 1, "wind": 1, "battery": 1, "household": 20, "ev_station": 20}
"""Units of a neighbourhood by kind."""
NEIGHBOURHOODS = ("nord", "sued", "west")


def main() -> None:
    """Write both pages, open each several times, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=130)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = made_up(Path(folder) / "run", options.steps, options.lines, options.messages)
        began = time.perf_counter()
        report = write_report(run)
        wrote_s = time.perf_counter() - began
        bare = write_page(bare_page(), Path(folder) / "bare.html")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            medians = {path: measured(browser, path, options.repeat) for path in (bare, report)}
            browser.close()
        print(f"{options.steps} steps, {options.lines} lines, {options.messages} messages")
        print(f"written in {wrote_s:.1f} s")
        print(f"{'page':<8} {'MB':>6} {'first plot s':>13} {'all drawn s':>12}")
        for name, path in (("bare", bare), ("report", report)):
            first, everything = medians[path]
            print(f"{name:<8} {path.stat().st_size / 1e6:>6.2f} {first:>13.2f} {everything:>12.2f}")
        print(f"ratio of first plots: {medians[report][0] / medians[bare][0]:.2f}")


def measured(browser: Browser, path: Path, repeat: int) -> tuple[float, float]:
    """Median seconds from the start of loading to the first figure, and to all figures."""
    first, everything = [], []
    for _ in range(repeat):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.locator("figure[data-eager] .main-svg").first.wait_for()
        marks = "() => performance.getEntriesByName('first-plot').map((mark) => mark.startTime)"
        while not (found := page.evaluate(marks)):
            page.wait_for_timeout(5)
        first.append(found[0] / 1e3)
        for figure in page.locator("figure.figure:visible").all():
            figure.scroll_into_view_if_needed()
            figure.locator(".main-svg").first.wait_for()
        everything.append(time.perf_counter() - began)
        page.close()
    return float(np.median(first)), float(np.median(everything))


def bare_page() -> Page:
    """Return a page with one line of two points."""
    figure = Figure("line", go.Figure(go.Scatter(x=[0, 1], y=[0, 1])), eager=True)
    return Page("bare", [Section("part", "part", [figure])])


# -- a run that was never simulated ----------------------------------------------------------------
def made_up(folder: Path, steps: int, lines: int, messages: int) -> Result:
    """Write a run folder with numbers of the asked-for size."""
    rng = np.random.default_rng(1)
    times = pd.date_range("2024-06-01", periods=steps, freq="15min", tz="UTC")
    units = {
        name: {f"{kind}-{i}": {} for kind, n in UNITS.items() for i in range(n)}
        for name in NEIGHBOURHOODS
    }
    scenario = {
        "name": "made-up",
        "title": "A run of this size",
        "description": "",
        "horizon": {"step_minutes": 15},
        "neighbourhoods": units,
    }
    about = {"coordination": "cohda", "seed": 1, "versions": {}, "overrides": [], "variant": None}
    ends = {"start": times[0], "end": times[-1], "steps_expected": steps}
    writer = RunWriter(folder, {**about, **ends, "scenario": scenario, "start_energy_kwh": {}})
    grid_json(folder / "grid.json", lines, rng)
    write_grid(writer, times, lines, rng)
    write_units(writer, times, rng)
    write_negotiation(writer, messages, rng)
    for _ in range(steps):
        writer.tick()
    writer.write_kpis({f"kpi-{i}": {"value": 1.0, "unit": "kW", "label": "x"} for i in range(60)})
    writer.finish("complete")
    return Result.open(folder)


def grid_json(path: Path, lines: int, rng: np.random.Generator) -> None:
    """Write a tree of buses: bus ``i + 1`` hangs on an earlier one by line ``i``."""
    start = [int(rng.integers(max(0, i - 5), i + 1)) for i in range(lines)]
    x, y = np.cumsum(rng.normal(0, 0.01, (2, lines + 1)), axis=1)
    geo = [json.dumps({"coordinates": [9 + a, 50 + b]}) for a, b in zip(x, y, strict=True)]
    names = [f"Bus {i}" for i in range(lines + 1)]
    ends = list(range(1, lines + 1))
    tables = {
        "bus": {"name": names, "geo": geo, "min_vm_pu": 0.95, "max_vm_pu": 1.05},
        "line": {"name": [f"Line {i}" for i in ends], "from_bus": start, "to_bus": ends},
        "trafo": {"name": ["T1", "T2"], "hv_bus": [0, 0], "lv_bus": [1, 1]},
    }
    net = {}
    for name, columns in tables.items():
        frame = pd.DataFrame(columns).assign(max_loading_percent=100.0)
        net[name] = {"_object": frame.to_json(orient="split")}
    path.write_text(json.dumps({"_object": net}))


def write_grid(
    writer: RunWriter, times: pd.DatetimeIndex, lines: int, rng: np.random.Generator
) -> None:
    """Write loadings and voltages of every step."""
    level = rng.uniform(5, 90, lines)
    for i, moment in enumerate(times):
        loading = level * (1 + 0.3 * np.sin(i / 15)) + rng.normal(0, 2, lines)
        names = [f"Line {k}" for k in range(1, lines + 1)]
        row = {"time": moment, "index": np.arange(lines), "name": names}
        writer.add("lines", {**row, "loading_percent": loading})
        both = {"time": moment, "index": [0, 1], "name": ["T1", "T2"]}
        writer.add("transformers", {**both, "loading_percent": [40.0, 41.0]})
        vm = 1 + 0.03 * np.sin(i / 20 + np.arange(lines + 1) / 90)
        writer.add("buses", {"time": moment, "bus": np.arange(lines + 1), "vm_pu": vm})
    writer.add("steps", {"time": times, "converged": np.ones(len(times), dtype=bool)})


def write_units(writer: RunWriter, times: pd.DatetimeIndex, rng: np.random.Generator) -> None:
    """Write units, connection points, caps and plans of two rounds."""
    for place, name in enumerate(NEIGHBOURHOODS):
        total = np.zeros(len(times))
        for kind, count in UNITS.items():
            for i in range(count):
                power = rng.normal(50, 20, len(times))
                unit = {"time": times, "unit": f"{name}.{kind}-{i}"}
                own = {"neighbourhood": name, "kind": kind, "p_kw": power}
                writer.add("units", {**unit, **own, "energy_kwh": 100.0})
                for round_ in (0, 1):
                    plan = {"gate": 0, "round": round_, "p_kw": power + 5 * round_}
                    writer.add("plans", {**unit, **plan})
                total += power
        point = {"time": times, "name": name, "kind": "neighbourhood", "bus": 10 * place}
        offer = {"p_kw": total, "offer_kw": total + 50, "flex_up_kw": 30.0, "flex_down_kw": 90.0}
        writer.add("connection_points", {**point, **offer, "p_set_max_kw": total})
        cap = {"gate": 0, "round": 1, "asset": name, "kind": "neighbourhood", "cost_eur": 1.0}
        why = {"reason_element": f"line {place} Line {place + 1}", "sensitivity": 3.0}
        set_to = {"time": times, "offered_kw": total + 50, "p_set_kw": total}
        writer.add("redispatch", {**cap, **why, **set_to})


def write_negotiation(writer: RunWriter, messages: int, rng: np.random.Generator) -> None:
    """Write messages among 300 agents and how the objective fell."""
    agents = np.array([f"agent-{i}" for i in range(300)])
    sent = np.sort(rng.uniform(0, 60, messages))
    kinds = np.array(["Gossip", "Start", "Acknowledge", "Commit"])
    ends = {side: agents[rng.integers(0, 300, messages)] for side in ("sender", "receiver")}
    kind = kinds[rng.choice(4, messages, p=[0.85, 0.05, 0.05, 0.05])]
    common = {"sim_time_s": sent, "gate": 0, "kind": kind, "bytes": 900, "delivered": True}
    writer.add("messages", {**common, **ends})
    each = {"gate": 0, "round": 0, "neighbourhood": "nord"}
    trace = {"sim_time_s": np.linspace(0, 60, 200), "objective": 1e4 / np.arange(1, 201)}
    writer.add("traces", {**each, **trace})
    counts = {"agents": 100, "messages": messages, "bytes": 900, "agreed": True}
    writer.add("negotiations", {**each, "mechanism": "cohda", **counts})


if __name__ == "__main__":
    main()

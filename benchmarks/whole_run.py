"""Wall time by phase, CPU time and peak memory of whole runs, each in a process of its own.

`cold` starts with an empty cache, as on a machine that never ran Quartier. `violations` counts
limits passed in what was executed, by lines and transformers and by buses.

`--scenario rural --variants sunny regulated` measures medium voltage with all its
low-voltage grids (5,479 buses): a day of `uncontrolled` is to take at most 60 s, `cohda` with
redispatch 5 min, on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VARIANTS = ("max-feed-in", "max-load", "three-neighbourhoods")

# The child's own peak, so that runs of this process do not add up.
CHILD = """
import resource, sys
from quartier.cli import app
try:
    app()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("peak", used.ru_maxrss / 1024, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


def measure(scenario: str, coordination: str, cache: Path | None) -> dict[str, float]:
    """Run a scenario in a process of its own; seconds by phase and in all, peak, violations."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["run", scenario, "--coordination", coordination]
        environment = dict(os.environ)
        if cache is not None:
            environment["QUARTIER_CACHE_DIR"] = str(cache)
        began = time.perf_counter()
        child = subprocess.run(
            [sys.executable, "-c", CHILD, *words, "--out", str(out), "--quiet"],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        total_s = time.perf_counter() - began
        phases = json.loads((out / "manifest.json").read_text())["wall_times_s"]
        kpis = json.loads((out / "kpis.json").read_text())
    peak_mb, cpu_s = (float(word) for word in child.stderr.rsplit("peak ", 1)[1].split()[:2])
    passed = {name: kpis[name]["value"] for name in ("overloads", "voltage_violations")}
    return {**phases, "total": total_s, "cpu": cpu_s, "peak_mb": peak_mb, **passed}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coordination", default="cohda")
    parser.add_argument("--scenario", default="fliegerhorst")
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    options = parser.parse_args()
    columns = ("setup", "baseline", "planning", "execution", "kpis", "report", "total", "cpu")
    columns += ("peak_mb", "overloads", "voltage_violations")
    heads = (*columns[:-2], "violations", "at buses")
    print(f"{'run':<28}" + "".join(f"{name:>11}" for name in heads))
    with tempfile.TemporaryDirectory() as empty:
        variants = options.variants
        cases = [(variants[0], Path(empty)), *((variant, None) for variant in variants)]
        for variant, cache in cases:
            found = measure(f"{options.scenario}:{variant}", options.coordination, cache)
            label = f"{variant} ({'cold' if cache else 'warm'})"
            print(f"{label:<28}" + "".join(f"{found.get(name, 0.0):>11.2f}" for name in columns))


if __name__ == "__main__":
    main()

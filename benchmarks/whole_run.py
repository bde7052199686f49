"""Wall time by phase and peak memory of whole runs, each in a process of its own.

`cold` starts with an empty cache, as on a machine that never ran Quartier.
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak {peak:.0f} MB", file=sys.stderr)
"""


def measure(variant: str, coordination: str, cache: Path | None) -> dict[str, float]:
    """Run a variant in a process of its own; seconds by phase, total, and peak in MB."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        words = ["run", f"fliegerhorst:{variant}", "--coordination", coordination]
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
    peak_mb = float(child.stderr.rsplit("peak ", 1)[1].split()[0])
    return {**phases, "total": total_s, "peak_mb": peak_mb}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coordination", default="cohda")
    options = parser.parse_args()
    columns = ("setup", "baseline", "planning", "execution", "kpis", "total", "peak_mb")
    print(f"{'run':<28}" + "".join(f"{name:>11}" for name in columns))
    with tempfile.TemporaryDirectory() as empty:
        cases = [("max-feed-in", Path(empty)), *((variant, None) for variant in VARIANTS)]
        for variant, cache in cases:
            found = measure(variant, options.coordination, cache)
            label = f"{variant} ({'cold' if cache else 'warm'})"
            print(f"{label:<28}" + "".join(f"{found.get(name, 0.0):>11.2f}" for name in columns))


if __name__ == "__main__":
    main()

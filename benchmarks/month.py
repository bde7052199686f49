"""A month of `uncontrolled`: wall time, time per step against a day's, size of the run folder."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import quartier

STEPS_PER_DAY = 96


def main() -> None:
    """Measure a day and a month in the same process, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    print(f"{'days':>5} {'steps':>6} {'wall s':>8} {'execution ms/step':>18} {'folder MB':>10}")
    for days in (1, options.days):
        with tempfile.TemporaryDirectory() as folder:
            out, steps = Path(folder) / "run", days * STEPS_PER_DAY
            began = time.perf_counter()
            result = quartier.run(
                "fliegerhorst",
                coordination="uncontrolled",
                overrides=(f"horizon.steps={steps}", "horizon.start=2016-07-01T00:00"),
                out=out,
            )
            wall_s = time.perf_counter() - began
            size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) / 1e6
            execution_s = result.manifest["wall_times_s"]["execution"]
        per_step = 1e3 * execution_s / steps
        print(f"{days:>5} {steps:>6} {wall_s:>8.1f} {per_step:>18.2f} {size:>10.1f}")


if __name__ == "__main__":
    main()

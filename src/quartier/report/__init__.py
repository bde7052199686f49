"""Pages that show what happened: one HTML file each, without server and network.

`run_report` lists a run's `sections` (of `blocks`), `comparison` those of several runs
(`comparison_sections`, `comparison_kpis`, of `compared_runs`); `page` puts them together with
their data (`payload`, cut by `thinning`) and the scripts; `explorer` is what the map reads,
`remarks` what readers must know first. `anew` is `quartier report`.
"""

from quartier.report.comparison import write_comparison, write_side_by_side
from quartier.report.run_report import REPORT, write_report

__all__ = ["REPORT", "write_comparison", "write_report", "write_side_by_side"]

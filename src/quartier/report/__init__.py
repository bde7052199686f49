"""Pages that show what happened: one HTML file each, without server and network."""

from quartier.report.comparison import write_comparison, write_side_by_side
from quartier.report.run_report import REPORT, write_report

__all__ = ["REPORT", "write_comparison", "write_report", "write_side_by_side"]

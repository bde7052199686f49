"""Pages that show what happened: one HTML file each, without server and network."""

from quartier.report.run_report import write_report

__all__ = ["write_report"]

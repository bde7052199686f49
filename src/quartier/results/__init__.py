"""The run folder: tables written while a run goes on, and read back afterwards."""

from quartier.results.comparison import ComparedRun, Comparison
from quartier.results.finished import finished_run
from quartier.results.folder import new_run_directory
from quartier.results.log import run_log
from quartier.results.result import Result
from quartier.results.tables import TABLES
from quartier.results.writer import RunWriter

__all__ = [
    "TABLES",
    "ComparedRun",
    "Comparison",
    "Result",
    "RunWriter",
    "finished_run",
    "new_run_directory",
    "run_log",
]

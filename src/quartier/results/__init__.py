"""The run folder: tables written while a run goes on, and read back afterwards.

`writer` fills the tables of `tables` (by `buffer`; `files` and `uninterrupted` keep them whole)
and `log` the log file of a `folder`. `result` reads a run back, `finished` finds one that need
not be run again, `comparison` puts several side by side. `plot`, `html` and their `comparison_*`
show them in a notebook, `export` hands them on, `described` says what all columns mean.
"""

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

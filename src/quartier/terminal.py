"""What a user sees of a command: tables, messages, progress and exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from quartier import progress
from quartier.cancelling import CancellableProgress, Cancellation
from quartier.errors import InputError, QuartierError
from quartier.hanging import own_process
from quartier.scoreboard import figure

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from quartier.results import Result

WRONG_INPUT, FAILED, DEGRADED, CANCELLED = 2, 3, 4, 130
"""Exit codes; 0 is a complete run."""
WIDE = 110
"""Characters from which on a line holds the meaning of a KPI."""


def print_rows(title: str, rows: Iterable[tuple[str, ...]], headings: Sequence[str] = ()) -> None:
    """Print names with their descriptions; ``headings`` are those of what stands in between."""
    table = new_table(title, *headings, "")
    for row in rows:
        table.add_row(*row)
    new_console().print(table)


def print_kpis(result: Result) -> None:
    """Print the table of KPIs; on a wide terminal, with what they mean."""
    from quartier.quantities import shown

    console = new_console()
    table = new_table("KPI", "value", "unit", *(["meaning"] if console.width >= WIDE else []))
    table.columns[1].justify = "right"
    for name, row in result.kpi_table.astype(object).iterrows():
        value, unit = shown(float(row["value"]), row["unit"])
        cells = (str(name), figure(value), unit, row["label"])
        table.add_row(*cells[: len(table.columns)])
    console.print(table)


def print_notes(notes: Sequence[Mapping[str, Any]]) -> None:
    """Print to standard error what of the user's data is not simulated, or taken differently."""
    if notes:
        typer.echo("Not everything in the data is simulated as it stands:", err=True)
    for note in notes:
        typer.echo(f"  - {note['where']}: {note['what']}", err=True)


def new_table(*headings: str) -> Table:
    """Return an empty table whose first column keeps its width."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(*headings, box=SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True
    return table


def new_console() -> Console:
    """Return standard output, as wide as the terminal."""
    from rich.console import Console

    return Console(markup=False, highlight=False)


def complain(text: str) -> None:
    """Print to standard error."""
    typer.secho(text, err=True, fg="red")


@contextmanager
def reporting(*, quiet: bool) -> Iterator[progress.Progress]:
    """Give a command something to report to: it shows warnings too, and ends when cancelled."""
    shown, cancellation = progress.choose(quiet=quiet), Cancellation()
    with progress.log_as_notes(shown), cancellation.listening(), own_process():
        try:
            yield CancellableProgress(shown, cancellation)
        finally:
            shown.done()


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn errors into messages and exit codes; only our own mistakes show a traceback."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(_explained(error))


def _explained(error: BaseException) -> int:
    """Tell the user what went wrong; return the exit code."""
    if progress.is_cancellation(error):
        complain("Cancelled.")
        return CANCELLED
    if isinstance(error, QuartierError):
        complain(str(error))
        return WRONG_INPUT if isinstance(error, InputError) else FAILED
    traceback.print_exception(error)
    complain("This is an error in Quartier, or in a class of yours; please see above.")
    return FAILED

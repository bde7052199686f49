"""What ``quartier report`` does: one run, one comparison, or several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from quartier.errors import InputError
from quartier.report.comparison import write_comparison, write_side_by_side
from quartier.report.page import write_page
from quartier.report.run_report import REPORT, run_page, write_report
from quartier.results import Comparison, Result
from quartier.results.comparison import is_comparison
from quartier.results.finished import FINISHED


def report_anew(folders: Sequence[Path], out: Path | None = None) -> tuple[Path, str]:
    """Write the page of a run, of a comparison, or of several finished runs side by side.

    Parameters
    ----------
    folders
        One run folder or comparison folder, or several run folders.
    out
        Folder or ``.html`` file; if None, the page comes into the folder, and that of several runs
        beside the first of them.

    Returns
    -------
    tuple
        The file, and what must be said about it; nothing if empty.

    Raises
    ------
    InputError
        With everything that is wrong with the folders or with the place.
    """
    target = None if out is None else _file(out)
    if len(folders) > 1:
        return write_side_by_side(folders, target or _beside(folders[0])), ""
    folder = folders[0]
    if is_comparison(folder):
        return write_comparison(Comparison.open(folder), target), ""
    result = Result.open(folder)
    path = write_page(run_page(result), target) if target else write_report(result)
    if result.status in FINISHED:
        return path, ""
    return path, f"The run is {result.status}: the report shows what it wrote, and says so."


def _file(out: Path) -> Path:
    """The file to write; its folder is made if need be."""
    path = out if out.suffix.lower() in {".html", ".htm"} else out / REPORT
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = f"cannot make {path.parent}: {error.strerror}"
        raise InputError([f"{why}; name another with --out"]) from error
    return path


def _beside(folder: Path) -> Path:
    """A file of its own beside the first run, so that no other report is overwritten."""
    name = f"side-by-side-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    path, number = folder.resolve().parent / f"{name}.html", 2
    while path.exists():
        path, number = path.with_name(f"{name}-{number}.html"), number + 1
    return path

"""Tables in text files as people have them: encoding, separator, lines around the table.

A row of the table is known by a time in one of its cells; the header is the line of names above.
Lines before it and after the last row belong to no table, and are named in :attr:`CsvTable.said`.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quartier.scenario.record import SeriesError
from quartier.scenario.stamps import IS_TIME, numbered

_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars"}
_NUMBER = re.compile(r"[+-]?[\d.,' ]*\d[\d.,]*(?:[eE][+-]?\d+)?")
_MISSING = frozenset(["", "-", "--", "nan", "na", "n/a", "null", "none"])
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MOST_BYTES = 200_000_000
_SHOWN = 60
"""Characters of a line that a message shows."""


@dataclass(frozen=True)
class Row:
    """Cells of a line, and its number in the file, which starts with 1."""

    line: int
    cells: list[str]


@dataclass
class CsvTable:
    """The table in a text file.

    Parameters
    ----------
    path
        Its file.
    wanted
        Names that the header must have; without them, the last line of names is the header.

    Raises
    ------
    SeriesError
        If there is no such file, or no table in it.
    """

    path: Path
    wanted: Sequence[str] = ()
    separator: str = field(init=False)
    names: list[str] = field(init=False)
    rows: list[Row] = field(init=False)
    said: list[str] = field(init=False)
    """What of the file was read in another way than plain UTF-8 with the header in line 1."""
    before: str = field(init=False)
    """The lines before the header."""

    def __post_init__(self) -> None:
        text, encoding = _text(self.path)
        try:
            self.separator, rows = _split(text)
        except csv.Error as error:  # a quote that never ends, a cell of a hundred thousand signs
            raise SeriesError(f"{self.path.name} is no CSV table: {error}") from error
        if not rows:
            raise SeriesError(f"{self.path.name} is no CSV table: it is empty")
        at = self._header(rows)
        self.names = [_plain(cell) for cell in rows[at].cells]
        self.before = text_of(rows[:at])
        rows, units, after = self._parts(rows[at + 1 :])
        self.rows = [self._filled(row) for row in rows]
        self.said = [f"encoding {encoding}"] * (encoding != "utf-8")
        for lines, place in ((units, "below the header"), (after, "after the last row")):
            if lines:
                self.said.append(f"{_count(lines)} {place} left out ({_shown(lines)})")
        if self.before:
            self.said.insert(0, f"{at} line(s) before the header left out ({_shown(self.before)})")
        if repeated := [n for n in self.names if n and self.names.count(n) > 1]:
            wrong = [name for name in repeated if name in self.wanted]
            if wrong:
                raise SeriesError(f"{self.path.name} has several columns {wrong[0]!r}; rename one")

    def column(self, name: str, most: int | None = None) -> list[str]:
        """Return the cells of a column, or of its first rows.

        Raises
        ------
        SeriesError
            If there is no such column.
        """
        if name not in self.names:
            raise SeriesError(
                f"{self.path.name} has no column {name!r}; it has {', '.join(self.names)}"
            )
        at = self.names.index(name)
        return [row.cells[at] for row in self.rows[:most]]

    def where(self, row: int) -> str:
        """Name the place of a row in a message."""
        return f"{self.path.name}, line {self.rows[row].line}"

    def _header(self, rows: list[Row]) -> int:
        """Place of the header: the last line of names above the first time, unless wanted."""
        first = next((k for k, row in enumerate(rows) if _has_time(row)), len(rows))
        above = rows[: first or 1]
        named = [k for k, row in enumerate(above) if _is_names(row)]
        if not named:
            raise SeriesError(
                f"{self.path.name} is no CSV table: no line names its columns above the first "
                f"row, line {rows[0].line}: {_shown(text_of(rows[:1]))!r}; write a header, e.g. "
                "time,p"
            )
        for k in named:
            if self.wanted and set(self.wanted) <= {_plain(cell) for cell in rows[k].cells}:
                return k
        widest = max(len(rows[k].cells) for k in named)
        return [k for k in named if len(rows[k].cells) == widest][-1]

    def _parts(self, rows: list[Row]) -> tuple[list[Row], str, str]:
        """Return the rows of the table, lines of units above them, and lines after them."""
        timed = [k for k, row in enumerate(rows) if _has_time(row)]
        units = list(itertools.takewhile(_is_names, rows[: timed[0]])) if timed else []
        last = timed[-1] + 1 if timed else len(rows)
        while last < len(rows) and len(rows[last].cells) == len(self.names):
            last += 1
        return rows[len(units) : last], text_of(units), text_of(rows[last:])

    def _filled(self, row: Row) -> Row:
        lacking = len(self.names) - len(row.cells)
        if lacking < 0:
            raise SeriesError(
                f"{self.path.name} is no CSV table: line {row.line} has {len(row.cells)} cells, "
                f"the header {len(self.names)} (separated by {_SEPARATORS[self.separator]}); "
                "numbers with a decimal comma need quotes, or semicolons between the columns"
            )
        return Row(row.line, row.cells + [""] * lacking)


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.casefold() in _MISSING


def text_of(rows: Sequence[Row]) -> str:
    """Return lines as a text."""
    return "\n".join(" ".join(row.cells) for row in rows)


def _text(path: Path) -> tuple[str, str]:
    """Return the text of a file and its encoding."""
    if not path.is_file():
        raise SeriesError(f"there is no file {path}")
    if path.stat().st_size > _MOST_BYTES:
        raise SeriesError(
            f"{path.name} is larger than {_MOST_BYTES // 10**6} MB; keep the columns that are used"
        )
    raw = path.read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), "utf-8")
    if encoding == "utf-8" and raw[1::2].count(0) > len(raw) // 4:
        encoding = "utf-16-le"  # without its mark
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"  # latin-1 with the signs that Windows adds
        text = raw.decode(encoding, errors="replace")
    if re.search(r"[\x00-\x08\x0e-\x1f]", text[:10_000]):
        kind = "a workbook or archive" if raw[:2] in (b"PK", b"\xd0\xcf") else "binary data"
        raise SeriesError(f"{path.name} is no text but {kind}; export it as CSV")
    return text, "utf-8" if encoding == "utf-8-sig" else encoding


def _split(text: str) -> tuple[str, list[Row]]:
    """Return the separator that leaves most times alone in their cells, and the rows."""
    head = "\n".join(text.splitlines()[:500])
    times = {sep: sum(map(_has_time, _rows(head, sep))) for sep in _SEPARATORS}
    best = max(times, key=lambda sep: (times[sep], head.count(sep)))
    return best, _rows(text, best)


def _rows(text: str, separator: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=True)
    rows = [Row(reader.line_num, [numbered(c.strip()) for c in cells]) for cells in reader]
    # A separator at the end of every line makes no column.
    if all(len(row.cells) > 1 and not row.cells[-1] for row in rows if _has_time(row)):
        rows = [Row(row.line, row.cells[:-1]) if row.cells[-1:] == [""] else row for row in rows]
    return [row for row in rows if any(row.cells)]


def _has_time(row: Row) -> bool:
    return len(row.cells) > 1 and any(IS_TIME.fullmatch(cell) for cell in row.cells)


def _is_names(row: Row) -> bool:
    """Whether a line may be a header: several names, none of them empty or a number."""
    return len(row.cells) > 1 and not any(
        is_missing(cell) or _NUMBER.fullmatch(cell) or IS_TIME.fullmatch(cell) for cell in row.cells
    )


def _plain(cell: str) -> str:
    return cell.lstrip("# ").strip()


def _count(lines: str) -> str:
    return f"{lines.count(chr(10)) + 1} line(s)"


def _shown(lines: str) -> str:
    first = lines.partition("\n")[0].strip()
    return first if len(first) <= _SHOWN else f"{first[:_SHOWN]}..."

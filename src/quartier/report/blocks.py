"""What a page is made of: sections of figures, tables, choices and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd
import plotly.graph_objects as go


@dataclass(frozen=True)
class Figure:
    """A figure with title, legend, keyboard access and a button for its data.

    Parameters
    ----------
    name
        Unique on the page; becomes the id of its element.
    figure
        Its title is shown above it.
    lead
        How to read it, in a sentence or two.
    eager
        Draw it at once, not when it comes into view.
    """

    name: str
    figure: go.Figure
    lead: str = ""
    eager: bool = False
    template: str = field(default="figure.html.j2", init=False)

    @property
    def title(self) -> str:
        """Title of the figure."""
        return str(self.figure.layout.title.text or self.name)

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.figure.layout.height or 400)


@dataclass(frozen=True)
class Table:
    """A table that scrolls in its box, can be filtered and downloaded.

    Parameters
    ----------
    name
        Unique on the page.
    title
        Caption.
    frame
        Its rows; the index is the row's key (attribute ``data-key``) and is not shown. Numbers are
        shown with five significant digits, exactly in ``data-value`` and in the CSV.
    headings
        What readers call the columns (others keep their names), with units.
    lead
        How to read it.
    marks
        CSS class by key and column, e.g. ``best``.
    hints
        Longer explanation by key.
    """

    name: str
    title: str
    frame: pd.DataFrame
    headings: Mapping[str, str] = field(default_factory=dict)
    lead: str = ""
    marks: Mapping[tuple[Any, str], str] = field(default_factory=dict)
    hints: Mapping[Any, str] = field(default_factory=dict)
    template: str = field(default="table.html.j2", init=False)

    def numeric(self, column: str) -> bool:
        """Whether a column holds numbers, which stand at the right."""
        return bool(pd.api.types.is_numeric_dtype(self.frame[column])) and not bool(
            pd.api.types.is_bool_dtype(self.frame[column])
        )


@dataclass(frozen=True)
class Note:
    """A line of text, e.g. why a section has nothing to show."""

    text: str
    template: str = field(default="note.html.j2", init=False)


@dataclass(frozen=True)
class Choice:
    """Alternatives of which one is shown, as the reader chooses; all are printed.

    Parameters
    ----------
    name
        Unique on the page.
    label
        What is chosen, e.g. ``Neighbourhood``.
    options
        Blocks by what the reader chooses.
    """

    name: str
    label: str
    options: Mapping[str, Sequence[Block]]
    template: str = field(default="choice.html.j2", init=False)


@dataclass(frozen=True)
class Custom:
    """A block with a template of its own, and what the template is given as ``block.values``."""

    template: str
    values: Mapping[str, Any]
    figures: Sequence[Figure] = ()
    """Figures that the template places, or scripts draw."""


Block: TypeAlias = Figure | Table | Note | Choice | Custom


@dataclass(frozen=True)
class Section:
    """A part of the page that the navigation leads to."""

    name: str
    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Page:
    """A page.

    Parameters
    ----------
    title
        Main heading.
    subtitle
        Line below it.
    sections
        Its parts, from top to bottom.
    facts
        Short facts of the header, by label.
    status
        State in a word (``complete``, ...), shown as a badge.
    warnings
        What readers must know before they believe the page.
    model
        Data for scripts beside those of the figures; NumPy arrays are stored compactly.
    scripts
        Names of files of ``static`` after the common ones.
    """

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    status: str = ""
    warnings: Sequence[str] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    scripts: Sequence[str] = ()


def figures_of(blocks: Sequence[Block]) -> list[Figure]:
    """All figures among blocks, also those inside choices."""
    found: list[Figure] = []
    for block in blocks:
        if isinstance(block, Figure):
            found.append(block)
        elif isinstance(block, Custom):
            found.extend(block.figures)
        elif isinstance(block, Choice):
            found.extend(f for inner in block.options.values() for f in figures_of(inner))
    return found

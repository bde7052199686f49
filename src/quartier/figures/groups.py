"""Label and look of groups of units: those of their kind, the same in every figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from quartier.figures import style
from quartier.figures.frames import group_name


def kinds(units: pd.DataFrame, neighbourhood: str) -> dict[str, str]:
    """Kind by group of a neighbourhood's units, in the order of the table.

    Parameters
    ----------
    units
        Table of a run.
    neighbourhood
        Name; groups are named without it.
    """
    own = units.loc[units["neighbourhood"] == neighbourhood, ["unit", "kind"]]
    own = own.drop_duplicates("unit")
    names = [group_name(unit).removeprefix(f"{neighbourhood}.") for unit in own["unit"]]
    return dict(zip(names, own["kind"].astype(str), strict=True))


def labels(kind_of: Mapping[str, str]) -> dict[str, str]:
    """Label by group: that of its kind, with the group's name where several have it.

    Parameters
    ----------
    kind_of
        What :func:`kinds` returns.
    """
    named = {group: style.kind_label(kind) for group, kind in kind_of.items()}
    counts = Counter(named.values())
    return {
        group: label if counts[label] == 1 else f"{label} {group}" for group, label in named.items()
    }


def looks(kind_of: Mapping[str, str]) -> dict[str, style.Look]:
    """Look by group: that of its kind; further groups of a kind share its colour only.

    Parameters
    ----------
    kind_of
        What :func:`kinds` returns.
    """
    of_kind = style.kind_looks(sorted(set(kind_of.values())))
    seen: Counter[str] = Counter()
    made = {}
    for group, kind in kind_of.items():
        made[group] = _varied(of_kind[kind], seen[kind])
        seen[kind] += 1
    return made


def _varied(look: style.Look, number: int) -> style.Look:
    """The ``number``-th look of a colour."""
    return replace(
        look,
        pattern=_after(style.PATTERNS, look.pattern, number),
        dash=_after(style.DASHES, look.dash, number),
        symbol=_after(style.SYMBOLS, look.symbol, number),
    )


def _after(values: tuple[str, ...], value: str, number: int) -> str:
    return values[(values.index(value) + number) % len(values)]

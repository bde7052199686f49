"""What tests of the report in a browser share."""

from __future__ import annotations

import pandas as pd

LINE = "line 10 MV1.101 Line 11"
"""The line that the feed-in overloads."""


def at(table, time, **keys):
    """Row of a table at a time (ISO text in UTC) and keys."""
    rows = table[table["time"] == pd.Timestamp(time, tz="UTC")]
    for column, value in keys.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def shown_time(seen):
    """Time that the slider shows, as ISO text."""
    return seen.page.locator("#time-text").inner_text().removesuffix(" UTC").replace(" ", "T")

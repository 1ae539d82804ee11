"""Figures with intervals, drawn: a line an item, a column a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from popgen.report.axes import WIDE, Axis, shortened, spanning

Row = Mapping[str, Any]

WIDTH, ROW, TOP, GAP = 1200.0, 22.0, 48.0, 22.0
MOST_COLUMNS = 4

LARGE = 50.0
"""From here on the axis of a positive figure is logarithmic."""


def pictures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Lay out one diagnostic: a line an item, a column a figure, at most four abreast."""
    figures = list(dict.fromkeys(row["figure"] for row in rows))
    bands = [figures[i : i + MOST_COLUMNS] for i in range(0, len(figures), MOST_COLUMNS)]
    return [_band([row for row in rows if row["figure"] in band], band) for band in bands]


def _band(rows: Sequence[Row], figures: Sequence[str]) -> dict[str, Any]:
    items = list(dict.fromkeys(row["item"] for row in rows))
    left = min(20 + WIDE * max(map(len, items)), 300.0)
    width = min((WIDTH - left - GAP * (len(figures) + 1)) / len(figures), 340.0)
    bottom = TOP + ROW * len(items)
    place = {item: TOP + (i + 0.5) * ROW for i, item in enumerate(items)}
    starts = [left + GAP + i * (width + GAP) for i in range(len(figures))]
    return {
        "width": WIDTH,
        "height": bottom + 30,
        "top": TOP,
        "bottom": bottom,
        "left": left,
        "lines": [
            {"y": y, "text": shortened(item, int(left / WIDE)), "title": item}
            for item, y in place.items()
        ],
        "columns": [
            _column([row for row in rows if row["figure"] == figure], figure, start, width, place)
            for figure, start in zip(figures, starts, strict=True)
        ],
    }


def _column(
    rows: Sequence[Row], figure: str, start: float, width: float, place: Mapping[str, float]
) -> dict[str, Any]:
    known = [row for row in rows if row["value"] is not None]
    ends = [end for row in known for end in (row["value"], *_interval(row))]
    ideals = {row["ideal"] for row in known if row["ideal"] is not None}
    many = max(ends, default=0.0) > LARGE and min(*ends, *ideals) > 0

    def scaled(value: float) -> float:
        return math.log10(value) if many else value

    axis = spanning([scaled(value) for value in (*ends, *ideals)], start, start + width)
    return {
        "title": figure,
        "start": round(start, 1),
        "end": round(start + width, 1),
        "ticks": _powers(axis) if many else axis.ticks(5),
        "ideals": [axis.at(scaled(ideal)) for ideal in sorted(ideals)],
        "marks": [
            {
                "y": place[row["item"]],
                "x": axis.at(scaled(row["value"])),
                "bar": [
                    axis.at(scaled(row[end])) for end in ("low", "high") if row[end] is not None
                ],
                "title": _said(row),
            }
            for row in known
        ],
    }


def _interval(row: Row) -> tuple[float, ...]:
    return () if row["low"] is None else (row["low"], row["high"])


def _powers(axis: Axis) -> list[tuple[float, str]]:
    """Ticks at powers of ten of a logarithmic axis."""
    whole = range(math.ceil(axis.low), math.floor(axis.high) + 1)
    return [(axis.at(power), f"{10.0**power:g}") for power in whole]


def _said(row: Row) -> str:
    span = "" if row["low"] is None else f" ({row['low']:.3g} to {row['high']:.3g})"
    return f"{row['item']}: {row['value']:.3g}{span}, n {row['n']:,}"

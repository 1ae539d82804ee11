"""Dot plots: figures of each candidate between its two yardsticks; misses of each margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popgen.metrics import Metric, Plot
from popgen.report.axes import WIDE, Axis, shortened, spanning
from popgen.report.hits import Hits

Row = Mapping[str, Any]

WIDTH = 1200.0
GROUPS = {
    "all": "All tables",
    "unmeasured": "Only tables that no input contained",
    "measured": "Only tables that were inputs",
}
ROW, TOP, GAP, ROOM = 28.0, 66.0, 22.0, 20.0


def dots(rows: Sequence[Row], metrics: Sequence[Metric], group: str) -> dict[str, Any] | None:
    """Lay out one group's figures, a column a metric; None if there is nothing to show."""
    chosen = [row for row in rows if row["group"] == group]
    there = {(row["metric"], row["order"]) for row in chosen}
    found = [(m, plot) for m in metrics for plot in m.plots if (m.name, plot.order) in there]
    names = list(dict.fromkeys(row["candidate"] for row in rows))
    if not found:
        return None
    left = min(20 + WIDE * max(map(len, names)), 300.0)
    width = min((WIDTH - ROOM - left - GAP * len(found)) / len(found), 420.0)
    starts = [left + GAP + i * (width + GAP) for i in range(len(found))]
    lines = [
        {"y": TOP + (i + 0.5) * ROW, "text": shortened(name, int(left / WIDE)), "title": name}
        for i, name in enumerate(names)
    ]
    return {
        "title": GROUPS.get(group, group),
        "width": WIDTH,
        "height": TOP + ROW * len(names) + 46,
        "bottom": TOP + ROW * len(names),
        "top": TOP,
        "left": left,
        "lines": lines,
        "columns": [
            _column(chosen, names, *plot, (start, start + width))
            for plot, start in zip(found, starts, strict=True)
        ],
    }


def _column(
    rows: Sequence[Row],
    names: Sequence[str],
    metric: Metric,
    plot: Plot,
    ends: tuple[float, float],
) -> dict[str, Any]:
    own = [row for row in rows if (row["metric"], row["order"]) == (metric.name, plot.order)]
    kept = [r[what] for r in own for what in ("value", "floor", "ceiling") if r[what] is not None]
    axis = spanning([*kept, *(end for row in own for end in _interval(row))], *ends)
    ideal = metric.perfect if metric.better == "nearer" else None
    return {
        "title": plot.title,
        "note": f"{plot.note}; {metric.verdict()}",
        "start": round(ends[0], 1),
        "end": round(ends[1], 1),
        "ticks": axis.ticks(6),
        "ideal": None if ideal is None or not axis.low <= ideal <= axis.high else axis.at(ideal),
        "marks": [_mark(row, names.index(row["candidate"]), axis) for row in own],
    }


def _mark(row: Row, line: int, axis: Axis) -> dict[str, Any]:
    def pixel(value: float | None) -> float | None:
        return None if value is None else axis.at(value)

    figures = {key: row[key] for key in ("value", "floor", "ceiling")}
    said = ", ".join(
        f"{key} {v:.3g}" if v < 10 else f"{key} {v:.1f}"
        for key, v in figures.items()
        if v is not None
    )
    return {
        "y": TOP + (line + 0.5) * ROW,
        "x": pixel(row["value"]),
        "bar": [axis.at(end) for end in _interval(row)],
        "floor": pixel(row["floor"]),
        "ceiling": pixel(row["ceiling"]),
        "title": f"{row['candidate']}: {said}",
    }


def _interval(row: Row) -> tuple[float, ...]:
    """Give the ends of the 95 percent interval; none without a standard error."""
    if row["value"] is None or row["se"] is None:
        return ()
    return row["value"] - 1.96 * row["se"], row["value"] + 1.96 * row["se"]


def misses(hits: Hits) -> dict[str, Any]:
    """Lay out the misses of one population's margins: mean and largest, people and shares."""
    rows = sorted(hits.margins, key=lambda hit: -hit.largest)
    step, top = 20.0, 34.0
    left = min(20 + 0.95 * WIDE * max(len(hit.margin) for hit in rows), 300.0)
    high = max(1.0, 1.05 * max(hit.largest for hit in rows))
    axis = Axis(0.0, high, left, WIDTH / 2 - 40)
    shares = Axis(0.0, 100 * high / hits.people, axis.start, axis.end)
    return {
        "width": WIDTH / 2 - 10,
        "height": top + step * len(rows) + 44,
        "top": top,
        "bottom": top + step * len(rows),
        "left": left,
        "end": axis.end,
        "ticks": axis.ticks(5),
        "shares": shares.ticks(4),
        "lines": [
            {
                "y": top + (i + 0.5) * step,
                "text": shortened(hit.margin, 46),
                "mean": axis.at(hit.mean),
                "largest": axis.at(hit.largest),
                "title": (
                    f"{hit.margin}: mean miss {hit.mean:.2f}, largest {hit.largest:.2f} people "
                    f"({hit.where})"
                ),
            }
            for i, hit in enumerate(rows)
        ],
    }

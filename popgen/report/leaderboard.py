"""The leaderboard as one HTML page: no scripts, nothing fetched, every text escaped."""

from __future__ import annotations

from typing import Any

from popgen.bench.leaderboard import COLUMNS, Board, Leaderboard, Line
from popgen.bench.task import TRACKS
from popgen.bench.words import interval, shown, zones
from popgen.report.axes import DARK, LIGHT, Axis, colours, shortened
from popgen.report.render import environment

WIDTH, ROW, LEFT = 560, 22, 200
RANGE = (-1.0, 1.2)
"""Skills that are drawn to scale."""


def leaderboard_page(found: Leaderboard) -> str:
    """Write a leaderboard as one self-contained HTML page.

    Examples
    --------
    >>> "PopBench" in leaderboard_page(Leaderboard(()))
    True
    """
    page: str = (
        environment()
        .get_template("leaderboard.html.j2")
        .render(
            found=found,
            boards=[(board, zones(board), _forest(board)) for board in found.boards],
            columns=COLUMNS,
            tracks=TRACKS,
            interval=interval,
            shown=shown,
            light=colours(LIGHT),
            dark=colours(DARK),
        )
    )
    return page


def _forest(board: Board) -> dict[str, Any]:
    """Lay out skills and intervals: a row an entrant; what is beyond the axis stands at its end."""
    axis = Axis(*RANGE, LEFT, WIDTH - 20)
    return {
        "width": WIDTH,
        "height": ROW * len(board.lines) + 34,
        "ticks": axis.ticks(),
        "rows": [_bar(line, i, axis) for i, line in enumerate(board.lines)],
    }


def _bar(line: Line, i: int, axis: Axis) -> dict[str, Any]:
    low, mean, high = (axis.at(value) for value in (line.low, line.mean, line.high))
    far = not RANGE[0] <= line.mean <= RANGE[1]
    label = shortened(line.entrant, 28)
    return {"label": label, "y": ROW * i + 14, "low": low, "mean": mean, "high": high, "far": far}

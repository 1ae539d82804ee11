"""The leaderboard as Markdown: the same rows give the same bytes."""

from __future__ import annotations

from popgen.bench.leaderboard import COLUMNS, Board, Leaderboard, Line
from popgen.bench.task import TRACKS
from popgen.metrics import number

HOW = """# PopBench

Generated from `benchmarks/results/*.jsonl` by `popgen bench rank`; do not edit. How to read it, how
to enter and what it does not show: [docs/popbench.md](../docs/popbench.md).

**Skill** compares the error of two-way interactions with two yardsticks of the same number of
people: 0 is independent draws from the true one-way shares, 1 a real sample; below 0 is worse than
assuming no interaction. Brackets: 95 % intervals over tasks and seeds. Entrants of one rank cannot
be told from the best of them. A failed run counts as skill 0. Tracks have different information:
never compare across.
"""


def markdown(found: Leaderboard) -> str:
    """Write the leaderboard as Markdown."""
    parts = [HOW, "", *_legend()]
    for board in found.boards:
        parts += ["", *_board(board)]
    parts += ["", *_rest(found)]
    return "\n".join(parts).rstrip() + "\n"


def interval(line: Line) -> str:
    """Write the primary figure and its interval.

    >>> interval(Line("a", "peer", 1, 0.5, -0.25, 0.75, (), 0, ()))
    '0.50 [−0.25, 0.75]'
    """
    low, high = (number(value, typeset=True) for value in (line.low, line.high))
    return f"{number(line.mean, typeset=True)} [{low}, {high}]"


def shown(value: float | None, digits: int) -> str:
    """Write a figure of a column: a dash where it is undefined, a word for a cost not known.

    >>> shown(0.5, 2), shown(None, 2), shown(float("nan"), 0)
    ('0.50', '–', 'unknown')
    """
    return "unknown" if value != value else number(value, digits, typeset=True)


def zones(board: Board) -> str:
    """Say which zones a board's tasks are of, by split; "" if the data have none."""
    said = []
    for split in ("dev", "test"):
        names = [task.zone for task in board.tasks if task.split == split and task.zone]
        said += [f"{split}: {', '.join(names)}"] if names else []
    return "; ".join(said)


def _legend() -> list[str]:
    return [f"- {column.head}: {column.note}" for column in COLUMNS]


def _board(board: Board) -> list[str]:
    tasks = f"{len(board.tasks)} task{'s' * (len(board.tasks) > 1)} × {board.seeds} seeds"
    where = zones(board)
    heads = [
        "rank",
        "entrant",
        "by",
        "skill [95 %]",
        *(column.head for _, column in board.columns),
        "failed",
    ]
    lines = [
        f"## Track {board.track}, {board.population}: {board.budget}",
        "",
        f"{_cell(board.tasks[0].title)}. {tasks}{f' ({where})' if where else ''}. "
        f"{_cell(board.verdict)}",
        "",
        _row(heads),
        _row(["--:", "---", "---", *["--:"] * (len(heads) - 3)]),
    ]
    for line in board.lines:
        rank = "–" if line.rank is None else str(line.rank)
        figures = [shown(line.figures[i], column.digits) for i, column in board.columns]
        failed = str(line.failed) if line.failed else ""
        who = [rank, _cell(line.entrant), line.kind, interval(line)]
        lines.append(_row([*who, *figures, failed]))
    reasons = [(line.entrant, reason) for line in board.lines for reason in line.reasons[:1]]
    return [*lines, *([""] if reasons else []), *(f"- {_cell(e)}: {_cell(r)}" for e, r in reasons)]


def _rest(found: Leaderboard) -> list[str]:
    lines = []
    if found.absent:
        lines = ["## Tasks that need data", ""]
        lines += [
            f"- {one.definition} (track {one.track}): {_cell(one.title)}" for one in found.absent
        ]
        lines.append("")
    lines += [f"- {task.name} is superseded by {task.superseded_by}." for task in found.superseded]
    lines += [f"- Track {letter} ({TRACKS[letter]}) has no task yet." for letter in found.empty]
    return [*lines, "", f"Rows of popgen {', '.join(found.versions) or '(none)'}."]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Keep a text from ending its cell, or from being read as Markdown or HTML."""
    plain = " ".join(text.split())
    for mark in "\\|*_`[]<>":
        plain = plain.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return plain

"""From rows to boards: means, paired intervals, and who cannot be told from whom.

Reads stored rows only: nothing here can run an entrant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from popgen.bench.rows import YARDSTICK, Row, latest
from popgen.bench.task import TRACKS, Task, ranked
from popgen.errors import PopgenError, listed

Floats = NDArray[np.float64]

RESAMPLES = 4_000
"""Draws of the bootstrap."""
LEVEL = 0.95


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard.

    Attributes
    ----------
    head, note : str
        Its head, and what it says.
    metric, group, what : str
        Which figure of a row, or of its ``cost``.
    order : int
    digits : int
    """

    head: str
    note: str
    metric: str
    order: int = 0
    what: Literal["value", "skill", "cost"] = "value"
    group: str = "all"
    digits: int = 2

    def of(self, row: Row) -> float | None:
        """Read the figure of a run; None where it is undefined, NaN for a cost not known."""
        if self.what == "cost" and self.metric in row.cost:
            cost = row.cost[self.metric]
            return float("nan") if cost is None else float(cost)
        return row.figure(self.metric, self.order, self.group, self.what)


PRIMARY = Column("skill", "of two-way interactions (MAE)", "mae", 2, "skill")
"""What entrants are ranked by."""
COLUMNS = (
    Column("not given", "the same, on pairs that were not given", "mae", 2, "skill", "unmeasured"),
    Column("skill 3", "of three-way interactions", "mae", 3, "skill"),
    Column("K3 skill", "of the total variation of three-way tables", "K", 3, "skill"),
    Column("slope", "of two-way interactions; 1 is right", "slope", 2),
    Column("corr", "of two-way interactions with the true ones", "correlation", 2),
    Column("C2ST", "AUC of a classifier, people against real people; 0.5 is best", "c2st"),
    Column("impossible", "share of people in empty true cells", "impossible", 3, digits=4),
    Column("found zeros", "share of true cells absent from the records that it has", "found zeros"),
    Column("rare cells", "error in three-way cells under 1 %, over their people", "rare", 3),
    Column("main effects", "on the outcomes: how many are found again", "replicated", 1, "skill"),
    Column("moderations", "two-way effects on the outcomes, likewise", "replicated", 2, "skill"),
    Column("s", "seconds to fit and draw", "seconds", what="cost"),
    Column("MiB", "growth of resident memory; of a peer, all of it", "mib", what="cost", digits=0),
    Column("tokens", "of a language model", "tokens", what="cost", digits=0),
)
"""To show a figure, add its entry."""


@dataclass(frozen=True)
class Line:
    """An entrant on a board.

    Attributes
    ----------
    entrant, kind : str
    rank : int or None
        Of its group of entrants that cannot be told apart, counted by those before; None for a
        yardstick.
    mean, low, high : float
        Primary figure and its interval.
    figures : tuple of float or None
        In the order of `COLUMNS`: means over the runs that did not fail.
    failed : int
        Runs that failed; they count as independent draws, skill 0.
    reasons : tuple of str
        What they said.
    """

    entrant: str
    kind: str
    rank: int | None
    mean: float
    low: float
    high: float
    figures: tuple[float | None, ...]
    failed: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """Entrants on the tasks of one track and population.

    Attributes
    ----------
    track, budget, population : str
    tasks : tuple of Task
    seeds : int
    lines : tuple of Line
        Yardsticks first, then by rank.
    verdict : str
        Who is first, in words.
    """

    track: str
    budget: str
    population: str
    tasks: tuple[Task, ...]
    seeds: int
    lines: tuple[Line, ...]
    verdict: str

    @property
    def columns(self) -> tuple[tuple[int, Column], ...]:
        """The columns in which any line has a figure, and their positions in `COLUMNS`."""
        known = zip(*(line.figures for line in self.lines), strict=True)
        return tuple(
            (i, COLUMNS[i]) for i, some in enumerate(known) if any(v is not None for v in some)
        )


@dataclass(frozen=True)
class Leaderboard:
    """All boards, and what is missing.

    Attributes
    ----------
    boards : tuple of Board
    absent : tuple of Task
        Without rows, one of each definition: they need data.
    superseded : tuple of Task
    empty : tuple of str
        Letters of the tracks that have no task.
    versions : tuple of str
        Of popgen, that the rows were made with.
    """

    boards: tuple[Board, ...]
    absent: tuple[Task, ...] = ()
    superseded: tuple[Task, ...] = ()
    empty: tuple[str, ...] = ()
    versions: tuple[str, ...] = field(default=())


def leaderboard(rows: Sequence[Row], tasks: Sequence[Task]) -> Leaderboard:
    """Rank entrants, board by board.

    Parameters
    ----------
    rows : sequence of Row
        The last of each task, entrant and seed counts; rows of other revisions of a task do not.
    tasks : sequence of Task
        Those that count are ranked: see `popgen.bench.task.ranked`.

    Raises
    ------
    PopgenError
        If an entrant of a board lacks a run (it is named), rows follow different definitions, or
        a run's primary figure is undefined.

    Notes
    -----
    Seeds are averaged within a task, then tasks alike. Intervals: 95 % percentiles of a bootstrap
    over tasks, then seeds, paired over entrants [1]_. A panel that is the same in every seed is
    resampled by its own jackknife error. Entrants whose paired difference from the best of a group
    has an interval that holds 0 are tied with it.

    References
    ----------
    .. [1] Efron & Tibshirani (1993), An Introduction to the Bootstrap, doi:10.1201/9780429246593
    """
    current = {task.name: task for task in ranked(tasks)}
    kept = [row for row in rows if _counts(row, current)]
    kept = latest(kept)
    run = {row.task for row in kept}
    boards: dict[str, list[Task]] = {}
    for task in current.values():
        if task.name in run:
            boards.setdefault(task.board, []).append(task)
    return Leaderboard(
        tuple(_board(some, kept) for _, some in sorted(boards.items())),
        tuple({t.definition: t for t in current.values() if t.name not in run}.values()),
        tuple(task for task in tasks if task.superseded_by),
        tuple(letter for letter in TRACKS if letter not in {task.track for task in tasks}),
        tuple(sorted({row.popgen for row in kept})),
    )


def _counts(row: Row, tasks: Mapping[str, Task]) -> bool:
    task = tasks.get(row.task)
    return task is not None and row.revision == task.revision and row.seed < task.seeds


def _board(tasks: Sequence[Task], rows: Sequence[Row]) -> Board:
    names = {task.name for task in tasks}
    runs = {(row.entrant, row.task, row.seed): row for row in rows if row.task in names}
    entrants = list(dict.fromkeys(key[0] for key in sorted(runs)))
    seeds = {task.seeds for task in tasks}
    if len(seeds) > 1:
        raise PopgenError(f"tasks of board {tasks[0].board!r} have {listed(seeds)} seeds; give one")
    grid = {name: _runs(name, tasks, runs) for name in entrants}
    skills = np.array([[[_skill(run) for run in line] for line in grid[e]] for e in entrants])
    draws = _resampled(skills, [_own_error(grid[name]) for name in entrants])
    lines = _lines(entrants, grid, skills.mean(axis=2).mean(axis=1), draws)
    first = tasks[0]
    return Board(
        first.track,
        TRACKS[first.track],
        first.population,
        tuple(tasks),
        first.seeds,
        lines,
        _verdict(lines, first.split),
    )


def _runs(
    entrant: str, tasks: Sequence[Task], runs: Mapping[tuple[str, str, int], Row]
) -> list[list[Row]]:
    """Give an entrant's runs, a list a task; refuse a hole rather than average around it."""
    cells = [[(entrant, task.name, seed) for seed in range(task.seeds)] for task in tasks]
    holes = [cell for line in cells for cell in line if cell not in runs]
    if holes:
        name, task, seed = holes[0]
        raise PopgenError(
            f"{name!r} has no run of task {task!r}, seed {seed} ({len(holes)} missing in all); "
            "run it (popgen bench run), or leave the entrant out of the results"
        )
    return [[runs[cell] for cell in line] for line in cells]


def _skill(run: Row) -> float:
    """Give the primary figure; of a run that failed, that of independent draws."""
    if run.failure:
        return 0.0
    value = PRIMARY.of(run)
    if value is None:
        raise PopgenError(
            f"{run.entrant!r} has no {PRIMARY.head} on task {run.task!r}, seed {run.seed}: the "
            "yardsticks are too near; give the task more people"
        )
    return value


def _own_error(lines: Sequence[Sequence[Row]]) -> float:
    """Give the sampling error of the skill of a panel that is the same in every seed."""
    run = lines[0][0]
    se, floor, ceiling = (
        run.figure(PRIMARY.metric, PRIMARY.order, PRIMARY.group, what)
        for what in ("se", "floor", "ceiling")
    )
    if len({run.panel for line in lines for run in line}) > 1:
        return 0.0
    if se is None or floor is None or ceiling is None:
        return 0.0
    return abs(se / (ceiling - floor))


def _resampled(skills: Floats, errors: Sequence[float]) -> Floats:
    """Resample tasks, then seeds, alike for all entrants: means of shape (entrants, draws)."""
    rng = np.random.default_rng(0)
    _, tasks, seeds = skills.shape
    task = rng.integers(tasks, size=(RESAMPLES, tasks, 1))
    seed = rng.integers(seeds, size=(RESAMPLES, tasks, seeds))
    means: Floats = skills[:, task, seed].mean(axis=(2, 3))
    return means + np.array(errors)[:, None] * rng.standard_normal(means.shape)


def _lines(
    entrants: Sequence[str],
    grid: Mapping[str, Sequence[Sequence[Row]]],
    means: Floats,
    draws: Floats,
) -> tuple[Line, ...]:
    kinds = [grid[name][0][0].kind for name in entrants]
    order = sorted(range(len(entrants)), key=lambda i: (kinds[i] != YARDSTICK, -means[i]))
    ranked = [i for i in order if kinds[i] != YARDSTICK]
    ranks: dict[int, int] = {}
    leader = None
    for place, i in enumerate(ranked, 1):
        if leader is None or _interval(draws[leader] - draws[i])[0] > 0:
            leader, rank = i, place
        ranks[i] = rank
    tail = (1 - LEVEL) / 2
    lines = []
    for i in order:
        low, high = np.quantile(draws[i], [tail, 1 - tail])
        runs = grid[entrants[i]]
        failed = [run for line in runs for run in line if run.failure]
        lines.append(
            Line(
                entrants[i],
                kinds[i],
                ranks.get(i),
                float(means[i]),
                float(low),
                float(high),
                tuple(_mean(column, runs) for column in COLUMNS),
                len(failed),
                tuple(dict.fromkeys(run.failure for run in failed)),
            )
        )
    return tuple(lines)


def _interval(values: Floats) -> Floats:
    tail = (1 - LEVEL) / 2
    return np.asarray(np.quantile(values, [tail, 1 - tail]))


def _mean(column: Column, runs: Sequence[Sequence[Row]]) -> float | None:
    """Average seeds, then tasks, over the runs that have the figure."""
    values = [[column.of(run) for run in line if not run.failure] for line in runs]
    known = [[value for value in line if value is not None] for line in values]
    means = [float(np.mean(line)) for line in known if line]
    return float(np.mean(means)) if means else None


def _verdict(lines: Sequence[Line], split: str) -> str:
    """Say who is first or tied for first, and whether a popgen method is among them."""
    ranked = [line for line in lines if line.rank is not None]
    first = [line for line in ranked if line.rank == 1]
    ours = [line.entrant for line in ranked if line.kind == "popgen"]
    names = ", ".join(f"{line.entrant} ({line.kind})" for line in first)
    said = f"{'Tied for first' if len(first) > 1 else 'First'}: {names}."
    if not ours:
        said += " No popgen method competes here."
    elif not any(line.kind == "popgen" for line in first):
        said += f" No popgen method is; the best is {ours[0]}."
    return said if split == "test" else f"{said} A development task: methods were tuned on it."

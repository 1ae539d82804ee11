"""Two-way interactions, cell by cell: the truth's beside those of a few candidates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from popgen._tally import true_tables
from popgen.effects import recovery, size_of
from popgen.errors import PopgenError
from popgen.table import Projectable, Table

DIGITS = 4


@dataclass(frozen=True)
class Strength:
    """Interactions of one candidate and the truth's as a sample of its size shows them.

    Attributes
    ----------
    candidate : str
    size : int or None
        People; None where its counts are exact expectations.
    value, truth : tuple of float
        Log units, one for each cell.
    """

    candidate: str
    size: int | None
    value: tuple[float, ...]
    truth: tuple[float, ...]


@dataclass(frozen=True)
class Strengths:
    """Every cell of every two-way table of the truth.

    Attributes
    ----------
    levels : tuple of (variable, level)
        In the truth's order.
    cells : tuple of (int, int)
        The two levels that meet in a cell.
    weights : tuple of float
        Share of the truth's people in the cell.
    measured : tuple of bool
        Whether the candidates' maker was given the cell's table; empty if nothing is said of that.
    candidates : tuple of Strength
    """

    levels: tuple[tuple[str, str], ...]
    cells: tuple[tuple[int, int], ...]
    weights: tuple[float, ...]
    measured: tuple[bool, ...]
    candidates: tuple[Strength, ...]


def strengths(
    candidates: Mapping[str, Projectable],
    truth: Projectable,
    *,
    measured: Collection[Collection[str]] = (),
) -> Strengths:
    """Take the two-way interactions of a truth and of candidates; see `popgen.effects.recovery`.

    Raises
    ------
    PopgenError
        If the truth states no two-way table, or a candidate cannot answer one of them.
    """
    tables = true_tables(truth, 2)
    known = [set(names) for names in measured]
    levels = tuple((v.name, level) for v in truth.domain for level in v.levels)
    position = {level: i for i, level in enumerate(levels)}
    cells, inside = [], []
    for table in tables:
        one, two = table.domain.variables
        for a, b in product(one.levels, two.levels):
            cells.append((position[one.name, a], position[two.name, b]))
        inside += [any(names.issuperset(table.names) for names in known)] * table.domain.size
    return Strengths(
        levels,
        tuple(cells),
        _plain([table.shares.counts for table in tables]),
        tuple(inside) if known else (),
        tuple(_strength(name, given, tables) for name, given in candidates.items()),
    )


def _strength(name: str, candidate: Projectable, tables: Sequence[Table]) -> Strength:
    size = size_of(candidate)
    try:
        pairs = [recovery(candidate.project(*t.names), t, size=size) for t in tables]
    except PopgenError as error:
        raise PopgenError(f"candidate {name!r}: {error}") from error
    value = _plain([pair.candidate for pair in pairs])
    return Strength(name, size, value, _plain([pair.truth for pair in pairs]))


def _plain(
    arrays: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]],
) -> tuple[float, ...]:
    joined = np.concatenate([array.ravel() for array in arrays]).round(DIGITS) + 0.0  # no -0.0
    return tuple(joined.tolist())

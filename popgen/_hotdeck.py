"""Hot deck: people take the numbers of like records of the same band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from popgen._values import Values
from popgen.microdata import MISSING, Microdata

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Cells = tuple[Index, Index]
"""Cell of each record and of each person, by number."""

ENOUGH = 5
"""Records that a cell must have to give numbers to its people; the band alone may have fewer."""

LIKE = f"a record of the same band, alike in as many other variables as {ENOUGH} records are"
"""Where numbers come from, for the provenance."""


def dealt(
    people: Microdata,
    records: Microdata,
    *,
    rng: np.random.Generator,
    cells: Mapping[str, Cells] | None = None,
) -> Values:
    """Give each person the number of a record of the same band; NaN where no record has one.

    One uniform number a person chooses the record, for all variables: where two variables call for
    the same records, both numbers are one record's.

    Parameters
    ----------
    people, records : Microdata
        Over the same variables.
    rng : Generator
    cells : mapping of variable to Cells, optional
        A partition of records and people instead of the other variables, used wherever a cell has
        a record of the band at all.
    """
    uniform = rng.random(len(people))
    found = {}
    for name, numbers in records.values.items():
        has = np.flatnonzero(~np.isnan(numbers))
        if not has.size:
            found[name] = np.full(len(people), np.nan)
            continue
        donors = records.take(has)
        given = None if cells is None else (cells[name][0][has], cells[name][1])
        chosen = np.full(len(people), -1)
        for (theirs, ours), least in _steps(donors, people, name, given):
            size = max(int(theirs.max(initial=-1)), int(ours.max(initial=-1))) + 1
            served = np.bincount(theirs, minlength=size)[ours] >= least
            if not served.any():
                break
            chosen[served] = _picked(theirs, donors.weights, ours[served], uniform[served])
        drawn = np.full(len(people), np.nan)
        drawn[chosen >= 0] = donors.values[name][chosen[chosen >= 0]]
        found[name] = drawn
    return Values(found)


def _steps(
    donors: Microdata, people: Microdata, name: str, given: Cells | None
) -> Iterator[tuple[Cells, int]]:
    """Yield cells from the band alone to ever finer ones, and how many records each must have."""
    cells = _refined((np.zeros(len(donors), int), np.zeros(len(people), int)), donors, people, name)
    yield cells, 1
    if given is not None:
        yield _crossed(cells, given), 1
        return
    for other in _by_what_they_tell(donors, name):
        cells = _refined(cells, donors, people, other)
        yield cells, ENOUGH


def _refined(cells: Cells, donors: Microdata, people: Microdata, name: str) -> Cells:
    """Part cells by the levels of a variable."""
    theirs, ours = (held.column(name).astype(np.intp) - MISSING for held in (donors, people))
    return _crossed(cells, (theirs, ours))


def _crossed(one: Cells, two: Cells) -> Cells:
    """Part cells by another partition of records and people."""
    number = _numbered(np.concatenate(one), np.concatenate(two))
    return number[: len(one[0])], number[len(one[0]) :]


def _numbered(cell: Index, other: NDArray[Any]) -> Index:
    """Give each combination of two partitions that occurs a number."""
    _, number = np.unique(cell * (int(other.max()) + 1) + other, return_inverse=True)
    return np.asarray(number, dtype=np.intp)


def _picked(theirs: Index, weights: Floats, ours: Index, uniform: Floats) -> Index:
    """Draw a record by weight within each person's cell, which has some."""
    order = np.argsort(theirs, kind="stable")
    ends = np.cumsum(weights[order])
    sizes = np.bincount(theirs, minlength=int(ours.max()) + 1)
    last = np.cumsum(sizes) - 1
    first = last - sizes + 1
    before = np.where(first > 0, ends[first - 1], 0.0)[ours]
    goal = before + uniform * (ends[last[ours]] - before)
    place = np.searchsorted(ends, goal, side="right")
    return np.asarray(order[np.clip(place, first[ours], last[ours])])


def _by_what_they_tell(donors: Microdata, name: str) -> Iterator[str]:
    """Order the other variables by what they add to what is told of the number within bands.

    Told: the share explained of the variance of ranks within bands (ranks, lest a few large incomes
    decide), adjusted for the cells, so that it is 0 on average for a variable that tells nothing,
    however many levels it has. Each time the variable that adds most to those before is next.
    """
    w = donors.weights / donors.weights.mean()
    cell = donors.column(name).astype(np.intp)
    v = _ranks(donors.values[name], cell)
    left = [other for other in donors.domain.names if other != name]
    while left:
        parted = {other: _numbered(cell, donors.column(other) - MISSING) for other in left}
        chosen = min(left, key=lambda other: _spread(v, parted[other], w))
        yield chosen
        left.remove(chosen)
        cell = parted[chosen]


def _spread(v: Floats, cell: Index, w: Floats) -> float:
    """Variance within cells, by the degrees of freedom that are left; infinite if none are."""
    free = len(v) - int(cell.max()) - 1
    return float(w @ _within(v, cell, w) ** 2) / free if free > 0 else np.inf


def _ranks(v: Floats, cell: Index) -> Floats:
    """Rank of each number in its cell, from 0 to 1; ties have the mean of theirs."""
    sizes = np.bincount(cell)
    ranks = np.empty(len(v))
    for c in np.flatnonzero(sizes):
        here = cell == c
        ranks[here] = rankdata(v[here]) / sizes[c]
    return ranks


def _within(v: Floats, cell: Index, w: Floats) -> Floats:
    """Return numbers less the weighted mean of their cell."""
    held = np.bincount(cell, w)
    mean = np.bincount(cell, w * v) / np.where(held > 0, held, 1.0)
    return np.asarray(v - mean[cell])


def described(values: Mapping[str, Floats], how: Mapping[str, str]) -> dict[str, Any]:
    """Say for the provenance where numbers come from, and how many people have none."""
    return {
        name: {"from": how[name], "people_without": int(np.isnan(numbers).sum())}
        for name, numbers in values.items()
    }

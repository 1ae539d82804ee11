"""Hot deck: people take the numbers of like records of the same band."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    columns = donors.column(name).astype(np.intp), people.column(name).astype(np.intp)
    return _crossed(cells, (columns[0] - MISSING, columns[1] - MISSING))


def _crossed(one: Cells, two: Cells) -> Cells:
    """Cross two partitions: number the combinations that occur."""
    records = len(one[0])
    a, b = np.concatenate(one), np.concatenate(two)
    _, number = np.unique(a * (int(b.max()) + 1) + b, return_inverse=True)
    return number[:records], number[records:]


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


def _by_what_they_tell(donors: Microdata, name: str) -> list[str]:
    """Order the other variables by how much of the number's variance within bands they explain.

    The share is that of epsilon squared: it expects 0 of a variable that tells nothing, however
    many levels that has.
    """
    band, w = donors.column(name).astype(np.intp), donors.weights / donors.weights.mean()
    v = donors.values[name]
    rest = _within(v, band, w)
    scores = {}
    for other in donors.domain.names:
        if other != name:
            column = donors.column(other).astype(np.intp) - MISSING
            cell = band * (int(column.max()) + 1) + column
            cells = len(np.unique(cell))
            spare = max(len(v) - cells, 1)
            left = float(w @ _within(v, cell, w) ** 2) / spare
            scores[other] = float(w @ rest**2) - left * (len(v) - len(np.unique(band)))
    return sorted(scores, key=lambda other: -scores[other])


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

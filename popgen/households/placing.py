"""From a fitted model to whole households of every zone: which records, how often, where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from popgen.households.cells import Pool
from popgen.households.fit import HouseholdModel
from popgen.households.problem import Counts, Index
from popgen.households.whole import Goals, Placed, Records, place
from popgen.methods.distances import Floats

EXACT = 100.0
"""Cost of a person too many or too few in a zone whose number of persons is known."""

LARGER = (2.0, 0.5)
"""Cost of a miss of the next larger areas' cells, and of those of all areas beyond, beside 1 for
the zones' own. The next have few zones to be met with; the largest have many."""


def shares(model: HouseholdModel) -> list[list[Floats]]:
    """What each pool's zones are to hold of each level's cells: whole numbers that add up.

    Of areas that are made of one pool alone that is the target; others are parted among their
    pools by what the weights hold, each part rounded up or down so that their sum is the target.

    Returns
    -------
    list of list of array, shape (areas, cells)
        By pool, then by level.
    """
    edges, levels = model.stack.edges, model.stack.levels
    out: list[list[Floats]] = []
    for number, pool in enumerate(model.pools):
        held = model.weights(number) @ pool.X
        mine = []
        for depth, level in enumerate(levels):
            part = np.zeros_like(level.targets)
            np.add.at(part, level.area_of[pool.zones], held[:, edges[depth] : edges[depth + 1]])
            mine.append(part)
        out.append(mine)
    for depth, level in enumerate(levels):
        whole = rounded_parts(np.stack([mine[depth] for mine in out]), level.targets)
        for mine, part in zip(out, whole, strict=True):
            mine[depth] = part
    return out


def rounded_parts(parts: Floats, totals: Floats) -> Floats:
    """Round parts up or down so that they add up to the totals, rounded; largest remainders up.

    Parameters
    ----------
    parts : array, shape (pools, ...)
    totals : array, shape (...)

    Examples
    --------
    >>> rounded_parts(np.array([[1.4], [2.3], [0.3]]), np.array([4.0])).ravel().tolist()
    [2.0, 2.0, 0.0]
    """
    low = np.floor(parts + 1e-9)
    missing = np.rint(totals) - low.sum(axis=0)
    rank = np.argsort(np.argsort(low - parts, axis=0, kind="stable"), axis=0)
    return np.maximum(low + (rank < missing), 0.0)


@dataclass(frozen=True, eq=False)
class Whole:
    """Whole households of one pool's zones.

    Attributes
    ----------
    zone, record : array of int, shape (households,)
        Zone of each household, and the survey record that it copies; zone by zone.
    gaps : list of array
        For each level, what the pool's areas hold less what they should.
    """

    zone: Index
    record: Index
    gaps: list[Floats]


def whole(model: HouseholdModel, number: int, goals: list[Floats], entropy: int) -> Whole:
    """Make whole households of the zones of one pool.

    Parameters
    ----------
    model : HouseholdModel
    number : int
        Which pool.
    goals : list of array
        Its entry of `shares`.
    entropy : int
        Of the random numbers; each zone has its own, whatever else is done and in which order.

    Returns
    -------
    Whole
    """
    pool, problem = model.pools[number], model.problem
    rngs = [np.random.default_rng([entropy, int(zone)]) for zone in pool.zones]
    levels, X = _goals(model, pool, goals)
    records = Records.of(X, pool.kind_of_row.astype(np.int64))
    wanted = problem.households[pool.zones].astype(np.int64)
    found = place(records, model.weights(number), levels, wanted, rngs)
    return Whole(*_named(pool, found, rngs), found.gaps)


def _goals(
    model: HouseholdModel, pool: Pool, goals: list[Floats]
) -> tuple[list[Goals], sparse.csr_array]:
    """Goals of each level for one pool's zones, and the records' cells in the same order."""
    edges, persons = model.stack.edges, model.problem.persons
    levels, columns = [], []
    for depth, level in enumerate(model.stack.levels):
        areas, local = np.unique(level.area_of[pool.zones], return_inverse=True)
        cost = np.full(len(level.names), 1.0 if not depth else LARGER[min(depth, 2) - 1])
        totals = goals[depth][areas]
        columns.append(pool.X[:, edges[depth] : edges[depth + 1]])
        if not depth and persons is not None:
            totals = np.column_stack([totals, persons[pool.zones]])
            cost = np.append(cost, EXACT)
            columns.append(_sizes(model, pool))
        levels.append(Goals(local, totals, cost))
    X = sparse.csr_array(sparse.hstack(columns))
    X.sort_indices()
    return levels, X


def _sizes(model: HouseholdModel, pool: Pool) -> sparse.csr_array:
    size = np.zeros(pool.X.shape[0])
    size[pool.row_of] = model.problem.survey.size[pool.records]
    return sparse.csr_array(size[:, None])


def _named(
    pool: Pool, found: Placed, rngs: list[np.random.Generator]
) -> tuple[Index, Index]:
    """Choose among alike records by their design weights."""
    order = np.argsort(pool.row_of, kind="stable")
    weights = np.zeros(len(order))
    weights[:] = 1.0 if not len(order) else pool.design[order]
    marks = np.cumsum(weights)
    start = np.concatenate([[0.0], marks])[np.searchsorted(pool.row_of[order], np.arange(len(pool.d)))]
    zones, records = [], []
    for zone, counts, rng in zip(pool.zones, found.counts, rngs, strict=True):
        rows = np.repeat(np.arange(len(counts)), counts)
        at = start[rows] + rng.random(len(rows)) * pool.d[rows]
        spot = np.minimum(np.searchsorted(marks, at, side="right"), len(order) - 1)
        records.append(pool.records[order[spot]])
        zones.append(np.full(len(rows), zone))
    return np.concatenate(zones), np.concatenate(records)


def expanded(
    model: HouseholdModel, found: Whole
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Households, and their persons, one row each, with the areas that they live in."""
    survey, geography = model.problem.survey, model.problem.geography
    places = {
        level: pl.Series(geography.areas[depth]).gather(geography.area_of(level)[found.zone])
        for depth, level in enumerate(geography.levels)
    }
    homes = survey.households[found.record].with_columns(**places)
    if survey.persons is None:
        return homes, None
    size = survey.size[found.record]
    start = np.repeat(survey.first[found.record], size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    return homes, survey.persons[start + within]

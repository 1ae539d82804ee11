"""All cells of a household problem side by side, and the records that each region's zones share."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from popgen.households.controls import Controls
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._cells import merged
from popgen.methods.distances import Floats

Flags = NDArray[np.bool_]

NEARLY = 0.01
"""Standard error of a zone's persons. They are not held harder, so that a zone of one household,
whose persons only the edge of what is possible meets, comes to rest; whole households meet them."""

DEPENDENT = 1e-10
"""A column whose part outside the span of those before is a smaller share of it is redundant."""


@dataclass(frozen=True, eq=False)
class LevelCells:
    """The cells of one level.

    Attributes
    ----------
    level : str
    names : tuple of str, length m
    area_of : array of int, shape (zones,)
    targets, variance : array, shape (areas, m)
        What the areas must hold, in units; squared standard error, 0 where exact.
    worth : array, shape (m,)
        What was divided by: 1 for households and persons.
    absolute : array of bool, shape (areas, m)
        Cells with a standard error whose misses count by their size, not by its square.
    """

    level: str
    names: tuple[str, ...]
    area_of: Index
    targets: Floats
    variance: Floats
    worth: Floats
    absolute: Flags

    @property
    def exact(self) -> Index:
        """Cells that every area must meet."""
        return np.flatnonzero((self.variance == 0).all(axis=0))


@dataclass(frozen=True, eq=False)
class Stack:
    """What a household of each record adds to the cells of all levels, zones' cells first.

    Attributes
    ----------
    X : sparse array, shape (n, m)
        The zones' numbers of units come first, one column a kind; then persons, if they are known.
    levels : tuple of LevelCells
        In the order of the columns; the first level is the zones.
    """

    X: sparse.csr_array
    levels: tuple[LevelCells, ...]

    @property
    def edges(self) -> Index:
        """Where each level's columns begin, and where the last ones end."""
        return np.cumsum([0, *(len(one.names) for one in self.levels)])


@dataclass(frozen=True, eq=False)
class Pool:
    """The records of one region, alike ones merged.

    Attributes
    ----------
    X : sparse array, shape (k, m)
    d : array, shape (k,)
        Design weights, households.
    records : array of int, shape (r,)
        The records, by their row in the survey.
    design : array, shape (r,)
        Design weight of each in this region.
    kind_of_row : array of int, shape (k,)
    row_of : array of int, shape (r,)
        The row of ``X`` that stands for each of them.
    zones : array of int
        The zones that are made of them.
    """

    X: sparse.csr_array
    d: Floats
    records: Index
    design: Floats
    kind_of_row: Index
    row_of: Index
    zones: Index


def stacked(problem: HouseholdProblem, *, soft: bool = True, absolute: bool = False) -> Stack:
    """Put the cells of all levels side by side, amounts divided by their units.

    Parameters
    ----------
    problem : HouseholdProblem
    soft : bool
        Whether cells with standard errors are held only as tightly as those allow.
    absolute : bool
        Whether misses of such cells count by their size, not by its square.
    """
    first = problem.geography.levels[0]
    totals = _totals(problem)
    by_level: dict[str, list[Controls]] = {first: [*totals]}
    for one in problem.controls:
        by_level.setdefault(one.level, []).append(one)
    levels = tuple(
        LevelCells(
            level,
            tuple(name for one in some for name in one.names),
            problem.geography.area_of(level),
            np.hstack([one.targets / one.worth for one in some]),
            np.hstack([(one.se / one.worth) ** 2 * (soft or one in totals) for one in some]),
            np.concatenate([one.worth for one in some]),
            np.hstack([(one.se > 0) & (absolute and one not in totals) for one in some]),
        )
        for level, some in by_level.items()
    )
    X = sparse.hstack([one.X for some in by_level.values() for one in some])
    worth = np.concatenate([level.worth for level in levels])
    X = sparse.csr_array(X @ sparse.diags_array(1 / worth))
    return Stack(_sorted(X), _weighed(problem, levels))


def _totals(problem: HouseholdProblem) -> list[Controls]:
    """State the zones' totals as cells: units of each kind, and persons if they are known.

    Where a margin of the zones has their name, ``total`` stands before it.
    """
    first = problem.geography.levels[0]
    stated = [name for one in problem.controls if one.level == first for name in one.names]
    taken = {name.split(": ", 1)[0] for name in stated}
    kinds = problem.kind_of[:, None] == np.arange(len(problem.kinds))
    names = [f"{_free('units', taken)}: {kind}" for kind in problem.kinds]
    out = [Controls(first, names, sparse.csr_array(kinds.astype(float)), problem.households)]
    if problem.persons is not None:
        size = sparse.csr_array(problem.survey.size[:, None].astype(float))
        persons = problem.persons[:, None]
        name = f"{_free('persons', taken)}: all"
        out.append(Controls(first, (name,), size, persons, np.full(persons.shape, NEARLY)))
    return out


def _free(word: str, taken: Set[str]) -> str:
    return _free(f"total {word}", taken) if word in taken else word


def _weighed(problem: HouseholdProblem, levels: tuple[LevelCells, ...]) -> tuple[LevelCells, ...]:
    """Set standard errors against what the records are worth as evidence.

    A zone's records say as much as their effective number (Kish) of households would, or as all
    of its households, if those are fewer; zones that are solved together share one such ratio.
    """
    d, region = problem.survey.weights, problem.region_of + 1  # the first are of no region
    regions = int(problem.region_of_zone.max(initial=0)) + 2
    total, squares = np.bincount(region, d, regions), np.bincount(region, d**2, regions)
    total += problem.borrow * (total.sum() - total)
    squares += problem.borrow**2 * (squares.sum() - squares)
    effective = total**2 / np.maximum(squares, np.finfo(float).tiny)
    units, family = problem.units, levels[-1].area_of
    worth = np.minimum(effective[problem.region_of_zone + 1], units)
    people = np.bincount(family, units)
    ratio = np.where(people > 0, np.bincount(family, worth) / np.maximum(people, 1), 1.0)
    out = []
    for level in levels:
        of_area = np.ones(len(level.targets))
        of_area[level.area_of] = ratio[family]
        out.append(replace(level, variance=level.variance * of_area[:, None]))
    return tuple(out)


def _sorted(X: sparse.sparray) -> sparse.csr_array:
    rows = sparse.csr_array(X)
    rows.sort_indices()
    return rows


def pools(problem: HouseholdProblem, stack: Stack) -> list[Pool]:
    """Part the records by region and merge those that are alike in every cell.

    A region without records has no households, as the problem has checked, and no pool.
    """
    out = []
    for region in np.unique(problem.region_of_zone):
        records, design = problem.records_of(region)
        if not len(records):  # nor, then, any household
            continue
        X, row_of = merged(stack.X[records])
        kind = np.zeros(X.shape[0], dtype=np.intp)
        kind[row_of] = problem.kind_of[records]
        zones = np.flatnonzero(problem.region_of_zone == region)
        d = np.bincount(row_of, design, X.shape[0]).astype(np.float64)
        out.append(Pool(_sorted(X), d, records, design, kind, row_of, zones))
    return out


def independent(stack: Stack, gram: Floats) -> list[Index]:
    """Choose the columns to solve for: those that the exact ones so far do not imply.

    Parameters
    ----------
    stack : Stack
    gram : array, shape (m, m)
        ``X.T @ diag(weights) @ X`` for positive weights.

    Returns
    -------
    list of array of int
        For each level, positions among its own cells.
    """
    scale = 1 / np.sqrt(np.where(gram.diagonal() > 0, gram.diagonal(), 1.0))
    alike = gram * np.outer(scale, scale)
    done = np.zeros(0, dtype=np.intp)
    out = []
    for start, level in zip(stack.edges, stack.levels, strict=False):
        exact = start + level.exact
        exact = exact[gram.diagonal()[exact] > 0]
        fresh = exact[_pivots(_left(alike, done, exact))] if exact.size else exact
        done = np.concatenate([done, fresh])
        soft = start + np.setdiff1d(np.arange(len(level.names)), level.exact)
        free = soft[_left(alike, done, soft).diagonal() > DEPENDENT]
        out.append(np.sort(np.concatenate([fresh, free])) - start)
    return out


def _left(alike: Floats, done: Index, columns: Index) -> Floats:
    """Return what columns have in common beside what those that are done explain."""
    left = alike[np.ix_(columns, columns)]
    if done.size and columns.size:
        across = alike[np.ix_(done, columns)]
        left = left - across.T @ np.linalg.solve(alike[np.ix_(done, done)], across)
    return left


def _pivots(gram: Floats) -> Index:
    _, pivots, rank, _ = linalg.lapack.dpstrf(gram, tol=DEPENDENT, lower=1)
    found: Index = np.sort(pivots[:rank] - 1).astype(np.intp)
    return found

"""All cells of a household problem side by side, and the records that each region's zones share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._cells import RANK, merged
from popgen.methods.distances import Floats


@dataclass(frozen=True, eq=False)
class LevelCells:
    """The cells of one level.

    Attributes
    ----------
    level : str
    names : tuple of str, length m
    area_of : array of int, shape (zones,)
    targets, variance : array, shape (areas, m)
        What the areas must hold; squared standard error, 0 where exact.
    """

    level: str
    names: tuple[str, ...]
    area_of: Index
    targets: Floats
    variance: Floats

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
        The zones' numbers of units come first, one column a kind.
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
        Their own design weights.
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


def stacked(problem: HouseholdProblem, *, soft: bool = True) -> Stack:
    """Put the cells of all levels side by side.

    Parameters
    ----------
    problem : HouseholdProblem
    soft : bool
        Whether cells with standard errors are held only as tightly as those allow.
    """
    zones = problem.geography.levels[0]
    kinds = np.arange(len(problem.kinds))
    units = sparse.csr_array((problem.kind_of[:, None] == kinds).astype(float))
    parts = [units]
    names = {zones: [f"units: {kind}" for kind in problem.kinds]}
    targets = {zones: [problem.households.astype(float)]}
    variance = {zones: [np.zeros(problem.households.shape)]}
    for one in problem.controls:
        parts.append(one.X)
        names.setdefault(one.level, []).extend(one.names)
        targets.setdefault(one.level, []).append(one.targets)
        squared = one.se**2 if soft else np.zeros_like(one.se)
        variance.setdefault(one.level, []).append(squared)
    levels = tuple(
        LevelCells(
            level,
            tuple(names[level]),
            problem.geography.area_of(level),
            np.hstack(targets[level]),
            np.hstack(variance[level]),
        )
        for level in names
    )
    return Stack(_sorted(sparse.hstack(parts)), levels)


def _sorted(X: sparse.sparray) -> sparse.csr_array:
    rows = sparse.csr_array(X)
    rows.sort_indices()
    return rows


def pools(problem: HouseholdProblem, stack: Stack) -> list[Pool]:
    """Part the records by region and merge those that are alike in every cell."""
    out = []
    for region in np.unique(problem.region_of_zone):
        records = np.flatnonzero(problem.region_of == region)
        X, row_of = merged(stack.X[records])
        d = np.bincount(row_of, problem.survey.weights[records], X.shape[0])
        kind = np.zeros(X.shape[0], dtype=np.intp)
        kind[row_of] = problem.kind_of[records]
        zones = np.flatnonzero(problem.region_of_zone == region)
        own = problem.survey.weights[records]
        out.append(Pool(_sorted(X), d, records, own, kind, row_of, zones))
    return out


def independent(stack: Stack, gram: Floats) -> list[Index]:
    """For each level, the columns to solve for: exact ones that lower levels do not imply, and soft.

    Parameters
    ----------
    stack : Stack
    gram : array, shape (m, m)
        ``X.T @ diag(weights) @ X`` for positive weights.

    Returns
    -------
    list of array of int
        Positions among each level's own cells.
    """
    scale = 1 / np.sqrt(np.where(gram.diagonal() > 0, gram.diagonal(), 1.0))
    alike = gram * np.outer(scale, scale)
    done = np.zeros(0, dtype=np.intp)
    out = []
    for start, level in zip(stack.edges, stack.levels, strict=False):
        exact = start + level.exact
        exact = exact[gram.diagonal()[exact] > 0]
        left = alike[np.ix_(exact, exact)]
        if done.size and exact.size:
            across = alike[np.ix_(done, exact)]
            left = left - across.T @ np.linalg.solve(alike[np.ix_(done, done)], across)
        fresh = exact[_pivots(left)] if exact.size else exact
        done = np.concatenate([done, fresh])
        soft = np.setdiff1d(np.arange(len(level.names)), level.exact)
        out.append(np.sort(np.concatenate([fresh - start, soft])))
    return out


def _pivots(gram: Floats) -> Index:
    _, pivots, rank, _ = linalg.lapack.dpstrf(gram, tol=max(RANK, 1e-10), lower=1)
    found: Index = np.sort(pivots[:rank] - 1).astype(np.intp)
    return found

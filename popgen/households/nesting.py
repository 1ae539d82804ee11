"""From a problem's cells to the arrays that the solver works on."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from popgen.households._nest import Level, Nest, Sample
from popgen.households.cells import Flags, Pool, Stack, independent
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._dual import curvature
from popgen.methods.distances import Distance


def nest_of(
    problem: HouseholdProblem, stack: Stack, groups: tuple[Pool, ...], distance: Distance
) -> Nest:
    """Choose the cells to solve for and lay out samples and levels.

    Parameters
    ----------
    problem : HouseholdProblem
    stack : Stack
    groups : tuple of Pool
        Of the stack's columns.
    distance : Distance
    """
    gram = sum(curvature(pool.X, pool.d) for pool in groups)
    kept = independent(stack, np.asarray(gram))
    levels, looked_at = [], []
    for one, some, closed in zip(stack.levels, kept, _closed(stack, distance), strict=True):
        used = np.union1d(some, np.flatnonzero(closed.any(axis=0)))
        solved = np.searchsorted(used, some)
        own = (one.targets[:, some], one.variance[:, some], one.absolute[:, some])
        levels.append(Level(one.area_of, solved, closed[:, used], *own))
        looked_at.append(used)
    starts = stack.edges[:-1]
    columns = np.concatenate([start + some for start, some in zip(starts, kept, strict=True)])
    seen = np.concatenate([start + used for start, used in zip(starts, looked_at, strict=True)])
    scale = np.zeros(len(problem.geography.zones))
    for pool in groups:
        scale[pool.zones] = problem.units[pool.zones] / pool.d.sum()
    same, samples = np.array_equal(seen, columns), []
    for pool in groups:
        every = _only(pool.X, seen)
        X = every if same else _only(pool.X, columns)
        samples.append(Sample(every, X, pool.d, pool.zones))
    return Nest(tuple(samples), tuple(levels), scale, distance)


def _only(X: sparse.csr_array, columns: Index) -> sparse.csr_array:
    """Take some columns, in ascending order; all of them are the same array, not a copy."""
    return X if len(columns) == X.shape[1] else X[:, columns]


def _closed(stack: Stack, distance: Distance) -> list[Flags]:
    """Find exact cells of 0 that nothing can cancel: weights above 0 would never get there."""
    signed = np.zeros(stack.X.shape[1], bool)
    signed[stack.X.indices[stack.X.data < 0]] = True
    parts = np.split(signed, stack.edges[1:-1])
    return [
        (level.targets == 0) & (level.variance == 0) & ~part & (distance.lower == 0)
        for level, part in zip(stack.levels, parts, strict=True)
    ]

"""Cells whose misses count by their size: Laplace's errors in place of normal ones.

A sum of absolute misses is least where a sum of squares is, each square divided by the miss. So
variances of such cells are set to what is missed, and the dual is solved on from where it stands
(iteratively reweighted least squares): most cells are then met, and a few carry what clashes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from popgen.households._nest import Level, Nest
from popgen.households._newton import Solved, solve
from popgen.methods.distances import Floats

ROUGH = (0.1, 0.01)
"""Largest misses, as shares of the largest target, at which variances are set anew."""

LEAST = 0.1
"""Standard errors that a cell is taken to be missed by at least."""


def solve_absolute(nest: Nest, *, tol: float, max_iter: int) -> tuple[Nest, Solved]:
    """Minimise the dual of every family, misses of the cells so marked counted by their size.

    Parameters
    ----------
    nest : Nest
    tol, max_iter
        See `solve`; each setting of the variances may take so many steps.

    Returns
    -------
    nest : Nest
        With the variances that were found.
    solved : Solved
    """
    if not any(level.absolute.any() for level in nest.levels):
        return nest, solve(nest, tol=tol, max_iter=max_iter)
    first, lam = nest, None
    steps = np.zeros(len(nest.largest()), np.int64)
    for rough in ROUGH:
        solved = solve(nest, tol=max(rough, tol), max_iter=max_iter, start=lam)
        levels = tuple(map(_reweighted, first.levels, nest.levels, solved.lam))
        nest, lam, steps = replace(nest, levels=levels), solved.lam, steps + solved.iterations
    solved = solve(nest, tol=tol, max_iter=max_iter, start=lam)
    return nest, replace(solved, iterations=steps + solved.iterations)


def _reweighted(stated: Level, level: Level, lam: Floats) -> Level:
    """Set variances to a standard error times the miss, which is the multiplier's part of it."""
    se = np.sqrt(stated.variance)
    miss = np.maximum(np.abs(level.variance * lam), LEAST * se)
    return replace(
        level, variance=np.where(stated.absolute, se * miss / np.sqrt(2), level.variance)
    )

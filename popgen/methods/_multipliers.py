"""Where sweeps near the margins too slowly: Newton's method on the margins' multipliers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import linalg

from popgen.domain import OUTSIDE
from popgen.methods._axes import Axes, Floats, keep_axes, largest
from popgen.methods._scaling import Slice, gathered, scale_to_margins

SWEEPS = 200
"""Sweeps before Newton's method is tried."""

STEPS, PATIENCE = 30, 6
"""Most of its steps, and those among which the largest miss must halve."""

LEAST, HALVINGS = 1e-4, 10
"""A step is halved, at most so often, until the dual gains this part of what the step promises."""

CELLS, SMALL, READ = 3000, 4_000_000, 3e9
"""Most cells of all margins together, of the table of two margins' axes, and read in a step. It
costs the cube of the first, and sums the whole table up for every pair of margins."""

RIDGE, FAR = 1e-12, 50.0
"""Added to the scaled Hessian, which redundant margins make singular. Most that a step may change
the logarithm of a cell by."""


def meet_all(
    table: Floats, slices: Sequence[Slice], *, tol: float, max_iter: int
) -> tuple[int, float]:
    """Scale a table, in place, to all of some margins.

    By sweeps; if these are slow, a few Newton steps on the dual, whose solution is the same, then
    sweeps again. Sweeps take for ever where variables all but decide one another: a step does not.

    Parameters
    ----------
    table : array, C-contiguous
        The seed; overwritten by the fit. Zeros stay zero.
    slices : sequence of Slice
    tol : float
        Largest miss accepted, people.
    max_iter : int
        Most sweeps over all margins, Newton's steps counted with them.

    Returns
    -------
    iterations : int
    miss : float
        Largest miss met with in the last sweep, people.

    Examples
    --------
    >>> truth = np.array([[[60.0, 1e-5], [2e-5, 4e-5]], [[3e-5, 1e-5], [5e-5, 40.0]]])
    >>> sides = [(0, 1), (0, 2), (1, 2)]
    >>> slices = [Slice(axes, keep_axes(truth, axes), (None, None)) for axes in sides]
    >>> table = np.ones((2, 2, 2))
    >>> meet_all(table, slices, tol=1e-9, max_iter=2000)[1] <= 1e-9
    True
    """
    parts = gathered(table.shape, slices)
    first = min(SWEEPS, max_iter)
    sweeps, miss = scale_to_margins(table, parts, tol=tol, max_iter=first)
    if miss <= tol or first == max_iter:
        return sweeps, miss
    sweeps += newton(table, slices, tol, min(STEPS, max_iter - sweeps - 1))
    more, miss = scale_to_margins(table, parts, tol=tol, max_iter=max_iter - sweeps)
    return sweeps + more, miss


def newton(table: Floats, slices: Sequence[Slice], tol: float, most: int = STEPS) -> int:
    """Take at most so many Newton steps, in place, while they bring the margins nearer; count them.

    Maximised is the dual, which is concave: what all margins' multipliers (logarithms of factors)
    come to in the targets, less the people of the scaled table.
    """
    if _too_large(table, slices):
        return 0
    misses: list[float] = []
    for done in range(most):
        gaps = [part.target - part.fitted(table) for part in slices]
        misses.append(max(map(largest, gaps)))
        if misses[-1] <= tol or misses[-1] > min(misses[:-PATIENCE], default=np.inf) / 2:
            return done
        step = _step(table, slices, gaps)
        if step is None or not _taken(table, slices, step, gaps):
            return done
    return most


def _taken(
    table: Floats, slices: Sequence[Slice], step: Sequence[Floats], gaps: Sequence[Floats]
) -> bool:
    """Scale the table by a step, or so much of it that the dual gains; else leave it as it was."""
    people, missed = float(table.sum()), max(map(largest, gaps))
    wanted = sum(float((one * part.target).sum()) for one, part in zip(step, slices, strict=True))
    promised = sum(float((one * gap).sum()) for one, gap in zip(step, gaps, strict=True))
    length, done = min(1.0, FAR / max(sum(map(largest, step)), FAR)), 0.0
    for _ in range(HALVINGS):
        _move(table, slices, step, length - done)
        gain = length * wanted - (float(table.sum()) - people)
        if gain >= LEAST * length * promised or _miss(table, slices) <= missed / 2:
            return True
        length, done = length / 2, length
    _move(table, slices, step, -done)
    return False


def _miss(table: Floats, slices: Sequence[Slice]) -> float:
    return max(largest(part.fitted(table) - part.target) for part in slices)


def _too_large(table: Floats, slices: Sequence[Slice]) -> bool:
    """Whether a step would take more time or memory than sweeps do."""
    pairs = [_union(a, b) for a, b in itertools.combinations_with_replacement(slices, 2)]
    widest = max(math.prod([int(table.shape[axis]) for axis in axes]) for axes in pairs)
    cells = sum(part.target.size for part in slices)
    return cells > CELLS or widest > SMALL or len(pairs) * table.size > READ


def _union(a: Slice, b: Slice) -> Axes:
    return tuple(sorted({*a.axes, *b.axes}))


def _step(table: Floats, slices: Sequence[Slice], gaps: Sequence[Floats]) -> list[Floats] | None:
    """Logarithms of the factors of all margins' cells; None if the Hessian cannot be factored."""
    sizes = [part.target.size for part in slices]
    edges = np.cumsum([0, *sizes])
    hessian = np.zeros((edges[-1], edges[-1]))
    for i, j in itertools.combinations_with_replacement(range(len(slices)), 2):
        block = _together(table, slices[i], slices[j])
        hessian[edges[i] : edges[i + 1], edges[j] : edges[j + 1]] = block
        hessian[edges[j] : edges[j + 1], edges[i] : edges[i + 1]] = block.T
    own = hessian.diagonal()
    scale = np.divide(1.0, np.sqrt(own), out=np.zeros_like(own), where=own > 0)
    hessian *= scale[:, None]  # one after the other: their product may overflow
    hessian *= scale
    hessian[np.diag_indices_from(hessian)] += RIDGE
    gap = np.concatenate([one.ravel() for one in gaps])
    try:
        moved = scale * linalg.cho_solve(linalg.cho_factor(hessian), scale * gap)
    except (linalg.LinAlgError, ValueError):  # not positive, or not finite
        return None
    if not np.isfinite(moved).all():
        return None
    parts = np.split(moved, edges[1:-1])
    return [one.reshape(part.target.shape) for one, part in zip(parts, slices, strict=True)]


def _together(table: Floats, a: Slice, b: Slice) -> Floats:
    """People who are in a cell of one margin and in one of another, shape (cells, cells)."""
    axes = _union(a, b)
    held = keep_axes(table, axes)
    rows, columns = (_places(part, axes, held.shape) for part in (a, b))
    inside = (rows >= 0) & (columns >= 0)
    cells = (rows * b.target.size + columns)[inside]
    people = np.bincount(cells, held[inside], a.target.size * b.target.size)
    return people.reshape(a.target.size, b.target.size).astype(np.float64)


def _places(part: Slice, axes: Axes, shape: tuple[int, ...]) -> np.ndarray:
    """Cell of a margin that each cell of a table over some axes lies in, -1 for none."""
    out = np.zeros(shape, dtype=np.intp)
    inside = np.ones(shape, dtype=bool)
    for axis, rule, levels in zip(part.axes, part.rules, part.target.shape, strict=True):
        at = axes.index(axis)
        codes = np.arange(levels) if rule is None else rule.codes
        codes = codes.reshape([-1 if i == at else 1 for i in range(len(axes))])
        out = out * levels + codes
        inside = inside & (codes != OUTSIDE)
    return np.where(inside, out, OUTSIDE)


def _move(table: Floats, slices: Sequence[Slice], step: Sequence[Floats], length: float) -> None:
    for part, logs in zip(slices, step, strict=True):
        part.scale(table, np.exp(length * logs))

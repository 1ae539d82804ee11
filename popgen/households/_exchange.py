"""Kernels that exchange pairs of households so that all cells of a zone are met.

How far ``gap`` (what a zone's households hold in each cell, less what they should) is from nothing
is measured by what households differ in: ``gap' Q gap``, where Q is the inverse of the covariance
of what households add. Under a sum of absolute misses, exchanges come to a stop where every pair
would mend some cells and spoil as many others; a miss of one household of two members is as bad
as one person in a large cell. Under Q a gap is small if a few more exchanges can close it, so the
nearest pair at each step leads on, mostly to households that meet every cell.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from popgen.households._lanes import Rows
from popgen.households._whole import CERTAIN, NOTHING, Book, Counts
from popgen.methods.distances import Floats

Signs = NDArray[np.int8]
Singles = NDArray[np.float32]

Metric = tuple[Floats, Floats, Floats, Singles]
"""How far gaps are from nothing, ``gap' Q gap``: Q, what it makes of the records (see `spans`),
and what each household adds to each cell, dense by columns."""

SHORTLIST = 16
"""Records of a kind to come, and to go, that look best: all pairs of them are tried."""


@njit(cache=True, nogil=True)
def spans(by_row: Rows, kind: Counts, inverse: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Return what the metric makes of each record: ``x' Q x``, and ``x' Q`` times its kind's mean.

    Parameters
    ----------
    by_row : (indptr, indices, data)
    kind : array of int, shape (n,)
    inverse : array, shape (m, m)
        Q, the metric.
    means : array, shape (kinds, m)
        Of the records of each kind.

    Returns
    -------
    own, lean : array, shape (n,)
    """
    indptr, indices, data = by_row
    own, lean = np.zeros(len(kind)), np.zeros(len(kind))
    along = np.zeros(means.shape)
    for k in range(len(inverse)):
        for one in range(len(means)):
            along[one] += means[one, k] * inverse[k]
    for i in range(len(own)):
        for a in range(indptr[i], indptr[i + 1]):
            k = indices[a]
            lean[i] += data[a] * along[kind[i], k]
            for b in range(indptr[i], indptr[i + 1]):
                own[i] += data[a] * data[b] * inverse[k, indices[b]]
    return own, lean


@njit(cache=True, nogil=True)
def _nearest(kind: Counts, side: Signs, base: Singles, slope: Singles, found: Counts) -> None:
    """Write into ``found`` the records of each kind that look best: to come (0) and to go (1).

    Of shape (kinds, 2, many), the best first; -1 where there are no more.
    """
    last = found.shape[2] - 1
    worth = np.full(found.shape, np.float32(np.inf))
    found[:] = -1
    for i in range(len(side)):
        if side[i] == 0:
            continue
        goes = 1 if side[i] < 0 else 0
        price = base[i] - slope[i] if goes else base[i] + slope[i]
        if price < worth[kind[i], goes, last]:
            best, those = found[kind[i], goes], worth[kind[i], goes]
            place = last
            while place > 0 and those[place - 1] > price:
                those[place], best[place] = those[place - 1], best[place - 1]
                place -= 1
            those[place], best[place] = price, i


@njit(cache=True, nogil=True)
def _slopes(dense: Singles, pull: Floats, out: Singles) -> None:
    """Write into ``out`` twice what one household more of each record is along ``pull``."""
    out[:] = 0
    twice = (2 * pull).astype(np.float32)
    whole = len(pull) - len(pull) % 4
    for k in range(0, whole, 4):
        p, q, r, s = twice[k], twice[k + 1], twice[k + 2], twice[k + 3]
        a, b, c, d = dense[k], dense[k + 1], dense[k + 2], dense[k + 3]
        for i in range(len(out)):
            out[i] += (p * a[i] + q * b[i]) + (r * c[i] + s * d[i])
    for k in range(whole, len(pull)):
        for i in range(len(out)):
            out[i] += twice[k] * dense[k, i]


@njit(cache=True, nogil=True)
def _best_pair(by_row: Rows, metric: Metric, slope: Singles, found: Counts) -> tuple[int, int]:
    """Return the pair, of those found, that brings the gaps nearest to nothing; -1 if none."""
    indptr, indices, data = by_row
    inverse, own, _, _ = metric
    best_i, best_j, worth = -1, -1, np.inf
    along = np.empty(len(inverse))
    for one in range(len(found)):
        for i in found[one, 0]:
            if i < 0:
                break
            along[:] = 0
            for a in range(indptr[i], indptr[i + 1]):
                x, row = data[a], inverse[indices[a]]
                for k in range(len(along)):
                    along[k] += x * row[k]
            for j in found[one, 1]:
                if j < 0:
                    break
                both = 0.0
                for a in range(indptr[j], indptr[j + 1]):
                    both += data[a] * along[indices[a]]
                change = own[i] + own[j] - 2 * both + slope[i] - slope[j]
                if change < worth:
                    best_i, best_j, worth = i, j, change
    return best_i, best_j


@njit(cache=True, nogil=True)
def _shift(
    by_row: Rows, inverse: Floats, record: int, sign: float, gap: Floats, pull: Floats
) -> None:
    """Let one household come (sign 1) or go (-1): gaps, and their pull, follow."""
    for a in range(by_row[0][record], by_row[0][record + 1]):
        k, x = by_row[1][a], sign * by_row[2][a]
        gap[k] += x
        pull += x * inverse[k]


@njit(cache=True, nogil=True)
def exchange(
    book: Book,
    metric: Metric,
    weights: Floats,
    counts: Counts,
    gap: Floats,
    cost: Floats,
    first: int,
    patience: tuple[int, int],
) -> tuple[Counts, Floats]:
    """Exchange pair after pair of records so that the gaps come near to nothing in the metric.

    A pair that brings them less near is exchanged as well, if none does better: the walk goes on
    along the bottom, and the cheapest households that it comes by are kept. Each record takes part
    once at most.

    Parameters
    ----------
    book : Book
    metric : Metric
    weights : array, shape (n,)
    counts : array of int, shape (n,)
        Whole households of each record; the number of each kind stays.
    gap, cost : array, shape (m,)
    first : int
        Cells that are the zone's own.
    patience : (int, int)
        Exchanges in a row that may fail to lower the cost: while the zone's own cells are not all
        met, and then.

    Returns
    -------
    counts : array of int, shape (n,)
    gap : array, shape (m,)
    """
    (by_row, _, kind), (inverse, own, lean, dense) = book, metric
    counts, gap = counts.copy(), gap.copy()
    found = np.empty((kind.max() + 1, 2, SHORTLIST), np.int64)
    side, slope = np.zeros(len(counts), np.int8), np.empty(len(counts), np.float32)
    base = (own - 2 * lean).astype(np.float32)
    for i in range(len(counts)):
        side[i] = (counts[i] < weights[i] - CERTAIN) - (counts[i] > weights[i] + CERTAIN)
    pull = gap @ inverse
    least, best_counts, best_gap, waited = (cost * np.abs(gap)).sum(), counts.copy(), gap.copy(), 0
    while least > NOTHING:
        met = (cost[:first] * np.abs(best_gap[:first])).sum() <= NOTHING
        if waited > (patience[1] if met else patience[0]):
            break
        _slopes(dense, pull, slope)
        _nearest(kind, side, base, slope, found)
        i, j = _best_pair(by_row, metric, slope, found)
        if i < 0:
            break
        counts[i] += 1
        counts[j] -= 1
        side[i] = side[j] = 0
        _shift(by_row, inverse, i, 1.0, gap, pull)
        _shift(by_row, inverse, j, -1.0, gap, pull)
        total = (cost * np.abs(gap)).sum()
        waited += 1
        if total < least - NOTHING:
            least, waited = total, 0
            best_counts[:], best_gap[:] = counts, gap
    return best_counts, best_gap

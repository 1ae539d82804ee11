"""Kernels that make whole households of a zone's weights, and settle them one by one.

`diffuse` rounds every weight in one pass that carries the error of all cells along; `recount` sees
to the number of each kind. After `exchange` (in a module of its own) `settle` lets single
households leave for others of the same kind, so that the numbers stay, while that lowers what the
misses cost: for each household it tries the record that fits best in its place, which finds much
in small zones.

Throughout, ``gap`` is what the households hold in each cell less what they should, ``cost`` what a
miss of one counts, and a record's *price* is what one household more (or less) of it would cost,
all else staying. No record ends a whole household or more away from its weight.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from popgen.households._lanes import Rows
from popgen.methods.distances import Floats

Counts = NDArray[np.int64]
Book = tuple[Rows, Rows, Counts]
"""What a household of each record adds to each cell, sparse by rows and by columns; its kind."""

CERTAIN = 1e-6
"""A weight nearer than this to a whole number is one."""

NOTHING = 1e-9
"""Costs below this are rounding."""


@njit(cache=True, nogil=True)
def diffuse(by_row: Rows, weights: Floats, order: Counts, pull: Floats) -> Counts:
    """Round each weight up or down, in the order given, so that no cell's error grows.

    Parameters
    ----------
    by_row : (indptr, indices, data)    What a household of each record adds to each cell.
    weights : array, shape (n,)         Households, not negative.
    order : array, shape (n,)           A permutation of the records.
    pull : array, shape (m,)            How much the square of each cell's error counts.

    Returns
    -------
    array of int, shape (n,)            Each weight rounded down or up.
    """
    indptr, indices, data = by_row
    counts = np.floor(weights + CERTAIN).astype(np.int64)
    error = np.zeros(len(pull))
    for i in order:
        part = max(weights[i] - counts[i], 0.0)
        if part > CERTAIN:
            rise = 0.0
            for a in range(indptr[i], indptr[i + 1]):
                x = data[a]
                rise += pull[indices[a]] * x * (2 * error[indices[a]] + (1 - 2 * part) * x)
            up = 1 if rise < 0 else 0
            counts[i] += up
            for a in range(indptr[i], indptr[i + 1]):
                error[indices[a]] += (up - part) * data[a]
    return counts


@njit(cache=True, nogil=True)
def gaps(by_row: Rows, counts: Counts | Floats, goal: Floats) -> Floats:
    """Return what households (whole or not) hold in each cell, less what they should."""
    indptr, indices, data = by_row
    gap = -goal
    for i in range(len(counts)):
        if counts[i]:
            for a in range(indptr[i], indptr[i + 1]):
                gap[indices[a]] += counts[i] * data[a]
    return gap


@njit(cache=True, nogil=True)
def _price(gap: float, x: float, cost: float) -> float:
    return cost * (abs(gap + x) - abs(gap))


@njit(cache=True, nogil=True)
def _prices(by_row: Rows, gap: Floats, cost: Floats, sign: float) -> Floats:
    """Return what one household more (sign 1) or less (-1) of each record would cost."""
    indptr, indices, data = by_row
    out = np.zeros(len(indptr) - 1)
    for i in range(len(out)):
        for a in range(indptr[i], indptr[i + 1]):
            k = indices[a]
            out[i] += _price(gap[k], sign * data[a], cost[k])
    return out


@njit(cache=True, nogil=True)
def _move(
    book: Book, record: int, sign: float, gap: Floats, cost: Floats, prices: tuple[Floats, Floats]
) -> None:
    """Let one household come (sign 1) or go (-1); gaps and prices follow."""
    by_row, by_cell, _ = book
    come, go = prices
    for a in range(by_row[0][record], by_row[0][record + 1]):
        k = by_row[1][a]
        before, after = gap[k], gap[k] + sign * by_row[2][a]
        gap[k] = after
        low, high, rise = min(before, after), max(before, after), abs(after) - abs(before)
        for b in range(by_cell[0][k], by_cell[0][k + 1]):
            i, x = by_cell[1][b], by_cell[2][b]
            if low < 0 or x < 0:  # else one more costs what it did: there is too much anyway
                come[i] += cost[k] * (abs(after + x) - abs(before + x) - rise)
            if high > 0 or x < 0:
                go[i] += cost[k] * (abs(after - x) - abs(before - x) - rise)


@njit(cache=True, nogil=True)
def recount(
    book: Book, weights: Floats, counts: Counts, gap: Floats, cost: Floats, wanted: Counts
) -> None:
    """Let the cheapest households come or go until there are as many of each kind as wanted.

    ``counts`` and ``gap`` are changed in place; ``wanted`` has the households of each kind.
    """
    by_row, _, kind = book
    held = np.zeros(len(wanted), np.int64)
    for i in range(len(counts)):
        held[kind[i]] += counts[i]
    if np.all(held == wanted):
        return
    come, go = _prices(by_row, gap, cost, 1.0), _prices(by_row, gap, cost, -1.0)
    for one in range(len(wanted)):
        surplus = held[one] - wanted[one]
        while surplus != 0:
            sign, price = (-1.0, go) if surplus > 0 else (1.0, come)
            best, worth = -1, np.inf
            for i in range(len(counts)):
                room = counts[i] > weights[i] if surplus > 0 else counts[i] < weights[i]
                if room and kind[i] == one and price[i] < worth:
                    best, worth = i, price[i]
            if best < 0:
                return
            counts[best] += np.int64(sign)
            surplus += np.int64(sign)
            _move(book, best, sign, gap, cost, (come, go))


@njit(cache=True, nogil=True)
def settle(
    book: Book,
    weights: Floats,
    counts: Counts,
    gap: Floats,
    cost: Floats,
    order: Counts,
    most: int,
) -> tuple[Counts, Floats]:
    """Put in each household's place the record that fits best there, if that costs no more.

    Parameters
    ----------
    book, weights, counts, gap, cost
        As for `exchange`.
    order : array, shape (n,)
        A permutation of the records: who goes first, and who is preferred among equals.
    most : int
        Most households tried.

    Returns
    -------
    counts : array of int, shape (n,)
    gap : array, shape (m,)
    """
    by_row, _, kind = book
    counts, gap = counts.copy(), gap.copy()
    come, go = _prices(by_row, gap, cost, 1.0), _prices(by_row, gap, cost, -1.0)
    come_before, go_before, gap_before = come.copy(), go.copy(), gap.copy()
    tried = 0
    for j in order:
        if counts[j] <= weights[j] + CERTAIN:
            continue
        if tried == most or (cost * np.abs(gap)).sum() <= NOTHING:
            break
        tried += 1
        leaving = go[j]
        come_before[:], go_before[:], gap_before[:] = come, go, gap
        counts[j] -= 1
        _move(book, j, -1.0, gap, cost, (come, go))
        best, worth = j, -leaving + NOTHING
        for i in order:
            if come[i] < worth and counts[i] < weights[i] - CERTAIN and kind[i] == kind[j]:
                best, worth = i, come[i]
                worth -= NOTHING
        counts[best] += 1
        if best == j:
            come[:], go[:], gap[:] = come_before, go_before, gap_before
        else:
            _move(book, best, 1.0, gap, cost, (come, go))
    return counts, gap

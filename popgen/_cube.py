"""The cube method's kernel: round fractions to 0 or 1 at random while totals stay put.

Two phases, both random walks whose every step is a fair game, so each unit is rounded up with
probability equal to its fraction. The flight moves only in directions that change no total, and
ends with at most one fractional unit per independent total. The landing then rounds those few,
each time moving in the direction that changes the totals least.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

Floats = NDArray[np.float64]

TOLERANCE = 1e-9  # shares of a unit: below it a movement is rounding noise, and a unit has arrived
DEPENDENT = 1e-10  # of a column's squared length: less that is its own is rounding noise
WINDOW = 200  # units landed together; more is slower and hardly more accurate


def round_balanced(
    fractions: Floats, balance: sparse.csr_array, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Round every fraction up or down, keeping their sum exactly and the balance nearly.

    Parameters
    ----------
    fractions : array, shape (n,)       In [0, 1]; their sum is a whole number.
    balance : sparse array, (n, m)      What a unit adds to each of m totals if rounded up.
    rng : Generator

    Returns
    -------
    array, shape (n,)                   0 or 1; its mean over draws is ``fractions``.

    Examples
    --------
    Two women, two men, half a chance each: always two people, always one woman.

    >>> women = sparse.csr_array([[1.0], [0.0], [1.0], [0.0]])
    >>> ups = round_balanced(np.full(4, 0.5), women, np.random.default_rng(0))
    >>> int(ups.sum()), int(ups[[0, 2]].sum())
    (2, 1)
    """
    chances = np.clip(fractions, 0.0, 1.0)
    moving = np.flatnonzero(fractional(chances))
    matrix = balance[moving]
    chances[moving] = fly(chances[moving], matrix, rng)
    chances[moving] = land(chances[moving], matrix, rng)
    return np.rint(chances).astype(np.int64)


def fractional(chances: Floats) -> NDArray[np.bool_]:
    """Tell which units are not yet rounded."""
    return np.abs(chances - np.rint(chances)) > TOLERANCE


def fly(chances: Floats, balance: sparse.csr_array, rng: np.random.Generator) -> Floats:
    """Round units until no direction is left that keeps their number and every total.

    Units are taken in the order given, as in the fast flight phase. As in the simplex method, a
    basis of units whose rows are independent is kept with the inverse of their matrix; where a
    total has no unit yet, a slack that must not move stands in. A new unit either takes a slack's
    place or trades with the basis until one of them is rounded and leaves.
    """
    rows = _with_size(balance)
    rows = rows[:, _independent(rows)]
    chances = chances.copy()
    inverse = np.eye(rows.shape[1])
    basis = np.full(rows.shape[1], -1)  # the unit in each place; -1 is a slack
    slacks = np.arange(rows.shape[1])
    draws = rng.random(rows.shape[0])
    for unit, (first, last) in enumerate(zip(rows.indptr[:-1], rows.indptr[1:], strict=True)):
        shares = inverse[:, rows.indices[first:last]] @ rows.data[first:last]
        place = slacks[np.abs(shares[slacks]).argmax()] if slacks.size else -1
        if place >= 0 and abs(shares[place]) > TOLERANCE:
            slacks = slacks[slacks != place]
        else:
            place = _trade(chances, unit, basis, shares, draws[unit])
        if place >= 0:
            basis[place] = unit
            _pivot(inverse, shares, place)
    return np.clip(chances, 0.0, 1.0)


def _with_size(balance: sparse.csr_array) -> sparse.csr_array:
    """Put a column of ones first, so that the number of units is kept; scale each column to 1."""
    largest = np.zeros(balance.shape[1])
    np.maximum.at(largest, balance.indices, np.abs(balance.data))
    scaled = balance.copy()
    scaled.data /= largest[balance.indices]
    return sparse.hstack([np.ones((balance.shape[0], 1)), scaled], format="csr")


def _independent(rows: sparse.csr_array) -> NDArray[np.intp]:
    """Choose columns that keep all the others: a total that is a sum of others costs only time."""
    gram = (rows.T @ rows).toarray()
    length = np.where(gram.diagonal() > 0, gram.diagonal(), 1.0)
    scale = length**0.75  # not 0.5: of columns that would do, those with few entries cost less
    factor, order = linalg.qr(gram / np.outer(scale, scale), mode="r", pivoting=True)
    own = np.abs(factor.diagonal()) * np.sqrt(length[order])
    return np.sort(order[own > DEPENDENT])


def _trade(
    chances: Floats, unit: int, basis: NDArray[np.int64], shares: Floats, draw: float
) -> int:
    """Move the unit against the basis until one arrives at 0 or 1, up or down by a fair game.

    Return the place in the basis that fell free, or -1 if it is the new unit that arrived.
    """
    places = np.flatnonzero(np.abs(shares) > TOLERANCE)
    partners, rates = basis[places], -shares[places]  # a partner's movement per unit of ours
    own, theirs = chances[unit], chances[partners]
    up = np.where(rates > 0, 1.0 - theirs, theirs) / np.abs(rates)
    down = np.where(rates > 0, theirs, 1.0 - theirs) / np.abs(rates)
    furthest_up = max(0.0, min(1.0 - own, up.min(initial=1.0)))
    furthest_down = max(0.0, min(own, down.min(initial=1.0)))
    rises = draw * (furthest_up + furthest_down) < furthest_down
    step = furthest_up if rises else -furthest_down
    chances[partners] += rates * step
    chances[unit] += step
    room = up if rises else down
    if room.min(initial=np.inf) > abs(step):  # nobody in the basis arrived
        chances[unit] = np.rint(chances[unit])
        return -1
    place = int(places[room.argmin()])
    chances[basis[place]] = np.rint(chances[basis[place]])
    return place


def _pivot(inverse: Floats, shares: Floats, place: int) -> None:
    """Update the basis' inverse, in place, for a new unit with these shares at that place."""
    row = inverse[place] / shares[place]
    touched = np.flatnonzero(shares)
    inverse[touched] -= np.multiply.outer(shares[touched], row)
    inverse[place] = row


def land(chances: Floats, balance: sparse.csr_array, rng: np.random.Generator) -> Floats:
    """Round the last units, each step in the direction that changes the totals least.

    The direction sums to zero, so the number of units is exact. It is the right singular vector
    of the totals' matrix with the smallest singular value: it spreads the unavoidable change over
    all totals instead of giving some of them up, as dropping one column after another does.
    """
    chances = chances.copy()
    while (moving := np.flatnonzero(fractional(chances))[:WINDOW]).size > 1:
        rates = _mildest(balance[moving])
        now = chances[moving]
        up = np.where(rates > 0, 1.0 - now, now) / np.abs(rates)
        down = np.where(rates > 0, now, 1.0 - now) / np.abs(rates)
        rises = rng.random() * (up.min() + down.min()) < down.min()
        chances[moving] += rates * (up.min() if rises else -down.min())
        arrived = moving[(up if rises else down).argmin()]
        chances[arrived] = np.rint(chances[arrived])
    return np.rint(chances)


def _mildest(balance: sparse.csr_array) -> Floats:
    """Find the unit vector, summing to zero, along which the totals change least."""
    units = balance.shape[0]
    gram = (balance @ balance.T).toarray()
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1)[:, None]
    gram += (1.0 + np.trace(gram)) / units  # so that changing the sum is the worst direction
    vector: Floats = linalg.eigh(gram, subset_by_index=[0, 0])[1][:, 0]
    vector[np.abs(vector) <= TOLERANCE] = TOLERANCE**2  # as good as still, but not 0: a divisor
    vector *= np.sign(vector[np.abs(vector) > TOLERANCE][0])  # one of two signs, always the same
    return vector

"""Raking of a weighted list of people to factors: the classical loop, in numba."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from popgen.methods._factors import Factor

Floats = NDArray[np.float64]
Pool = NDArray[np.uint16]


def rake(
    people: Pool, weights: Floats, factors: Sequence[Factor], sweeps: int, tol: float
) -> Floats:
    """Scale weights to each factor in turn until all shares are met, or as nearly as may be.

    A cell with a standard error is left alone once it is within it. A cell that has people and
    nobody on the list cannot be met; the others are.

    Parameters
    ----------
    people : array of uint16, shape (n, variables)
    weights : array, shape (n,)
    factors : sequence of Factor
    sweeps : int
        Most rounds.
    tol : float
        Change of a cell's share in a round that is small enough to stop.

    Returns
    -------
    array, shape (n,)
        Weights that add up to 1.
    """
    weights = weights / weights.sum()
    if not factors:
        return weights
    codes = np.empty((len(factors), len(people)), np.int32)
    for row, factor in zip(codes, factors, strict=True):
        row[:] = cells_of(people, factor)
    start = np.cumsum([0, *(factor.target.size for factor in factors)])
    target, se = (
        np.concatenate([getattr(factor, what).ravel() for factor in factors])
        for what in ("target", "se")
    )
    inside = np.concatenate([factor.inside.ravel() for factor in factors])
    for _ in range(sweeps):
        moved = _rake(codes, start, target, se, inside, weights)
        weights /= weights.sum()
        if moved <= tol:
            break
    return weights


def cells_of(people: Pool, factor: Factor) -> NDArray[np.intp]:
    """Flat cell of a factor that each person is in."""
    cells: NDArray[np.intp] = np.zeros(len(people), np.intp)
    for axis, codes, size in zip(factor.axes, factor.codes, factor.shape, strict=True):
        cells = cells * size + codes[people[:, axis]]
    return cells


@njit(cache=True, nogil=True)
def _rake(codes, start, target, se, inside, weights):  # type: ignore[no-untyped-def]
    worst = 0.0
    for f in range(codes.shape[0]):
        sums = np.zeros(start[f + 1] - start[f])
        for i in range(len(weights)):
            sums[codes[f, i]] += weights[i]
        for cell in range(len(sums)):
            at = start[f] + cell
            held = sums[cell]
            if not inside[at] or held <= 0:
                sums[cell] = 1.0
                continue
            wanted = min(max(held, target[at] - se[at]), target[at] + se[at])
            worst = max(worst, abs(wanted - held))
            sums[cell] = wanted / held
        for i in range(len(weights)):
            weights[i] *= sums[codes[f, i]]
    return worst

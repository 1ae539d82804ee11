"""Kernels of nested calibration: one sweep over a sample's records serves many zones at once.

Zones that share a sample differ only in their weights. So each record's cells are read once and
applied to a row of zones that lie side by side in memory, as vector registers want them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from popgen.methods.distances import Floats

Indices = NDArray[np.int32] | NDArray[np.int64]

Rows = tuple[Indices, Indices, Floats]
"""A sparse matrix by rows: ``indptr, indices, data``."""

LANES = 32
"""Most zones handled together: more would not fit the processor's cache."""


def parts(X: sparse.csr_array | sparse.csc_array) -> Rows:
    """Return a sparse matrix as kernels want it: they are slower on indices of 32 bits."""
    indptr, indices = (part.astype(np.int64, copy=False) for part in (X.indptr, X.indices))
    return indptr, indices, X.data


@njit(cache=True, nogil=True, fastmath=True)
def scores(indptr: Indices, indices: Indices, data: Floats, multipliers: Floats) -> Floats:
    """``X @ multipliers``: X of shape (n, m), multipliers (m, zones), result (n, zones)."""
    zones = multipliers.shape[1]
    out = np.empty((len(indptr) - 1, zones))
    for i in range(len(out)):
        out[i] = 0.0
        for a in range(indptr[i], indptr[i + 1]):
            for z in range(zones):
                out[i, z] += data[a] * multipliers[indices[a], z]
    return out


@njit(cache=True, nogil=True, fastmath=True)
def totals(indptr: Indices, indices: Indices, data: Floats, weights: Floats, m: int) -> Floats:
    """``X.T @ weights``: what each zone's weights, (n, zones), hold in each cell, (m, zones)."""
    zones = weights.shape[1]
    out = np.zeros((m, zones))
    for i in range(len(weights)):
        for a in range(indptr[i], indptr[i + 1]):
            for z in range(zones):
                out[indices[a], z] += data[a] * weights[i, z]
    return out


@njit(cache=True, nogil=True, fastmath=True)
def grams(indptr: Indices, indices: Indices, data: Floats, weights: Floats, m: int) -> Floats:
    """``X.T @ diag(weights[:, z]) @ X`` of every zone z, shape (zones, m, m).

    Needs the columns of each row in ascending order.
    """
    zones = weights.shape[1]
    lower = np.zeros((m * (m + 1) // 2, zones))
    for i in range(len(weights)):
        for a in range(indptr[i], indptr[i + 1]):
            start = np.int64(indices[a]) * (indices[a] + 1) // 2
            for b in range(indptr[i], a + 1):
                cell, part = start + indices[b], data[a] * data[b]
                for z in range(zones):
                    lower[cell, z] += part * weights[i, z]
    out = np.empty((zones, m, m))
    for row in range(m):
        for column in range(row + 1):
            for z in range(zones):
                value = lower[row * (row + 1) // 2 + column, z]
                out[z, row, column] = value
                out[z, column, row] = value
    return out

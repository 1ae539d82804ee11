"""The nearest matrix that is a correlation matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]

SMALLEST_EIGENVALUE = 1e-6


def nearest_correlation(R: Floats, *, sweeps: int = 1000) -> Floats:
    """Return the positive definite correlation matrix nearest to a symmetric one (least squares).

    Higham's alternating projections (doi:10.1093/imanum/22.3.329). A matrix whose eigenvalues are
    at least 1e-6 is returned as it is.

    Examples
    --------
    >>> R = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    >>> nearest_correlation(R).round(3).tolist()
    [[1.0, 0.5, -0.5], [0.5, 1.0, 0.5], [-0.5, 0.5, 1.0]]
    """
    if not R.size or linalg.eigvalsh(R)[0] >= SMALLEST_EIGENVALUE:
        return R
    target, correction = R.copy(), np.zeros_like(R)
    for _ in range(sweeps):
        values, vectors = linalg.eigh(target - correction)
        inside = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
        correction = inside - (target - correction)
        moved = inside.copy()
        np.fill_diagonal(moved, 1.0)
        done = np.abs(moved - target).max() < 1e-10
        target = moved
        if done:
            break
    values, vectors = linalg.eigh(target)  # a last rounding error below zero is scaled away
    inside = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(inside.diagonal())
    return np.asarray(inside / np.outer(scale, scale))

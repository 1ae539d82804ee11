"""A multinomial regression with a ridge, and its predictions for people whom it has not seen."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from popgen._aligned import Floats

FOLDS = 10
RIDGE = 1.0
"""Half the sum of squared coefficients counts this much against the log-likelihood."""
TINY = 1e-6
"""Likewise of the intercepts, of which only differences matter."""


def fitted(X: Floats, Y: Floats) -> tuple[Floats, Floats]:
    """Fit log-odds of levels on regressors by penalised maximum likelihood.

    Parameters
    ----------
    X : array, shape (n, p)
    Y : array, shape (n, k)
        Indicators of the levels.

    Returns
    -------
    coefficients, shape (p, k), penalised, and intercepts, shape (k,), all but free

    Examples
    --------
    >>> X, Y = np.array([[0.0], [0.0], [1.0], [1.0]]), np.eye(2)[[0, 0, 1, 1]]
    >>> coefficients, _ = fitted(X, Y)
    >>> bool(coefficients[0, 1] > coefficients[0, 0])
    True
    """
    (n, p), k = X.shape, Y.shape[1]
    wide = np.column_stack([X, np.ones(n)])
    ridge = np.repeat([RIDGE, TINY], [p, 1])[:, None] * np.ones(k)

    def loss(flat: Floats) -> tuple[float, Floats]:
        b = flat.reshape(p + 1, k)
        logits = wide @ b
        gradient = wide.T @ (softmax(logits, axis=1) - Y) + ridge * b
        value = -(Y * log_softmax(logits, axis=1)).sum() + (ridge * b**2).sum() / 2
        return float(value), gradient.ravel()

    def curvature(flat: Floats) -> Floats:
        q = softmax(wide @ flat.reshape(p + 1, k), axis=1)
        apart = q[:, :, None] * np.eye(k) - q[:, :, None] * q[:, None, :]
        found = np.einsum("ni,nab,nj->iajb", wide, apart, wide, optimize=True)
        return np.asarray(found.reshape(ridge.size, -1) + np.diag(ridge.ravel()))

    start = np.zeros(ridge.size)
    found = minimize(loss, start, jac=True, hess=curvature, method="trust-exact")
    b = found.x.reshape(p + 1, k)
    return b[:p], b[p]


def predicted(X: Floats, Y: Floats, rng: np.random.Generator) -> Floats:
    """Predict each person's probabilities from the other folds, shape (n, k)."""
    fold = rng.permutation(len(X)) % FOLDS
    out = np.empty_like(Y)
    for number in range(min(FOLDS, len(X))):
        held = fold == number
        coefficients, intercepts = fitted(X[~held], Y[~held])
        out[held] = softmax(X[held] @ coefficients + intercepts, axis=1)
    return out

"""Newton's method on the convex dual of calibration, on plain arrays.

Minimise ``sum_i d_i G(w_i / d_i)`` subject to ``X.T w = t``. The dual has one multiplier a cell:
``min sum_i d_i Psi(x_i lam) - t lam + 1/2 sum_j se_j^2 lam_j^2``, where ``Psi' = F`` is the
distance's weight function, ``w = d F(X lam)``, and an exact cell has ``se = 0``.
Deville & Särndal 1992, doi:10.1080/01621459.1992.10475217.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import linalg, sparse

from popgen.methods.distances import Distance, Floats

Indices = NDArray[np.int32] | NDArray[np.int64]

SUFFICIENT = 1e-4
"""Armijo's constant: the part of the promised decrease that a step must deliver."""

WORTHWHILE = 0.2
"""A step that leaves more than this share of the gradient calls for a new Hessian: one costs as
much as a handful of steps."""

POLISH = 2
"""Most steps taken after the tolerance is met."""

ROUNDING = 1e-13
"""Changes of the dual below this share of its terms are rounding, not descent or ascent."""


@dataclass(frozen=True, eq=False)
class Dual:
    """The function to minimise: smooth, convex, one variable a cell.

    Attributes
    ----------
    X : sparse array, shape (n, m)
    d : array, shape (n,)
    targets, variance : array, shape (m,)
    distance : Distance
    basis : array of int
        Cells to solve for; the multipliers of the others, which these imply, stay 0.
    """

    X: sparse.csr_array
    d: Floats
    targets: Floats
    variance: Floats
    distance: Distance
    basis: NDArray[np.intp]

    def gradient(self, lam: Floats, u: Floats) -> Floats:
        """People too many in each cell of the basis; ``u`` is ``X @ lam``, here and below."""
        weights = self.d * self.distance.F(u)
        missed: Floats = self.X.T @ weights - self.targets + self.variance * lam
        return missed[self.basis]

    def solver(self, curved: Floats) -> Callable[[Floats], Floats]:
        """From a gradient to Newton's step, given the curvature of the records' part."""
        solve = _solver(curved[np.ix_(self.basis, self.basis)] + np.diag(self.variance[self.basis]))

        def step(gradient: Floats) -> Floats:
            full = np.zeros(len(self.targets))
            full[self.basis] = solve(-gradient)
            return full

        return step

    def value(self, lam: Floats, u: Floats) -> tuple[float, float]:
        """Evaluate the dual; return it and the size of the terms whose small sum it is."""
        records = float(self.d @ self.distance.integral(u))
        cells = float(lam @ (self.targets - 0.5 * self.variance * lam))
        return records - cells, float(self.d.sum()) + abs(records) + abs(cells)


def newton(
    dual: Dual, curved: Floats, tol: float, max_iter: int
) -> tuple[Floats, tuple[float, ...]]:
    """Minimise the dual, renewing the Hessian only when steps with the last one gain too little.

    Parameters
    ----------
    dual : Dual
    curved : array, shape (m, m)
        ``X.T @ diag(d) @ X``: the curvature at the start.
    tol : float
        Largest entry of the gradient accepted, people.
    max_iter : int
        Most steps.

    Returns
    -------
    lam : array, shape (m,)
    history : tuple of float
        Largest entry of the gradient (people) at the start and after each step.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # the line search turns back from infinity
        return _descend(dual, dual.solver(curved), tol, max_iter)


def _descend(
    dual: Dual, solve: Callable[[Floats], Floats], tol: float, max_iter: int
) -> tuple[Floats, tuple[float, ...]]:
    lam, u = np.zeros(dual.X.shape[1]), np.zeros(dual.X.shape[0])
    gradient = dual.gradient(lam, u)
    history = [_largest(gradient)]
    while history[-1] > tol and len(history) <= max_iter:
        if len(history) > 1 and history[-1] > WORTHWHILE * history[-2]:
            solve = dual.solver(curvature(dual.X, dual.d * dual.distance.dF(u)))
        step = solve(gradient)
        du = dual.X @ step
        size = _step_size(dual, lam, u, step, du, float(gradient @ step[dual.basis]))
        if size == 0:
            break
        lam, u = lam + size * step, u + size * du
        gradient = dual.gradient(lam, u)
        history.append(_largest(gradient))
    if history[-1] <= tol:
        lam, history[-1] = _polished(dual, solve, lam, gradient)
    return lam, tuple(history)


def _largest(gradient: Floats) -> float:
    return float(np.abs(gradient).max(initial=0.0))


def _step_size(dual: Dual, lam: Floats, u: Floats, step: Floats, du: Floats, slope: float) -> float:
    """First of 1, 1/2, 1/4, ... that lowers the dual enough (Armijo); 0 if none does."""
    start, terms = dual.value(lam, u)
    for halvings in range(60):
        size = 0.5**halvings
        end, _ = dual.value(lam + size * step, u + size * du)
        if end - start <= SUFFICIENT * size * slope + ROUNDING * terms:
            return size
    return 0.0


def _polished(
    dual: Dual, solve: Callable[[Floats], Floats], lam: Floats, gradient: Floats
) -> tuple[Floats, float]:
    """Go on, for free, with the last Hessian, while that at least halves what is missed."""
    missed = _largest(gradient)
    for _ in range(POLISH):
        again = lam + solve(gradient)
        gradient = dual.gradient(again, dual.X @ again)
        if not _largest(gradient) < missed / 2:
            break
        lam, missed = again, _largest(gradient)
    return lam, missed


def _solver(hessian: Floats) -> Callable[[Floats], Floats]:
    """Solve with the Hessian, scaled to a unit diagonal; lifted where rounding made it singular."""
    scale = 1 / np.sqrt(np.maximum(hessian.diagonal(), np.finfo(float).tiny))
    scaled = hessian * np.outer(scale, scale)
    ridge = 0.0
    while True:
        try:
            factor = linalg.cho_factor(scaled + ridge * np.eye(len(scale)), lower=True)
        except linalg.LinAlgError:
            ridge = max(10 * ridge, 1e-14)
            continue
        return lambda right: scale * linalg.cho_solve(factor, scale * right)


def curvature(X: sparse.csr_array, weights: Floats) -> Floats:
    """``X.T @ diag(weights) @ X`` as a dense array, shape (m, m)."""
    if not X.has_sorted_indices:
        X = X.sorted_indices()
    lower = _lower_gram(X.indptr, X.indices, X.data, weights, X.shape[1])
    return lower + np.tril(lower, -1).T


@njit(cache=True, nogil=True)
def _lower_gram(indptr: Indices, indices: Indices, data: Floats, weights: Floats, m: int) -> Floats:
    """Sum each record's outer product with itself: far fewer additions than a sparse product.

    Needs the column indices of each row in ascending order.
    """
    gram = np.zeros((m, m))
    for i in range(len(weights)):
        for a in range(indptr[i], indptr[i + 1]):
            part = weights[i] * data[a]
            row = gram[indices[a]]
            for b in range(indptr[i], a + 1):
                row[np.uint32(indices[b])] += part * data[b]  # unsigned: no wrap-around to check
    return gram

"""Latent normal variables behind ordered levels: their probabilities, cuts and correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)
FAR = 12.0  # beyond so many standard deviations there is nobody
LARGEST = 0.995
"""Largest correlation, either way: beyond it two variables are one."""
LEAST = 1e-12  # smallest probability whose logarithm is taken
FLAT = 3.0
"""Standard deviation of the weak normal prior on a regression coefficient, latent units."""


def bivariate_cdf(h: Floats, k: Floats, rho: float) -> Floats:
    """P(X <= h, Y <= k) of standard normal X and Y with correlation rho; h and k broadcast.

    Plackett's integral over the correlation in Drezner and Wesolowsky's substitution
    (doi:10.1080/00949659008811236), by 64 Gauss nodes.

    Examples
    --------
    >>> float(bivariate_cdf(np.array(0.0), np.array(0.0), 0.5))  # 1/4 + asin(0.5) / 2 pi
    0.3333333
    """
    h, k = np.clip(h, -FAR, FAR)[..., None], np.clip(k, -FAR, FAR)[..., None]
    end = np.arcsin(rho)
    angle = end / 2 * (NODES + 1)
    sine, cosine2 = np.sin(angle), np.cos(angle) ** 2
    inside = np.exp((h * k * sine - (h * h + k * k) / 2) / cosine2) @ WEIGHTS
    return np.asarray(ndtr(h[..., 0]) * ndtr(k[..., 0]) + end / 2 * inside / (2 * np.pi))


def rectangles(rows: Floats, columns: Floats, rho: float) -> Floats:
    """Probabilities of pairs of levels, shape (g, a, b).

    Parameters
    ----------
    rows, columns : array, shape (g, a - 1) and (g, b - 1)
        Cuts between levels of the two variables, in each group.
    rho : float
    """

    def closed(cuts: Floats) -> Floats:
        return np.pad(cuts, ((0, 0), (1, 1)), constant_values=((0, 0), (-np.inf, np.inf)))

    corners = bivariate_cdf(closed(rows)[:, :, None], closed(columns)[:, None, :], rho)
    return np.maximum(np.diff(np.diff(corners, axis=1), axis=2), 0.0)


def polychoric(counts: Floats, rows: Floats, columns: Floats) -> float:
    """Correlation of two latent normals that makes a table likeliest, given the cuts.

    The second of Olsson's two steps (doi:10.1007/BF02296207).

    Parameters
    ----------
    counts : array, shape (g, a, b)
        People in each pair of levels, in each group.
    rows, columns : array, shape (g, a - 1) and (g, b - 1)
        Cuts between levels, in each group.
    """
    total = counts.sum()

    def surprise(rho: float) -> float:
        logs = np.log(np.maximum(rectangles(rows, columns, rho), LEAST))
        return -float((counts * logs).sum() / total)

    found = optimize.minimize_scalar(
        surprise, bounds=(-LARGEST, LARGEST), method="bounded", options={"xatol": 1e-7}
    )
    return float(found.x)


def ordered_probit(counts: Floats, X: Floats, records: float) -> tuple[Floats, Floats]:
    """Cuts between ordered levels of a latent normal, and how its mean depends on groups.

    The maximum of the likelihood; coefficients have a weak prior, normal with standard deviation 3,
    so that a group all of whose records are in the last level does not send them to infinity.
    Without columns: the normal quantiles of the cumulative shares.

    Parameters
    ----------
    counts : array, shape (g, levels)
        People in each level, in each group.
    X : array, shape (g, p)
        The groups' columns.
    records : float
        How many independent records the counts rest on.

    Returns
    -------
    cuts : array, shape (levels - 1,)
    coefficients : array, shape (p,)
    """
    shares = counts / counts.sum()
    overall = shares.sum(axis=0)
    if not X.shape[1]:
        return ndtri(np.minimum(np.cumsum(overall)[:-1], 1.0)), np.zeros(0)
    there = overall > 0
    cuts, coefficients = _fitted(shares[:, there], X, records)
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    return ends[np.cumsum(there)[:-1]], coefficients


def _fitted(shares: Floats, X: Floats, records: float) -> tuple[Floats, Floats]:
    """Ordered probit on levels that all have people: first cut, log gaps, then coefficients."""
    m = shares.shape[1] - 1
    if m == 0:
        return np.zeros(0), np.zeros(X.shape[1])
    start = ndtri(np.cumsum(shares.sum(axis=0))[:-1])
    first = np.concatenate([start[:1], np.log(np.diff(start)), np.zeros(X.shape[1])])
    precision = 1 / (FLAT**2 * records)

    def cuts_of(theta: Floats) -> Floats:
        return np.asarray(theta[0] + np.concatenate([[0.0], np.cumsum(np.exp(theta[1:m]))]))

    def surprise(theta: Floats) -> tuple[float, Floats]:
        beta = theta[m:]
        at = cuts_of(theta) - (X @ beta)[:, None]
        below = np.pad(ndtr(at), ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0)))
        density = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
        p = np.maximum(np.diff(below, axis=1), LEAST)
        ratio = shares / p
        by_cut = (ratio[:, 1:] - ratio[:, :-1]) * density  # of surprise, by each group's own cut
        gradient = by_cut.sum(axis=0)
        after = np.cumsum(gradient[::-1])[::-1]
        slopes = np.concatenate([after[:1], after[1:] * np.exp(theta[1:m])])
        pull = -X.T @ by_cut.sum(axis=1) + precision * beta
        value = -(shares * np.log(p)).sum() + precision / 2 * beta @ beta
        return float(value), np.concatenate([slopes, pull])

    found = optimize.minimize(surprise, first, jac=True, method="BFGS", options={"gtol": 1e-9})
    return cuts_of(found.x), found.x[m:]

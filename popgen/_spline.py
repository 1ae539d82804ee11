"""Numbers within bands from the bands' counts alone: a monotone spline, and a Pareto tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float64]

HALVINGS = 52
"""Of a band, when the spline is inverted: a double has no finer places."""


def within_bands(edges: Floats, counts: Floats, band: NDArray[np.intp], uniform: Floats) -> Floats:
    """Draw a number in each person's band, by a smooth distribution that has the bands' counts.

    The cumulative counts are joined by a monotone cubic (Fritsch & Butland's, through
    `scipy.interpolate.PchipInterpolator`): densities have no jumps at the edges and are nowhere
    negative. Its inverse, found by bisection, turns a uniform number into the person's.

    Parameters
    ----------
    edges : array, shape (k + 1,)
        Finite and rising.
    counts : array, shape (k,)
        People in each band, of any scale.
    band : array of int, shape (n,)
    uniform : array, shape (n,)
        Independent uniform numbers.

    References
    ----------
    .. [1] Fritsch & Butland (1984), SIAM J. Sci. Stat. Comput. 5:300-304, doi:10.1137/0905021

    Examples
    --------
    >>> even = within_bands(
    ...     np.array([0.0, 1, 2]), np.ones(2), np.array([0, 1]), np.array([0.5, 0.5])
    ... )
    >>> even.tolist()
    [0.5, 1.5]
    """
    below = np.concatenate([[0.0], np.cumsum(counts)])
    cumulative = PchipInterpolator(edges, below)
    goal = below[band] + uniform * counts[band]
    low, high = edges[band], edges[band + 1]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        under = cumulative(middle) < goal
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return low


def pareto_index(edges: Floats, counts: Floats) -> float:
    """Tail index of a Pareto distribution that has the people of the last two bands.

    Parameters
    ----------
    edges : array, shape (k,)
        Lower edges; the last band is open. The last two must be above 0.
    counts : array, shape (k,)
        People; some in each of the last two bands.

    Notes
    -----
    ``alpha = log(N(>= a) / N(>= b)) / log(b / a)`` for lower edges a < b: [1]_.

    References
    ----------
    .. [1] von Hippel, Scarpino & Holas (2016), Sociological Methodology 46:212-251,
           doi:10.1177/0081175015599807

    Examples
    --------
    >>> round(pareto_index(np.array([1.0, 2.0]), np.array([75.0, 25.0])), 6)  # a quarter from 2 on
    2.0
    """
    beyond = counts[-1]
    return float(np.log((counts[-2] + beyond) / beyond) / np.log(edges[-1] / edges[-2]))

"""What a sample of n people shows of a true share, on the log scale: ``E[log(X + 1/2)]``."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlog1py, xlogy

from popgen.errors import PopgenError

Floats = NDArray[np.float64]

SUMMED = 100.0
"""Expected counts up to here are summed term by term; beyond, the moment series takes over."""
REACH = 250
"""Last term summed: beyond it a count of mean 100 has probability below 1e-30."""
CHUNK = 4096


def expected_log(shares: ArrayLike, n: int) -> Floats:
    """Give the expected log of a smoothed count: ``E[log(X + 1/2)]``, ``X ~ Binomial(n, share)``.

    Parameters
    ----------
    shares : array, any shape
        True share of each cell, in [0, 1].
    n : int
        People drawn, at least 1.

    Returns
    -------
    array, same shape
        Natural logs of people. Absolute error below 1e-7.

    Raises
    ------
    PopgenError
        If ``n`` is below 1 or a share lies outside [0, 1].

    Notes
    -----
    A count of one cell in n independent draws is binomial, whatever the other cells. For means up
    to 100 the probabilities are summed. Above, Taylor's series about the mean is used up to the
    sixth central moment m_k of the binomial, with a = n p + 1/2:
    ``log(a) + sum_k (-1)^(k-1) m_k / (k a^k)``. It begins ``log(n p) + 1/(2n) + O(1/(n p)^2)``:
    adding 1/2 removes the bias of order 1/(n p) but for a constant, which centring takes out [1]_.

    References
    ----------
    .. [1] Gart & Zweifel (1967), Biometrika 54:181-187, doi:10.1093/biomet/54.1-2.181

    Examples
    --------
    >>> expected_log([0.0, 0.5], 1).round(4).tolist()  # log(1/2); mean of log(1/2) and log(3/2)
    [-0.6931, -0.1438]
    """
    p = np.asarray(shares, dtype=np.float64)
    if n < 1:
        raise PopgenError(f"a sample needs at least 1 person; got {n}")
    if p.size and not (p.min() >= 0 and p.max() <= 1 + 1e-9):
        raise PopgenError(f"shares must lie in [0, 1]; got {p.min():g} to {p.max():g}")
    flat = np.minimum(p.ravel(), 1.0)
    out = np.empty_like(flat)
    small = flat * n <= SUMMED
    out[small] = _summed(flat[small], n)
    out[~small] = _series(flat[~small], n)
    return out.reshape(p.shape)


def _summed(p: Floats, n: int) -> Floats:
    """Sum log(x + 1/2) over the binomial probabilities."""
    x = np.arange(min(n, REACH) + 1.0)
    # term by term: log-gammas of a large n would cancel and leave their rounding
    ways = np.append(0.0, np.cumsum(np.log((n - x[:-1]) / x[1:])))
    logs = np.log(x + 0.5)
    out = np.empty_like(p)
    for start in range(0, p.size, CHUNK):
        part = p[start : start + CHUNK, None]
        out[start : start + CHUNK] = np.exp(ways + xlogy(x, part) + xlog1py(n - x, -part)) @ logs
    return out


def _series(p: Floats, n: int) -> Floats:
    """Expand log(x + 1/2) about the mean, with the binomial's central moments."""
    pq = p * (1 - p)
    k2 = n * pq
    k3, k4 = k2 * (1 - 2 * p), k2 * (1 - 6 * pq)
    k5, k6 = k3 * (1 - 12 * pq), k2 * (1 - 30 * pq + 120 * pq**2)
    m4, m5 = k4 + 3 * k2**2, k5 + 10 * k3 * k2
    m6 = k6 + 15 * k4 * k2 + 10 * k3**2 + 15 * k2**3
    a = n * p + 0.5
    terms = [(-1) ** (k - 1) * m / (k * a**k) for k, m in enumerate((k2, k3, m4, m5, m6), 2)]
    return np.asarray(np.log(a) + np.sum(terms, axis=0), dtype=np.float64)

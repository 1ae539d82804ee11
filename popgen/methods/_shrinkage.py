"""Tables counted from few records, shrunk towards what is believed without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import gammaln

Floats = NDArray[np.float64]

WEAKEST, STRONGEST = 0.1, 1e6
"""Bounds of the prior's strength, records."""


def evidence(counts: Floats, prior: Floats, strength: float) -> float:
    """Log probability of counts whose shares are Dirichlet with mean ``prior``.

    Parameters
    ----------
    counts : array
        Records in each cell; effective records if they are weighted.
    prior : array
        Expected shares, the same shape; they add up to 1.
    strength : float
        Records that the prior is worth.

    Notes
    -----
    The Dirichlet-multinomial, Good (1965); empirical Bayes as in Fienberg & Holland (1973),
    doi:10.1080/01621459.1973.10481404. A record where the prior has nobody has probability 0, so
    such cells are left out.

    Examples
    --------
    >>> even = np.full(2, 0.5)  # two records, one of each kind: (1/2 * 1/2 of the urn) / (1 * 2/1)
    >>> round(float(np.exp(evidence(np.ones(2), even, 2.0))), 6)
    0.166667
    """
    used = prior > 0
    a, n = strength * prior[used], counts[used]
    parts = gammaln(n + a) - gammaln(a)
    return float(parts.sum() + gammaln(strength) - gammaln(strength + n.sum()))


def best_strength(pairs: Sequence[tuple[Floats, Floats]]) -> float:
    """Return the strength under which counts, each with its prior, are most probable.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> prior = np.full((5, 5), 1 / 25)
    >>> close = rng.multinomial(1000, prior.ravel()).reshape(5, 5)
    >>> far = rng.multinomial(1000, rng.dirichlet(prior.ravel() * 20)).reshape(5, 5)
    >>> best_strength([(close, prior)]) > 1000, 5 < best_strength([(far, prior)]) < 80
    (True, True)
    """

    def loss(log_strength: float) -> float:
        return -sum(evidence(n, prior, float(np.exp(log_strength))) for n, prior in pairs)

    bounds = (np.log(WEAKEST), np.log(STRONGEST))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))


def shrunk(counts: Floats, prior: Floats, strength: float) -> Floats:
    """Shares: the records', and the prior's as if it were so many records.

    >>> shrunk(np.array([6.0, 0.0]), np.array([0.5, 0.5]), 6.0).tolist()
    [0.75, 0.25]
    """
    shares: Floats = (counts + strength * prior) / (counts.sum() + strength)
    shares /= shares.sum()
    return shares

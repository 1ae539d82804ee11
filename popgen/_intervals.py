"""Intervals, 95 percent: of a share, of a ratio over clusters, of anything smooth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from popgen._aligned import Floats

Z = 1.959963984540054
GROUPS = 50
"""Groups of units that the jackknife leaves out in turn."""


class Interval(NamedTuple):
    """A figure and the ends of its interval; NaN where undefined."""

    value: float
    low: float
    high: float


UNDEFINED = Interval(float("nan"), float("nan"), float("nan"))


def wilson(share: float, n: float) -> Interval:
    """Score interval of a share of ``n``: inside [0, 1], and not empty at 0 or 1.

    References
    ----------
    .. [1] Wilson (1927), JASA 22:209-212, doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> tuple(round(x, 2) for x in wilson(84 / 111, 111))
    (0.76, 0.67, 0.83)
    """
    if not n > 0:
        return UNDEFINED
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return Interval(float(share), float(max(middle - half, 0)), float(min(middle + half, 1)))


def clustered(above: Floats, below: Floats, cluster: NDArray[np.intp]) -> tuple[float, float]:
    """Give the ratio of two sums and its standard error, terms of a cluster going together.

    Parameters
    ----------
    above, below : array, shape (n,)
    cluster : array of int, shape (n,)

    Returns
    -------
    ratio, se : float
        NaN without terms; the error also if there is one cluster only.

    Notes
    -----
    Linearisation: ``G / (G - 1) sum_g (sum_i above - ratio below)^2 / (sum below)^2``. For
    ``above = x y, below = x^2`` this is least squares through the origin with clustered errors.

    Examples
    --------
    >>> clustered(np.array([1.0, 0.0, 1.0, 1.0]), np.ones(4), np.array([0, 0, 1, 1]))
    (0.75, 0.25)
    """
    total = below.sum()
    if not total > 0:
        return float("nan"), float("nan")
    ratio = float(above.sum() / total)
    sums = np.bincount(cluster, above - ratio * below)
    groups = len(np.unique(cluster))
    if groups < 2:
        return ratio, float("nan")
    return ratio, float(np.sqrt(groups / (groups - 1) * (sums**2).sum()) / total)


def clustered_share(held: NDArray[np.bool_], cluster: NDArray[np.intp]) -> Interval:
    """Wilson's interval of a share, with as many independent terms as its clusters are worth.

    Examples
    --------
    >>> held, apart = np.array([True, True, False, False] * 5), np.arange(20)
    >>> clustered_share(held, apart // 2).low < clustered_share(held, apart).low
    True
    """
    n = float(len(held))
    share, se = clustered(held.astype(np.float64), np.ones(len(held)), cluster)
    if se > 0:
        n = min(n, share * (1 - share) / se**2)
    return wilson(share, n)


def jackknife(
    figure: Callable[[Floats], Floats], units: int, rng: np.random.Generator
) -> list[Interval]:
    """Intervals of smooth figures over units (people, say) that were drawn independently.

    Parameters
    ----------
    figure : callable
        Of how often each unit counts, shape (copies, units), to (copies,) or (copies, m).
    units : int
    rng : Generator
        For the groups.

    Returns
    -------
    list of m intervals
        Student's, over `GROUPS` random groups left out in turn, or each unit if there are fewer.
        Where all copies agree (everybody is right, say), the interval is empty.

    References
    ----------
    .. [1] Efron & Stein (1981), Annals of Statistics 9:586-596, doi:10.1214/aos/1176345462

    Examples
    --------
    >>> heights = np.array([1.0, 2.0, 3.0, 4.0])
    >>> [mean] = jackknife(lambda w: w @ heights / w.sum(axis=1), 4, np.random.default_rng(0))
    >>> tuple(round(x, 2) for x in mean)
    (2.5, 0.45, 4.55)
    """
    copies = min(GROUPS, units)
    group = rng.permutation(units) % copies
    kept = (group != np.arange(copies)[:, None]).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.asarray(figure(np.ones((1, units)))).reshape(-1)
        left = np.asarray(figure(kept)).reshape(copies, -1)
        apart = ((left - left.mean(axis=0)) ** 2).sum(axis=0)
        half = stats.t.ppf(0.975, copies - 1) * np.sqrt((copies - 1) / copies * apart)
    return intervals(value, half)


def intervals(values: NDArray[Any], halves: NDArray[Any]) -> list[Interval]:
    """Give intervals of the stated half widths around figures."""
    return [
        Interval(float(v), float(v - h), float(v + h)) for v, h in zip(values, halves, strict=True)
    ]

"""Effects as a study reports them: contrasts of an outcome's share between groups, from counts.

A main effect is a difference of two shares, a two-way interaction (a moderation) a difference of
two differences, and so on: the coefficients of a linear probability model with every product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from popgen._aligned import Floats

LEAST = 10
"""People that every group of a contrast must have, for the contrast to be tested."""


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Contrasts of copies of one table, or of several tables side by side.

    Attributes
    ----------
    estimate, se : array, shape (copies, m)
        In share points; NaN where a group has nobody.
    fewest : array, shape (copies, m)
        People of the smallest of a contrast's groups.
    """

    estimate: Floats
    se: Floats
    fewest: Floats

    @classmethod
    def joined(cls, parts: list[Contrasts]) -> Contrasts:
        """Put the contrasts of several tables side by side."""
        return cls(
            np.concatenate([part.estimate for part in parts], axis=1),
            np.concatenate([part.se for part in parts], axis=1),
            np.concatenate([part.fewest for part in parts], axis=1),
        )

    def taken(self, index: NDArray[np.intp]) -> Contrasts:
        """Keep some of the contrasts."""
        return Contrasts(self.estimate[:, index], self.se[:, index], self.fewest[:, index])

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Whether every group has `LEAST` people."""
        return self.fewest >= LEAST

    @property
    def p(self) -> Floats:
        """Two-sided p-value of no effect, normal approximation."""
        return two_sided(self.estimate / self.se)


def two_sided(z: Floats) -> Floats:
    """Two-sided p-value of a standard normal figure."""
    return np.asarray(2 * norm.sf(np.abs(z)))


def contrasts(yes: Floats, people: Floats, references: tuple[int, ...]) -> Contrasts:
    """Contrast each level of each predictor with its reference level, all at once.

    Parameters
    ----------
    yes, people : array, shape (copies, L1, ..., Lk)
        People with the outcome, and all people, by the levels of k predictors.
    references : tuple of k int
        Level of each predictor that the others are compared with.

    Returns
    -------
    Contrasts
        ``m = (L1 - 1) ... (Lk - 1)``, the last predictor's levels running fastest.

    Notes
    -----
    Standard errors are those of [1]_: ``2 / 2**k`` people with the outcome, and as many without,
    are added to each of the ``2**k`` groups, so that a group in which everybody agrees is not taken
    as certain. For two groups these are Agresti and Caffo's. Estimates are plain.

    References
    ----------
    .. [1] Price & Bonett (2004), Computational Statistics & Data Analysis 45:449-456,
       doi:10.1016/S0167-9473(03)00007-0

    Examples
    --------
    >>> found = contrasts(np.array([[20.0, 50.0]]), np.array([[100.0, 100.0]]), (0,))
    >>> found.estimate.round(3).tolist(), found.se.round(3).tolist()
    ([[0.3]], [[0.064]])
    """
    added = 2.0 / 2 ** len(references)
    share = yes / np.where(people > 0, people, np.nan)
    wider = people + 2 * added
    steadied = (yes + added) / wider
    variance = steadied * (1 - steadied) / wider
    fewest = people
    for axis, reference in enumerate(references, start=1):
        at = [reference]
        share = np.delete(share, reference, axis) - share.take(at, axis)
        variance = np.delete(variance, reference, axis) + variance.take(at, axis)
        fewest = np.minimum(np.delete(fewest, reference, axis), fewest.take(at, axis))
    copies = len(people)
    return Contrasts(
        share.reshape(copies, -1),
        np.sqrt(variance).reshape(copies, -1),
        fewest.reshape(copies, -1),
    )

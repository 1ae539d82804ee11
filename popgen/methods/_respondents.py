"""A small real sample beside a prior: what it says of a pair, and how the two are blended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from popgen.methods.panel import strength_of, weighted_centre
from popgen.microdata import Microdata

Floats = NDArray[np.float64]


class Respondents:
    """Records, counted as so many people as their weights are worth (Kish's effective size).

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))))
    >>> Respondents(Microdata(domain, [[0, 0], [0, 0], [1, 1], [1, 0]])).counts("sex", "vote")
    array([[2., 0.],
           [1., 1.]])
    """

    def __init__(self, microdata: Microdata) -> None:
        self.microdata = microdata
        self.size = microdata.effective_size

    def counts(self, one: str, two: str) -> Floats:
        """Effective people in each cell of a pair."""
        return self.microdata.project(one, two).scaled(self.size).counts

    def shares(self, name: str) -> Floats:
        """Shares of a variable's levels, each level with half a person more than was seen."""
        held = self.microdata.project(name).scaled(self.size).counts + 0.5
        return np.asarray(held / held.sum())

    def interaction(
        self, one: str, two: str, rows: Floats, columns: Floats
    ) -> tuple[Floats, float]:
        """Give a pair's interaction as respondents show it, and its mean sampling variance.

        Parameters
        ----------
        one, two : str
        rows, columns : array
            Shares of the variables' levels in the population.
        """
        seen = self.counts(one, two)
        expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
        logs = np.log((seen + 0.5) / (expected + 0.5))
        weights = np.outer(rows, columns)
        noise = float((weights / (self.size * weights + 0.5)).sum())
        return weighted_centre(logs, rows, columns), noise


def blend(prior: Sequence[Floats], seen: Sequence[Floats]) -> tuple[list[Floats], list[float]]:
    """Blend prior tables of pairs with what respondents show of them, by precision, cell by cell.

    Parameters
    ----------
    prior : sequence of array
        Shares; each table adds to 1.
    seen : sequence of array
        Respondents.

    Returns
    -------
    blended : list of array
        Shares ``p (n + s) / (N p + s)``, N respondents, n of them in the cell.
    weight : list of float
        Of the respondents in each table: ``N p / (N p + s)``, mean over the people.

    Notes
    -----
    The posterior mean of each cell's ratio to the prior, if ratios follow a gamma law of mean 1
    that counts as s people. That s is found by maximum likelihood over all the tables: large if
    respondents agree with the prior up to chance, small if it misleads.

    Examples
    --------
    >>> even = np.full((2, 2), 0.25)
    >>> (posterior,), (weight,) = blend([even], [np.array([[30.0, 2.0], [2.0, 30.0]])])
    >>> posterior.round(2).tolist(), round(weight, 2)
    ([[0.46, 0.04], [0.04, 0.46]], 0.95)
    """
    means = [p * n.sum() for p, n in zip(prior, seen, strict=True)]
    s = strength_of(
        np.concatenate([n.ravel() for n in seen]), np.concatenate([m.ravel() for m in means])
    )
    blended, weight = [], []
    for p, n, mean in zip(prior, seen, means, strict=True):
        table = p * (n + s) / (mean + s)
        blended.append(np.asarray(table / table.sum()))
        weight.append(float((p * mean / (mean + s)).sum()))
    return blended, weight

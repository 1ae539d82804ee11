"""How strongly to believe each source of interactions: factors learned where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]

RIDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Pulls towards 'believe nobody' that are tried, as parts of the sources' mean square."""
FEWEST = 6
"""Pairs that must be known before anything is learned from them."""
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Evidence:
    """One pair whose interaction is known, beside what each source says of it.

    Attributes
    ----------
    said : array, shape (sources, cells)
        Interactions that the sources state; the first is what the other margins imply.
    known : array, shape (cells,)
        The interaction measured.
    weights : array, shape (cells,)
        Shares of people that the cells would hold if the two variables were independent.
    noise : float
        Mean sampling variance of ``known``, cells by their weights; 0 where it is exact.
    fold : int
        Pairs of one fold are left out together.
    """

    said: Floats
    known: Floats
    weights: Floats
    noise: float
    fold: int


@dataclass(frozen=True)
class Factors:
    """What was learned of the sources.

    Attributes
    ----------
    values : tuple of float
        Factor of each source, >= 0; the first is that of what margins imply.
    how : str
        ``learned``, ``default``, ``given``; or ``rejected``, when sources told nothing of use of
        the pairs left out, and all their factors are 0.
    pairs : int
        Pairs that they were learned from.
    ridge : float
        The pull chosen.
    error, error_without : float
        Root mean square error of the interactions of pairs left out, with these sources and
        without them; NaN where nothing was learned.
    """

    values: tuple[float, ...]
    how: str
    pairs: int = 0
    ridge: float = 0.0
    error: float = float("nan")
    error_without: float = float("nan")


@dataclass(frozen=True, eq=False)
class Sums:
    """Weighted products of what sources said and what is known: one set of them a fold.

    Attributes
    ----------
    said : array, shape (folds, sources, sources)
    both : array, shape (folds, sources)
    known : array, shape (folds,)
    weight : array, shape (folds,)
        Precision of the pairs in each fold: 1 for a pair that is known exactly.
    """

    said: Floats
    both: Floats
    known: Floats
    weight: Floats

    @classmethod
    def of(cls, evidence: Sequence[Evidence]) -> Sums:
        """Add up pairs; one that is known with noise counts for the less of it that is signal."""
        noise = np.array([pair.noise for pair in evidence])
        power = np.array([float((p.weights * p.known**2).sum()) for p in evidence])
        signal = max(float((power - noise).mean()), TINY)
        precision = signal / (signal + noise)
        folds = sorted({pair.fold for pair in evidence})
        sources = evidence[0].said.shape[0]
        said = np.zeros((len(folds), sources, sources))
        both, known = np.zeros((len(folds), sources)), np.zeros(len(folds))
        weight = np.zeros(len(folds))
        for pair, trust, own in zip(evidence, precision, power, strict=True):
            at = folds.index(pair.fold)
            weighed = trust * pair.weights * pair.said
            said[at] += weighed @ pair.said.T
            both[at] += weighed @ pair.known
            known[at] += trust * own
            weight[at] += trust
        return cls(said, both, known, weight)

    def keeping(self, sources: Sequence[int]) -> Sums:
        """Return the sums of some of the sources only."""
        index = list(sources)
        said = self.said[:, index][:, :, index]
        return Sums(said, self.both[:, index], self.known, self.weight)

    def errors(self, factors: Floats) -> Floats:
        """Sum of squared errors of each fold; factors of shape (folds, sources) or (sources,)."""
        at = np.broadcast_to(factors, self.both.shape)
        quadratic = np.einsum("fi,fij,fj->f", at, self.said, at)
        return np.asarray(self.known - 2 * (at * self.both).sum(axis=1) + quadratic)


def learn(evidence: Sequence[Evidence]) -> Factors:
    """Learn the sources' factors, and reject them all unless they help with pairs left out.

    Parameters
    ----------
    evidence : sequence of Evidence
        At least `FEWEST` pairs, in two folds or more.

    Returns
    -------
    Factors

    Notes
    -----
    Weighted least squares of the known interactions on what was said, no factor below 0, with a
    ridge that pulls towards believing nobody (factor 0; 1 for what margins imply). The ridge is
    the one with the least squared error on pairs left out, fold by fold. Sources are rejected
    unless they bring that error down, by more than its standard error over folds, from what it is
    without them: with what margins imply taken as it is, or times a factor of its own.
    """
    sums = Sums.of(evidence)
    ridge, errors = _best_ridge(sums)
    alone = sums.keeping([0])
    without = min(alone.errors(np.ones(1)), _best_ridge(alone)[1], key=lambda e: float(e.sum()))
    gain = without - errors
    noise = float(gain.std(ddof=1)) * np.sqrt(len(gain))
    values = solve(sums.said.sum(axis=0), sums.both.sum(axis=0), ridge * _scale(sums))
    accepted = float(gain.sum()) > noise and values[1:].any()
    if not accepted:
        values, errors = _nobody(len(values)), alone.errors(np.ones(1))
    return Factors(
        tuple(float(value) for value in values),
        "learned" if accepted else "rejected",
        len(evidence),
        ridge if accepted else float("inf"),
        _root_mean(errors, sums),
        _root_mean(alone.errors(np.ones(1)), sums),
    )


def solve(said: Floats, both: Floats, ridge: float) -> Floats:
    """Minimise ``f' A f - 2 b' f + ridge |f - f0|^2`` over f >= 0; f0 believes nobody.

    Examples
    --------
    >>> solve(np.diag([1.0, 2.0]), np.array([1.0, 1.0]), 0.0).round(3).tolist()
    [1.0, 0.5]
    >>> solve(np.diag([1.0, 2.0]), np.array([1.0, -1.0]), 0.0).round(3).tolist()
    [1.0, 0.0]
    """
    size = len(both)
    scale = max(float(np.trace(said)) / size, TINY)
    pull = ridge + 1e-9 * scale
    root = np.linalg.cholesky(said + pull * np.eye(size)).T
    found, _ = nnls(root, np.linalg.solve(root.T, both + pull * _nobody(size)))
    return np.asarray(found, dtype=np.float64)


def _best_ridge(sums: Sums) -> tuple[float, Floats]:
    """Choose the ridge by the error on folds left out; give that error, fold by fold."""
    tried = []
    said, both, scale = sums.said.sum(axis=0), sums.both.sum(axis=0), _scale(sums)
    for ridge in RIDGES:
        factors = np.stack(
            [
                solve(said - sums.said[f], both - sums.both[f], ridge * scale)
                for f in range(len(sums.known))
            ]
        )
        tried.append((ridge, sums.errors(factors)))
    return min(tried, key=lambda one: float(one[1].sum()))


def _scale(sums: Sums) -> float:
    return float(np.trace(sums.said.sum(axis=0)) / sums.both.shape[1])


def _nobody(size: int) -> Floats:
    """Factors that believe no source but what margins imply."""
    return np.asarray(np.eye(size)[0])


def _root_mean(errors: Floats, sums: Sums) -> float:
    return float(np.sqrt(max(float(errors.sum()), 0.0) / float(sums.weight.sum())))

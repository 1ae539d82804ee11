"""A multinomial logit with partial pooling, on plain arrays: how levels depend on kinds of people.

``log p(c | cell)`` is the sum of the cell's effects on c, and a constant: one effect for each level
c and each level of each term (a variable, or several together). A term's effects are normal about
0; how widely they vary is estimated, as in a model of random intercepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import log_softmax

from popgen.errors import ConvergenceError

Floats = NDArray[np.float64]
Term = tuple[int, ...]

FREE = 1e-8
"""Precision of the constant's effects: next to none, so that it is not pulled to 0."""
PRECISIONS = (1e-3, 1e3)
"""Least and greatest precision of a term's effects: beyond, it is as good as free, or absent."""
SETTLED = 0.03
"""Log precisions that change by less from one round to the next are found."""
ROUNDS = 20
ROUGH, STATIONARY = 1e-5, 1e-9
"""Length of the slope that is left while precisions are sought, and at the end; of one record."""
BARRED = -800.0
"""Offset of a cell's level at which nobody is: its share is 0 in floating point."""
STEPS = 200
"""Most Newton steps, and most conjugate directions of each."""


@dataclass(frozen=True, eq=False)
class Design:
    """Which effects bear on which cell.

    Attributes
    ----------
    X : sparse array, shape (cells, p)
        1 where an effect bears on a cell (C order).
    terms : tuple of tuples of int
        The axes of each term; the first is the constant, ``()``.
    starts : array of int, shape (len(terms) + 1,)
        Columns at which terms start.
    shape : tuple of int
    offset : array, shape (cells, K), or 0
        Added to the effects' sums: `BARRED` where nobody can be.
    """

    X: sparse.csr_array
    terms: tuple[Term, ...]
    starts: NDArray[np.intp]
    shape: tuple[int, ...]
    offset: Floats | float = 0.0

    @classmethod
    def of(cls, shape: Sequence[int], terms: Sequence[Term]) -> Design:
        """Make the columns of a constant and of each term over a table of some shape.

        >>> Design.of((2, 2), [(0,), (0, 1)]).X.toarray().astype(int).tolist()[1]
        [1, 1, 0, 0, 1, 0, 0]
        """
        every = ((), *terms)
        sizes = [int(np.prod([shape[axis] for axis in term])) for term in every]
        starts = np.cumsum([0, *sizes])
        cells = np.indices(shape).reshape(len(shape), -1)
        columns = np.stack(
            [
                start + group_of(cells, term, shape)
                for start, term in zip(starts[:-1], every, strict=True)
            ],
            axis=1,
        )
        n = cells.shape[1]
        rows = np.arange(0, columns.size + 1, len(every))
        ones = np.ones(columns.size)
        X = sparse.csr_array((ones, columns.ravel(), rows), shape=(n, int(starts[-1])))
        return cls(X, every, starts, tuple(shape))

    def spread(self, values: Floats) -> Floats:
        """Give every column its term's value, shape (p,)."""
        return np.repeat(values, np.diff(self.starts))

    def log_shares(self, theta: Floats) -> Floats:
        """Log shares of the levels in every cell, shape (cells, K)."""
        return np.asarray(log_softmax(self.X @ theta + self.offset, axis=1))


def group_of(cells: NDArray[np.intp], term: Term, shape: Sequence[int]) -> NDArray[np.intp]:
    """Say which group of a term each cell (axes in rows) is in."""
    group = np.zeros(cells.shape[1], dtype=np.intp)
    for axis in term:
        group = group * shape[axis] + cells[axis]
    return group


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The penalised log likelihood of records, counted by cell and level.

    Attributes
    ----------
    design : Design
        Over the cells that have records.
    counts : array, shape (cells, K)
        Records (effective number).
    precision : array, shape (p,)
        Of each column's effects about 0.
    """

    design: Design
    counts: Floats
    precision: Floats

    def value(self, theta: Floats) -> float:
        """Log likelihood less half the squared effects times their precision."""
        fit = (self.counts * self.design.log_shares(theta)).sum()
        return float(fit - 0.5 * (self.precision[:, None] * theta**2).sum())

    def slope(self, theta: Floats) -> Floats:
        """Its gradient, shape (p, K)."""
        shares = np.exp(self.design.log_shares(theta))
        off = self.counts - self.counts.sum(axis=1, keepdims=True) * shares
        return np.asarray(self.design.X.T @ off - self.precision[:, None] * theta)

    def bend(self, shares: Floats, along: Floats) -> Floats:
        """Its negative second derivative, where shares are so, times a direction, shape (p, K)."""
        moved = self.design.X @ along
        moved = shares * (moved - (shares * moved).sum(axis=1, keepdims=True))
        moved *= self.counts.sum(axis=1, keepdims=True)
        return np.asarray(self.design.X.T @ moved + self.precision[:, None] * along)

    def scale(self) -> Floats:
        """Rough size of each effect's uncertainty, shape (p, 1): a step's natural length."""
        held = self.design.X.T @ self.counts.sum(axis=1) / self.counts.shape[1]
        return np.asarray(1 / np.sqrt(held + self.precision))[:, None]

    def maximum(self, start: Floats, tol: float = STATIONARY) -> Floats:
        """Find the effects at the maximum by Newton steps, each by conjugate gradients.

        It is unique but for what no share shows: the same added to all levels' constants.

        Raises
        ------
        ConvergenceError
            If its slope is longer than ``tol`` after all steps.
        """
        scale, theta = self.scale(), start
        for _ in range(STEPS):
            slope = self.slope(theta) * scale
            length = float(np.sqrt((slope**2).sum()))
            if length <= tol:
                return theta
            shares = np.exp(self.design.log_shares(theta))
            step = scale * self._towards(shares, scale, slope, min(0.1, length))
            rise, before = float((slope * step / scale).sum()), self.value(theta)
            part = 1.0
            while self.value(theta + part * step) < before + 1e-4 * part * rise - 1e-13 * abs(
                before
            ):
                part /= 2
            theta = theta + part * step
        raise ConvergenceError(
            f"the logit's slope is still {length:.3g} after {STEPS} steps (tolerance {tol:.3g}); "
            "use fewer effects, or coarser variables"
        )

    def _towards(self, shares: Floats, scale: Floats, slope: Floats, rtol: float) -> Floats:
        size = slope.size
        curvature = sparse.linalg.LinearOperator(
            (size, size),
            matvec=lambda d: (self.bend(shares, scale * d.reshape(slope.shape)) * scale).ravel(),
            dtype=np.float64,
        )
        step, _ = sparse.linalg.cg(curvature, slope.ravel(), rtol=rtol, maxiter=STEPS)
        return np.asarray(step.reshape(slope.shape))


@dataclass(frozen=True, eq=False)
class Pooled:
    """A fitted logit.

    Attributes
    ----------
    design : Design
    theta : array, shape (p, K)
        Effects.
    precision : array, shape (len(terms),)
        1 / variance of each term's effects; the constant's is next to 0.
    """

    design: Design
    theta: Floats
    precision: Floats

    @property
    def shares(self) -> Floats:
        """Shares of the levels in every cell, shape (cells, K)."""
        return np.exp(self.design.log_shares(self.theta))


def pooled_logit(design: Design, counts: Floats) -> Pooled:
    """Fit effects, and how widely each term's effects vary.

    Parameters
    ----------
    design : Design
    counts : array, shape (cells, K)
        Records in each cell at each level, in effective number.

    Returns
    -------
    Pooled

    Notes
    -----
    MacKay's fixed point of the evidence [1]_: a term's precision is the number of its effects that
    the records determine over their sum of squares. That number is counted with the levels' mean
    curvature in each cell: exact for two levels, near for more.

    References
    ----------
    .. [1] MacKay (1992), Neural Computation 4:448-472, doi:10.1162/neco.1992.4.3.448
    """
    terms = len(design.terms)
    held = counts.sum(axis=1) > 0
    seen = Design(design.X[held], design.terms, design.starts, design.shape)
    precision = np.r_[FREE, np.ones(terms - 1)]
    theta = np.zeros((design.X.shape[1], counts.shape[1]))
    for _ in range(ROUNDS):
        likelihood = Likelihood(seen, counts[held], design.spread(precision))
        theta = likelihood.maximum(theta, ROUGH)
        found = _evidence(likelihood, theta, precision)
        moved = np.abs(np.log(found / precision)).max()
        precision = found
        if moved < SETTLED:
            break
    likelihood = Likelihood(seen, counts[held], design.spread(precision))
    return Pooled(design, likelihood.maximum(theta), precision)


def _evidence(likelihood: Likelihood, theta: Floats, precision: Floats) -> Floats:
    """Take one step towards the precisions that the records make likeliest."""
    X, starts = likelihood.design.X, likelihood.design.starts
    levels = theta.shape[1]
    shares = np.exp(likelihood.design.log_shares(theta))
    weight = (
        likelihood.counts.sum(axis=1) * (shares * (1 - shares)).sum(axis=1) / max(levels - 1, 1)
    )
    curved = (X.T @ sparse.diags_array(weight) @ X).toarray()
    curved[np.diag_indices(len(curved))] += likelihood.precision
    variance = np.diag(linalg.inv(curved, overwrite_a=True, check_finite=False))
    known = (levels - 1) * (1 - likelihood.precision * variance)
    found = precision.copy()
    for term in range(1, len(precision)):
        part = slice(starts[term], starts[term + 1])
        squares = max((theta[part] ** 2).sum(), 1e-12)
        found[term] = np.clip(max(known[part].sum(), 0.0) / squares, *PRECISIONS)
    return found

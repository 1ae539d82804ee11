"""A sample's records as the kernels want them, and how far a zone's gaps are from nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from popgen.households._exchange import Metric, Singles, spans
from popgen.households._lanes import Rows, parts
from popgen.households._whole import Book, Counts
from popgen.methods.distances import Floats

ALIKE = 1e-7
"""Cells that add up to others leave shares of their spread below this, which are rounding: in these
directions no exchange moves the gaps."""

PLACES, EFFORT = 150, 2_400_000
"""Most households of a zone for which a better record is looked for at a time; fewer where that
would read more than so many cells of records."""


@dataclass(frozen=True, eq=False)
class Records:
    """What a household of each record adds to each cell, as the kernels want it.

    Attributes
    ----------
    by_row, by_cell : (indptr, indices, data)
    dense : array, shape (m, n)
    kind : array of int, shape (n,)
        Kind of unit; the number of each kind is kept exactly.
    means : array, shape (kinds, m)
        What a household of each kind adds.
    spread : array, shape (m, m)
        Covariance of what households of the same kind add.
    pull : array, shape (m,)
        How much the square of each cell's error counts while rounding.
    """

    by_row: Rows
    by_cell: Rows
    dense: Singles
    kind: Counts
    means: Floats
    spread: Floats
    pull: Floats

    @property
    def book(self) -> Book:
        """The records as the kernels want them."""
        return self.by_row, self.by_cell, self.kind

    @property
    def places(self) -> int:
        """Households of a zone for which a better record is looked for at a time."""
        return max(min(PLACES, EFFORT // max(len(self.by_row[1]), 1)), 1)

    @classmethod
    def of(cls, X: sparse.csr_array, kind: Counts) -> Records:
        """Take the records' cells, one row a record."""
        columns, n = sparse.csc_array(X), X.shape[0]
        of_kind = sparse.csr_array((np.ones(n), (kind, np.arange(n))))
        number = np.bincount(kind)
        held = (of_kind @ X).toarray()
        means = held / np.maximum(number, 1)[:, None]
        return cls(
            parts(X),
            parts(columns),
            X.astype(np.float32).toarray().T.copy(),
            kind,
            means,
            ((X.T @ X).toarray() - means.T @ held) / n,
            1 / np.maximum(held.sum(axis=0) / n, 1 / n),
        )

    def metric(self, slack: Floats) -> Metric:
        """Say how far gaps are from nothing, measured by what households differ in.

        Gaps in cells in which many households differ are soon closed, and so is one that goes
        along with another as they do in households. That is Mahalanobis's distance [1]_.

        Parameters
        ----------
        slack : array, shape (m,)
            Square of a miss of each cell that does not matter.

        References
        ----------
        .. [1] Mahalanobis (1936), Proceedings of the National Institute of Sciences of India
           2:49-55
        """
        spread = self.spread + np.diag(slack)
        own = np.diag(spread)
        scale = np.sqrt(np.where(own > 0, own, 1.0))
        scale = np.outer(scale, scale)
        inverse: Floats = np.asarray(np.linalg.pinv(spread / scale, ALIKE, hermitian=True) / scale)
        return inverse, *spans(self.by_row, self.kind, inverse, self.means), self.dense

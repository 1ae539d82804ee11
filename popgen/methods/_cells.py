"""What calibration is asked to meet, as arrays, reduced to what must be solved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from popgen.methods.distances import Distance, Floats

Indices = NDArray[np.intp]

RANK = 1e-12
"""A column whose part outside the span of the others is smaller than this is redundant."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Records by margin cells, and what each cell must hold.

    Columns are divided by their largest entry (``unit``; 1 for people in cells), so that one
    tolerance in people serves counts, household sizes and incomes alike.
    """

    X: sparse.csr_array
    targets: Floats
    se: Floats
    names: tuple[str, ...]
    unit: Floats

    @property
    def hard(self) -> NDArray[np.bool_]:
        """Which cells must be met exactly."""
        exact: NDArray[np.bool_] = self.se == 0
        return exact

    def take(self, columns: Indices) -> Cells:
        """Only some of the cells."""
        return Cells(
            self.X[:, columns],
            self.targets[columns],
            self.se[columns],
            tuple(self.names[j] for j in columns),
            self.unit[columns],
        )

    def on(self, X: sparse.csr_array) -> Cells:
        """Return the same cells over other records."""
        return Cells(X, self.targets, self.se, self.names, self.unit)

    def margin(self, column: int) -> str:
        """Name of the margin that a cell belongs to."""
        return self.names[column].split(": ", 1)[0]


def people(count: float) -> str:
    """Write a number of people for a message: whole, or to four figures where small.

    >>> people(2819780.4), people(0.024451)
    ('2,819,780', '0.02445')
    """
    return f"{count:,.0f}" if abs(count) >= 1000 else f"{count:.4g}"


def outside_zero_cells(cells: Cells, distance: Distance) -> Indices:
    """Find the records that are in none of the cells that must be empty.

    Weights that stay above 0 reach a total of 0 only at infinite multipliers, so the records of
    such cells are taken out. (A cell with negative entries can cancel to 0 and stays.)
    """
    zero = (cells.targets == 0) & cells.hard
    if distance.lower != 0 or not zero.any():
        return np.arange(cells.X.shape[0])
    zero[cells.X.indices[cells.X.data < 0]] = False
    return np.flatnonzero(cells.X @ zero.astype(float) == 0)


def merged(X: sparse.csr_array) -> tuple[sparse.csr_array, Indices]:
    """Distinct rows, and which of them each record is.

    Two random projections tell rows apart: equal rows have equal sums, bit for bit.
    """
    n, m = X.shape
    rng = np.random.default_rng(0)
    key, check = X @ rng.uniform(1, 2, m), X @ rng.uniform(1, 2, m)
    _, first, row_of = np.unique(key, return_index=True, return_inverse=True)
    if len(first) > 0.7 * n or (check[first][row_of] != check).any():
        return X, np.arange(n)
    return X[first], row_of


def independent(gram: Floats, hard: NDArray[np.bool_]) -> Indices:
    """Columns to solve for: soft ones, and exact ones that no combination of others replaces.

    Parameters
    ----------
    gram : array, shape (m, m)
        ``X.T @ diag(weights) @ X`` for some positive weights.
    hard : array of bool, shape (m,)
        Which cells must be met exactly.
    """
    exact = np.flatnonzero(hard & (gram.diagonal() > 0))
    if not exact.size:
        return np.flatnonzero(~hard)
    scale = np.sqrt(gram.diagonal()[exact])
    alike = gram[np.ix_(exact, exact)] / np.outer(scale, scale)
    _, pivots, rank, _ = linalg.lapack.dpstrf(alike, tol=RANK, lower=1)
    return np.sort(np.concatenate([exact[pivots[:rank] - 1], np.flatnonzero(~hard)]))

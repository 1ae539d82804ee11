"""What calibration is asked to meet, as arrays: checked, then reduced to what must be solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from popgen.errors import PopgenError
from popgen.methods.distances import Distance, Floats
from popgen.table import not_positive

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


def checked_cells(
    X: sparse.csr_array, targets: Floats, se: Floats | None, names: Sequence[str] | None
) -> Cells:
    """Refuse arrays that do not fit together or are not finite."""
    X = sparse.csr_array(X, dtype=np.float64)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()  # and sorts each row's columns, which the kernel needs
    m = X.shape[1]
    targets = np.asarray(targets, float)
    se = np.zeros(m) if se is None else np.asarray(se, float)
    names = tuple(f"cell {j}" for j in range(m)) if names is None else tuple(names)
    for what, shape in (("targets", targets.shape), ("se", se.shape), ("cells", (len(names),))):
        if shape != (m,):
            raise PopgenError(f"{m} cells (columns of X) need {m} {what}; got shape {shape}")
    for what, values in (("X", X.data), ("targets", targets), ("se", se)):
        if bad := int((~np.isfinite(values)).sum()):
            raise PopgenError(f"{what}: {bad} of {values.size} numbers are not finite")
    if se.min(initial=0.0) < 0:
        worst = int(se.argmin())
        raise PopgenError(f"standard errors must be >= 0; that of {names[worst]!r} is {se[worst]}")
    unit = _largest_entries(X)
    if (unit != 1).any():
        X = sparse.csr_array((X.data / unit[X.indices], X.indices, X.indptr), shape=X.shape)
    return Cells(X, targets / unit, se / unit, names, unit)


def checked_weights(d: Floats, n: int) -> Floats:
    """Refuse design weights that are not one positive number a record."""
    d = np.asarray(d, float)
    if d.shape != (n,):
        raise PopgenError(f"{n} records (rows of X) need {n} design weights; got shape {d.shape}")
    bad = not_positive(d)
    if bad.size:
        raise PopgenError(
            f"{bad.size} of {n} design weights are not positive numbers, first {d[bad[0]]:g} of "
            f"record {bad[0]}; leave out records that stand for nobody"
        )
    return d


def _largest_entries(X: sparse.csr_array) -> Floats:
    unit = np.ones(X.shape[1])
    if (X.data != 1).any():
        largest = np.zeros(X.shape[1])
        np.maximum.at(largest, X.indices, np.abs(X.data))
        unit = np.where(largest > 0, largest, 1.0)
    return unit


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

"""`Controls`: what the areas of one level of geography must hold, and what a household adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from popgen.domain import frozen
from popgen.errors import PopgenError
from popgen.methods.distances import Floats

EXACT = 1e8
"""Importance from which on a cell must be met."""


@dataclass(frozen=True, eq=False, init=False)
class Controls:
    """Cells stated for every area of one level.

    Parameters
    ----------
    level : str
        Name of the level of geography.
    names : tuple of str, length m
        ``"margin: cell"``, for messages and reports.
    X : sparse array, shape (n, m)
        What one household of each record adds to each cell: 1 or 0 for households, a number of
        persons, or any amount (an income).
    targets, se : array, shape (areas, m)
        What the areas must hold; standard errors, 0 where the cell must be met.
    worth : array, shape (m,), optional
        How much of a cell counts as one household does, when misses are weighed against each
        other: 1 for households and persons (the default), a typical amount for incomes.

    Raises
    ------
    PopgenError
        If shapes disagree, a number is not finite, or a standard error or, without negative
        entries in its column, a target is negative.
    """

    level: str
    names: tuple[str, ...]
    X: sparse.csr_array
    targets: Floats
    se: Floats
    worth: Floats

    def __init__(
        self,
        level: str,
        names: Sequence[str],
        X: sparse.sparray,
        targets: ArrayLike,
        se: ArrayLike | None = None,
        worth: ArrayLike | None = None,
    ) -> None:
        X, m = _compact(X), len(names)
        targets = frozen(np.array(targets, float))
        se = frozen(np.zeros_like(targets) if se is None else np.array(se, float))
        worth = frozen(np.ones(m) if worth is None else np.array(worth, float))
        shapes = (X.shape[1:], targets.shape[1:], se.shape[1:], worth.shape)
        if targets.ndim != 2 or targets.shape != se.shape or set(shapes) != {(m,)}:
            raise PopgenError(
                f"controls of level {level!r}: {m} names need as many columns of X, targets and "
                f"se, and worths; got {X.shape}, {targets.shape}, {se.shape} and {worth.shape}"
            )
        facts = {"level": level, "names": tuple(names), "X": X}
        for name, fact in {**facts, "targets": targets, "se": se, "worth": worth}.items():
            object.__setattr__(self, name, fact)
        if not (np.isfinite(X.data).all() and np.isfinite(worth).all() and (worth > 0).all()):
            raise PopgenError(
                f"controls of level {level!r}: entries of X must be finite, and worths positive"
            )
        signed = np.zeros(m, bool)
        signed[X.indices[X.data < 0]] = True
        self._refuse(~np.isfinite(targets) | ((targets < 0) & ~signed), targets, "targets")
        self._refuse(~np.isfinite(se) | (se < 0), se, "standard errors")

    def _refuse(self, bad: NDArray[np.bool_], values: Floats, what: str) -> None:
        if bad.any():
            area, cell = np.argwhere(bad)[0]
            raise PopgenError(
                f"controls of level {self.level!r}: {int(bad.sum())} {what} are negative or not "
                f"finite, first {values[area, cell]:g} of {self.names[cell]!r} in area {area}"
            )


def _compact(X: sparse.sparray) -> sparse.csr_array:
    """Add up duplicates, and count by 32 bits where those reach: a third less of memory."""
    rows = sparse.csr_array(X, dtype=np.float64)
    rows.sum_duplicates()
    index = np.int32 if max(rows.nnz, *rows.shape) <= np.iinfo(np.int32).max else np.int64
    parts = (rows.data, rows.indices.astype(index), rows.indptr.astype(index))
    return sparse.csr_array(parts, shape=rows.shape)


def joined(controls: Iterable[Controls]) -> list[Controls]:
    """Put the cells of each level together."""
    levels: dict[str, list[Controls]] = {}
    for one in controls:
        levels.setdefault(one.level, []).append(one)
    return [
        Controls(
            level,
            [name for one in some for name in one.names],
            sparse.hstack([one.X for one in some]),
            np.hstack([one.targets for one in some]),
            np.hstack([one.se for one in some]),
            np.concatenate([one.worth for one in some]),
        )
        for level, some in levels.items()
    ]


def precision(targets: Floats, importance: ArrayLike) -> Floats:
    """Return the standard errors that stand for an importance, as PopulationSim has it.

    The variance is ``max(target, 1) / importance``; from an importance of 1e8 on the cell is exact.

    Examples
    --------
    >>> precision(np.array([[1000.0, 0.0]]), np.array([10.0, 1e9])).tolist()
    [[10.0, 0.0]]

    Raises
    ------
    PopgenError
        If an importance is not positive.
    """
    importance = np.asarray(importance, float)
    if not (importance > 0).all():
        raise PopgenError(f"an importance must be above 0; got {importance.min():g}")
    spread = np.sqrt(np.maximum(targets, 1.0) / importance)
    return np.where(importance >= EXACT, 0.0, spread)

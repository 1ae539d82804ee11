"""`Controls`: what the areas of one level of geography must hold, and what a household adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.errors import PopgenError
from popgen.methods.distances import Floats

HOUSEHOLDS, PERSONS = "households", "persons"
"""Units of which a cell may count: a record's households, or the persons in them."""


@dataclass(frozen=True, eq=False)
class Controls:
    """Cells stated for every area of one level.

    Attributes
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

    Raises
    ------
    PopgenError
        If shapes disagree, a number is not finite, or a target or standard error is negative.
    """

    level: str
    names: tuple[str, ...]
    X: sparse.csr_array
    targets: Floats
    se: Floats

    def __post_init__(self) -> None:
        X = sparse.csr_array(self.X, dtype=np.float64)
        X.sum_duplicates()
        targets, se = np.asarray(self.targets, float), np.asarray(self.se, float)
        m = len(self.names)
        if X.shape[1] != m or targets.ndim != 2 or targets.shape[1] != m or se.shape != targets.shape:
            raise PopgenError(
                f"controls of level {self.level!r}: {m} names need as many columns of X, targets "
                f"and se; got {X.shape}, {targets.shape} and {se.shape}"
            )
        for what, values in (("targets", targets), ("standard errors", se)):
            self._refuse(~np.isfinite(values) | (values < 0), values, what)
        if not np.isfinite(X.data).all():
            raise PopgenError(f"controls of level {self.level!r}: X has entries that are not finite")
        for name, value in (("X", X), ("targets", targets), ("se", se)):
            object.__setattr__(self, name, value)

    def _refuse(self, bad: NDArray[np.bool_], values: Floats, what: str) -> None:
        if bad.any():
            area, cell = np.argwhere(bad)[0]
            raise PopgenError(
                f"controls of level {self.level!r}: {int(bad.sum())} {what} are negative or not "
                f"finite, first {values[area, cell]:g} of {self.names[cell]!r} in area {area}"
            )

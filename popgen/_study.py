"""`Question`: how an outcome depends on predictors, and what a study of it would report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from popgen._aligned import Floats
from popgen._contrasts import Contrasts, contrasts
from popgen.domain import Coarsening
from popgen.table import Table, group_axis


@dataclass(frozen=True, eq=False)
class Question:
    """How an outcome depends on some predictors together, in the population.

    Attributes
    ----------
    table : Table
        The truth's: the outcome, then the predictors.
    success : array of bool, shape (levels of the outcome,)
        Levels that count as having the outcome.
    rules : tuple of Coarsening
        From each predictor's levels to the groups that are compared.
    references : tuple of int
        Group of each predictor that the others are compared with.
    """

    table: Table
    success: NDArray[np.bool_]
    rules: tuple[Coarsening, ...]
    references: tuple[int, ...]

    def contrasts(self, counts: Floats) -> Contrasts:
        """Contrasts of copies of the table's counts, shape (copies, *table.shape)."""
        for axis, rule in enumerate(self.rules, start=2):
            counts = group_axis(counts, axis, rule)
        yes = counts[:, self.success].sum(axis=1)
        return contrasts(yes, counts.sum(axis=1), self.references)

    def drawn(self, shares: Floats, size: int, rng: np.random.Generator, copies: int) -> Contrasts:
        """Contrasts of samples of ``size`` people from shares of the table's shape."""
        counts = rng.multinomial(size, shares.ravel() / shares.sum(), size=copies)
        return self.contrasts(counts.reshape(copies, *shares.shape).astype(np.float64))

    def labels(self) -> list[str]:
        """Say what each contrast compares: ``age old-young × race ...``."""
        named = [
            [
                f"{rule.fine.name} {level}-{rule.coarse.levels[reference]}"
                for level in rule.coarse.levels
                if level != rule.coarse.levels[reference]
            ]
            for rule, reference in zip(self.rules, self.references, strict=True)
        ]
        return [" × ".join(parts) for parts in product(*named)]

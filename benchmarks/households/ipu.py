"""Iterative proportional updating, plainly, as a yardstick.

Weights are scaled to one cell after the other, a household by its share if it, or anybody in it, is
in the cell, until no cell is missed by more than a little (Ye et al. 2009, "A methodology to match
distributions of both household and person attributes"). Households are then drawn by their weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from households.sample import Made, Sample

Floats = NDArray[np.float64]

TOL = 1e-6
"""Largest miss of a cell, as a share of its figure, at which to stop."""


def ipu(X: Floats, d: Floats, targets: Floats, sweeps: int = 2_000) -> Floats:
    """Weight households to cells of their own and of their persons.

    Parameters
    ----------
    X : array, shape (n, m)
        What a household of each record adds to each cell.
    d : array, shape (n,)
        Weights to begin with.
    targets : array, shape (m,)
    sweeps : int
        Times that all cells are gone through at most.
    """
    w = d.copy()
    some = [(rows, column[rows]) for column in X.T if (rows := np.flatnonzero(column)).size]
    figures = [target for target, column in zip(targets, X.T, strict=True) if column.any()]
    for _ in range(sweeps):
        worst = 0.0
        for (rows, held), target in zip(some, figures, strict=True):
            now = w[rows] @ held
            if now > 0:
                worst = max(worst, abs(now - target) / max(target, 1.0))
                w[rows] *= target / now
        if worst < TOL:
            break
    return w


def by_ipu(sample: Sample, rng: np.random.Generator, *, own: bool = False) -> Made:
    """Weight and draw households area by area: of all records alike, or of the area's own alone."""
    made = []
    for area, number in enumerate(sample.number):
        some = np.flatnonzero(sample.area == area) if own else np.arange(len(sample.X))
        w = ipu(sample.X[some], np.full(len(some), number / len(some)), sample.targets[area])
        made.append(some[drawn(w, int(number), rng)])
    return Made(np.repeat(np.arange(len(made)), sample.number), np.concatenate(made))


def drawn(w: Floats, number: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw households by their weights, with replacement."""
    return rng.choice(len(w), number, p=w / w.sum())

"""Persons of a zone that exchanges have left wrong: right wherever whole households can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from popgen.households._whole import Counts, recount
from popgen.households.metric import Records
from popgen.methods.distances import Floats


def evened(
    records: Records,
    weights: Floats,
    counts: Counts,
    gap: Floats,
    cost: Floats,
    exact: NDArray[np.intp],
) -> tuple[Counts, Floats]:
    """Change as few households as will do for the exact cells to be met, whatever others miss.

    Records alike in kind and in the exact cells are alike for that, so how many there are to be of
    each class is a small programme in whole numbers, which HiGHS solves to the end. In a class the
    cheapest records come or go.

    Parameters
    ----------
    records : Records
    weights : array, shape (n,)
    counts : array of int, shape (n,)
        Whole households, each weight rounded up or down.
    gap, cost : array, shape (m,)
        What the households hold in each cell less what they should, and what a miss of one counts.
    exact : array of int
        Cells that must be met.

    Returns
    -------
    counts, gap
        As they were if no weights rounded up and down, households of each kind as they are, meet
        the exact cells.
    """
    alike = np.column_stack([records.kind, records.dense[exact].T])
    classes, of = np.unique(alike, axis=0, return_inverse=True)
    held = np.bincount(of, counts).astype(np.int64)
    room = [np.bincount(of, np.ceil(weights) - counts), np.bincount(of, counts - np.floor(weights))]
    kinds = classes[:, 0][:, None] == np.arange(len(records.means))
    keeps = np.vstack([kinds.T.astype(float), classes[:, 1:].T])
    right = np.concatenate([np.zeros(kinds.shape[1]), -gap[exact]])
    found = optimize.milp(
        np.ones(2 * len(classes)),
        integrality=np.ones(2 * len(classes)),
        bounds=optimize.Bounds(0, np.concatenate(room)),
        constraints=optimize.LinearConstraint(
            sparse.csr_array(np.hstack([keeps, -keeps])), right, right
        ),
    )
    if found.x is None:
        return counts, gap
    more, fewer = np.split(np.rint(found.x).astype(np.int64), 2)
    counts, gap = counts.copy(), gap.copy()
    book = records.by_row, records.by_cell, of.ravel().astype(np.int64)
    recount(book, weights, counts, gap, cost, held + more - fewer)
    return counts, gap

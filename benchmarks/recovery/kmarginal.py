"""Scores of people against records: 1000 x (1 - mean total variation) over sets of variables.

With 21 variables there are 1,140 triples of up to 180,000 cells, so tables are made and forgotten
one at a time, in numba.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
from numba import njit, prange

from popgen import Microdata

Weighted = tuple[np.ndarray, np.ndarray]
"""Codes, shape (n, variables), and weights, shape (n,)."""

Rung = tuple[float, Weighted]

LADDER = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Sizes of real samples, as shares of the truth's records."""

FIGURES = ("area x pair", "pairs", "3-way")


def scores(people: Weighted, truth: Microdata, area: str) -> dict[str, float]:
    """Score all pairs crossed with the area, all pairs, and all triples without the area."""
    names, shape = truth.domain.names, np.array(truth.domain.shape, np.int64)
    here = names.index(area)
    rest = [v for v in range(len(names)) if v != here]
    groups = (
        [(here, *pair) for pair in itertools.combinations(rest, 2)],
        list(itertools.combinations(range(len(names)), 2)),
        list(itertools.combinations(rest, 3)),
    )
    codes, weights = people
    mine, true = (np.ascontiguousarray(c.T.astype(np.int32)) for c in (codes, truth.codes))
    weights, even = weights / weights.sum(), truth.weights / truth.weights.sum()
    return {
        figure: float(1000 * (1 - _gaps(mine, weights, true, even, np.array(group), shape).mean()))
        for figure, group in zip(FIGURES, groups, strict=True)
    }


@njit(parallel=True, cache=True)
def _gaps(mine, weights, true, even, groups, shape):  # type: ignore[no-untyped-def]
    """Total variation of each set's table."""
    found = np.zeros(len(groups))
    for g in prange(len(groups)):
        size = 1
        for v in groups[g]:
            size *= shape[v]
        table = np.zeros(size)
        for i in range(mine.shape[1]):
            cell = 0
            for v in groups[g]:
                cell = cell * shape[v] + mine[v, i]
            table[cell] += weights[i]
        for i in range(true.shape[1]):
            cell = 0
            for v in groups[g]:
                cell = cell * shape[v] + true[v, i]
            table[cell] -= even[i]
        found[g] = np.abs(table).sum() / 2
    return found


def real_samples(records: Microdata, size: int, draw: int, replace: bool) -> Iterator[Rung]:
    """Draw real samples of growing size, as shares of ``size`` people.

    With replacement they are as from a population that has the records' shares, and may be larger
    than these are.
    """
    for share in LADDER:
        n = round(share * size)
        if replace or n <= len(records):
            some = np.random.default_rng([draw, n]).choice(len(records), n, replace=replace)
            yield share, (records.codes[some], np.ones(n))


def equivalent(rungs: Mapping[float, float], score: float) -> str:
    """Say how large a real sample scores as much; ``rungs``: scores by share of the records.

    >>> equivalent({0.01: 600.0, 0.1: 800.0, 1.0: 950.0}, 800.0)
    '10%'
    """
    shares = np.array(sorted(rungs))
    values = np.maximum.accumulate([rungs[share] for share in shares])
    if score > values[-1]:
        return f">{shares[-1]:.0%}"
    if score < values[0]:
        return f"<{shares[0]:.0%}"
    return f"{np.exp(np.interp(score, values, np.log(shares))):.0%}"

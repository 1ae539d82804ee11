"""People from the best tree of pairs, where a sampler of a field should start."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from popgen.methods._field import TINY, Field

Floats = NDArray[np.float64]
Pool = NDArray[np.uint16]


def tree_pool(field: Field, people: int, rng: np.random.Generator) -> Pool:
    """Draw people from the best tree of pairs: where a Gibbs sampler should start.

    Groups that differ in many variables at once (children, who have neither job nor income) so
    have their right size from the start; single steps do not lead from one to the other.

    Notes
    -----
    Chow & Liu (1968), doi:10.1109/TIT.1968.1054142.
    """
    shares = field.shares()
    pairs = _pairs(field, shares)
    pool = np.zeros((people, len(shares)), np.uint16)
    left = set(range(len(shares)))
    while left:
        links = [(gain, u, v) for (u, v), (gain, _) in pairs.items() if v in left and u not in left]
        _, u, v = max(links, default=(0.0, -1, min(left)))
        table = shares[v][None, :] if u < 0 else pairs[u, v][1]
        given = np.zeros(people, np.intp) if u < 0 else pool[:, u]
        chance = np.cumsum(table, axis=1)
        chance /= np.maximum(chance[:, -1:], TINY)
        drawn = (rng.random(people)[:, None] >= chance[given]).sum(axis=1)
        pool[:, v] = np.minimum(drawn, len(shares[v]) - 1)
        left.remove(v)
    return pool


def _pairs(field: Field, shares: Sequence[Floats]) -> dict[tuple[int, int], tuple[float, Floats]]:
    """Mutual information of each pair that a factor states; the second's shares by the first."""
    found: dict[tuple[int, int], tuple[float, Floats]] = {}
    for factor in field.factors:
        if not factor.inside.all():
            continue
        for i, a in enumerate(factor.axes):
            for j, b in enumerate(factor.axes):
                if i == j:
                    continue
                rest = tuple(k for k in range(len(factor.axes)) if k not in (i, j))
                table = factor.target.sum(axis=rest)
                table = table if i < j else table.T
                alone = np.outer(table.sum(axis=1), table.sum(axis=0))
                ratio = np.divide(table, alone, out=np.zeros_like(table), where=alone > 0)
                gain = float((table * np.log(np.maximum(ratio, TINY))).sum())
                if gain > found.get((a, b), (-1.0,))[0]:
                    fine = ratio[factor.codes[i]][:, factor.codes[j]]
                    found[a, b] = (gain, fine * shares[b])
    return found

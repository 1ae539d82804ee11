"""The strongest tree of variables (Chow and Liu)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from popgen.methods._tree import ROOT, Floats, Tree

Pairs = Callable[[int, int], Floats]
"""Two-way counts of two variables, by their numbers."""


def chow_liu(
    sizes: Sequence[int],
    pairs: Pairs,
    one_way: Callable[[int], Floats],
    *,
    records: float = math.inf,
    prior: float = 0.0,
) -> Tree:
    """Find the tree nearest to a joint of which all two-way tables are known.

    Parameters
    ----------
    sizes : sequence of int
        Levels of each variable.
    pairs, one_way : callable
        Counts, on any scale, of two variables and of one.
    records : float
        How many independent records the counts rest on; infinite where they are exact.
    prior : float
        Records' worth of independence added to what each parent's level says of its child.
    """
    d = len(sizes)
    strength = np.zeros((d, d))
    for a in range(d):
        for b in range(a):
            strength[a, b] = strength[b, a] = mutual_information(pairs(a, b), records)
    edges = strongest_tree(strength)
    parent, shares = [ROOT] * d, [np.ones((1, 1))] * d
    shares[0] = conditional(one_way(0)[None, :], records, 0.0)
    for above, v in edges:
        parent[v], shares[v] = above, conditional(pairs(above, v), records, prior)
    return Tree((0, *(v for _, v in edges)), tuple(parent), tuple(shares))


def mutual_information(counts: Floats, records: float = math.inf) -> float:
    """Information that two variables share, nats, less what chance would show in so many records.

    Independent variables with r and c levels seen in n records share (r - 1)(c - 1) / 2n on
    average; without that correction, pairs with many levels would always look strong.

    Examples
    --------
    >>> mutual_information(np.array([[1.0, 0.0], [0.0, 1.0]]))  # log 2
    0.6931472
    >>> mutual_information(np.array([[2.0, 2.0], [2.0, 2.0]]), records=8)
    -0.0625
    """
    p = counts / counts.sum()
    a, b = p.sum(axis=1), p.sum(axis=0)
    inside = p > 0
    found = float((p[inside] * np.log(p[inside] / np.outer(a, b)[inside])).sum())
    freedom = max(int((a > 0).sum()) - 1, 0) * max(int((b > 0).sum()) - 1, 0)
    return found - freedom / (2 * records)


def strongest_tree(strength: Floats) -> list[tuple[int, int]]:
    """Edges (parent, child) of the spanning tree of largest strength, grown from variable 0 (Prim).

    Examples
    --------
    >>> strongest_tree(np.array([[0, 1, 3], [1, 0, 2], [3, 2, 0.0]]))
    [(0, 2), (2, 1)]
    """
    edges, inside, outside = [], [0], list(range(1, len(strength)))
    while outside:
        part = strength[np.ix_(inside, outside)]
        i, j = np.unravel_index(int(part.argmax()), part.shape)
        edges.append((inside[i], outside[j]))
        inside.append(outside.pop(int(j)))
    return edges


def conditional(pair: Floats, records: float, prior: float) -> Floats:
    """Shares of a child's levels within each level of its parent.

    Each row is pulled towards the child's overall shares as if ``prior`` records more had them; a
    level that no record has stays empty.

    Examples
    --------
    >>> conditional(np.array([[3.0, 0.0], [0.0, 1.0]]), records=4, prior=1).tolist()
    [[0.9375, 0.0625], [0.375, 0.625]]
    """
    overall = pair.sum(axis=0) / pair.sum()
    counts = pair / pair.sum() + prior / records * overall
    rows = counts.sum(axis=1, keepdims=True)
    return np.asarray(np.where(rows > 0, counts / np.where(rows > 0, rows, 1.0), overall))

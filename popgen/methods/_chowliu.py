"""Trees of variables: the strongest one (Chow and Liu), exact counts from it, people from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.errors import PopgenError
from popgen.methods._generator import levels_drawn
from popgen.table import MOST_CELLS

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Pairs = Callable[[int, int], Floats]
"""Two-way counts of two variables, by their numbers."""

ROOT = -1
"""Parent of the variable that depends on no other."""


@dataclass(frozen=True, eq=False)
class Tree:
    """A joint in which every variable but the first depends on one other.

    Attributes
    ----------
    order : tuple of int
        The variables, each after its parent.
    parent : tuple of int
        Parent of each variable; `ROOT` for the first in order.
    shares : tuple of array
        Of each variable: shares of its levels given its parent's level, shape (parent's levels,
        levels); one row for the root.
    """

    order: tuple[int, ...]
    parent: tuple[int, ...]
    shares: tuple[Floats, ...]

    def joint(self, axes: Sequence[int]) -> Floats:
        """Shares over some of the variables, axes in the order asked: messages up the tree.

        A variable's message to its parent has an axis for the parent's level and one for each
        variable asked for at or below it; variables not asked for are summed out on the way.
        """
        cells = math.prod(self.shares[axis].shape[1] for axis in axes)
        if cells > MOST_CELLS:
            raise PopgenError(
                f"the joint of {len(axes)} variables has {cells:,} cells, too many for a table; "
                "project fewer variables"
            )
        held: dict[int, tuple[list[int], Floats]] = {
            v: ([], np.ones(self.shares[v].shape[1])) for v in self.order
        }
        for v in reversed(self.order):
            asked, message = held.pop(v)
            if v in axes:
                levels = len(message)
                spread = np.zeros((levels, *message.shape))
                spread[np.arange(levels), np.arange(levels)] = message
                asked, message = [v, *asked], spread
            message = np.tensordot(self.shares[v], message, axes=1)
            if self.parent[v] == ROOT:
                return np.transpose(message[0], [asked.index(axis) for axis in axes])
            if asked:  # else it is all ones
                before, other = held[self.parent[v]]
                other = other.reshape(*other.shape, *(1,) * len(asked))
                below = message.reshape(len(message), *(1,) * len(before), *message.shape[1:])
                held[self.parent[v]] = ([*before, *asked], other * below)
        return np.array(1.0)

    def people(self, uniform: Floats) -> Codes:
        """Level codes of people, shape (n, d), from uniform numbers of that shape."""
        codes = np.zeros(uniform.shape, dtype=np.int16, order="F")
        for v in self.order:
            above = self.parent[v]
            given = np.zeros(len(codes), dtype=np.int16) if above == ROOT else codes[:, above]
            codes[:, v] = levels_drawn(self.shares[v], given, uniform[:, v])
        return codes


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

"""Junction trees: variables gathered into cliques, so that a joint is kept without its table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from popgen.methods._axes import Axes
from popgen.methods._chowliu import strongest_tree
from popgen.methods._tree import ROOT

Neighbours = list[set[int]]


@dataclass(frozen=True)
class Cliques:
    """Sets of variables in a tree; those that share a variable are connected by ones that have it.

    Attributes
    ----------
    sizes : tuple of int
        Levels of each variable.
    members : tuple of tuple of int
        Variables of each clique, ascending; no clique is within another.
    parent : tuple of int
        For each clique one before it; `ROOT` for the first.
    """

    sizes: tuple[int, ...]
    members: tuple[Axes, ...]
    parent: tuple[int, ...]

    @property
    def cells(self) -> int:
        """Cells of all the cliques' tables."""
        return sum(math.prod(self.shape(some)) for some in self.members)

    def shape(self, axes: Axes) -> tuple[int, ...]:
        """Levels of some variables."""
        return tuple(self.sizes[axis] for axis in axes)

    def separator(self, clique: int) -> Axes:
        """Variables that a clique shares with its parent; none for the first."""
        if self.parent[clique] == ROOT:
            return ()
        above = self.members[self.parent[clique]]
        return tuple(axis for axis in self.members[clique] if axis in above)

    def home(self, axes: Iterable[int]) -> int:
        """Return the smallest clique that has some variables; it is an error if none has."""
        some = set(axes)
        found = [c for c, members in enumerate(self.members) if some <= set(members)]
        return min(found, key=lambda c: math.prod(self.shape(self.members[c])))

    def tour(self) -> list[int]:
        """Walk from the first clique to all the others and back, each step along the tree.

        >>> junction_tree((2, 2, 2, 2), [(0, 1), (1, 2), (1, 3)]).tour()
        [0, 1, 0, 2, 0]
        """
        left: list[list[int]] = [[] for _ in self.parent]
        for clique in reversed(range(1, len(self.parent))):
            left[self.parent[clique]].append(clique)
        walk, here = [0], 0
        while left[here] or here:
            here = left[here].pop() if left[here] else self.parent[here]
            walk.append(here)
        return walk


def junction_tree(sizes: Sequence[int], sets: Iterable[Sequence[int]]) -> Cliques:
    """Build a tree of cliques of which each of some sets of variables is within one.

    Variables are eliminated one by one, the next the one that joins fewest others, or that makes
    the smallest clique: whichever of the two gives fewer cells. The best order is hard to find
    (Arnborg, Corneil & Proskurowski 1987, doi:10.1137/0608024).

    Notes
    -----
    Lauritzen & Spiegelhalter (1988), doi:10.1111/j.2517-6161.1988.tb01721.x. A spanning tree of
    largest overlaps has the property that cliques with a variable in common are connected: Jensen &
    Jensen (1994), doi:10.1016/B978-1-55860-332-5.50050-5.

    Examples
    --------
    A ring of four variables needs a chord:

    >>> junction_tree((2, 2, 2, 2), [(0, 1), (1, 2), (2, 3), (0, 3)]).members
    ((0, 1, 3), (1, 2, 3))
    """
    neighbours: Neighbours = [set() for _ in sizes]
    for some in sets:
        for a, b in itertools.permutations(some, 2):
            neighbours[a].add(b)
    trees = [
        _connected(sizes, _eliminated(neighbours, cost))
        for cost in (
            lambda around, v: _joined(around, v),
            lambda around, v: _cells(sizes, around, v),
        )
    ]
    return min(trees, key=lambda tree: tree.cells)


def _joined(neighbours: Neighbours, v: int) -> int:
    """Pairs of a variable's neighbours that are none themselves."""
    around = neighbours[v]
    return sum(len(around - neighbours[a]) - 1 for a in around)


def _cells(sizes: Sequence[int], neighbours: Neighbours, v: int) -> int:
    return math.prod(sizes[a] for a in (v, *neighbours[v]))


def _eliminated(start: Neighbours, cost: Callable[[Neighbours, int], int]) -> list[set[int]]:
    """Cliques met with in eliminating the variable of least cost, again and again."""
    neighbours, left = [set(around) for around in start], set(range(len(start)))
    costs = {v: cost(neighbours, v) for v in left}
    found: list[set[int]] = []
    while left:
        v = min(left, key=lambda v: (costs[v], v))
        if all(len(neighbours[a]) == len(left) - 1 for a in left):  # the rest is one clique
            around, left = left - {v}, {v}
        else:
            around = neighbours[v]
        if not any(around | {v} <= clique for clique in found):
            found.append(around | {v})
        left.remove(v)
        for a in around:
            neighbours[a] |= around
            neighbours[a] -= {a, v}
        for a in around.union(*(neighbours[a] for a in around)):  # whose costs may have changed
            costs[a] = cost(neighbours, a)
    return found


def _connected(sizes: Sequence[int], cliques: Sequence[set[int]]) -> Cliques:
    """Connect cliques by a spanning tree of the largest overlaps."""
    overlap = np.array([[len(a & b) for b in cliques] for a in cliques], float)
    edges = strongest_tree(overlap)
    order = [0, *(child for _, child in edges)]
    parent = [ROOT, *(order.index(above) for above, _ in edges)]
    members = tuple(tuple(sorted(cliques[c])) for c in order)
    return Cliques(tuple(sizes), members, tuple(parent))

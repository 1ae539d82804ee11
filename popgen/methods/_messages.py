"""A joint kept as tables on a junction tree: messages between them, and any few variables of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen.domain import frozen
from popgen.errors import PopgenError
from popgen.methods._axes import Axes, keep_axes, multiply
from popgen.methods._cliques import Cliques
from popgen.table import MOST_CELLS

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Whole = Callable[[Floats, int], NDArray[np.int64]]
"""Makes whole people of weights, so many."""

STEP = 1e-100
"""Imaginary step of a derivative: it vanishes beside 1, and its square vanishes altogether."""


@dataclass(frozen=True, eq=False)
class CliqueTables:
    """The product of the cliques' tables over that of their separators' is the joint.

    Attributes
    ----------
    tree : Cliques
    store : array
        Every number of every table, one table after another; changed in place.
    tables, separators : tuple of array
        Views of it. A clique's separator is the one towards its parent.
    """

    tree: Cliques
    store: Floats
    tables: tuple[Floats, ...] = field(init=False)
    separators: tuple[Floats, ...] = field(init=False)

    def __post_init__(self) -> None:
        shapes = [self.tree.shape(axes) for axes in _laid_out(self.tree)]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = zip(np.split(self.store, ends[:-1]), shapes, strict=True)
        views = tuple(part.reshape(shape) for part, shape in parts)
        count = len(self.tree.members)
        object.__setattr__(self, "tables", views[:count])
        object.__setattr__(self, "separators", views[count:])

    @classmethod
    def even(cls, tree: Cliques, total: float) -> CliqueTables:
        """Lay out a joint in which all combinations of levels have as many people."""
        sizes = [math.prod(tree.shape(axes)) for axes in _laid_out(tree)]
        return cls(tree, np.concatenate([np.full(size, total / size) for size in sizes]))

    def pass_on(self, here: int, there: int) -> None:
        """Tell a neighbouring clique what this one holds of the variables that both have."""
        child = here if self.tree.parent[here] == there else there
        shared = self.tree.separator(child)
        before = self.separators[child]
        held = keep_axes(self.tables[here], self.within(here, shared))
        ratio = np.divide(held, before, out=np.zeros_like(held), where=before > 0)
        multiply(self.tables[there], self.within(there, shared), ratio)
        before[...] = held

    def within(self, clique: int, axes: Sequence[int]) -> Axes:
        """Axes of a clique's table that are some variables."""
        return tuple(self.tree.members[clique].index(axis) for axis in axes)

    def collect(self) -> None:
        """Have the first clique hold what all the tables say of its variables."""
        for clique in reversed(range(1, len(self.tables))):
            self.pass_on(clique, self.tree.parent[clique])

    def distribute(self) -> None:
        """Have every clique hold it, once the first does."""
        for clique in range(1, len(self.tables)):
            self.pass_on(self.tree.parent[clique], clique)

    def settled(self) -> CliqueTables:
        """Return the joint read-only, every clique holding its people, once the first does."""
        self.distribute()
        return CliqueTables(self.tree, frozen(self.store.copy()))

    def joint(self, axes: Sequence[int]) -> Floats:
        """People over some variables, axes in the order asked; all cliques hold their own."""
        start, used = self._spanning(axes)
        tables = {c: self.tables[c] if c == start else self._given_parent(c) for c in used}
        found: Floats = self._eliminated(tables, axes).real
        return found

    def mean_log(self, axes: Sequence[int]) -> Floats:
        """Log people, averaged over all combinations of other variables' levels that have some.

        Notes
        -----
        Numbers 1 + i e log(x) multiply like 1 and add their logs in the imaginary part. So one
        elimination counts the combinations and adds up their logs (the complex step of Squire &
        Trapp 1998, doi:10.1137/S003614459631241X).
        """
        tables: dict[int, Any] = {}
        for c in range(len(self.tables)):
            table = self._given_parent(c)
            new = set(self.tree.members[c]) - set(self.tree.separator(c))
            logs = np.log(table, out=np.zeros_like(table), where=table > 0)
            all_new = math.prod(self.tree.shape(tuple(new)))  # counts might overflow: shares
            tables[c] = (table > 0) * (1 + 1j * STEP * logs) / all_new
        found = self._eliminated(tables, axes)
        some = found.real > 0
        mean = np.full(found.shape, np.nan)
        mean[some] = found.imag[some] / found.real[some] / STEP
        return mean

    def _given_parent(self, clique: int) -> Floats:
        """Return a clique's table over its separator's; the first one's as it is."""
        if clique == 0:
            return self.tables[0]
        table, held = self.tables[clique].copy(), self.separators[clique]
        ratio = np.divide(1.0, held, out=np.zeros_like(held), where=held > 0)
        multiply(table, self.within(clique, self.tree.separator(clique)), ratio)
        return table

    def _spanning(self, axes: Sequence[int]) -> tuple[int, list[int]]:
        """Find the least part of the tree that has some variables: its first clique, and all."""
        asked = set(axes)
        new = [
            asked & set(m) - set(self.tree.separator(c)) for c, m in enumerate(self.tree.members)
        ]
        below = [set(some) for some in new]  # asked for, and first met with there or further down
        for c in reversed(range(1, len(below))):
            below[self.tree.parent[c]] |= below[c]
        used = [c for c, some in enumerate(below) if some or c == 0]
        while len(used) > 1:
            start, next_one = used[0], used[1]
            only = sum(self.tree.parent[c] == start for c in used) == 1
            if not only or not asked & set(self.tree.members[start]) <= set(
                self.tree.members[next_one]
            ):
                break
            used.pop(0)
        return used[0], used

    def _eliminated(self, tables: Mapping[int, Any], axes: Sequence[int]) -> Any:
        """Multiply tables of connected cliques and sum out all variables but some: up the tree."""
        self._refuse_large(axes, len(axes))
        first, *others = sorted(tables)
        inbox = {c: [(self.tree.members[c], tables[c])] for c in tables}
        for c in reversed(others):
            known = set(itertools.chain.from_iterable(some for some, _ in inbox[c]))
            kept = [axis for axis in axes if axis in known]
            kept += [axis for axis in self.tree.separator(c) if axis not in axes]
            self._refuse_large(kept, len(axes))
            inbox[self.tree.parent[c]].append((tuple(kept), _summed(inbox[c], kept)))
        return _summed(inbox[first], axes)

    def _refuse_large(self, axes: Sequence[int], asked: int) -> None:
        cells = math.prod(self.tree.sizes[axis] for axis in axes)
        if cells > MOST_CELLS:
            raise PopgenError(
                f"the joint of {asked} variables needs a table of {cells:,} cells, too many "
                f"(at most {MOST_CELLS:,}); project fewer variables"
            )

    def people(self, n: int, rng: np.random.Generator, whole: Whole) -> Codes:
        """Draw level codes of n people in random order, shape (n, variables): down the tree.

        Of the people who share their levels of a separator, so many get each combination of the
        clique's other variables as expected, made whole; who gets which is left to chance.
        """
        codes = np.zeros((n, len(self.tree.sizes)), np.int16, order="F")
        for c, members in enumerate(self.tree.members):
            shared = self.tree.separator(c)
            new = tuple(axis for axis in members if axis not in shared)
            rows = np.transpose(self.tables[c], self.within(c, (*shared, *new)))
            rows = rows.reshape(math.prod(self.tree.shape(shared)), -1)
            cell = np.zeros(n, np.intp)
            for axis in shared:
                cell = cell * self.tree.sizes[axis] + codes[:, axis]
            order = rng.permutation(n)
            order = order[np.argsort(cell[order], kind="stable")]
            some, counts = np.unique(cell, return_counts=True)
            drawn = [
                np.repeat(np.arange(rows.shape[1]), whole(rows[s], int(k)))
                for s, k in zip(some, counts, strict=True)
            ]
            levels = np.unravel_index(np.concatenate(drawn), self.tree.shape(new))
            for axis, column in zip(new, levels, strict=True):
                codes[order, axis] = column
        return codes


def _laid_out(tree: Cliques) -> list[Axes]:
    """Variables of each table in turn: of the cliques, then of their separators."""
    return [*tree.members, *(tree.separator(c) for c in range(len(tree.members)))]


def _summed(operands: Sequence[tuple[Axes, Any]], kept: Sequence[int]) -> Any:
    """Multiply arrays whose axes are variables, and sum out all variables but some."""
    labels = {
        axis: i for i, axis in enumerate(dict.fromkeys(a for axes, _ in operands for a in axes))
    }
    terms = [item for axes, table in operands for item in (table, [labels[a] for a in axes])]
    return np.einsum(*terms, [labels[axis] for axis in kept], optimize=("greedy", MOST_CELLS))

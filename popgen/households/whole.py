"""Whole households for every zone of a sample: zone cells first, then those of larger areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.households import _whole as kernel
from popgen.households._lanes import Rows
from popgen.methods.distances import Floats

Counts = NDArray[np.int64]
Index = NDArray[np.intp]

TRIES = 8
"""Orders of rounding tried in a zone whose cells are not all met."""

ENOUGH, FEW = 1e-3, 2.0
"""A zone is not worked on further if it misses less than this share of its totals, less a few:
large zones need not be perfect, small ones should."""

PATIENCE = 2
"""Exchanges in a row that may fail to improve a zone."""

MILD = 2.0
"""Most that a miss of any cell counts while pairs are exchanged: under a higher cost the shortlist
would hold none but records that are alike in that cell."""

PLACES, EFFORT = 150, 2_400_000
"""Most households of a zone for which a better record is looked for at a time; fewer where that
would read more than so many cells of records."""

LATER = 0.05
"""What a miss of a larger area's cell costs at first, beside one of the zone's own cells."""

STUBBORN = 40
"""Zones of a larger area gone through in a row without gain, after which the area is let be."""

PASSES = 3
"""Times that all zones are gone through for the larger areas' sake."""


@dataclass(frozen=True, eq=False)
class Goals:
    """What one level's areas must hold of one sample's households.

    Attributes
    ----------
    area_of : array of int, shape (zones,)
        The area of each of the sample's zones; areas are numbered within the sample.
    totals : array, shape (areas, cells)
    cost : array, shape (cells,)
        What a miss of one counts, in the end.
    """

    area_of: Index
    totals: Floats
    cost: Floats


@dataclass(frozen=True, eq=False)
class Records:
    """What a household of each record adds to each cell, as the kernels want it.

    Attributes
    ----------
    by_row, by_cell : (indptr, indices, data)
    kind : array of int, shape (n,)
        Kind of unit; the number of each kind is kept exactly.
    pull : array, shape (m,)
        How much the square of each cell's error counts while rounding.
    """

    by_row: Rows
    by_cell: Rows
    kind: Counts
    pull: Floats

    @property
    def book(self) -> kernel.Book:
        """The records as the kernels want them."""
        return self.by_row, self.by_cell, self.kind

    @property
    def places(self) -> int:
        """Households of a zone for which a better record is looked for at a time."""
        return max(min(PLACES, EFFORT // max(len(self.by_row[1]), 1)), 1)

    @classmethod
    def of(cls, X: sparse.csr_array, kind: Counts) -> Records:
        """Take the records' cells, one row a record."""
        columns = sparse.csc_array(X)
        mean = np.asarray(X.sum(axis=0)).ravel() / X.shape[0]
        return cls(
            (X.indptr, X.indices, X.data),
            (columns.indptr, columns.indices, columns.data),
            kind,
            1 / np.maximum(mean, 1 / X.shape[0]),
        )


@dataclass(frozen=True, eq=False)
class Placed:
    """Whole households of each zone, and what they leave unmet.

    Attributes
    ----------
    counts : array of int, shape (zones, n)
    gaps : list of array, shape (areas, cells)
        For each level, what its areas hold less what they should.
    """

    counts: NDArray[np.int32]
    gaps: list[Floats]


def place(
    records: Records,
    weights: Floats,
    levels: Sequence[Goals],
    wanted: Counts,
    rngs: Sequence[np.random.Generator],
) -> Placed:
    """Make whole households of every zone of a sample.

    Parameters
    ----------
    records : Records
    weights : array, shape (zones, n)
        Households of each record in each zone.
    levels : sequence of Goals
        The zones' own first; their cells are the columns of the records, in this order.
    wanted : array of int, shape (zones, kinds)
        Households of each kind.
    rngs : sequence of Generator
        One a zone: its people do not depend on when or where it is done.

    Returns
    -------
    Placed
    """
    work = _Work.of(records, weights, levels, wanted, rngs)
    for zone in range(len(weights)):
        work.begin(zone)
    work.account()
    for _ in range(PASSES):
        before = work.unmet()
        for zone in range(len(weights)):
            work.revisit(zone)
        if work.unmet() >= before - kernel.NOTHING:
            break
    return Placed(work.counts, work.gap)


@dataclass(eq=False)
class _Work:
    """The zones as they are filled.

    ``gap`` of larger areas first counts from the shares of the zones that are done, then
    (`account`) from the areas' totals.
    """

    records: Records
    weights: Floats
    levels: Sequence[Goals]
    wanted: Counts
    rngs: Sequence[np.random.Generator]
    counts: NDArray[np.int32]
    gap: list[Floats]
    edges: NDArray[np.intp]
    in_vain: Counts

    @classmethod
    def of(
        cls,
        records: Records,
        weights: Floats,
        levels: Sequence[Goals],
        wanted: Counts,
        rngs: Sequence[np.random.Generator],
    ) -> _Work:
        counts = np.zeros(weights.shape, dtype=np.int32)
        gap = [np.zeros_like(level.totals) for level in levels]
        edges = np.cumsum([0, *(level.totals.shape[1] for level in levels)])
        in_vain = np.zeros(len(levels[min(1, len(levels) - 1)].totals), int)
        return cls(records, weights, levels, wanted, rngs, counts, gap, edges, in_vain)

    def cost(self, larger: float) -> Floats:
        first, *rest = (level.cost for level in self.levels)
        return np.concatenate([first, *(larger * cost for cost in rest)])

    def at(self, zone: int) -> Floats:
        """Gaps of all cells that a zone's households are in."""
        rows = [gap[level.area_of[zone]] for gap, level in zip(self.gap, self.levels, strict=True)]
        return np.concatenate(rows)

    def put(self, zone: int, counts: Counts, gap: Floats) -> None:
        self.counts[zone] = counts
        for depth, level in enumerate(self.levels):
            part = gap[self.edges[depth] : self.edges[depth + 1]]
            self.gap[depth][level.area_of[zone]] = part

    def begin(self, zone: int) -> None:
        """Round a zone's weights, and improve them, in a few orders; keep the best."""
        records, weights, rng = self.records, self.weights[zone], self.rngs[zone]
        share = kernel.gaps(records.by_row, weights, np.zeros(self.edges[-1]))
        goal = share - self.at(zone)
        goal[: self.edges[1]] = self.levels[0].totals[zone]
        cost, best = self.cost(LATER), np.inf
        mild = np.minimum(cost, MILD)
        enough = self.enough(zone)
        for _ in range(TRIES):
            order = rng.permutation(len(weights))
            counts = kernel.diffuse(records.by_row, weights, order, records.pull)
            gap = kernel.gaps(records.by_row, counts, goal)
            kernel.recount(records.book, weights, counts, gap, cost, self.wanted[zone])
            counts, gap = kernel.exchange(records.book, weights, counts, gap, mild, PATIENCE)
            if self.missed(gap) > enough:
                counts, gap = kernel.settle(
                    records.book, weights, counts, gap, cost, order, records.places
                )
            if (total := float((cost * np.abs(gap)).sum())) < best:
                best = total
                self.put(zone, counts, gap)
            if self.missed(gap) <= enough:
                break

    def enough(self, zone: int) -> float:
        return max(ENOUGH * float(np.abs(self.levels[0].totals[zone]).sum()) - FEW, 0.0)

    def missed(self, gap: Floats) -> float:
        """Cost of the zone's own misses."""
        own = self.edges[1]
        return float((self.levels[0].cost * np.abs(gap[:own])).sum())

    def account(self) -> None:
        """Count larger areas' gaps from their totals, now that all zones have households."""
        X = sparse.csr_array(self._held())
        for depth, level in enumerate(self.levels[1:], start=1):
            gap = -level.totals
            held = X[:, self.edges[depth] : self.edges[depth + 1]].toarray()
            np.add.at(gap, level.area_of, held)
            self.gap[depth] = gap

    def _held(self) -> sparse.csr_array:
        indptr, indices, data = self.records.by_row
        X = sparse.csr_array((data, indices, indptr), shape=(len(indptr) - 1, self.edges[-1]))
        return sparse.csr_array(self.counts) @ X

    def unmet(self) -> float:
        return sum(
            float((level.cost * np.abs(gap)).sum())
            for gap, level in zip(self.gap, self.levels, strict=True)
        )

    def revisit(self, zone: int) -> None:
        """Improve a zone once more, its own cells and those of larger areas alike."""
        gap, cost = self.at(zone), self.cost(1.0)
        area = self.levels[min(1, len(self.levels) - 1)].area_of[zone]
        larger = np.abs(gap[self.edges[1] :]).max(initial=0.0) > kernel.NOTHING
        hopeless = not larger or self.in_vain[area] >= STUBBORN
        if hopeless and self.missed(gap) <= self.enough(zone):
            return
        before = (cost * np.abs(gap)).sum()
        records, weights = self.records, self.weights[zone]
        order = self.rngs[zone].permutation(len(weights))
        counts = self.counts[zone].astype(np.int64)
        counts, gap = kernel.settle(records.book, weights, counts, gap, cost, order, records.places)
        self.put(zone, counts, gap)
        gained = (cost * np.abs(gap)).sum() < before - kernel.NOTHING
        self.in_vain[area] = 0 if gained else self.in_vain[area] + 1

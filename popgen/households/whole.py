"""Whole households for every zone of a sample: zone cells first, then those of larger areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.households import _whole as kernel
from popgen.households._exchange import Metric, exchange
from popgen.households._whole import Counts
from popgen.households.metric import Records
from popgen.households.persons import evened
from popgen.methods.distances import Floats

Index = NDArray[np.intp]
Copies = NDArray[np.int32]
"""Households of each record in each zone, shape (zones, n)."""

TRIES = 8
"""Orders of rounding tried in a zone that misses more than is enough."""

SPARE = 100
"""Orders tried for all zones of a sample together while they miss anything: the fewer zones, the
more for each. What is tried depends on the problem alone, never on clocks or on who does it."""

ENOUGH, FEW = 1e-3, 2.0
"""A zone is not worked on beyond that if it misses less than this share of its totals, less a few:
large zones need not be perfect, small ones should."""

PATIENCE, AGAIN = (20, 1), (8, 8)
"""Exchanges in a row that may fail to improve a zone: one whose own cells are missed, or are met;
at first, and for the larger areas' sake."""

SLACK = 1.0
"""Square of the miss of a larger area's cell that does not matter at first."""

LATER = 0.05
"""What a miss of a larger area's cell costs at first, beside one of the zone's own cells."""

MET = 0.5
"""A cell missed by less than this is met: households and persons are whole."""

SMALL = 1_000
"""Most households of a zone in which one after the other is looked at for larger areas' sake."""

STUBBORN = 100
"""Zones of a larger area gone through in a row without gain, after which the area is let be."""

PASSES = 6
"""Most times that all zones are gone through for the larger areas' sake."""


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
    exact : array of int
        Cells that must be met, whatever others miss: persons of zones.
    """

    area_of: Index
    totals: Floats
    cost: Floats
    exact: Index


def place(
    records: Records,
    weights: Floats,
    levels: Sequence[Goals],
    wanted: Counts,
    rngs: Sequence[np.random.Generator],
) -> Copies:
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
    array of int, shape (zones, n)
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
    for zone in range(len(weights)):
        work.even(zone)
    return work.counts


@dataclass(eq=False)
class _Work:
    """The zones as they are filled.

    ``gap`` of larger areas first counts from the shares of the zones that are done, then
    (`account`) from the areas' totals. ``within_reach`` are zones whose weights meet every cell.
    """

    records: Records
    weights: Floats
    levels: Sequence[Goals]
    wanted: Counts
    rngs: Sequence[np.random.Generator]
    counts: Copies
    gap: list[Floats]
    edges: NDArray[np.intp]
    in_vain: Counts
    within_reach: NDArray[np.bool_]
    loose: Metric
    tight: Metric

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
        held = weights @ records.dense[: edges[1]].T
        off = np.abs(held - levels[0].totals[levels[0].area_of]).max(axis=1, initial=0.0)
        larger = np.arange(edges[-1]) >= edges[1]
        loose = records.metric(SLACK * larger)
        tight = records.metric(0.0 * larger) if larger.any() else loose
        return cls(
            records,
            weights,
            levels,
            wanted,
            rngs,
            counts,
            gap,
            edges,
            in_vain,
            off < MET,
            loose,
            tight,
        )

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
        goal = kernel.gaps(self.records.by_row, self.weights[zone], self.at(zone))
        goal[: self.edges[1]] = self.levels[0].totals[zone]
        spare = SPARE // len(self.weights) if self.within_reach[zone] else 0
        nothing = np.zeros(len(self.weights[zone]), dtype=np.int64), -goal
        self.put(zone, *self.best_of(zone, max(TRIES, spare), spare, nothing, self.cost(LATER)))

    def best_of(
        self, zone: int, tries: int, spare: int, best: tuple[Counts, Floats], cost: Floats
    ) -> tuple[Counts, Floats]:
        """Round a zone's weights until its cells are met, or, after some tries, nearly so."""
        goal = kernel.gaps(self.records.by_row, best[0], best[1])
        least = float((cost * np.abs(best[1])).sum()) if best[0].any() else np.inf
        for turn in range(1, tries + 1):
            counts, gap, missed = self.rounded(zone, goal, cost)
            if (total := float((cost * np.abs(gap)).sum())) < least:
                least, best = total, (counts, gap)
            if missed <= (kernel.NOTHING if turn < spare else self.enough(zone)):
                break
        return best

    def rounded(self, zone: int, goal: Floats, cost: Floats) -> tuple[Counts, Floats, float]:
        """Round a zone's weights in an order by chance, and exchange households."""
        records, weights = self.records, self.weights[zone]
        order = self.rngs[zone].permutation(len(weights))
        counts = kernel.diffuse(records.by_row, weights, order, records.pull)
        gap = kernel.gaps(records.by_row, counts, goal)
        kernel.recount(records.book, weights, counts, gap, cost, self.wanted[zone])
        counts, gap = exchange(
            records.book, self.loose, weights, counts, gap, cost, self.edges[1], PATIENCE
        )
        if self.missed(gap) > self.enough(zone):
            counts, gap = kernel.settle(
                records.book, weights, counts, gap, cost, order, records.places
            )
        return counts, gap, self.missed(gap)

    def enough(self, zone: int) -> float:
        return max(ENOUGH * float(np.abs(self.levels[0].totals[zone]).sum()) - FEW, 0.0)

    def missed(self, gap: Floats) -> float:
        """Cost of the zone's own misses; without end where a cell that must be met is not."""
        off = np.abs(gap[: self.edges[1]])
        if off[self.levels[0].exact].max(initial=0.0) >= MET:
            return np.inf
        return float((self.levels[0].cost * off).sum())

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
        missed = self.missed(gap)
        if hopeless and missed <= kernel.NOTHING:
            return
        before = (cost * np.abs(gap)).sum()
        records, weights = self.records, self.weights[zone]
        counts = self.counts[zone].astype(np.int64)
        counts, gap = exchange(
            records.book, self.tight, weights, counts, gap, cost, self.edges[1], AGAIN
        )
        stuck = (cost * np.abs(gap)).sum() >= before - kernel.NOTHING
        small = not hopeless and self.wanted[zone].sum() <= SMALL
        if stuck and (small or missed > self.enough(zone)):
            order = self.rngs[zone].permutation(len(weights))
            counts, gap = kernel.settle(
                records.book, weights, counts, gap, cost, order, records.places
            )
        if hopeless and self.within_reach[zone] and self.missed(gap) > self.enough(zone):
            counts, gap = self.best_of(zone, TRIES, 0, (counts, gap), cost)
        self.put(zone, counts, gap)
        gained = (cost * np.abs(gap)).sum() < before - kernel.NOTHING
        self.in_vain[area] = 0 if gained else self.in_vain[area] + 1

    def even(self, zone: int) -> None:
        """Meet the cells that must be met in a zone where exchanges have not."""
        gap, exact = self.at(zone), self.levels[0].exact
        if np.abs(gap[exact]).max(initial=0.0) >= MET:
            counts = self.counts[zone].astype(np.int64)
            cost = self.cost(1.0)
            self.put(zone, *evened(self.records, self.weights[zone], counts, gap, cost, exact))

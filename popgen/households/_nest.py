"""The arrays of nested calibration: samples, levels of areas, and the zones that lie in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.households._lanes import LANES, parts, scores
from popgen.methods.distances import Distance, Floats

Index = NDArray[np.intp]

NOBODY = -1e6
"""Multiplier of a cell that must be empty: its records get weight 0 to the last digit."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Records that some zones share.

    Attributes
    ----------
    all : sparse array, shape (n, cells)
        What a record adds to each cell that is solved for, or empty somewhere; columns in the order
        of the levels, smallest areas first.
    X : sparse array, shape (n, m)
        The same for those that are solved for; where these are all, the same array.
    d : array, shape (n,)
        Design weights, households a record.
    zones : array of int
        The zones that are made of these records.
    held_back : array, shape (n,), or None
        What is taken off each record's score in every zone, so that it is not used too often.
    """

    all: sparse.csr_array
    X: sparse.csr_array
    d: Floats
    zones: Index
    held_back: Floats | None = None


@dataclass(frozen=True, eq=False)
class Level:
    """One level of geography, and what its areas must hold.

    Attributes
    ----------
    area_of : array of int, shape (zones,)
        The area that each zone lies in.
    solved : array of int, shape (m,)
        Which of the level's cells are solved for: independent of one another.
    closed : array of bool, shape (areas, cells)
        Cells that must be empty: their records get no weight, whether solved for or not.
    targets, variance : array, shape (areas, m)
        People or households wanted in each cell; squared standard error, 0 where exact.
    absolute : array of bool, shape (areas, m)
        Cells with a standard error whose misses count by their size, not by its square.
    """

    area_of: Index
    solved: Index
    closed: NDArray[np.bool_]
    targets: Floats
    variance: Floats
    absolute: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Nest:
    """The problem: samples, levels (smallest areas first, each nested in the next), distance.

    Attributes
    ----------
    samples : tuple of Sample
    levels : tuple of Level
        The first level's areas are the zones.
    scale : array, shape (zones,)
        Design weights of a zone are the sample's times this.
    distance : Distance
    """

    samples: tuple[Sample, ...]
    levels: tuple[Level, ...]
    scale: Floats
    distance: Distance

    @property
    def family_of(self) -> Index:
        """The top area of each zone: families share no multiplier and are solved apart."""
        return self.levels[-1].area_of

    def columns(self) -> list[slice]:
        """Where each level's cells stand among the columns."""
        edges = np.cumsum([0, *(level.targets.shape[1] for level in self.levels)])
        return [slice(*pair) for pair in itertools.pairwise(edges)]

    def parents(self) -> list[Index]:
        """For each level but the last, the area of the next level that holds each of its areas."""
        out = []
        for inner, outer in itertools.pairwise(self.levels):
            parent = np.zeros(len(inner.targets), dtype=np.intp)
            parent[inner.area_of] = outer.area_of
            out.append(parent)
        return out

    def family_of_areas(self) -> list[Index]:
        """For each level, the family that each area belongs to."""
        out = []
        for level in self.levels:
            family = np.zeros(len(level.targets), dtype=np.intp)
            family[level.area_of] = self.family_of
            out.append(family)
        return out

    def largest(self) -> Floats:
        """Return the largest target of each family, at least 1, shape (families,)."""
        out = np.ones(len(self.levels[-1].targets))
        for level, family in zip(self.levels, self.family_of_areas(), strict=True):
            np.maximum.at(out, family, np.abs(level.targets).max(axis=1, initial=1.0))
        return out

    def chunks(self, wanted: NDArray[np.bool_]) -> Iterator[tuple[Sample, Index]]:
        """Go through the wanted zones, as many at a time as there are lanes, sample by sample."""
        for sample in self.samples:
            zones = sample.zones[wanted[sample.zones]]
            for start in range(0, len(zones), LANES):
                yield sample, zones[start : start + LANES]

    def scores(self, lam: Sequence[Floats], sample: Sample, zones: Index) -> Floats:
        """Add up the multipliers of each record's cells in some zones, shape (n, len(zones))."""
        rows = []
        for part, level in zip(lam, self.levels, strict=True):
            areas = level.area_of[zones]
            full = np.where(level.closed[areas], NOBODY, 0.0)
            full[:, level.solved] += part[areas]
            rows.append(full)
        u = scores(*parts(sample.all), np.ascontiguousarray(np.hstack(rows).T))
        return u if sample.held_back is None else u - sample.held_back[:, None]

    def design(self, sample: Sample, zones: Index) -> Floats:
        """Design weights in some zones, shape (n, len(zones))."""
        return np.multiply.outer(sample.d, self.scale[zones])

    def weights(self, lam: Sequence[Floats], sample: Sample, zones: Index) -> Floats:
        """Weights of some zones of a sample, shape (n, len(zones))."""
        weights: Floats = self.design(sample, zones)
        weights *= self.distance.F(self.scores(lam, sample, zones))
        return weights

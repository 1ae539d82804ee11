"""A sample of households and one-way margins of all areas: what IPU and PopulationSim are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Sizes = Mapping[str, int]
"""Numbers of levels of some variables, by name."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Sampled households, and the margins of households and of persons of all areas.

    Attributes
    ----------
    persons : DataFrame
        One row a person, in the order of ``home``, which numbers households from 0; all variables
        are level numbers.
    X : array, shape (households, cells)
    area : array of int, shape (households,)
        Where each was sampled.
    targets : array, shape (areas, cells)
    number : array of int, shape (areas,)
        Households there are.
    of_households, of_persons : mapping of name to int
        Variables that margins are of, and their numbers of levels; cells are in this order.
    """

    persons: pl.DataFrame
    X: Floats
    area: Index
    targets: Floats
    number: Index
    of_households: Sizes
    of_persons: Sizes

    @property
    def names(self) -> list[str]:
        """Of the cells."""
        sizes = {**self.of_households, **self.of_persons}
        return [f"{name}: {i}" for name, size in sizes.items() for i in range(size)]

    def rows(self, record: Index) -> Index:
        """Give the rows of everybody in copies of households."""
        size = np.bincount(self.persons["home"].to_numpy())
        start, many = np.cumsum(size) - size, size[record]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        return np.repeat(start[record], many) + within


@dataclass(frozen=True, eq=False)
class Made:
    """Whole households: the area of each and the sampled household that it copies."""

    area: Index
    record: Index

    def codes(self, sample: Sample, area: str, names: list[str]) -> NDArray[np.int64]:
        """Everybody in them, as level numbers of the variables named; they live in their area."""
        codes = sample.persons.select(names).to_numpy()[sample.rows(self.record)].copy()
        size = np.bincount(sample.persons["home"].to_numpy())
        codes[:, names.index(area)] = np.repeat(self.area, size[self.record])
        return codes


def first_of(persons: pl.DataFrame) -> Index:
    """Give the row of the first person of each household."""
    return np.flatnonzero(np.diff(persons["home"].to_numpy(), prepend=-1))


def cells(persons: pl.DataFrame, of_households: Sizes, of_persons: Sizes) -> Floats:
    """Count households, or their persons, in the cells of one-way margins."""
    home, first = persons["home"].to_numpy(), first_of(persons)
    columns = [
        np.eye(size)[persons[name].to_numpy()[first]] for name, size in of_households.items()
    ]
    for name, size in of_persons.items():
        held = np.zeros((len(first), size))
        np.add.at(held, (home, persons[name].to_numpy()), 1.0)
        columns.append(held)
    return np.hstack(columns)

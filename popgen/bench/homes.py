"""`Homes`: who of a task's people lives together, and margins that count households."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.bench.task import Data
from popgen.errors import PopgenError, listed
from popgen.frames import need_columns
from popgen.households.units import Households
from popgen.microdata import Microdata, Population
from popgen.tables import Tables

Index = NDArray[np.intp]

HOME, ROW = "home", "row"
"""Columns of `Homes.survey`: a household's number, and a person's row in the records."""


@dataclass(frozen=True, eq=False)
class Homes:
    """Households of the records, and what is known of all that there are.

    Attributes
    ----------
    of : array of int, shape (records,)
        Number of each record's household, from 0.
    variables : tuple of str
        What is alike for all of a household.
    area : str
        The one of these for whose levels every margin is stated.
    margins : Tables
        True tables of households, exact.
    """

    of: Index
    variables: tuple[str, ...]
    area: str
    margins: Tables

    def survey(self, records: Microdata) -> Households:
        """Give the records as households of equal weight and the persons in them."""
        area = records.domain[self.area]
        where = [area.levels[code] for code in heads(records, self.of).column(self.area)]
        homes = pl.DataFrame({HOME: np.arange(len(where)), self.area: where})
        persons = pl.DataFrame({HOME: self.of, ROW: np.arange(len(self.of))})
        return Households.of(homes, persons, id=HOME)

    def people(self, records: Microdata, chosen: Index, areas: Index) -> Population:
        """Give everybody in copies of the records' households.

        Parameters
        ----------
        records : Microdata
        chosen : array of int, shape (n,)
            Numbers of the households copied.
        areas : array of int, shape (n,)
            The level of `area` where each copy lives.

        Raises
        ------
        PopgenError
            If a number is of no household.
        """
        there = int(self.of.max()) + 1
        if (strange := np.setdiff1d(chosen, np.arange(there))).size:
            raise PopgenError(
                f"{strange.size} number(s) of households chosen, first {int(strange[0])}, are not "
                f"among the {there:,} of the records; they are numbered from 0"
            )
        copies = self.survey(records).only(chosen)
        assert copies.persons is not None
        codes = np.array(records.codes[copies.persons[ROW].to_numpy()])
        codes[:, records.domain.axis(self.area)] = np.repeat(areas, copies.size)
        return Population(records.domain, codes)


def home_of(frame: pl.DataFrame, data: Data, people: Microdata) -> Index:
    """Give each person of a file the number of its household.

    Raises
    ------
    PopgenError
        If the column is absent, a person has no household, or the members of one differ in what
        is said to be of households.
    """
    need_columns(frame, [data.household], data.file)
    ids = frame[data.household]
    if lonely := ids.null_count():
        raise PopgenError(
            f"{data.file}: {lonely} of {len(ids)} persons have no household, first in row "
            f"{int(ids.is_null().arg_max() or 0) + 1}; give each a {data.household!r}, or leave "
            "them out"
        )
    home = ids.rank("dense").to_numpy().astype(np.intp) - 1
    first = _first(home)
    for name in data.of_households:
        column = people.column(name)
        if (apart := np.flatnonzero(column != column[first][home])).size:
            row = int(apart[0])
            levels = people.domain[name].levels
            both = [levels[column[one]] for one in (first[home[row]], row)]
            raise PopgenError(
                f"{data.file}: {name!r} is to be of households, but the members of "
                f"{len(np.unique(home[apart]))} differ, first household {ids[row]!r}: "
                f"{listed(both)}; correct them, or take it for a variable of persons"
            )
    return home


def heads(people: Microdata, home: Index) -> Microdata:
    """Keep one member of each household, in the order of their numbers."""
    return people.take(_first(home))


def sampled(
    people: Microdata, home: Index, n: int, rng: np.random.Generator
) -> tuple[Microdata, Index]:
    """Draw n different households and keep everybody in them, households numbered anew.

    Raises
    ------
    PopgenError
        If there are fewer.
    """
    there = int(home.max()) + 1
    if n > there:
        raise PopgenError(f"{n:,} households cannot be drawn from {there:,}; ask for fewer records")
    chosen = np.sort(rng.choice(there, n, replace=False))
    rows = np.flatnonzero(np.isin(home, chosen))
    return Microdata(people.domain, people.codes[rows]), np.searchsorted(chosen, home[rows])


def _first(home: Index) -> Index:
    return np.unique(home, return_index=True)[1]

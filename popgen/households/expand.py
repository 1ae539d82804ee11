"""From whole households to two frames: households and the persons in them, where they live."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from popgen.errors import PopgenError, listed
from popgen.households.placing import Whole
from popgen.households.problem import Counts, HouseholdProblem, Index
from popgen.households.units import HOUSEHOLDS, PERSONS, Households

HOUSEHOLD, PERSON, NUMBER = "household_id", "person_id", "per_num"
"""Columns of the frames: identifiers, and a person's number within the household."""

OWN = "survey_"
"""Put before the name of a survey's column that would be taken for one of these or for a level."""

APART = 1000
"""A person's identifier is the household's times this, plus the person's number."""


@dataclass(frozen=True, eq=False)
class Homes:
    """What it takes to write households out, complete in itself.

    Attributes
    ----------
    survey : Households
    places : DataFrame
        One row a zone, one column a level, or beside the levels: the areas that it lies in.
    first : array of int, shape (zones,)
        Identifier of each zone's first household.
    """

    survey: Households
    places: pl.DataFrame
    first: Counts

    @classmethod
    def of(cls, problem: HouseholdProblem, *, first: int = 1) -> Homes:
        """Give the households of all zones, in their order, numbers from ``first`` on.

        Raises
        ------
        PopgenError
            As `refuse_unwritable`.
        """
        geography, units = problem.geography, problem.units
        refuse_unwritable(problem.survey, geography.columns)
        places = {
            column: pl.Series(geography.ids(column), dtype=pl.String).gather(
                geography.area_of(column)
            )
            for column in geography.columns
        }
        return cls(problem.survey, pl.DataFrame(places), first + np.cumsum(units) - units)

    def only(self, zones: Index, records: Index) -> Homes:
        """Keep some zones and some records, each in the order given."""
        return Homes(self.survey.only(records), self.places[zones], self.first[zones])


def expanded(homes: Homes, found: Whole) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Write out households and their persons, one row each, with all that the survey says of them.

    Parameters
    ----------
    homes : Homes
    found : Whole
        All households of some of its zones, zone by zone.

    Returns
    -------
    households : DataFrame
        ``household_id`` (1, 2, ... over all zones, in their order), the columns of geography
        (levels, then what lies beside them), then the survey's. One of the survey's that has such a
        name gets ``survey_`` before it.
    persons : DataFrame or None
        ``person_id``, ``household_id``, ``per_num`` (1, 2, ... within the household), then the
        survey's columns. The identifier is 1,000 times the household's plus the number, so that
        of a person does not depend on who else there is.
    """
    survey = homes.survey
    start = np.searchsorted(found.zone, found.zone)
    number = homes.first[found.zone] + np.arange(len(found.zone)) - start
    placed = [pl.Series(HOUSEHOLD, number), *homes.places[found.zone].get_columns()]
    levels = homes.places.columns
    frame = _joined(HOUSEHOLDS, placed, survey.households[found.record], levels)
    if survey.persons is None:
        return frame, None
    size = survey.size[found.record]
    owner = np.repeat(number, size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    rows = np.repeat(survey.first[found.record], size) + within
    of_person = [
        pl.Series(PERSON, owner * APART + within + 1),
        pl.Series(HOUSEHOLD, owner),
        pl.Series(NUMBER, within + 1, pl.Int32),
    ]
    return frame, _joined(PERSONS, of_person, survey.persons[rows], levels)


def _joined(
    what: str, ours: list[pl.Series], survey: pl.DataFrame, levels: Sequence[str]
) -> pl.DataFrame:
    frame = pl.DataFrame(ours)
    names = beside(what, survey.columns, levels)[frame.width :]
    return frame.hstack(survey.rename(dict(zip(survey.columns, names, strict=True))))


def refuse_unwritable(survey: Households, levels: Sequence[str]) -> None:
    """Refuse a survey that cannot be written out beside columns of geography.

    Raises
    ------
    PopgenError
        If a household has too many persons to number them, or two columns would have one name.
    """
    if (most := int(survey.size.max(initial=0))) >= APART:
        raise PopgenError(
            f"a survey household has {most:,} persons; at most {APART - 1} can be numbered in one "
            "household: make such quarters units of one person each"
        )
    for what, frame in ((HOUSEHOLDS, survey.households), (PERSONS, survey.persons)):
        refuse_twice(beside(what, () if frame is None else frame.columns, levels), what)


def made(what: str, levels: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that are made here, of households or of persons."""
    return (HOUSEHOLD, *levels) if what == HOUSEHOLDS else (PERSON, HOUSEHOLD, NUMBER)


def moved(name: str, ours: Collection[str]) -> str:
    """Give the name under which a column of the survey stands beside ours."""
    return OWN + name if name in ours else name


def beside(what: str, columns: Iterable[str], levels: Sequence[str]) -> list[str]:
    """Name all columns of households or persons: those made here, then the survey's."""
    ours = made(what, levels)
    return [*ours, *(moved(name, ours) for name in columns)]


def refuse_twice(names: Sequence[str], what: str) -> None:
    """Refuse two columns of one name among those of households or persons."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PopgenError(
            f"the {what} written would have two columns {listed(twice)}; name them apart (a column "
            f"of the survey gets {OWN!r} before its name where popgen writes one of that name)"
        )

"""From whole households to two frames: households and the persons in them, where they live."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popgen.errors import PopgenError
from popgen.households.placing import Whole
from popgen.households.problem import Counts, HouseholdProblem, Index
from popgen.households.units import Households

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
            If a household has too many persons to number them.
        """
        if (most := int(problem.survey.size.max(initial=0))) >= APART:
            raise PopgenError(
                f"a survey household has {most:,} persons; at most {APART - 1} can be numbered "
                "in one household: make such quarters units of one person each"
            )
        geography, units = problem.geography, problem.units
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
    frame = _beside(placed, survey.households[found.record])
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
    return frame, _beside(of_person, survey.persons[rows])


def _beside(ours: list[pl.Series], survey: pl.DataFrame) -> pl.DataFrame:
    taken = {column.name for column in ours}
    renamed = {name: OWN + name for name in survey.columns if name in taken}
    return pl.DataFrame(ours).hstack(survey.rename(renamed))

"""From whole households to two frames: households and the persons in them, where they live."""

from __future__ import annotations

import numpy as np
import polars as pl

from popgen.households.placing import Whole
from popgen.households.problem import HouseholdProblem

HOUSEHOLD, PERSON, NUMBER = "household_id", "person_id", "per_num"
"""Columns of the frames: identifiers, and a person's number within the household."""

OWN = "survey_"
"""Put before the name of a survey's column that would be taken for one of these or for a level."""


def expanded(problem: HouseholdProblem, found: Whole) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Write out households and their persons, one row each, with all that the survey says of them.

    Parameters
    ----------
    problem : HouseholdProblem
    found : Whole
        All households of some zones, zone by zone.

    Returns
    -------
    households : DataFrame
        ``household_id`` (1, 2, ... over all zones, in their order), one column a level of
        geography, then the survey's columns. One that has such a name gets ``survey_`` before it.
    persons : DataFrame or None
        ``person_id``, ``household_id``, ``per_num`` (1, 2, ... within the household), then the
        survey's columns. Identifiers rise by the size of the largest household from one household
        to the next, so those of a zone do not depend on who lives in the others.
    """
    survey, geography = problem.survey, problem.geography
    number = _numbers(problem, found)
    places = [
        pl.Series(level, geography.areas[depth]).gather(geography.area_of(level)[found.zone])
        for depth, level in enumerate(geography.levels)
    ]
    ids = [pl.Series(HOUSEHOLD, number), *places]
    homes = _beside(ids, survey.households[found.record])
    if survey.persons is None:
        return homes, None
    size = survey.size[found.record]
    owner = np.repeat(number, size)
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    rows = np.repeat(survey.first[found.record], size) + within
    most = int(survey.size.max(initial=1))
    of_person = [
        pl.Series(PERSON, (owner - 1) * most + within + 1),
        pl.Series(HOUSEHOLD, owner),
        pl.Series(NUMBER, within + 1, pl.Int32),
    ]
    return homes, _beside(of_person, survey.persons[rows])


def _numbers(problem: HouseholdProblem, found: Whole) -> np.ndarray:
    """Count households through all zones: those of a zone follow on the zones before."""
    before = np.cumsum(problem.units) - problem.units
    zones, first = np.unique(found.zone, return_index=True)
    start = np.zeros(len(problem.units), np.int64)
    start[zones] = first
    number: np.ndarray = before[found.zone] + np.arange(len(found.zone)) - start[found.zone] + 1
    return number


def _beside(ours: list[pl.Series], survey: pl.DataFrame) -> pl.DataFrame:
    taken = {column.name for column in ours}
    renamed = {name: OWN + name for name in survey.columns if name in taken}
    return pl.DataFrame(ours).hstack(survey.rename(renamed))

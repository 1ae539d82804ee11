"""Nested calibration as an entrant of track G: whole households out of the records' own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from popgen.bench.homes import ROW
from popgen.bench.pose import Posed
from popgen.errors import PopgenError
from popgen.households.fit import NestedCalibration
from popgen.households.geography import Geography
from popgen.households.populate import place_all
from popgen.households.posing import pose
from popgen.households.problem import HouseholdProblem
from popgen.microdata import Population


@dataclass(frozen=True)
class Nested:
    """Weight the records' households by area, and copy whole ones.

    Attributes
    ----------
    borrow : float
        See `HouseholdProblem`: 1, all records alike.
    """

    borrow: float

    def __call__(self, posed: Posed, rng: np.random.Generator) -> Population:
        """Make everybody in the households that the margins count."""
        problem = household_problem(posed, borrow=self.borrow)
        model = NestedCalibration().fit(problem)
        found = place_all(model, int(rng.integers(2**63)))
        homes, records = posed.homes, posed.records
        assert homes is not None
        assert records is not None
        area = records.domain[homes.area]
        codes = np.array([area.index(name) for name in problem.geography.zones])
        return homes.people(records, found.record, codes[found.zone])


def household_problem(posed: Posed, *, borrow: float) -> HouseholdProblem:
    """State all that is given of households and of people as a problem.

    Raises
    ------
    PopgenError
        If no households are given.
    """
    homes, records = posed.homes, posed.records
    if homes is None or records is None:
        raise PopgenError("no households are given; nested calibration is for tasks of track G")
    survey = homes.survey(records)
    assert survey.persons is not None
    people = records.take(survey.persons[ROW].to_numpy())
    return pose(
        survey,
        Geography.of(pl.DataFrame({homes.area: records.domain[homes.area].levels}), [homes.area]),
        homes.margins,
        posed.margins,
        homes=people.take(survey.first[:-1]),
        people=people,
        region=homes.area,
        borrow=borrow,
    )

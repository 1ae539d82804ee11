"""What files say of areas: cells with the name of who says it, and what several say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from popgen.errors import InconsistentMarginsError, InfeasibleError
from popgen.households.area_tables import HOUSEHOLDS, PERSONS, Stated
from popgen.households.controls import Controls
from popgen.households.geography import Geography
from popgen.households.records import Floats, Index, Regions
from popgen.households.units import Households

Flags = NDArray[np.bool_]

ROUNDING = 1e-6
"""Difference between two totals that passes as rounding, as a share."""


@dataclass(frozen=True, eq=False)
class Statement:
    """The cells of one margin, and who states them.

    Attributes
    ----------
    margin, unit : str
        Its name; what it counts, households or persons.
    controls : Controls
    counts : bool
        Whether cells count units, rather than add up amounts.
    table : Stated or None
        The same as a table over variables, where it is exact and counts all kinds of unit.
    """

    margin: str
    unit: str
    controls: Controls
    counts: bool = True
    table: Stated | None = None

    def total(self, survey: Households) -> Floats | None:
        """Units of each area, shape (areas,), if every unit is in one cell and all are exact."""
        each = np.ones(len(survey)) if self.unit == HOUSEHOLDS else survey.size
        added = np.asarray(self.controls.X.sum(axis=1)).ravel()
        if not self.counts or self.controls.se.any() or not np.allclose(added, each):
            return None
        total: Floats = self.controls.targets.sum(axis=1)
        return total


def tables_of(survey: Households) -> dict[str, pl.DataFrame]:
    """Return the records by what they count; persons have their household's columns too."""
    frames = {HOUSEHOLDS: survey.households}
    if survey.persons is not None:
        more = [name for name in survey.households.columns if name not in survey.persons.columns]
        theirs = survey.households.select(more)[survey.owner]
        frames[PERSONS] = pl.concat([survey.persons, theirs], how="horizontal")
    return frames


def added_up(values: Floats, owner: Index, households: int) -> sparse.csr_array:
    """Add records' values up by household.

    Parameters
    ----------
    values : array, shape (records, m)
    owner : array of int, shape (records,)
    households : int

    Returns
    -------
    sparse array, shape (households, m)
    """
    records = np.arange(len(owner))
    lives = sparse.csr_array((np.ones(len(owner)), (owner, records)), (households, len(owner)))
    return sparse.csr_array(lives @ sparse.csr_array(values))


def agreed_total(
    statements: Iterable[Statement],
    survey: Households,
    geography: Geography,
    unit: str,
    stated: Floats | None = None,
) -> Floats | None:
    """Find how many units each zone has, and refuse exact margins that do not agree on it.

    Parameters
    ----------
    statements : iterable of Statement
    survey : Households
    geography : Geography
    unit : str
        Which unit: households or persons.
    stated : array, shape (zones,), optional
        Their number, where a file says it.

    Returns
    -------
    array, shape (zones,), or None
        None if nothing says it.

    Raises
    ------
    InconsistentMarginsError
        Naming the two margins, the area and both numbers.
    """
    zones = geography.levels[0]
    said = [("the stated total", zones, stated)] if stated is not None else []
    for one in statements:
        if one.unit == unit and (total := one.total(survey)) is not None:
            said.append((f"margin {one.margin!r}", one.controls.level, total))
    own = next((entry for entry in said if entry[1] == zones), None)
    if own is None:
        return None
    for name, level, total in said:
        held = np.bincount(geography.area_of(level), own[2], minlength=len(total))
        gap = np.abs(held - total)
        if (wrong := gap > ROUNDING * np.maximum(total, 1.0)).any():
            worst = int(gap.argmax())
            raise InconsistentMarginsError(
                f"{own[0]} and {name} disagree on the {unit} of {int(wrong.sum())} {level} area(s)"
                f", most in {geography.areas[geography.depth(level)][worst]!r}: {held[worst]:,.6g} "
                f"against {total[worst]:,.6g}; reconcile them, or give one of them standard errors"
            )
    return own[2]


def refuse_unreachable(one: Statement, geography: Geography, regions: Regions) -> None:
    """Refuse an exact cell with people of which no record of the area's regions has any.

    Raises
    ------
    InfeasibleError
        Naming the area, the cell and the number.
    """
    cells = one.controls
    if (hopeless := unreachable(one, geography, regions) & (cells.se == 0)).any():
        area, cell = np.argwhere(hopeless)[0]
        name = geography.areas[geography.depth(cells.level)][area]
        raise InfeasibleError(
            f"no record can meet {int(hopeless.sum())} figure(s), first {cells.names[cell]!r} of "
            f"{cells.level} {name!r}: {cells.targets[area, cell]:,.6g}, and no household of its "
            "region adds to it; correct the margin, merge the cell with another, or join the "
            "region to one that has such households"
        )


def unreachable(one: Statement, geography: Geography, regions: Regions) -> Flags:
    """Find figures above 0 that no record of the area's regions adds to, shape (areas, cells).

    Those of regions without any record are not among them: `HouseholdProblem` refuses such regions.
    """
    X, targets = one.controls.X, one.controls.targets
    count = int(max(regions.of_record.max(), regions.of_zone.max())) + 1
    some = np.zeros((count, X.shape[1]), bool)
    rows, cells = X.nonzero()
    inside = regions.of_record[rows] >= 0
    some[regions.of_record[rows[inside]], cells[inside]] = True
    some[~np.isin(np.arange(count), regions.of_record)] = True
    reach = np.zeros(targets.shape, bool)
    np.logical_or.at(reach, geography.area_of(one.controls.level), some[regions.of_zone])
    return (targets > 0) & ~reach

"""Figures that no survey record, of an area's regions or at all, adds to."""

from __future__ import annotations

import numpy as np

from popgen.errors import InfeasibleError, PopgenError
from popgen.households.geography import Geography
from popgen.households.records import Flags, Floats, Regions
from popgen.households.statements import Statement


def refuse_uncounted(
    values: Floats, figures: Floats, condition: str, level: str, geography: Geography
) -> None:
    """Refuse a condition that counts no record, unless every area's figure of it is 0.

    Parameters
    ----------
    values : array, shape (records,)
        What each record adds to the figures.
    figures : array, shape (areas,)
    condition, level : str
    geography : Geography

    Raises
    ------
    PopgenError
        Naming the area with the largest figure, and the figure.
    """
    if not values.any() and figures.any():
        area = int(figures.argmax())
        raise PopgenError(
            f"no record is counted by {condition!r}, but {int((figures > 0).sum())} {level} "
            f"area(s) have some, most {geography.ids(level)[area]!r}: {figures[area]:,.6g}; "
            "correct the condition, or merge these figures with others"
        )


def uncounted(one: Statement) -> list[str]:
    """Say which cells no record adds to; `refuse_uncounted` has seen that all their figures are 0.

    Returns
    -------
    list of str
        One note each.
    """
    empty = np.flatnonzero(abs(one.controls.X).sum(axis=0) == 0)
    return [
        f"no record is counted by {one.controls.names[cell]!r}, whose figures are all 0"
        for cell in empty
    ]


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
        name = geography.ids(cells.level)[area]
        whose, more = "the survey", ""
        if regions.level is not None and not regions.borrow:
            whose = "its region"
            more = ", join the region to one that has such households, or borrow from others"
        raise InfeasibleError(
            f"no record can meet {int(hopeless.sum())} figure(s), first {cells.names[cell]!r} of "
            f"{cells.level} {name!r}: {cells.targets[area, cell]:,.6g}, and no household of "
            f"{whose} adds to it; correct the margin, or merge the cell with another{more}"
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
    if regions.borrow:
        some |= np.bincount(cells, minlength=X.shape[1]) > 0
    some[~np.isin(np.arange(count), regions.of_record)] = True
    reach = np.zeros(targets.shape, bool)
    np.logical_or.at(reach, geography.area_of(one.controls.level), some[regions.of_zone])
    return (targets > 0) & ~reach

"""Figures that no survey record of an area's regions adds to."""

from __future__ import annotations

import numpy as np

from popgen.errors import InfeasibleError
from popgen.households.geography import Geography
from popgen.households.records import Flags, Regions
from popgen.households.statements import Statement


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
        raise InfeasibleError(
            f"no record can meet {int(hopeless.sum())} figure(s), first {cells.names[cell]!r} of "
            f"{cells.level} {name!r}: {cells.targets[area, cell]:,.6g}, and no household of its "
            "region adds to it; correct the margin, merge the cell with another, join the region "
            "to one that has such households, or borrow from others"
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

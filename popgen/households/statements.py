"""What margins say of areas, and what several say together: agreed on, or refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from popgen.domain import Coarsening, Domain, Variable
from popgen.errors import InconsistentMarginsError, PopgenError
from popgen.households.controls import Controls
from popgen.households.geography import Geography
from popgen.households.units import HOUSEHOLDS, Floats, Households, broken
from popgen.margin import Margin, check_agreement
from popgen.table import Table, group_axis

ROUNDING = 1e-6
"""Difference between two totals that passes as rounding, as a share."""


@dataclass(frozen=True, eq=False)
class Statement:
    """The cells of one margin, and who states them.

    Attributes
    ----------
    name : str
        The margin's.
    unit : {"households", "persons"}
        What it is of.
    controls : Controls
    counts : bool
        Whether cells count units, rather than add up amounts.
    margin : Margin or None
        The same as a table on the records' variables, where it is one that counts all kinds of
        unit.
    """

    name: str
    unit: str
    controls: Controls
    counts: bool = True
    margin: Margin | None = None

    @property
    def exact(self) -> bool:
        """Whether no cell has a standard error."""
        return not self.controls.se.any()

    def total(self, survey: Households) -> Floats | None:
        """Units of each area, shape (areas,), if every unit is in one cell and all are exact."""
        if not (self.counts and self.exact):
            return None
        each = np.ones(len(survey)) if self.unit == HOUSEHOLDS else survey.size
        if not np.allclose(np.asarray(self.controls.X.sum(axis=1)).ravel(), each):
            return None
        total: Floats = self.controls.targets.sum(axis=1)
        return total


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
    PopgenError
        If a zone's number is not whole.
    """
    zones = geography.levels[0]
    said = [("the stated total", zones, stated)] if stated is not None else []
    for one in statements:
        if one.unit == unit and (total := one.total(survey)) is not None:
            said.append((f"margin {one.name!r}", one.controls.level, total))
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
                f", most in {geography.ids(level)[worst]!r}: {held[worst]:,.6g} against "
                f"{total[worst]:,.6g}; reconcile them, or give one of them standard errors"
            )
    return _whole(own[2], f"{own[0]} has", unit, geography)


def _whole(total: Floats, who: str, unit: str, geography: Geography) -> Floats:
    """Take sums of decimals for the whole numbers that they are; refuse others."""
    if (odd := broken(total)).size:
        zone = int(odd[0])
        raise PopgenError(
            f"{who} {total[zone]:,.9g} {unit} in {geography.levels[0]} {geography.zones[zone]!r}, "
            f"the first of {odd.size}: exact totals must be whole; round the figures, or state "
            "the zones' totals by themselves and give the margin standard errors"
        )
    whole: Floats = np.rint(total)
    return whole


def refuse_disagreement(statements: Iterable[Statement], geography: Geography) -> None:
    """Refuse exact margins that differ on the same units, at the larger of their levels.

    Raises
    ------
    InconsistentMarginsError
        Naming the two margins, the cell and both numbers.
    """
    exact = [one for one in statements if one.margin is not None and one.exact]
    for a, b in combinations(exact, 2):
        if a.unit == b.unit:
            level = max(a.controls.level, b.controls.level, key=geography.depth)
            check_agreement([_lifted(one, level, geography) for one in (a, b)])


def _lifted(one: Statement, onto: str, geography: Geography) -> Margin:
    """Add a statement's margin up to larger areas."""
    margin, level = one.margin, one.controls.level
    assert margin is not None
    if level == onto:
        return margin
    inner = margin.table.domain[level]
    outer = Variable(onto, geography.ids(onto))
    codes = np.zeros(len(inner), dtype=np.intp)
    codes[geography.area_of(level)] = geography.area_of(onto)
    counts = group_axis(margin.table.counts, 0, Coarsening(inner, outer, codes))
    domain = Domain((outer, *margin.table.domain.variables[1:]))
    maps = (Coarsening.by_name(outer, outer), *margin.maps[1:])
    return replace(margin, table=Table(domain, counts), maps=maps)

"""What files say of areas, cell by cell, made into `Controls` and into numbers of units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from popgen.codebook import Codebook
from popgen.domain import Variable
from popgen.errors import InconsistentMarginsError, InfeasibleError, PopgenError, listed
from popgen.frames import need_columns, read_cells
from popgen.households.controls import Controls
from popgen.households.geography import Geography, identifiers
from popgen.households.records import Floats, Index, Regions
from popgen.households.units import Households
from popgen.survey import read_microdata
from popgen.table import Table

Flags = NDArray[np.bool_]

HOUSEHOLDS, PERSONS = "households", "persons"
"""What a cell may count."""


@dataclass(frozen=True, eq=False)
class Statement:
    """The cells of one margin, or one column of figures, for all areas of a level.

    Attributes
    ----------
    margin, level, unit : str
        Name; level of geography; what is counted, households or persons.
    names : tuple of str, length m
        Of the cells.
    X : sparse array, shape (n, m)
        What one household of each record adds to each cell.
    targets, se : array, shape (areas, m)
        What the areas hold; standard errors, 0 where exact.
    scale : float
        How much of a cell counts as one household does: 1, or a typical amount.
    """

    margin: str
    level: str
    unit: str
    names: tuple[str, ...]
    X: sparse.csr_array
    targets: Floats
    se: Floats
    scale: float = 1.0

    def total(self, survey: Households) -> Floats | None:
        """Units of each area, shape (areas,), if every unit is in one cell and all are exact."""
        each = np.ones(len(survey)) if self.unit == HOUSEHOLDS else survey.size
        added = np.asarray(self.X.sum(axis=1)).ravel()
        if self.scale != 1.0 or self.se.any() or not np.allclose(added, each):
            return None
        total: Floats = self.targets.sum(axis=1)
        return total


def tables_of(survey: Households) -> dict[str, pl.DataFrame]:
    """Return the records by what they count; persons have their household's columns too."""
    frames = {HOUSEHOLDS: survey.households}
    if survey.persons is not None:
        more = [name for name in survey.households.columns if name not in survey.persons.columns]
        theirs = survey.households.select(more)[survey.owner]
        frames[PERSONS] = pl.concat([survey.persons, theirs], how="horizontal")
    return frames


def per_household(values: Floats, survey: Households, unit: str) -> Floats:
    """Add persons' values up to households, shape (n, ...); households' own stay as they are."""
    if unit == HOUSEHOLDS:
        return values
    return np.bincount(survey.owner, values, minlength=len(survey)).astype(float)


def coded_cells(
    table: Table, frame: pl.DataFrame, codebook: Codebook, counted: Flags, where: str
) -> Index:
    """Find the cell of a margin that each record is in, shape (records,).

    Parameters
    ----------
    table : Table
        The margin's variables and levels.
    frame : polars.DataFrame
        The records.
    codebook : Codebook
    counted : array of bool, shape (records,)
        Records that the margin counts; others need no value.
    where : str
        What the records are, for messages.

    Returns
    -------
    array of int
        -1 for records on levels that the margin does not state, or that it does not count.

    Raises
    ------
    PopgenError
        As `popgen.read_microdata`; and for a record that is counted but has no value.
    """
    some = frame.filter(pl.Series(counted))
    read = read_microdata(some, codebook, variables=list(table.names), missing="level")
    cells, known = np.zeros(len(some), np.intp), np.ones(len(some), bool)
    for name in table.names:
        if extra := set(read.domain[name].levels) - set(codebook[name].levels):
            gaps = int((read.column(name) == read.domain[name].index(extra.pop())).sum())
            raise PopgenError(
                f"{where}: {gaps} of {len(some)} records have no {name!r}; name a level for them "
                f"in the codebook ([recode.{name}] missing = ...), or the kinds that have one"
            )
        stated = {level: i for i, level in enumerate(table.domain[name].levels)}
        onto = np.array([stated.get(level, -1) for level in read.domain[name].levels])
        found = onto[read.column(name)]
        cells, known = cells * len(stated) + found, known & (found >= 0)
    out = np.full(len(frame), -1)
    out[counted] = np.where(known, cells, -1)
    return out


def incidence(
    cells: Index, amounts: Floats, owner: Index, shape: tuple[int, int]
) -> sparse.csr_array:
    """Add the amounts of all units in a cell up by household, shape (households, cells)."""
    there = cells >= 0
    triple = (amounts[there], (owner[there], cells[there]))
    return sparse.csr_array(sparse.coo_array(triple, shape=shape))


def tidy_margin(
    frame: pl.DataFrame,
    variables: Sequence[Variable],
    geography: Geography,
    level: str,
    *,
    area: str,
    count: str,
    where: str,
) -> tuple[Table, Floats, Floats]:
    """Read a margin of one row an area and cell.

    Returns
    -------
    cells : Table
        Its domain are the variables, with the levels that are stated.
    targets, se : array, shape (areas, cells)

    Raises
    ------
    PopgenError
        As `popgen.frames.read_cells`; and if an area is missing.
    """
    need_columns(frame, [area, *(v.name for v in variables), count], where)
    frame = frame.with_columns(identifiers(frame[area], where).alias(area))
    ids = tuple(frame[area].drop_nulls().unique(maintain_order=True))
    spot = geography.index(level, ids, where)
    areas = geography.areas[geography.depth(level)]
    if missing := [areas[i] for i in sorted(set(range(len(areas))) - set(spot.tolist()))]:
        raise PopgenError(
            f"{where} has no row of {len(missing)} of {len(areas)} {level} area(s): "
            f"{listed(missing, most=5)}; state every area's figures"
        )
    if area in [v.name for v in variables]:
        raise PopgenError(f"{where}: {area!r} is the column of areas and cannot be a variable too")
    table = read_cells(frame, [Variable(area, ids), *variables], where, count=count)
    order = np.argsort(spot)
    flat = table.counts.reshape(len(ids), -1)[order]
    errors = np.zeros_like(flat) if table.se is None else table.se.reshape(len(ids), -1)[order]
    return table.project(*table.names[1:]), flat, errors


def controls_of(statements: Iterable[Statement]) -> list[Controls]:
    """Put the cells of each level together."""
    levels: dict[str, list[Statement]] = {}
    for one in statements:
        levels.setdefault(one.level, []).append(one)
    return [
        Controls(
            level,
            [name for one in some for name in one.names],
            sparse.csr_array(sparse.hstack([one.X for one in some])),
            np.hstack([one.targets for one in some]),
            np.hstack([one.se for one in some]),
            np.concatenate([np.full(len(one.names), one.scale) for one in some]),
        )
        for level, some in levels.items()
    ]


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
            said.append((f"margin {one.margin!r}", one.level, total))
    own = next((entry for entry in said if entry[1] == zones), None)
    for name, level, total in said:
        if own is None:
            break
        held = np.bincount(geography.area_of(level), own[2], minlength=len(total))
        gap = np.abs(held - total)
        if (gap > 1e-6 * np.maximum(total, 1.0)).any():
            worst = int(gap.argmax())
            raise InconsistentMarginsError(
                f"{own[0]} and {name} disagree on the {unit} of {int((gap > 1e-6).sum())} {level} "
                f"area(s), most in {geography.areas[geography.depth(level)][worst]!r}: "
                f"{held[worst]:,.6g} against {total[worst]:,.6g}; reconcile them, or give one of "
                "them standard errors"
            )
    return None if own is None else own[2]


def refuse_unreachable(one: Statement, geography: Geography, regions: Regions) -> None:
    """Refuse an exact cell with people of which no record of the area's regions has any.

    Raises
    ------
    InfeasibleError
        Naming the area, the cell and the number.
    """
    if (hopeless := unreachable(one, geography, regions) & (one.se == 0)).any():
        area, cell = np.argwhere(hopeless)[0]
        name = geography.areas[geography.depth(one.level)][area]
        raise InfeasibleError(
            f"no record can meet {int(hopeless.sum())} figure(s), first {one.names[cell]!r} of "
            f"{one.level} {name!r}: {one.targets[area, cell]:,.6g}, and no household of its region "
            "adds to it; correct the margin, merge the cell with another, or join the region to "
            "one that has such households"
        )


def unreachable(one: Statement, geography: Geography, regions: Regions) -> Flags:
    """Find figures above 0 that no record of the area's regions adds to, shape (areas, cells)."""
    count = int(max(regions.of_record.max(), regions.of_zone.max())) + 1
    some = np.zeros((count, one.X.shape[1]), bool)
    rows, cells = one.X.nonzero()
    inside = regions.of_record[rows] >= 0
    some[regions.of_record[rows[inside]], cells[inside]] = True
    reach = np.zeros(one.targets.shape, bool)
    np.logical_or.at(reach, geography.area_of(one.level), some[regions.of_zone])
    return (one.targets > 0) & ~reach


def amounts_of(frame: pl.DataFrame, column: str, where: str) -> Floats:
    """Read a column of amounts, such as incomes: finite numbers, perhaps below 0."""
    need_columns(frame, [column], where)
    values = frame[column].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise PopgenError(
            f"{where}: amount {column!r} is not a finite number in {bad.size} record(s), first "
            f"{frame[column][int(bad[0])]!r} in row {bad[0] + 1}; fill such values first"
        )
    return values.astype(float)

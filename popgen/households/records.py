"""Files of households and persons, and of figures by area, as they are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.errors import PopgenError, listed
from popgen.frames import load_frame, need_columns
from popgen.households.geography import Geography, identifiers

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]

PADDED = r"^\s*-?0\d"
"""A number written with a leading zero: an identifier, such as ``01001``, and no number."""


def load_typed(path: str | os.PathLike[str], *, comment: str | None = None) -> pl.DataFrame:
    """Read a CSV or Parquet file; columns of numbers are numbers, unless padded with zeros.

    Parameters
    ----------
    path : path
    comment : str, optional
        Lines of a CSV file that begin with it are left out.

    Raises
    ------
    PopgenError
        As `popgen.frames.load_frame`.
    """
    frame, _ = load_frame(path, comment=comment)
    if Path(path).suffix.lower() != ".csv":
        return frame
    text, _ = load_frame(path, text=True, comment=comment)
    numeric = [name for name in frame.columns if frame[name].dtype.is_numeric()]
    padded = [name for name in numeric if text[name].str.contains(PADDED).any()]
    return frame.with_columns(text[name] for name in padded)


def parted(joined: pl.DataFrame, id: str, where: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part a file with one row a person into households and persons.

    Columns that are the same for all persons of every household are the households'; the others
    stay with the persons.

    Examples
    --------
    >>> rows = pl.DataFrame({"hh": [1, 1, 2], "rooms": [3, 3, 5], "age": [40, 9, 70]})
    >>> homes, people = parted(rows, "hh", "joined.csv")
    >>> homes.columns, people.columns, homes.height
    (['hh', 'rooms'], ['hh', 'age'], 2)
    """
    need_columns(joined, [id], where)
    counts = joined.group_by(id).agg(pl.exclude(id).n_unique())
    shared = [name for name in counts.columns if name != id and counts[name].max() == 1]
    homes = joined.select(id, *shared).unique(id, keep="first", maintain_order=True)
    return homes, joined.drop(shared)


def positions(column: pl.Series, geography: Geography, level: str, where: str) -> Index:
    """Find the area of a level that each row speaks of; one that is not recorded is refused."""
    ids = identifiers(column, where)
    if missing := ids.null_count():
        raise PopgenError(
            f"{where}: {missing} row(s) have no {level} in column {column.name!r}, first row "
            f"{int(ids.is_null().arg_max() or 0) + 1}; give every row its {level}"
        )
    return geography.index(level, ids.to_list(), where)


@dataclass(frozen=True, eq=False)
class Regions:
    """Where the records of each zone come from.

    Attributes
    ----------
    level : str or None
        Level of geography whose areas have records of their own, or a column beside the levels;
        None if all zones share all.
    of_record, of_zone : array of int, shape (n,) and (zones,)
        Position of the region; -1 for a record of none.
    note : str or None
        How many records are of none.
    borrow : float
        Share of its weight at which a record counts in other regions too.
    """

    level: str | None
    of_record: Index
    of_zone: Index
    note: str | None = None
    borrow: float = 0.0

    @classmethod
    def one(cls, records: int, geography: Geography) -> Regions:
        """All zones share all records."""
        return cls(None, np.zeros(records, np.intp), np.zeros(len(geography.zones), np.intp))

    @classmethod
    def find(
        cls, column: pl.Series, geography: Geography, level: str, where: str, borrow: float = 0.0
    ) -> Regions:
        """Read the records' regions from a column.

        Raises
        ------
        PopgenError
            If no record is of a region that the crosswalk has.
        """
        ids = identifiers(column, where)
        found = geography.find(level, ids)
        if (found < 0).all():
            known = geography.ids(level)
            raise PopgenError(
                f"{where}: no record's {column.name!r} is a {level} of the crosswalk: records are "
                f"of {listed(ids.unique(maintain_order=True))}, the crosswalk has {listed(known)}"
            )
        note = None
        if outside := int((found < 0).sum()):
            note = (
                f"{outside:,} of {len(found):,} households are of a {level} that the crosswalk "
                f"does not have, and are {'only borrowed' if borrow else 'not used'}"
            )
        return cls(level, found, geography.area_of(level), note, borrow)


def by_area(
    frame: pl.DataFrame,
    columns: list[str],
    geography: Geography,
    level: str,
    *,
    area: str,
    where: str,
) -> Floats:
    """Read figures of every area of a level, one row an area.

    Parameters
    ----------
    frame : polars.DataFrame
    columns : list of str
        Columns of figures.
    geography : Geography
    level : str
    area : str
        Column of the areas' identifiers.
    where : str
        The file, for messages.

    Returns
    -------
    array, shape (areas, columns)

    Raises
    ------
    PopgenError
        If a column is missing, an area is unknown, missing or stated twice, or a figure is not a
        number of at least 0.
    """
    need_columns(frame, [area, *columns], where)
    spot = positions(frame[area], geography, level, where)
    areas = geography.areas[geography.depth(level)]
    times = np.bincount(spot, minlength=len(areas))
    for wrong, what in ((times == 0, "no row of"), (times > 1, "more than one row of")):
        if wrong.any():
            names = listed(np.array(areas, dtype=object)[wrong].tolist(), most=5)
            raise PopgenError(
                f"{where} has {what} {int(wrong.sum())} of {len(areas)} {level} area(s): {names}; "
                "give each one row"
            )
    out = np.empty((len(areas), len(columns)))
    for number, name in enumerate(columns):
        out[spot, number] = figures(frame[name], where)
    return out


def figures(column: pl.Series, where: str) -> Floats:
    """Read a column of figures: numbers of at least 0."""
    values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(float)
    if (bad := np.flatnonzero(~(np.isfinite(values) & (values >= 0)))).size:
        raise PopgenError(
            f"{where}: {column.name!r} is not a number of at least 0 in {bad.size} row(s), first "
            f"{column[int(bad[0])]!r} in row {bad[0] + 1}"
        )
    return values


def without_weight(
    homes: pl.DataFrame, persons: pl.DataFrame | None, *, id: str, link: str, weight: str
) -> tuple[pl.DataFrame, pl.DataFrame | None, str | None]:
    """Leave out households whose weight is 0, with their persons, and say so.

    Parameters
    ----------
    homes, persons : DataFrame
    id, link, weight : str
        Columns: the household's identifier among households and among persons; the weight.

    Returns
    -------
    homes, persons : DataFrame
    note : str or None
        What was left out.
    """
    nothing = (homes[weight].cast(pl.Float64, strict=False) == 0).fill_null(False)
    kept = homes.filter(~nothing)
    if kept.height == homes.height:
        return homes, persons, None
    left = homes.height - kept.height
    note = f"left out {left:,} of {homes.height:,} households whose weight {weight!r} is 0"
    if persons is None:
        return kept, None, note
    gone = identifiers(homes.filter(nothing)[id], "the households")
    staying = persons.filter(~identifiers(persons[link], "the persons").is_in(gone.implode()))
    return kept, staying, f"{note}, and their {persons.height - staying.height:,} persons"

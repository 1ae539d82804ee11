"""`Geography`: nested levels of areas, the zones that people are placed in first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.domain import frozen
from popgen.errors import PopgenError, listed
from popgen.frames import WHOLE_NUMBER

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Geography:
    """Levels of areas, smallest first, each area lying in one of the next level.

    Attributes
    ----------
    levels : tuple of str
        Names, for example ``("taz", "tract", "region")``; the first level's areas are the zones.
    areas : tuple of tuple of str
        Identifiers of each level's areas, in an order that does not depend on the crosswalk's: by
        length, then by letter, so that whole numbers are sorted by size.
    parents : tuple of array of int
        For each level but the last, the position of the area of the next level that holds each.

    Examples
    --------
    >>> import polars as pl
    >>> crosswalk = pl.DataFrame({"taz": [1, 2, 3], "tract": ["a", "a", "b"]})
    >>> places = Geography.of(crosswalk, ("taz", "tract"))
    >>> places.areas, places.area_of("tract").tolist()
    ((('1', '2', '3'), ('a', 'b')), [0, 0, 1])
    """

    levels: tuple[str, ...]
    areas: tuple[tuple[str, ...], ...]
    parents: tuple[Index, ...]

    @classmethod
    def of(cls, crosswalk: pl.DataFrame, levels: Sequence[str], where: str = "") -> Geography:
        """Read a crosswalk: one row a zone (or a smaller area), one column a level.

        Raises
        ------
        PopgenError
            If a level is no column, an identifier is missing, or an area lies in two of the next
            level.
        """
        where = where or "the crosswalk"
        if not levels or len(set(levels)) < len(levels):
            raise PopgenError(f"name the levels of geography, each once; got {listed(levels)}")
        if absent := [level for level in levels if level not in crosswalk.columns]:
            raise PopgenError(
                f"{where} has no column {listed(absent)}; it has {listed(crosswalk.columns)}"
            )
        frame = crosswalk.select(identifiers(crosswalk[level], where) for level in levels)
        for level in levels:
            if orphans := frame[level].null_count():
                raise PopgenError(
                    f"{where}: {orphans} row(s) have no {level}, first row "
                    f"{int(frame[level].is_null().arg_max() or 0) + 1}; give every zone its {level}"
                )
        areas = tuple(tuple(sorted(frame[level].unique(), key=_by_number)) for level in levels)
        parents = tuple(
            _parents(frame.select(pair), dict(zip(levels, areas, strict=True)), where)
            for pair in itertools.pairwise(levels)
        )
        return cls(tuple(levels), areas, parents)

    @property
    def zones(self) -> tuple[str, ...]:
        """Identifiers of the smallest areas."""
        return self.areas[0]

    def depth(self, level: str) -> int:
        """Position of a level; raises `PopgenError` naming the levels there are."""
        if level not in self.levels:
            raise PopgenError(
                f"there is no level of geography {level!r}; there are {listed(self.levels)}"
            )
        return self.levels.index(level)

    def area_of(self, level: str) -> Index:
        """Return the position of the area of a level that each zone lies in."""
        here = np.arange(len(self.zones))
        for parent in self.parents[: self.depth(level)]:
            here = parent[here]
        return here

    def index(self, level: str, ids: Sequence[str], where: str) -> Index:
        """Find areas by identifier; raises `PopgenError` naming those that the level lacks."""
        found = self.find(level, ids)
        if strange := list(dict.fromkeys(compress(ids, found < 0))):
            raise PopgenError(
                f"{where} names {len(strange)} {level} area(s) that the crosswalk does not have: "
                f"{listed(strange)}"
            )
        return found

    def find(self, level: str, ids: Iterable[str]) -> Index:
        """Find areas by identifier, -1 for those that the level does not have."""
        known = {name: i for i, name in enumerate(self.areas[self.depth(level)])}
        return np.array([known.get(name, -1) for name in ids], dtype=np.intp)


def identifiers(column: pl.Series, where: str) -> pl.Series:
    """Write a column of identifiers as text: ``600``, ``600.0``, ``"600"`` and ``"600.0"`` are one.

    ``"0600"`` is another: zeros in front are kept.

    Raises
    ------
    PopgenError
        If a number is not whole: two areas might be one.

    Examples
    --------
    >>> identifiers(pl.Series("puma", [600.0, 700.0]), "crosswalk").to_list()
    ['600', '700']
    >>> identifiers(pl.Series("puma", ["600.0", " 0700"]), "crosswalk").to_list()
    ['600', '0700']
    """
    if column.dtype.is_float():
        broken = column.drop_nulls().filter(column.drop_nulls() != column.drop_nulls().round())
        if broken.len() or column.is_nan().any():
            raise PopgenError(
                f"{where}: identifiers in column {column.name!r} must be whole numbers or text; "
                f"got {broken[0] if broken.len() else 'NaN'}"
            )
        return column.cast(pl.Int64).cast(pl.String)
    return column.cast(pl.String).str.strip_chars().str.replace(WHOLE_NUMBER, "$1")


def _by_number(name: str) -> tuple[int, str]:
    """Sort whole numbers by size, and codes of one length by letter."""
    return len(name), name


def _parents(frame: pl.DataFrame, areas: dict[str, tuple[str, ...]], where: str) -> Index:
    inner, outer = frame.columns
    pairs = frame.unique(maintain_order=True)
    twice = pairs.filter(pl.col(inner).is_duplicated())
    if twice.height:
        area = twice[inner][0]
        raise PopgenError(
            f"{where}: {inner} {area!r} lies in {outer} "
            f"{listed(twice.filter(pl.col(inner) == area)[outer])}; an area lies in one of the "
            "next level"
        )
    holder = dict(pairs.iter_rows())
    position = {name: i for i, name in enumerate(areas[outer])}
    return frozen(np.array([position[holder[name]] for name in areas[inner]], dtype=np.intp))

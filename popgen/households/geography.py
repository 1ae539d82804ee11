"""`Geography`: nested levels of areas, zones first, and areas that lie beside those levels."""

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
class Beside:
    """Areas made of whole zones that need not nest with the larger levels, as PUMAs with counties.

    Attributes
    ----------
    name : str
        For example ``"puma"``.
    areas : tuple of str
        Identifiers, in the order of those of `Geography`.
    area_of : array of int, shape (zones,)
        Position of the area that each zone lies in.
    """

    name: str
    areas: tuple[str, ...]
    area_of: Index


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
    beside : tuple of Beside
        Other areas of the zones: they may have survey records of their own, and are written out.

    Examples
    --------
    >>> import polars as pl
    >>> crosswalk = pl.DataFrame({"taz": [1, 2, 3], "tract": ["a", "a", "b"]})
    >>> places = Geography.of(crosswalk, ("taz", "tract"))
    >>> places.areas, places.area_of("tract").tolist()
    ((('1', '2', '3'), ('a', 'b')), [0, 0, 1])
    >>> crosswalk = crosswalk.with_columns(puma=pl.Series([7, 8, 8]))  # 8 has zones of both tracts
    >>> Geography.of(crosswalk, ("taz", "tract"), beside=["puma"]).area_of("puma").tolist()
    [0, 1, 1]
    """

    levels: tuple[str, ...]
    areas: tuple[tuple[str, ...], ...]
    parents: tuple[Index, ...]
    beside: tuple[Beside, ...] = ()

    @classmethod
    def of(
        cls,
        crosswalk: pl.DataFrame,
        levels: Sequence[str],
        where: str = "",
        *,
        beside: Sequence[str] = (),
    ) -> Geography:
        """Read a crosswalk: one row a zone (or a smaller area), one column a level.

        Parameters
        ----------
        crosswalk : DataFrame
        levels : sequence of str
            Columns, zones first.
        where : str, optional
            The file, for messages.
        beside : sequence of str
            Columns of areas that each zone lies in one of, whether or not they nest with the
            larger levels.

        Raises
        ------
        PopgenError
            If a level is no column, an identifier is missing, or an area lies in two of the next
            level, or a zone in two areas beside the levels.
        """
        where = where or "the crosswalk"
        columns = [*levels, *beside]
        if not levels or len(set(columns)) < len(columns):
            raise PopgenError(f"name the levels of geography, each once; got {listed(columns)}")
        frame = _complete(crosswalk, columns, where)
        areas = {name: tuple(sorted(frame[name].unique(), key=_by_number)) for name in columns}
        return cls(
            tuple(levels),
            tuple(areas[level] for level in levels),
            tuple(_parents(frame, *pair, areas, where) for pair in itertools.pairwise(levels)),
            tuple(
                Beside(name, areas[name], _parents(frame, levels[0], name, areas, where))
                for name in beside
            ),
        )

    @property
    def zones(self) -> tuple[str, ...]:
        """Identifiers of the smallest areas."""
        return self.areas[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """What is said of each zone: the levels, then what lies beside them."""
        return (*self.levels, *(one.name for one in self.beside))

    def depth(self, level: str) -> int:
        """Position of a level; raises `PopgenError` naming the levels there are."""
        if level in self.levels:
            return self.levels.index(level)
        if level in self.columns:
            raise PopgenError(
                f"{level!r} lies beside the levels of geography {listed(self.levels)} and need not "
                "nest with them, so nothing can be stated by it: state figures by a level, or, if "
                f"the records say their {level}, by a level that holds whole {level} areas, over "
                f"the records' {level}"
            )
        raise PopgenError(
            f"there is no level of geography {level!r}; there are {listed(self.levels)}"
        )

    def ids(self, column: str) -> tuple[str, ...]:
        """Return the identifiers of the areas of a level, or beside the levels."""
        one = self._beside(column)
        return self.areas[self.depth(column)] if one is None else one.areas

    def area_of(self, column: str) -> Index:
        """Return the position of the area of a level, or beside the levels, of each zone."""
        one = self._beside(column)
        if one is not None:
            return one.area_of
        here = np.arange(len(self.zones))
        for parent in self.parents[: self.depth(column)]:
            here = parent[here]
        return here

    def _beside(self, column: str) -> Beside | None:
        return next((one for one in self.beside if one.name == column), None)

    def index(self, level: str, ids: Sequence[str], where: str) -> Index:
        """Find areas by identifier; raises `PopgenError` naming those that the level lacks."""
        found = self.find(level, ids)
        if strange := list(dict.fromkeys(compress(ids, found < 0))):
            raise PopgenError(
                f"{where} names {len(strange)} {level} area(s) that the crosswalk does not have: "
                f"{listed(strange)}"
            )
        return found

    def find(self, column: str, ids: Iterable[str]) -> Index:
        """Find areas by identifier, -1 for those that the level (or column) does not have."""
        known = {name: i for i, name in enumerate(self.ids(column))}
        return np.array([known.get(name, -1) for name in ids], dtype=np.intp)


def identifiers(column: pl.Series, where: str) -> pl.Series:
    """Write a column of identifiers as text: ``600``, ``600.0``, ``"600"`` and ``"600.0"`` are one.

    ``"0600"`` is another: zeros in front are kept.

    Raises
    ------
    PopgenError
        If a number is not whole, or a float of so many digits that some are lost: two areas might
        be one.

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
        bits = np.finfo(column.to_numpy().dtype).nmant + 1
        if (long := column.filter(column.abs() >= 2.0**bits)).len():
            raise PopgenError(
                f"{where}: {long.len()} identifier(s) in column {column.name!r} are floats of "
                f"2**{bits} or more, first {long[0]:.0f}, whose last digits are lost; write them "
                "as text, or as whole numbers without a point"
            )
        return column.cast(pl.Int64).cast(pl.String)
    return column.cast(pl.String).str.strip_chars().str.replace(WHOLE_NUMBER, "$1")


def _by_number(name: str) -> tuple[int, str]:
    """Sort whole numbers by size, and codes of one length by letter."""
    return len(name), name


def _complete(crosswalk: pl.DataFrame, columns: Sequence[str], where: str) -> pl.DataFrame:
    """Read columns of identifiers, none of which may be missing."""
    if absent := [name for name in columns if name not in crosswalk.columns]:
        raise PopgenError(
            f"{where} has no column {listed(absent)}; it has {listed(crosswalk.columns)}"
        )
    frame = crosswalk.select(identifiers(crosswalk[name], where) for name in columns)
    for name in columns:
        if orphans := frame[name].null_count():
            raise PopgenError(
                f"{where}: {orphans} row(s) have no {name}, first row "
                f"{int(frame[name].is_null().arg_max() or 0) + 1}; give every zone its {name}"
            )
    return frame


def _parents(
    frame: pl.DataFrame, inner: str, outer: str, areas: dict[str, tuple[str, ...]], where: str
) -> Index:
    """Find the outer area that each inner one lies in."""
    pairs = frame.select(inner, outer).unique(maintain_order=True)
    twice = pairs.filter(pl.col(inner).is_duplicated())
    if twice.height:
        area = twice[inner][0]
        raise PopgenError(
            f"{where}: {inner} {area!r} lies in {outer} "
            f"{listed(twice.filter(pl.col(inner) == area)[outer])}; give every {inner} one "
            f"{outer}"
        )
    holder = dict(pairs.iter_rows())
    position = {name: i for i, name in enumerate(areas[outer])}
    return frozen(np.array([position[holder[name]] for name in areas[inner]], dtype=np.intp))

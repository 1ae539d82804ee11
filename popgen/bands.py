"""`Bands`: levels of a variable that are intervals of a number, such as age in years."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.domain import Variable
from popgen.errors import PopgenError, listed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """Which interval of a number each level of a variable is.

    Level i is from ``edges[i]`` up to, and without, ``edges[i + 1]``. A variable may have further
    levels that are no number (``none``, ``missing``).

    Attributes
    ----------
    levels : tuple of str
        The levels that are bands, from low to high.
    edges : tuple of float
        One more than levels, rising. The first may be ``-inf`` and the last ``inf``: open bands.
    unit : str
        What the number is in, for messages: years, euros.

    Raises
    ------
    PopgenError
        If there is no level, a level is no text or stated twice, there is an edge too many or too
        few, or edges do not rise.

    Examples
    --------
    >>> bands = Bands.named([0, 18, 65, math.inf], "years")
    >>> bands.levels
    ('0-17', '18-64', '65+')
    >>> bands.find(np.array([17.9, 18.0, 99.0, np.nan])).tolist()
    [0, 1, 2, -1]
    """

    levels: tuple[str, ...]
    edges: tuple[float, ...]
    unit: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", Variable("bands", self.levels).levels)  # or it refuses
        object.__setattr__(self, "edges", _rising(self.edges))
        if len(self.edges) != len(self.levels) + 1:
            raise PopgenError(
                f"{len(self.levels)} bands {listed(self.levels)} have {len(self.levels) + 1} "
                f"edges; got {len(self.edges)}: {_written(self.edges)}"
            )

    @classmethod
    def named(cls, edges: Sequence[float], unit: str = "") -> Bands:
        """Name bands after their edges: ``0-17``, ``65+``, ``<18``; ``0.5 to 1`` if not whole."""
        edges = _rising(edges)
        whole = all(edge == round(edge) for edge in edges if math.isfinite(edge))
        names = tuple(_name(low, high, whole) for low, high in itertools.pairwise(edges))
        return cls(names, edges, unit)

    def __str__(self) -> str:
        return f"{_written(self.edges)}{' ' if self.unit else ''}{self.unit}"

    def find(self, values: Floats) -> NDArray[np.intp]:
        """Find the band that holds each value, by number; -1 where there is none."""
        found = np.searchsorted(np.array(self.edges), values, side="right") - 1
        found[~np.isfinite(values) | (found >= len(self.levels))] = -1
        return found

    def levels_of(self, column: pl.Series, where: str) -> pl.Series:
        """Say in which level each number of a column is, null where it has none.

        Raises
        ------
        PopgenError
            If a number lies in no band; ``where`` names the file.
        """
        values = column.fill_null(np.nan).to_numpy()
        found = self.find(values)
        outside = np.flatnonzero((found < 0) & ~np.isnan(values))
        if outside.size:
            raise PopgenError(
                f"{where}: column {column.name!r} has {outside.size} value(s) outside the bands "
                f"{self}, first {values[outside[0]]:g} in row {outside[0] + 1}; widen the bands or "
                "leave such records out"
            )
        named = pl.Series(column.name, self.levels, pl.String)
        return named.gather(pl.Series(np.where(found < 0, 0, found))).set(
            pl.Series(found < 0), None
        )


def numbers_of(column: pl.Series, where: str) -> pl.Series:
    """Read a raw column as floats, null where not recorded; anything else is refused.

    Raises
    ------
    PopgenError
        If a value is not a finite number.
    """
    if column.dtype.is_numeric() or column.dtype == pl.String:
        values = column.cast(pl.Float64, strict=False)
    else:
        values = pl.Series(column.name, [None] * len(column), pl.Float64)
    gone = column.is_null() | (column.is_nan() if column.dtype.is_float() else False)
    bad = (~gone & ~values.is_finite().fill_null(False)).arg_true()
    if len(bad):
        raise PopgenError(
            f"{where}: column {column.name!r} is not a number in {len(bad)} row(s), first "
            f"{column[int(bad[0])]!r} in row {int(bad[0]) + 1}; leave such values empty, or give "
            "them a level of their own under 'values' of the codebook's recode"
        )
    return values.fill_nan(None)


def _rising(edges: Sequence[float]) -> tuple[float, ...]:
    try:
        found = tuple(float(edge) for edge in edges)
    except (TypeError, ValueError):
        raise PopgenError(f"edges of bands must be numbers; got {edges!r}") from None
    if len(found) < 2 or not all(low < high for low, high in itertools.pairwise(found)):
        raise PopgenError(
            f"edges of bands must rise, and be at least two; got {_written(found) or 'none'}"
        )
    return found


def _written(edges: Sequence[float]) -> str:
    return ", ".join(f"{edge:g}" for edge in edges)


def _name(low: float, high: float, whole: bool) -> str:
    write = (lambda edge: f"{edge:.0f}") if whole else repr
    if math.isinf(low):
        return "all" if math.isinf(high) else f"<{write(high)}"
    if math.isinf(high):
        return f"{write(low)}+"
    if not whole:
        return f"{low!r} to {high!r}"
    return write(low) if high == low + 1 else f"{write(low)}-{write(high - 1)}"

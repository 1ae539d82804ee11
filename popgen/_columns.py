"""One column of a survey file: its variable, the level of each record, and its number if banded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._values import SUFFIX
from popgen.bands import Bands, numbers_of
from popgen.codebook import Codebook, Recode
from popgen.domain import Variable
from popgen.errors import PopgenError, listed
from popgen.frames import as_text, codes_of, matched, need_columns


class Column(NamedTuple):
    """A variable, the level of each record (-1: missing), and the numbers behind its bands."""

    variable: Variable
    codes: NDArray[np.int32]
    values: NDArray[np.float64] | None = None


def read_column(
    frame: pl.DataFrame, name: str, codebook: Codebook | None, recode: Recode | None, where: str
) -> Column:
    """Read one variable: from a column that holds its levels, or through its recode."""
    if recode is None or recode.bands is None:
        return _plain(frame, name, codebook, recode, where)
    bands = recode.bands
    variable = Variable(name, bands.levels) if codebook is None else codebook[name]
    if holds_levels(frame, variable) and not _numbers_named_alike(frame[name], bands):
        codes = codes_of(frame[name], variable, where)
        beside = [c for c in (name + SUFFIX, recode.column) if c in frame.columns and c != name]
        if not beside:
            return Column(variable, codes)
        return Column(variable, codes, _beside(frame[beside[0]], codes, variable, recode, where))
    raw = recode.column if recode.column in frame.columns else name
    need_columns(frame, [raw], where)
    return _banded(frame[raw], variable, recode, where)


def _numbers_named_alike(column: pl.Series, bands: Bands) -> bool:
    """Whether a column of levels is of numbers that are called as their bands: single years."""
    text = column.cast(pl.String)
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() > column.null_count():
        return False
    found = bands.find(numbers.fill_null(np.nan).to_numpy())
    named = [None if i < 0 else bands.levels[i] for i in found]
    return named == text.to_list()


def _plain(
    frame: pl.DataFrame, name: str, codebook: Codebook | None, recode: Recode | None, where: str
) -> Column:
    if codebook is None:
        need_columns(frame, [name], where)
        column = as_text(frame[name], where)
        if not column.count():
            raise PopgenError(f"{where}: column {name!r} holds no value; leave it out")
        variable = Variable(name, tuple(column.drop_nulls().unique().sort()))
        return Column(variable, codes_of(column, variable, where))
    variable = codebook[name]
    need_columns(frame, [name if recode is None or name in frame.columns else recode.column], where)
    if recode is None or recode.column not in frame.columns or holds_levels(frame, variable):
        return Column(variable, codes_of(frame[name], variable, where))
    return Column(variable, _recoded(frame[recode.column], variable, recode, where))


def holds_levels(frame: pl.DataFrame, variable: Variable) -> bool:
    """Whether the column of that name holds the variable's levels, so that nothing is to recode."""
    if variable.name not in frame.columns:
        return False
    values = frame[variable.name].drop_nulls().cast(pl.String).unique()
    return set(values) <= set(variable.levels)


def _recoded(
    column: pl.Series, variable: Variable, recode: Recode, where: str
) -> NDArray[np.int32]:
    text = as_text(column, where)
    level = matched(text, recode.values, pl.String)
    strange = level.is_null() & text.is_not_null()
    if strange.any():
        if recode.otherwise is None:
            unknown = text.filter(strange).unique(maintain_order=True)
            raise PopgenError(
                f"{where}: column {column.name!r} has value(s) that the codebook does not recode "
                f"into {variable.name!r}: {listed(unknown)}; it knows "
                f"{listed(recode.values, most=30)}"
            )
        level = level.set(strange, recode.otherwise)
    if recode.missing is not None:
        level = level.fill_null(recode.missing)
    return codes_of(level.alias(column.name), variable, where)


def _banded(column: pl.Series, variable: Variable, recode: Recode, where: str) -> Column:
    """Find the band of each number; values that the recode names have their own level instead."""
    level, numbers = _found(column, recode, where)
    if recode.missing is not None:
        level = level.fill_null(recode.missing)
    codes = codes_of(level.alias(column.name), variable, where)
    return Column(variable, codes, numbers.fill_null(np.nan).to_numpy())


def _found(column: pl.Series, recode: Recode, where: str) -> tuple[pl.Series, pl.Series]:
    """Level and number of each raw value, null where it has none."""
    assert recode.bands is not None
    level = matched(as_text(column, where), recode.values, pl.String)
    numbers = numbers_of(column.set(level.is_not_null(), None), where)
    return level.fill_null(recode.bands.levels_of(numbers, where)), numbers


def _beside(
    column: pl.Series,
    codes: NDArray[np.int32],
    variable: Variable,
    recode: Recode,
    where: str,
) -> NDArray[np.float64]:
    """Read the numbers that stand beside a column of levels, and refuse those of another band."""
    level, numbers = _found(column, recode, where)
    found = codes_of(level.alias(column.name), variable, where)
    values = numbers.fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero((found != codes) & ~np.isnan(values))
    if wrong.size:
        first = int(wrong[0])
        there = "no level" if codes[first] < 0 else repr(variable.levels[codes[first]])
        raise PopgenError(
            f"{where}: {wrong.size} value(s) of {column.name!r} lie in another band than "
            f"{variable.name!r} says, first {values[first]:g} beside {there} in row {first + 1}; "
            "correct one of the columns or leave it out"
        )
    return values

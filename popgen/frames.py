"""Dataframes and files at the door: any library through narwhals, every mistake named.

Both margins (one row a cell) and microdata (one row a person) come in here.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.table import MOST_CELLS, Table

WHOLE_NUMBER = r"^(-?\d+)\.0+$"
"""A whole number as it is written by readers that hold a column with gaps as floats."""

TOO_LONG = 2.0**63
"""From here on whole numbers held as floats are not cast to integers."""

READERS = {".csv": "CSV", ".parquet": "Parquet", ".arrow": "Arrow", ".feather": "Arrow"}


def is_data_file(name: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a data file, by its ending, rather than of a margin or a place."""
    return Path(name).suffix.lower() in READERS


def load_frame(
    source: Any, *, text: bool = False, comment: str | None = None
) -> tuple[pl.DataFrame, str]:
    """Bring a path (CSV, Parquet, Arrow) or any dataframe in as polars, with a name for messages.

    Parameters
    ----------
    source : path, or dataframe of any library that narwhals knows
    text : bool
        Read every CSV column as text, so that ``01`` stays ``01``.
    comment : str, optional
        Leave out the lines of a CSV file that begin with it.

    Returns
    -------
    frame : polars.DataFrame
    where : str
        The path, or "dataframe".

    Raises
    ------
    PopgenError
        If the file is absent, empty, of an unknown kind or not readable as that kind, or names a
        column twice.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return _load_file(path, text, comment), str(path)
    try:
        native = nw.from_native(source, eager_only=True)
    except TypeError:
        raise PopgenError(
            f"cannot read a {type(source).__name__} as a dataframe; pass a path, or a pandas, "
            "polars or pyarrow frame"
        ) from None
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise PopgenError(f"the dataframe cannot be read: {reason}") from None
    try:
        frame = native.to_polars()
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise PopgenError(
            f"the dataframe cannot be read: {_first_line(error)}; give each column one type"
        ) from None
    if frame.is_empty():
        raise PopgenError("the dataframe has no rows")
    return frame, "dataframe"


def _load_file(path: Path, text: bool, comment: str | None) -> pl.DataFrame:
    kind = READERS.get(path.suffix.lower())
    if kind is None:
        raise PopgenError(f"{path}: unknown kind of file; give one of {listed(READERS)}")
    if not path.is_file():
        raise PopgenError(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise PopgenError(f"{path} is empty")
    try:
        if kind == "CSV":
            frame = _read_csv(path, text, comment)
        elif kind == "Parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_ipc(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        advice = "; it must be UTF-8 text with one header line" if kind == "CSV" else ""
        raise PopgenError(
            f"{path} cannot be read as {kind}: {_first_line(error)}{advice}"
        ) from None
    if frame.is_empty():
        raise PopgenError(f"{path} has a header but no rows")
    if comment and frame.dtypes[0] == pl.String:
        _refuse_moved(frame.to_series(), path, comment, "row")
    return frame


def _read_csv(path: Path, text: bool, comment: str | None) -> pl.DataFrame:
    above = _above_header(path, comment)
    with path.open("rb") as stream:
        for _ in range(above):  # polars takes an empty line below a comment for the header
            stream.readline()
        return pl.read_csv(
            stream if above else path,
            infer_schema=not text,
            infer_schema_length=None,
            comment_prefix=comment,
        )


def _above_header(path: Path, comment: str | None) -> int:
    """Count comments and empty lines above a header; one that cannot be right is refused."""
    above, names = 0, list[str]()
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for line in stream:
                if line.strip() and not (comment and line.startswith(comment)):
                    names = next(csv.reader(chain([line], stream)))
                    break
                above += line.endswith("\n")  # a stray \r ends a line here, and none there
    except UnicodeDecodeError as error:
        raise PopgenError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    except csv.Error as error:
        raise PopgenError(
            f"{path}: the header cannot be read ({error}); is a quotation mark left open in it?"
        ) from None
    if comment:
        _refuse_moved(pl.Series(names[:1], dtype=pl.String), path, comment, "header, column")
    if any("\0" in name for name in names):
        raise PopgenError(f"{path} is not UTF-8 text (it has NUL bytes); save it as UTF-8")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PopgenError(f"{path} has duplicate columns: {listed(twice)}; name each column once")
    return above


def _refuse_moved(lines: pl.Series, path: Path, comment: str, what: str) -> None:
    """Refuse comments that begin with blanks: they would be taken for the header or for rows."""
    moved = lines.str.contains(rf"^\s+{re.escape(comment)}").fill_null(False)
    if moved.any():
        raise PopgenError(
            f"{path}: {what} {moved.arg_true()[0] + 1} begins with blanks and then {comment!r}; "
            "take the blanks away, so that it is a comment"
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def table_from_frame(
    source: Any,
    variables: Sequence[str | Variable] | None = None,
    *,
    count: str = "count",
    se: str = "se",
) -> Table:
    """Read a tidy margin: one row a cell, with its levels, its count and perhaps its se.

    Parameters
    ----------
    source : path or dataframe
    variables : names or `Variable`, optional
        Which columns are variables. A `Variable` also says which levels there are and in what
        order. Default: every column but ``count`` and ``se``, levels in order of appearance.
    count, se : str
        Names of the two figures' columns.

    Returns
    -------
    Table
        Levels of which no cell is stated are left out of the table: a margin over a sub-universe.

    Raises
    ------
    PopgenError
        For a missing column, a level unknown to the variable, a cell stated twice or not at all,
        and counts that are negative, not numbers or not finite.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"sex": ["f", "m"], "count": [52, 48]})
    >>> table_from_frame(frame).counts.tolist()
    [52.0, 48.0]
    """
    frame, where = load_frame(source, text=True)
    if variables is None:
        variables = [name for name in frame.columns if name not in (count, se)]
    return read_cells(frame, variables, where, count=count, se=se)


def read_cells(
    frame: pl.DataFrame,
    variables: Sequence[str | Variable],
    where: str,
    *,
    count: str = "count",
    se: str = "se",
) -> Table:
    """Read a tidy margin from a polars frame; ``where`` names it in messages."""
    names = [v.name if isinstance(v, Variable) else v for v in variables]
    need_columns(frame, [*names, count], where)
    if not names:
        raise PopgenError(f"{where} has no column of levels; it has {listed(frame.columns)}")
    if len({*names, count, se}) < len(names) + 2:
        raise PopgenError(
            f"{where}: variables {listed(names)} and the figures {count!r} and {se!r} must be "
            "different columns"
        )
    frame = frame.select(*names, count, *([se] if se in frame.columns else []))
    known = {v.name: v for v in variables if isinstance(v, Variable)}
    codes, domain = _code_columns(frame, names, known, where)
    domain.need_axes()
    if domain.size > MOST_CELLS:
        raise PopgenError(
            f"{where}: {len(frame):,} rows for {domain.size:,} cells; are all of {listed(names)} "
            "variables?"
        )
    cells = np.ravel_multi_index(codes, domain.shape)
    _refuse_gaps(cells, domain, where)
    shape = domain.shape
    out = np.empty(domain.size)
    out[cells] = _numbers(frame[count], where)
    errors = None
    if se in frame.columns:
        errors = np.empty(domain.size)
        errors[cells] = _numbers(frame[se], where)
    try:
        return Table(domain, out.reshape(shape), None if errors is None else errors.reshape(shape))
    except PopgenError as error:
        raise PopgenError(f"{where}: {error}") from error


def need_columns(frame: pl.DataFrame, names: Sequence[str], where: str) -> None:
    """Refuse a frame that lacks a column, naming those it has."""
    if absent := [name for name in names if name not in frame.columns]:
        raise PopgenError(f"{where} has no column {listed(absent)}; it has {listed(frame.columns)}")


def as_text(column: pl.Series, where: str) -> pl.Series:
    """Write raw values as text, null where not recorded; 1.0 is written 1."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        endless = column.is_infinite().fill_null(False)
        if endless.any():
            raise PopgenError(
                f"{where}: column {column.name!r} is infinite in {int(endless.sum())} row(s), "
                f"first row {endless.arg_true()[0] + 1}; correct them, or leave such values empty"
            )
        if ((column == column.round()) & (column.abs() < TOO_LONG)).all():
            column = column.cast(pl.Int64)
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise PopgenError(
            f"{where}: column {column.name!r} holds {column.dtype} values, which cannot be levels; "
            "give texts or whole numbers"
        ) from None


def matched(text: pl.Series, known: Mapping[str, Any], kind: Any) -> pl.Series:
    """Look values up, null where unknown; ``1.0`` is found as ``1`` if it is not itself known."""
    old, new = list(known), list(known.values())
    found = text.replace_strict(old, new, default=None, return_dtype=kind)
    if found.null_count() == text.null_count():
        return found
    short = text.str.replace(WHOLE_NUMBER, "$1")
    return found.fill_null(short.replace_strict(old, new, default=None, return_dtype=kind))


def codes_of(column: pl.Series, variable: Variable, where: str) -> NDArray[np.int32]:
    """Turn a column of level names into codes, -1 where null; an unknown level is refused."""
    text = as_text(column, where)
    codes = matched(text, {level: i for i, level in enumerate(variable.levels)}, pl.Int32)
    strange = codes.is_null() & text.is_not_null()
    if strange.any():
        raise PopgenError(
            f"{where}: column {column.name!r} has level(s) unknown to the codebook: "
            f"{listed(text.filter(strange).unique(maintain_order=True))} "
            f"(first in row {strange.arg_true()[0] + 1}); "
            f"variable {variable.name!r} has {listed(variable.levels, most=30)}"
        )
    return codes.fill_null(-1).to_numpy()


def _code_columns(
    frame: pl.DataFrame, names: Sequence[str], known: Mapping[str, Variable], where: str
) -> tuple[list[NDArray[np.intp]], Domain]:
    codes, variables = [], []
    for name in names:
        column = as_text(frame[name], where)
        if column.null_count():
            raise PopgenError(
                f"{where}: {column.null_count()} row(s) have no {name!r} (first: row "
                f"{column.is_null().arg_true()[0] + 1}); a cell of a margin needs every level"
            )
        variable = known.get(name) or Variable(name, tuple(column.unique(maintain_order=True)))
        present, kept = np.unique(codes_of(column, variable, where), return_inverse=True)
        variables.append(Variable(name, tuple(variable.levels[i] for i in present)))
        codes.append(kept)
    return codes, Domain(tuple(variables))


def _refuse_gaps(cells: NDArray[Any], domain: Domain, where: str) -> None:
    there, times = np.unique(cells, return_counts=True)
    if (times > 1).any():
        first = int(np.argmax(times > 1))
        raise PopgenError(
            f"{where}: cell ({domain.cell(int(there[first]))}) is stated {times[first]} times; "
            "state each once"
        )
    if len(there) < domain.size:
        first = int(np.argmax(np.append(there, -1) != np.arange(len(there) + 1)))
        raise PopgenError(
            f"{where}: {domain.size - len(there):,} of {domain.size:,} cells are not stated, first "
            f"({domain.cell(first)}); write 0 where there is nobody, or leave out the whole level "
            "where nothing was published (and read one zone, if only some zones lack it)"
        )


def _numbers(column: pl.Series, where: str) -> NDArray[np.float64]:
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        raise PopgenError(f"{where}: {column.name!r} holds {column.dtype} values, not numbers")
    values = column.cast(pl.Float64, strict=False)
    bad = values.is_null() | values.is_nan()
    if bad.any():
        row = bad.arg_true()[0]
        raise PopgenError(
            f"{where}: {column.name!r} is not a number in {int(bad.sum())} row(s), first "
            f"{column[row]!r} in row {row + 1}"
        )
    return values.to_numpy()

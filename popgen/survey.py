"""`read_microdata`: a survey file or dataframe becomes coded records, missing values declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._columns import read_column
from popgen._values import Values
from popgen.bands import Bands
from popgen.codebook import Codebook, Recode, banded
from popgen.domain import Coarsening, Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.frames import load_frame, need_columns
from popgen.microdata import MISSING, Microdata
from popgen.table import MOST_CELLS, not_positive

Missing = Literal["error", "drop", "level"]

MISSING_LEVEL = "missing"
"""Name of the level that ``missing='level'`` adds."""

MANY_LEVELS = 200
"""Distinct values from which a column read without a codebook is more likely no category."""


def read_microdata(
    source: Any,
    codebook: Codebook | None = None,
    *,
    variables: Sequence[str] | None = None,
    weight: str | None = None,
    count: str | None = None,
    missing: Missing = "error",
    bands: Mapping[str, Sequence[float] | Bands] | None = None,
) -> Microdata:
    """Read person records from a file or any dataframe.

    Parameters
    ----------
    source : path (CSV, Parquet, Arrow) or dataframe (pandas, polars, pyarrow, ...)
    codebook : Codebook, optional
        Says which levels there are and how raw values map to them. Default: every column is a
        variable, its levels the sorted distinct values; ``notes`` name a column of very many.
    variables : names, optional
        Which variables to read. Default: all that both the codebook and the file have. A column
        of the variable's name that holds its levels is taken as it is; else the raw column of its
        recode is used; a variable that the file lacks is found from a finer one that it has.
    weight : str, optional
        Column of design weights, people per record. Default: 1 each.
    count : str, optional
        Column that says how many people, or records, each row stands for, if the file has one row
        for each kind (as `Population.cells`): whole numbers; each becomes that many records, and 0
        none. Unlike a weight, a count adds to the size of the sample. Default: 1 each.
    missing : 'error', 'drop' or 'level'
        What to do with a value that was not recorded: refuse the file (default), leave the
        record out (``notes`` say how many records and people), or give it a level of its own.
    bands : mapping of name to edges or `Bands`, optional
        Variables that are bands of a number: ``{"age": [0, 18, 65, math.inf]}``. Their levels are
        the codebook's or, without one, named after the edges. (Or a codebook says so itself.) The
        numbers are kept, as ``values``: from a column ``<variable>_value`` if there is one, else
        from the raw column.

    Raises
    ------
    PopgenError
        For an absent or unreadable file, a missing column, a level unknown to the codebook,
        missing values under ``missing='error'``, weights that are not positive numbers, and counts
        that are not whole numbers, all 0, or too many to hold.

    Examples
    --------
    >>> import polars as pl
    >>> survey = read_microdata(pl.DataFrame({"sex": ["f", "m", None]}), missing="drop")
    >>> len(survey), survey.notes
    (2, ('dropped 1 of 3 records (1 of 3 people) with a missing value: sex 1',))
    >>> ages = read_microdata(pl.DataFrame({"age": [7, 42]}), bands={"age": [0, 18, 65]})
    >>> ages.domain["age"].levels, ages.codes[:, 0].tolist(), ages.values["age"].tolist()
    (('0-17', '18-64'), [0, 1], [7.0, 42.0])
    """
    if missing not in get_args(Missing):
        raise PopgenError(f"missing={missing!r} is not a policy; use {listed(get_args(Missing))}")
    frame, where = load_frame(source, text=True)
    figures = [column for column in (weight, count) if column is not None]
    need_columns(frame, figures, where)
    codebook, recodes = _with_bands(codebook, bands or {})
    names, rules = _wanted(frame, codebook, variables, figures, where)
    if not names or len(set(names)) < len(names):
        raise PopgenError(
            f"{where}: name at least one variable to read, each once; got {listed(names)}"
        )
    if lost := [name for name in bands or {} if name not in names]:
        raise PopgenError(f"{where}: bands are given of {listed(lost)}, which is not read")
    read = [read_column(frame, name, codebook, recodes.get(name), where) for name in names]
    domain = Domain(tuple(column.variable for column in read))
    codes: NDArray[Any] = np.column_stack([column.codes for column in read])
    values = Values({c.variable.name: c.values for c in read if c.values is not None})
    weights = np.ones(len(frame)) if weight is None else _weights(frame[weight], where)
    notes = () if codebook is not None else _many_levels(domain)
    if count is not None:
        times = np.repeat(np.arange(len(frame)), _times(frame[count], len(names), where))
        codes, weights, values = codes[times], weights[times], values.take(times)
    if (codes == MISSING).any():
        domain, codes, kept, note = _with_policy(domain, codes, weights, missing, where)
        weights, values, notes = weights[kept], values.take(kept), (note, *notes)
    return Microdata(domain, codes, weights, notes, values).with_coarse(*rules)


def _with_bands(
    codebook: Codebook | None, bands: Mapping[str, Sequence[float] | Bands]
) -> tuple[Codebook | None, Mapping[str, Recode]]:
    """Say how raw values become levels: as the codebook does, and by the bands given."""
    if codebook is None:
        named = {n: b if isinstance(b, Bands) else Bands.named(b) for n, b in bands.items()}
        return None, {name: Recode(name, {}, bands=of) for name, of in named.items()}
    recodes = dict(codebook.recodes)
    for name, given in bands.items():
        levels = codebook[name].levels
        old = recodes.get(name, Recode(name, {}))
        of = given if isinstance(given, Bands) else banded(name, given, levels)
        recodes[name] = replace(old, values={}, otherwise=None, bands=of)
    return replace(codebook, recodes=recodes), recodes


def _many_levels(domain: Domain) -> tuple[str, ...]:
    """Tell of columns that look like numbers or identifiers rather than categories."""
    return tuple(
        f"column {variable.name!r} has {len(variable):,} distinct values, each now a level: if it "
        "is a number or an identifier, leave it out (variables=...) or give a codebook with bands"
        for variable in domain
        if len(variable) > MANY_LEVELS
    )


def _wanted(
    frame: pl.DataFrame,
    codebook: Codebook | None,
    asked: Sequence[str] | None,
    figures: Sequence[str],
    where: str,
) -> tuple[list[str], list[Coarsening]]:
    """Say which variables to read, and which coarsenings of them stand for what the file lacks."""
    if codebook is None:
        return [c for c in frame.columns if c not in figures] if asked is None else list(asked), []
    columns = set(frame.columns)
    there = [name for name in codebook.variables if columns & {name, _raw_column(name, codebook)}]
    if not there:
        raise PopgenError(
            f"{where} has none of the codebook's variables {listed(codebook.variables, most=30)}; "
            f"its columns are {listed(frame.columns)}"
        )
    if asked is None:
        return there, []
    rules = {name: _from_finer(codebook[name].name, there, codebook) for name in asked}
    absent = [name for name, rule in rules.items() if name not in there and rule is None]
    if absent:
        raise PopgenError(
            f"{where} has no column {listed(absent, most=30)}, nor a finer variable to find it "
            f"from; it has {listed(frame.columns, most=30)}"
        )
    found = [rule for name, rule in rules.items() if name not in there and rule is not None]
    named = [name for name in asked if name in there]
    finer = dict.fromkeys(rule.fine.name for rule in found if rule.fine.name not in named)
    return [*named, *finer], found


def _from_finer(name: str, there: Sequence[str], codebook: Codebook) -> Coarsening | None:
    """Find a variable that is there and of which the named one is a coarsening for everybody."""
    paths = (codebook.path(fine, name) for fine in there if fine != name)
    return next((path for path in paths if path is not None and path.complete), None)


def _raw_column(name: str, codebook: Codebook) -> str:
    recode = codebook.recodes.get(name)
    return name if recode is None else recode.column


def _weights(column: pl.Series, where: str) -> NDArray[np.float64]:
    values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    bad = not_positive(values)
    if bad.size:
        raise PopgenError(
            f"{where}: weight column {column.name!r} is not a positive number in {bad.size} "
            f"row(s), first {column[int(bad[0])]!r} in row {bad[0] + 1}; leave such records out"
        )
    return values


def _times(column: pl.Series, variables: int, where: str) -> NDArray[np.int64]:
    values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    bad = np.flatnonzero(~((values >= 0) & (values == np.floor(values)) & np.isfinite(values)))
    if bad.size:
        raise PopgenError(
            f"{where}: count column {column.name!r} is not a whole number of people in {bad.size} "
            f"row(s), first {column[int(bad[0])]!r} in row {bad[0] + 1}; if these are survey "
            "weights, read them as weights"
        )
    total = float(values.sum())
    if not 0 < total * variables <= MOST_CELLS:
        raise PopgenError(
            f"{where}: count column {column.name!r} adds up to {total:,.0f} people on {variables} "
            "variable(s): "
            + ("nobody" if not total else "too many to hold one by one; read them as a table")
        )
    return values.astype(np.int64)


def _with_policy(
    domain: Domain,
    codes: NDArray[Any],
    weights: NDArray[np.float64],
    missing: Missing,
    where: str,
) -> tuple[Domain, NDArray[Any], NDArray[np.bool_], str]:
    """Deal with missing values: the domain, the codes and which records are left, and a note."""
    gaps = codes == MISSING
    counts = ", ".join(
        f"{variable.name} {int(n)}" for variable, n in zip(domain, gaps.sum(0), strict=True) if n
    )
    incomplete = gaps.any(axis=1)
    if missing == "error":
        raise PopgenError(
            f"{where}: {int(incomplete.sum())} of {len(codes)} records miss a value ({counts}); "
            "read with missing='drop' to leave them out, or missing='level' to keep them apart"
        )
    if missing == "drop":
        kept = ~incomplete
        if not kept.any():
            raise PopgenError(f"{where}: every record misses a value ({counts}); none is left")
        note = (
            f"dropped {int(incomplete.sum())} of {len(codes)} records "
            f"({weights[incomplete].sum():,.0f} of {weights.sum():,.0f} people) "
            f"with a missing value: {counts}"
        )
        return domain, codes[kept], kept, note
    variables = []
    for axis, variable in enumerate(domain):
        levels = variable.levels + ((MISSING_LEVEL,) if gaps[:, axis].any() else ())
        variables.append(Variable(variable.name, levels))
        codes[gaps[:, axis], axis] = len(variable)
    note = f"gave missing values a level of their own, {MISSING_LEVEL!r}: {counts}"
    return Domain(tuple(variables)), codes, np.ones(len(codes), dtype=bool), note

"""`read_controls`: controls on numbers from a file, one a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from popgen.controls import Control, Mean, Median, Quantile, Total
from popgen.errors import PopgenError, listed
from popgen.frames import load_frame, need_columns

FIGURES = ("variable", "statistic", "value", "se", "p", "width")
"""Columns of a file of controls that are not variables of a group."""

STATISTICS: dict[str, type[Control]] = {
    kind.statistic: kind for kind in (Mean, Total, Median, Quantile)
}


def read_controls(source: Any) -> tuple[Control, ...]:
    """Read controls from a file or dataframe, one a row.

    Columns ``variable``, ``statistic`` (mean, total, median, quantile), ``value``, and perhaps
    ``se``, ``p`` (of a quantile) and ``width``; every other column is a variable whose level says
    the group, empty for everybody.

    Raises
    ------
    PopgenError
        For a missing column, an unknown statistic, and a figure that is not a number; the message
        names the row.

    Examples
    --------
    >>> frame = pl.DataFrame(
    ...     {
    ...         "variable": ["age", "age"],
    ...         "statistic": ["mean", "median"],
    ...         "value": [40.2, 38.0],
    ...         "sex": ["f", None],
    ...     }
    ... )
    >>> [control.name for control in read_controls(frame)]
    ['mean of age: sex=f', 'median of age: everybody']
    """
    frame, where = load_frame(source, text=True)
    need_columns(frame, FIGURES[:3], where)
    groups = [name for name in frame.columns if name not in FIGURES]
    return tuple(
        _control(row, groups, f"{where}, row {number}")
        for number, row in enumerate(frame.cast(pl.String).to_dicts(), start=1)
    )


def _control(row: Mapping[str, str | None], groups: Sequence[str], where: str) -> Control:
    kind = STATISTICS.get(row["statistic"] or "")
    if kind is None:
        raise PopgenError(
            f"{where}: statistic {row['statistic']!r} is unknown; use {listed(STATISTICS)}"
        )
    if not row["variable"]:
        raise PopgenError(f"{where}: no variable is named")
    allowed = {"se", *(("p", "width") if kind is Quantile else ())}
    allowed |= {"width"} if kind is Median else set()
    given = {name: row.get(name) for name in ("se", "p", "width") if row.get(name)}
    if useless := [name for name in given if name not in allowed]:
        raise PopgenError(f"{where}: a {kind.statistic} has no {listed(useless)}; leave it empty")
    if kind is Quantile and "p" not in given:
        raise PopgenError(f"{where}: a quantile needs p, the share of people below it")
    figures: dict[str, Any] = {n: _number(text, n, where) for n, text in given.items()}
    by = {name: level for name in groups if (level := row[name])}
    value = _number(row["value"], "value", where)
    try:
        return kind(row["variable"], value, by=by, **figures)
    except PopgenError as error:
        raise PopgenError(f"{where}: {error}") from error


def _number(text: str | None, what: str, where: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise PopgenError(f"{where}: {what} {text!r} is not a number") from None

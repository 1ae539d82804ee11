"""`Diagnosis`: the figures of every diagnostic that answers allow, and why others do not apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from popgen._scores import columns
from popgen.errors import PopgenError, listed
from popgen.metrics import number

EVERY = "all items"
"""Item of figures that are taken over all of them."""

SCHEMA: dict[str, Any] = {
    "diagnostic": pl.String,
    "figure": pl.String,
    "item": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "ideal": pl.Float64,
}


class Row(NamedTuple):
    """One figure of one item.

    Attributes
    ----------
    figure, item : str
    value, low, high : float
        And the ends of its 95 percent interval; NaN where undefined.
    n : int
        Personas, or answers, behind it.
    ideal : float or None
        What a faithful panel would have, where that is known.
    """

    figure: str
    item: str
    value: float
    low: float
    high: float
    n: int
    ideal: float | None = None


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What diagnostics say of a panel, one row a figure of an item.

    Attributes
    ----------
    rows : polars.DataFrame
        ``diagnostic``, ``figure``, ``item`` (or ``all items``), ``value``, ``low`` and ``high`` (95
        percent interval), ``n`` (personas or answers behind it), ``ideal`` (null: none).
    skipped : mapping
        Diagnostics that do not apply, and why.
    about : mapping
        Of each diagnostic: its question and its source.
    notes : tuple of str
        What reading the answers did to them.
    """

    rows: pl.DataFrame
    skipped: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def value(self, figure: str, item: str = EVERY) -> float:
        """Give one figure; NaN where it is undefined.

        Raises
        ------
        PopgenError
            If there is no such row.
        """
        found = self.rows.filter(figure=figure, item=item)["value"]
        if len(found) != 1:
            there = self.rows.select("figure", "item").rows()
            raise PopgenError(f"no figure {figure!r} of {item!r}; there are {listed(there)}")
        value = found.item()
        return float("nan") if value is None else float(value)

    def to_polars(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return the same as dicts, lists, texts and numbers, ready for JSON."""
        about = {name: {"question": q, "source": s} for name, (q, s) in self.about.items()}
        return {
            "rows": self.rows.to_dicts(),
            "skipped": dict(self.skipped),
            "about": about,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        """Write a table a diagnostic, and what does not apply."""
        parts = []
        for (name,), part in self.rows.group_by("diagnostic", maintain_order=True):
            lines = [["figure", "item", "", "value", "95 % interval", "n", "ideal"]]
            for row in part.iter_rows(named=True):
                span = (
                    "–" if row["low"] is None else f"{number(row['low'])} … {number(row['high'])}"
                )
                ideal = "" if row["ideal"] is None else f"{row['ideal']:g}"
                figures = [number(row["value"]), span, f"{row['n']:,}", ideal]
                lines.append([row["figure"], row["item"], "", *figures])
            parts.append(f"{name}: {self.about[str(name)][0]}\n{columns(lines)}")
        parts += [f"{name}: not applied; {why}" for name, why in self.skipped.items()]
        return "\n\n".join([*parts, *self.notes])

"""`Scores`: the figures of one or more candidates as tidy rows, and as a table to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from popgen.errors import PopgenError, listed
from popgen.metrics import METRICS, PRIMARY, Metric, number
from popgen.table import Projectable

SCHEMA: dict[str, Any] = {
    "candidate": pl.String,
    "size": pl.Int64,
    "group": pl.String,
    "order": pl.Int64,
    "metric": pl.String,
    "tables": pl.Int64,
    "value": pl.Float64,
    "se": pl.Float64,
    "floor": pl.Float64,
    "ceiling": pl.Float64,
    "skill": pl.Float64,
}


@dataclass(frozen=True, eq=False)
class Scores:
    """Figures of one or more candidates, one row a metric.

    Attributes
    ----------
    rows : polars.DataFrame
        ``candidate``; ``size`` (people it was drawn as, null if its counts are exact); ``group``
        (``all``, ``measured``, ``unmeasured`` sets of variables); ``order`` (variables in a set);
        ``metric`` (``K``, ``srmse``, ``slope``, ``correlation``, ``mae``, or those asked for);
        ``tables`` (sets in the group); ``value``; ``se`` (delete-a-group jackknife over the
        candidate's records; null without records); ``floor`` and ``ceiling`` (expected for
        independent draws and for a real replicate of that size); ``skill`` ((value - floor) /
        (ceiling - floor)). Null: undefined.
    metrics : tuple of Metric
        What was scored, in the order of the printed columns.
    truth : Projectable or None
    candidates : mapping of names to Projectable
    measured : tuple of tuples of names
        What was compared, for `popgen.report.summarise`.
    """

    rows: pl.DataFrame
    metrics: tuple[Metric, ...] = field(default=METRICS, repr=False)
    truth: Projectable | None = field(default=None, repr=False)
    candidates: Mapping[str, Projectable] = field(default_factory=dict, repr=False)
    measured: tuple[tuple[str, ...], ...] = field(default=(), repr=False)

    def value(
        self, metric: str, order: int, group: str = "all", *, candidate: str | None = None
    ) -> float:
        """Give one figure; NaN where it is undefined.

        Raises
        ------
        PopgenError
            If there is no such row, or several candidates and none is named.
        """
        return self._one("value", metric, order, group, candidate)

    def skill(
        self, metric: str, order: int, group: str = "all", *, candidate: str | None = None
    ) -> float:
        """Give one skill: 0 independent draws, 1 a real replicate; NaN where it is undefined."""
        return self._one("skill", metric, order, group, candidate)

    def to_polars(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    def __str__(self) -> str:
        """Write a table: a line a candidate and group, the main metrics, and the skill."""
        shown = [(m, k) for m in self.metrics for k in m.printed if self._has(m.name, k)]
        skilled = [(m.name, k) for m, k in shown if m.name == PRIMARY[0]]
        head = ["candidate", "n", "group", *(f"{m.name}{k}" for m, k in shown)]
        lines = [[*head, *(f"skill {name}{k}" for name, k in skilled)]]
        for key, part in self.rows.group_by("candidate", "size", "group", maintain_order=True):
            name, size, group = map(str, key)
            figures = {(r["metric"], r["order"]): r for r in part.iter_rows(named=True)}
            line = [name, "exact" if size == "None" else f"{int(size):,}", group]
            line += [m.written(_entry(figures, (m.name, k), "value")) for m, k in shown]
            lines.append(line + [number(_entry(figures, at, "skill")) for at in skilled])
        return columns(lines)

    def _has(self, metric: str, order: int) -> bool:
        return not self.rows.filter(metric=metric, order=order).is_empty()

    def _one(self, what: str, metric: str, order: int, group: str, candidate: str | None) -> float:
        names = self.rows["candidate"].unique(maintain_order=True).to_list()
        if candidate is None and len(names) > 1:
            raise PopgenError(f"say which candidate: {listed(names)}")
        name = names[0] if candidate is None else candidate
        found = self.rows.filter(candidate=name, metric=metric, order=order, group=group)
        if found.is_empty():
            there = self.rows.select("candidate", "metric", "order", "group").unique(
                maintain_order=True
            )
            raise PopgenError(
                f"no score {metric!r} of order {order}, group {group!r}, candidate {name!r}; "
                f"there are {listed(there.rows())}"
            )
        value = found[what].item()
        return float("nan") if value is None else float(value)


def _entry(
    figures: Mapping[tuple[str, int], Mapping[str, Any]], at: tuple[str, int], what: str
) -> float | None:
    value: float | None = figures[at][what] if at in figures else None
    return value


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Set lines in columns: the first three to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(
            text.ljust(width) if i < 3 else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join(text.rstrip() for text in texts)

"""Read ACS detailed tables: labels become levels, leaf cells rows, margins of error se.

A label is a path ("Total!!Male!!20 to 24 years!!Employed"). Each part is looked up in the words of
the margin's variables, later parts overriding earlier ones; a part that none of them knows stops
the build. Leaf cells that reach the same levels are added up; so added, the cells of a table must
give its published total in every state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from shipped import require

Band = tuple[float, float]  # from, up to but not including
Z90 = 1.645  # published margins of error are half-widths of 90 percent intervals
NUMBER = r"\$?([\d,]+)"


def number(text: str) -> float:
    """Read 10,000 or 2.5k."""
    return 1000 * float(text[:-1]) if text.endswith("k") else float(text.replace(",", ""))


def label_band(label: str) -> Band | None:
    """Read the ages or dollars that a published label covers; None if it is not a band.

    >>> label_band("20 to 24 years"), label_band("$10,000 to $14,999")
    ((20.0, 25.0), (10000.0, 15000.0))
    """
    text = label.removeprefix("Householder ").removesuffix(" years").strip()
    floor = 15.0 if label.startswith("Householder") else 0.0
    if found := re.fullmatch(rf"(?i)(?:under|less than) {NUMBER}", text):
        return floor, number(found[1])
    if found := re.fullmatch(rf"{NUMBER} (?:to|and) {NUMBER}( or loss)?", text):
        return (0.0 if found[3] else number(found[1])), number(found[2]) + 1
    if found := re.fullmatch(rf"{NUMBER} (?:years and over|or more)", text):
        return number(found[1]), math.inf
    if found := re.fullmatch(NUMBER, text):
        return number(found[1]), number(found[1]) + 1
    return None


def level_band(level: str) -> Band | None:
    """Read the band that a level's own name says; None if it is not a band.

    >>> level_band("20-24"), level_band("85+"), level_band("$10k-15k")
    ((20.0, 25.0), (85.0, inf), (10000.0, 15000.0))
    """
    money = level.startswith("$") or "$" in level
    text = level.replace("$", "")
    if found := re.fullmatch(r"under ([\d.]+k?)", text):
        return 0.0, number(found[1])
    if found := re.fullmatch(r"([\d.]+k?)-([\d.]+k?)", text):
        return number(found[1]), number(found[2]) + (not money)
    if found := re.fullmatch(r"([\d.]+k?)(?:\+| and over| or more)", text):
        return number(found[1]), math.inf
    if found := re.fullmatch(r"\d+", text):
        return number(text), number(text) + 1
    return None


def inside(part: Band, whole: Band) -> bool:
    """Say whether one band lies in another."""
    return whole[0] <= part[0] and part[1] <= whole[1]


@dataclass(frozen=True)
class Variable:
    """A variable of the folder: its levels, and the published words that mean them.

    `words` maps a part of a label to a level; a banded variable takes every label whose ages or
    dollars lie in one of its levels; `branches` are parts that only group others. `coarsens` names
    the finer variable; the groups of a banded variable are worked out from the bands.
    """

    name: str
    description: str
    levels: tuple[str, ...]
    words: Mapping[str, str]
    banded: bool = False
    branches: frozenset[str] = frozenset()
    coarsens: str = ""
    groups: Mapping[str, list[str]] | None = None

    @classmethod
    def from_entry(cls, name: str, entry: Mapping[str, Any]) -> Variable:
        """Build from an entry of the declaration; levels are those of the words if not stated."""
        words = entry.get("words", {})
        levels = entry.get("bands") or entry.get("levels") or dict.fromkeys(words.values())
        return cls(
            name,
            entry["description"],
            tuple(levels),
            words,
            "bands" in entry,
            frozenset(entry.get("branches", ())),
            entry.get("coarsens", ""),
            entry.get("groups"),
        )

    def level(self, part: str) -> str | None:
        """Give the level that a part of a label means, if it means one."""
        if part in self.words:
            return self.words[part]
        band = label_band(part) if self.banded else None
        if band is None:
            return None
        alike = [one for one in self.levels if ("$" in one) == ("$" in part)]  # years or dollars
        bands = ((one, level_band(one)) for one in alike)
        return next((one for one, whole in bands if whole and inside(band, whole)), None)

    def grouped(self, fine: Variable) -> dict[str, list[str]]:
        """Give the fine levels of each level; none where it straddles the fine bands."""
        if self.groups is not None:
            return {level: self.groups[level] for level in self.levels}
        bands = {level: level_band(level) for level in fine.levels}
        found = {}
        for level in self.levels:
            whole = level_band(level)
            parts = [f for f, band in bands.items() if whole and band and inside(band, whole)]
            edges = [bands[f] for f in parts]
            full = edges and whole == (min(e[0] for e in edges if e), max(e[1] for e in edges if e))
            found[level] = parts if full else []
        return found


@dataclass(frozen=True)
class Release:
    """One ACS release as the shared files hold it: cells by state, and what each cell is."""

    cells: pl.DataFrame  # state, variable, estimate, se
    labels: pl.DataFrame  # table, variable, label

    @classmethod
    def open(cls, folder: Path, stem: str) -> Release:
        """Read the tables and labels; Puerto Rico is left out."""
        raw = pl.read_parquet(folder / f"{stem}_state_tables.parquet")
        cells = raw.select(
            pl.col("state", "table", "variable").cast(pl.String),
            pl.col("estimate").fill_nan(None),
            # a published estimate without a margin of error is controlled: it has no sampling error
            pl.col("moe").fill_nan(None).fill_null(0).clip(lower_bound=0) / Z90,
        ).rename({"moe": "se"})
        labels = pl.read_csv(folder / f"{stem}_labels.csv.gz")
        return cls(cells.filter(pl.col("state") != "PR"), labels)

    @cached_property
    def states(self) -> list[str]:
        """Postal codes, in order."""
        return sorted(self.cells["state"].unique())

    def leaves(self, table: str) -> dict[str, list[str]]:
        """Give the leaf cells of a table and the parts of their labels after 'Total'."""
        chosen = self.labels.filter(table=table)
        require(chosen.height > 0, f"no table {table}")
        paths = {v: label.split("!!")[1:] for v, label in chosen.select("variable", "label").rows()}
        inner = {tuple(path[:i]) for path in paths.values() for i in range(len(path))}
        return {v: path for v, path in paths.items() if tuple(path) not in inner}

    def table(
        self, table: str, variables: list[Variable], *, summed: tuple[Variable, ...] = ()
    ) -> pl.DataFrame:
        """Give state, the variables' levels, count and se, with cells of equal levels added up.

        Variables in `summed` are known to the labels but not wanted: they are added up.
        """
        meanings = []
        for cell, path in self.leaves(table).items():
            levels: dict[str, str] = {}
            for part in path:
                known = {v.name: v.level(part) for v in (*variables, *summed)}
                found = {name: level for name, level in known.items() if level is not None}
                branch = any(part in v.branches for v in (*variables, *summed))
                require(bool(found) or branch, f"{table}: no meaning for {part!r}")
                levels |= found
            if all(v.name in levels for v in variables):  # else a subtotal printed beside the cells
                meanings.append({"variable": cell} | {v.name: levels[v.name] for v in variables})
        names = ["state", *(v.name for v in variables)]
        cells = self.cells.filter(table=table).join(pl.DataFrame(meanings), on="variable")
        cells = cells.filter(pl.col("estimate").is_not_null())
        added = cells.group_by(names).agg(
            pl.col("estimate").sum().alias("count"), (pl.col("se") ** 2).sum().sqrt()
        )
        self.check_total(table, added)
        return added

    def check_total(self, table: str, added: pl.DataFrame) -> None:
        """Stop unless the cells add to the published total in every state that has the table."""
        published = self.cells.filter(
            pl.col("variable") == f"{table}_001", pl.col("estimate").is_not_null()
        )
        both = published.join(
            added.group_by("state").agg(pl.col("count").sum()), on="state", how="full"
        )
        wrong = both.filter(pl.col("estimate").ne_missing(pl.col("count")))
        require(wrong.is_empty(), f"{table}: cells do not add to the total: {wrong.head(3).rows()}")

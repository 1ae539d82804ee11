"""Build data/census_marginals/us_2018 from the ACS 1-year tables of 2018, as us_2018.toml says.

Counts are published estimates (50 states and the District of Columbia), se is the published margin
of error / 1.645, added in quadrature where leaf cells are added up. An estimate published without a
margin of error is controlled to population estimates: its se is 0.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from acs import Release, Variable
from overlap import Stated
from shipped import CENSUS, Files, csv, main, require, sha256
from us_2018_source import PLACE, codebook, source

DECLARATION = Path(__file__).with_name("us_2018.toml")
POPULATION = 327_167_439


@dataclass(frozen=True)
class Margin:
    """One margin as declared, and its cells."""

    entry: Mapping[str, Any]
    variables: tuple[Variable, ...]
    cells: pl.DataFrame

    @property
    def name(self) -> str:
        """The margin's name, which is its file's too."""
        return str(self.entry["name"])

    @property
    def universe(self) -> str:
        """Who is counted."""
        return str(self.entry["universe"])

    @property
    def tables(self) -> str:
        """The agency's names of the tables it comes from."""
        stem, by, whole = (self.entry.get(key, "") for key in ("table", "by", "whole"))
        family = {
            "": stem,
            "race": f"{stem}A-{stem}G",
            "ethnicity": f"{whole}, {stem}H, {stem}I",
            "white_ethnicity": f"{whole}, {stem}A, {stem}H, {stem}I",
        }
        return str(family[by])

    def absent(self, states: list[str]) -> dict[str, list[str]]:
        """Give the levels that are not published in some states, with those states."""
        found: dict[str, list[str]] = {}
        if self.cells["state"].n_unique() < len(states):
            found["whole table"] = sorted(set(states) - set(self.cells["state"]))
        split = self.entry.get("column") or self.entry.get("by")
        for level in next((v.levels for v in self.variables if v.name == split), ()):
            here = set(self.cells.filter(pl.col(str(split)) == level)["state"])
            if len(here) < len(states):
                found[level] = sorted(set(states) - here)
        return found


class Folder:
    """The folder being built: its declaration, the release, and the margins."""

    def __init__(self, shared: Path) -> None:
        declared = tomllib.loads(DECLARATION.read_text(encoding="utf-8"))
        self.release = Release.open(shared / "acs", "acs1_2018")
        self.variables = {
            name: Variable.from_entry(name, entry) for name, entry in declared["variables"].items()
        }
        self.universes: dict[str, dict[str, Any]] = declared["universes"]
        self.margins = [self._margin(entry) for entry in declared["margins"]]

    def _margin(self, entry: Mapping[str, Any]) -> Margin:
        labelled = [self.variables[name] for name in entry["variables"]]
        cells = self._cells(entry, labelled)
        by = entry.get("column") or entry.get("by")
        fixed: Mapping[str, str] = entry.get("fixed", {})
        fronts = {None: (), "white_ethnicity": ("race_white", "ethnicity")}
        front = [self.variables[name] for name in fronts.get(by, (by,))]
        sexed = [v for v in labelled if v.name == "sex"]
        rest = [v for v in labelled if v.name != "sex"]
        variables = (*front, *sexed, *(self.variables[name] for name in fixed), *rest)
        cells = cells.with_columns(pl.lit(level).alias(name) for name, level in fixed.items())
        kinds = {"state": self.release.states} | {v.name: list(v.levels) for v in variables}
        cells = cells.select(
            *(pl.col(name).cast(pl.Enum(levels)) for name, levels in kinds.items()),
            pl.col("count").cast(pl.Int64),
            pl.col("se").round(3),
        )
        if entry.get("structural_zeros"):
            cells = with_zeros(cells, kinds)
        margin = Margin(entry, variables, cells.sort(list(kinds)))
        check_shape(margin)
        return margin

    def _cells(self, entry: Mapping[str, Any], labelled: list[Variable]) -> pl.DataFrame:
        """Read the table of a margin, or its family of tables by race or ethnicity."""
        stem, by = entry["table"], entry.get("by")
        if by is None:
            return becoming(self.release.table(stem, labelled), entry)
        if by == "white_ethnicity":
            return self._white_by_ethnicity(entry, labelled)
        column = entry.get("column", by)
        levels = self.variables[column].levels
        letters = "ABCDEFG" if by == "race" else "HI"
        parts = [
            self.release.table(f"{stem}{letter}", labelled).with_columns(
                pl.lit(level).alias(column)
            )
            for letter, level in zip(letters, levels, strict=False)
        ]
        if by == "ethnicity":
            summed = tuple(self.variables[name] for name in entry.get("summed", ()))
            whole = self.release.table(entry["whole"], labelled, summed=summed)
            left = remainder(whole, parts, ["state", *(v.name for v in labelled)])
            parts.append(left.with_columns(pl.lit(levels[2]).alias(column)))
        return pl.concat(parts, how="diagonal")

    def _white_by_ethnicity(
        self, entry: Mapping[str, Any], labelled: list[Variable]
    ) -> pl.DataFrame:
        """Subtract published tables until White or not by ethnicity is complete, and exact."""
        keys = ["state", *(v.name for v in labelled)]
        white, anglo, hispanic = (
            self.release.table(f"{entry['table']}{letter}", labelled) for letter in "AHI"
        )
        summed = tuple(self.variables[name] for name in entry.get("summed", ()))
        whole = self.release.table(entry["whole"], labelled, summed=summed)
        white_hispanic = remainder(white, [anglo], keys)
        parts = {
            ("White", "White non-Hispanic"): anglo,
            ("White", "Hispanic"): white_hispanic,
            ("not White", "Hispanic"): remainder(hispanic, [white_hispanic], keys),
            ("not White", "Other non-Hispanic"): remainder(whole, [anglo, hispanic], keys),
        }
        return pl.concat(
            (
                part.with_columns(
                    pl.lit(race).alias("race_white"), pl.lit(level).alias("ethnicity")
                )
                for (race, level), part in parts.items()
            ),
            how="diagonal",
        )

    def groups(self, variable: Variable) -> dict[str, list[str]]:
        """Give the fine levels of each level of a variable."""
        if not variable.coarsens:
            return {level: [level] for level in variable.levels}
        return variable.grouped(self.variables[variable.coarsens])

    def stated(self, margin: Margin) -> Stated:
        """Give a margin in the form in which it can be compared."""
        roots = {v.name: v.coarsens or v.name for v in margin.variables}
        groups = {
            v.name: {level: frozenset(fine) for level, fine in self.groups(v).items()}
            for v in margin.variables
        }
        fine = {root: frozenset(self.variables[root].levels) for root in roots.values()}
        cells = margin.cells.with_columns(pl.col("state", *roots).cast(pl.String))
        return Stated(margin.name, cells, roots, groups, fine)


def becoming(cells: pl.DataFrame, entry: Mapping[str, Any]) -> pl.DataFrame:
    """Rename a level in the cells that the entry's `where` describes."""
    where = [pl.col(name) == level for name, level in entry.get("where", {}).items()]
    return cells.with_columns(
        pl.when(pl.all_horizontal(where)).then(pl.lit(level)).otherwise(pl.col(name)).alias(name)
        for name, level in entry.get("becomes", {}).items()
    )


def remainder(whole: pl.DataFrame, parts: list[pl.DataFrame], names: list[str]) -> pl.DataFrame:
    """Take the parts from the whole, where all are published; se in quadrature."""
    left = whole
    for i, part in enumerate(parts):
        left = left.join(part.select(*names, "count", "se"), on=names, suffix=f"_{i}")
    count = pl.col("count") - pl.sum_horizontal(f"count_{i}" for i in range(len(parts)))
    squares = [pl.col(c) ** 2 for c in ("se", *(f"se_{i}" for i in range(len(parts))))]
    left = left.select(*names, count.alias("count"), pl.sum_horizontal(squares).sqrt().alias("se"))
    negative = left.filter(pl.col("count") < 0)
    require(negative.is_empty(), f"a remainder is negative: {negative.head(3).rows()}")
    return left


def with_zeros(cells: pl.DataFrame, kinds: Mapping[str, list[str]]) -> pl.DataFrame:
    """Add the combinations of levels that cannot be, as 0 with se 0."""
    grid = cells.select("state").unique()
    for name in kinds:
        if name != "state":
            grid = grid.join(cells.select(name).unique(), how="cross")
    full = grid.join(cells, on=list(kinds), how="left")
    return full.with_columns(pl.col("count", "se").fill_null(0))


def check_shape(margin: Margin) -> None:
    """Stop unless cells are distinct, not negative, and each state holds a whole block of them."""
    cells, name = margin.cells, margin.name
    keys = [column for column in cells.columns if column not in ("count", "se")]
    require(cells.select(keys).is_unique().all(), f"{name}: a cell is there twice")
    require(bool((cells["count"] >= 0).all()), f"{name}: a count is negative")
    require(cells["se"].is_not_null().all() and cells["se"].is_finite().all(), f"{name}: bad se")
    shape = cells.group_by("state").agg(pl.len(), *(pl.col(k).n_unique() for k in keys[1:]))
    block = all(row[1] == math.prod(row[2:]) for row in shape.rows())
    require(block, f"{name}: the cells of a state are not a block")


def build(shared: Path) -> Files:
    """Give the files of the folder."""
    folder = Folder(shared)
    people = next(m for m in folder.margins if m.name == "sex_age").cells["count"].sum()
    require(people == POPULATION, f"{people} people, not {POPULATION}")
    files = {f"{margin.name}.csv": csv(margin.cells) for margin in folder.margins}
    digests = {name: sha256(content) for name, content in files.items()}
    return files | {"codebook.toml": codebook(folder), "SOURCE.toml": source(folder, digests)}


if __name__ == "__main__":
    main(build, CENSUS / PLACE, __doc__)

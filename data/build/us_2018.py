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
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
from acs import Release, Variable, level_band
from overlap import Stated, compare
from shipped import CENSUS, Files, Toml, csv, document, main, require, sha256, table

PLACE = "us_2018"
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


def ages(variable: Variable) -> bool:
    """Say whether a variable is age, or bands of it."""
    return "age" in (variable.name, variable.coarsens)


def kept_levels(folder: Folder, universe: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the levels that a universe keeps of each age variable, and of what it is limited to.

    Ages below `from_age` go, and so do bands that straddle the fine ones, of which a margin can say
    nothing. A variable of which no level is left gives an empty list.
    """
    floor = universe.get("from_age", 0)
    kept = {name: list(levels) for name, levels in universe.get("only", {}).items()}
    for variable in filter(ages, folder.variables.values()):
        kept[variable.name] = [
            level
            for level, parts in folder.groups(variable).items()
            if parts and all((level_band(part) or (0, 0))[0] >= floor for part in parts)
        ]
    return kept


def readable(folder: Folder, name: str, kept: Mapping[str, list[str]]) -> list[str]:
    """Give the margins that can be read in a universe: its own, and those that can be cut to it.

    A margin of another universe must say of whom it speaks: unless it counts all people and so
    does the universe, it needs an age variable with a level that is kept, and every variable that
    the universe is limited by.
    """
    universe = folder.universes[name]
    found = []
    for margin in folder.margins:
        names = {v.name for v in margin.variables}
        known = any(kept[v.name] for v in margin.variables if ages(v))
        limited = set(universe.get("only", {})) <= names
        cut = margin.universe in universe.get("includes", ()) and known and limited
        if margin.universe == name or cut:
            found.append(margin.name)
    return found


def comparable(folder: Folder, margin: Margin) -> str:
    """Name the people that a margin counts, up to ages: margins with one name can be compared."""
    inside = margin.universe in folder.universes["people"]["includes"]
    aged = any(any(folder.groups(v).values()) for v in margin.variables if ages(v))
    return "people" if inside and (aged or margin.universe == "people") else margin.universe


def agreements(folder: Folder) -> dict[str, list[str]]:
    """Compare all pairs of margins; give for each those that state the same shared figures.

    Margins that disagree stop the build: all tables of one release come from the same records.
    """
    agree: dict[str, list[str]] = {margin.name: [] for margin in folder.margins}
    for a, b in combinations(folder.margins, 2):
        if comparable(folder, a) != comparable(folder, b):
            continue
        found = compare(folder.stated(a), folder.stated(b))
        require(
            found.largest == 0,
            f"{a.name} and {b.name} differ by {found.largest} in {found.where}",
        )
        if found.cells:
            agree[a.name].append(b.name)
            agree[b.name].append(a.name)
    return agree


def build(shared: Path) -> Files:
    """Give the files of the folder."""
    folder = Folder(shared)
    people = next(m for m in folder.margins if m.name == "sex_age").cells["count"].sum()
    require(people == POPULATION, f"{people} people, not {POPULATION}")
    files = {f"{margin.name}.csv": csv(margin.cells) for margin in folder.margins}
    digests = {name: sha256(content) for name, content in files.items()}
    return files | {"codebook.toml": codebook(folder), "SOURCE.toml": source(folder, digests)}


def codebook(folder: Folder) -> bytes:
    """Give codebook.toml."""
    used = {v.name for margin in folder.margins for v in margin.variables}
    used |= {folder.variables[name].coarsens for name in used}
    state = {
        "description": "state of residence (postal code), with the District of Columbia",
        "levels": folder.release.states,
    }
    parts = [table("variables.state", state)]
    for variable in folder.variables.values():
        require(variable.name in used, f"no margin uses variable {variable.name}")
        head: dict[str, Toml] = {"description": variable.description}
        if not variable.coarsens:
            parts.append(
                table(f"variables.{variable.name}", head | {"levels": list(variable.levels)})
            )
            continue
        head["coarsens"] = variable.coarsens
        groups = table(f"variables.{variable.name}.levels", folder.groups(variable))
        parts.append(table(f"variables.{variable.name}", head) + groups)
    return document(*parts)


HEAD: dict[str, Toml] = {
    "title": "United States 2018: margins of people and households in 50 states and DC",
    "place": PLACE,
    "agency": "US Census Bureau",
    "programme": "American Community Survey, 1-year",
    "vintage": 2018,
    "licence": "public domain",
    "retrieved_from": "https://github.com/gabrieljohndusing/NCNW-Project-Datasets",
    "zone": "state",
    "default_universe": "adults",
    "caveats": [
        "se is the published 90 percent margin of error / 1.645, in quadrature where leaf cells "
        "were added up; it then leaves out their covariance.",
        "An estimate published without a margin of error is controlled to population estimates; "
        "its se is 0. Structural zeros have se 0 too. Other zeros are sampling zeros.",
        "A table that is not published for a race in a state is absent there: see `absent`. The "
        "rows of that level of that state are missing, never 0.",
        "Levels that straddle the fine levels of what they coarsen have an empty group in the "
        "codebook; the universes' `keep` leaves them out.",
        "Race counts people of one race alone, Hispanic people included.",
    ],
}


def source(folder: Folder, digests: Mapping[str, str]) -> bytes:
    """Give SOURCE.toml."""
    agree = agreements(folder)
    parts = [table("", HEAD)]
    for name, universe in folder.universes.items():
        kept = kept_levels(folder, universe)
        entry: dict[str, Toml] = {"description": universe["description"]}
        entry["includes"] = universe.get("includes", [name])
        if "panel" in universe:
            entry["panel"] = universe["panel"]
        if "seed" in universe:
            entry["seed"] = universe["seed"]
        entry["margins"] = readable(folder, name, kept)
        unread = set(universe.get("panel", ())) - set(readable(folder, name, kept))
        require(not unread, f"the panel of {name} has margins it cannot read: {unread}")
        parts.append(table(f"universes.{name}", entry))
        lost = {
            variable: levels
            for variable, levels in kept.items()
            if levels and levels != list(folder.variables[variable].levels)
        }
        if lost and len(entry["includes"]) > 1:  # type: ignore[arg-type]
            parts.append(table(f"universes.{name}.keep", lost))
    for margin in folder.margins:
        parts.append(margin_entry(folder, margin, digests, agree[margin.name]))
    return document(*parts)


def margin_entry(
    folder: Folder, margin: Margin, digests: Mapping[str, str], agree: list[str]
) -> str:
    """Give a margin's entry of SOURCE.toml."""
    checks = ["cells add to the published total of each table in every state that has it"]
    if margin.entry.get("by") == "ethnicity":
        checks.append(
            "Other non-Hispanic is what the two other levels leave of the whole table, se in "
            "quadrature (too large rather than too small); never negative"
        )
    if margin.entry.get("by") == "white_ethnicity":
        checks.append(
            "levels are published tables or their differences, se in quadrature (too large rather "
            "than too small); never negative; White people are White non-Hispanic or Hispanic, "
            "others cannot be White non-Hispanic"
        )
    if agree:
        checks.append("equal to every margin in agrees_with on the cells they share")
    entry: dict[str, Toml] = {
        "name": margin.name,
        "file": f"{margin.name}.csv",
        "table": margin.tables,
        "variables": ["state", *(v.name for v in margin.variables)],
        "universe": margin.universe,
        "unit": margin.entry.get("unit", "people"),
        "description": margin.entry["description"],
        "total": int(margin.cells["count"].sum()),
        "sha256": digests[f"{margin.name}.csv"],
        "checks": checks,
        "agrees_with": agree,
    }
    absent = margin.absent(folder.release.states)
    body = table("margins", {k: v for k, v in entry.items() if v}, array=True)
    return body + (table("margins.absent", absent) if absent else "")


if __name__ == "__main__":
    main(build, CENSUS / PLACE, __doc__)

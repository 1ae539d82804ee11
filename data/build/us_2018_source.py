"""Write codebook.toml and SOURCE.toml of us_2018: what its margins are, and which can be read when.

Which margins a universe can be read from, and which state the same figures, is found by looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

from acs import Variable, level_band
from overlap import compare
from shipped import Toml, document, require, table

if TYPE_CHECKING:
    from us_2018 import Folder, Margin

PLACE = "us_2018"


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

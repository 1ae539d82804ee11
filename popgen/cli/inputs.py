"""Files and places as they are named on the command line, read into popgen's nouns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from popgen.census import Census, read_census
from popgen.codebook import Codebook
from popgen.domain import Variable
from popgen.errors import PopgenError, listed
from popgen.folder import Folder, Source
from popgen.frames import is_data_file, load_frame, table_from_frame
from popgen.survey import read_microdata
from popgen.table import Projectable, Table
from popgen.tables import Tables
from popgen.writing import sha256


def split(names: str | None) -> list[str] | None:
    """Split a list given as ``a,b,c``."""
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def census_with_files(
    place: str | None, zone: str | None, universe: str | None, margins: Sequence[str]
) -> Census:
    """Read margins of which some are files, and perhaps a place for the others and the codebook."""
    base = _base(place, zone, universe, [name for name in margins if not is_data_file(name)])
    tables, sources = dict(base.margins), dict(base.sources)
    for file in filter(is_data_file, margins):
        name = Path(file).stem
        if name in tables:
            raise PopgenError(f"two margins are called {name!r}; rename the file {file}")
        tables[name] = _margin_file(file, base)
        sources[name] = Source(name, file, details={"sha256": sha256(file)})
    return replace(base, margins=Tables(tables), sources=sources)


def _base(place: str | None, zone: str | None, universe: str | None, names: list[str]) -> Census:
    if place is not None:
        if zone is None and Folder.open(place).zones:
            raise PopgenError(f"margin files are of one zone: say which one of {place} with --zone")
        return read_census(place, zone=zone, universe=universe, margins=names)
    if names or zone is not None or universe is not None:
        raise PopgenError(
            f"margins {listed(names)}, a zone and a universe are those of a place: give --place"
            if names
            else "a zone and a universe are those of a place: give --place"
        )
    return Census("", Tables({}), Codebook(), {}, "")


def _margin_file(file: str, base: Census) -> Table:
    columns = load_frame(file)[0].columns
    zone_name = base.about.get("zone")
    if zone_name in columns:
        raise PopgenError(
            f"{file} has a column {zone_name!r}: keep the rows of {base.zone} and leave it out"
        )
    known = base.codebook.variables
    variables: list[str | Variable] = [
        known.get(name, name) for name in columns if name not in ("count", "se")
    ]
    return table_from_frame(file, variables)


def read_truth(
    truth: str,
    *,
    zone: str | None = None,
    universe: str | None = None,
    margins: Sequence[str] | None = None,
    weight: str | None = None,
) -> tuple[Projectable, Codebook]:
    """Read what candidates are scored against, and the codebook that they are to follow.

    A file with a column ``count`` is a table, one row a cell; any other file is records. Of a
    place, every margin of the universe is read, unless ``margins`` names some.
    """
    if is_data_file(truth):
        if (zone, universe, margins) != (None, None, None):
            raise PopgenError(f"zone, universe and margins are those of a place; {truth} is a file")
        held: Projectable
        if weight is None and "count" in load_frame(truth)[0].columns:
            held = table_from_frame(truth)
        else:
            held = read_microdata(truth, weight=weight)
        return held, Codebook.of(held.domain)
    folder = Folder.open(truth)
    name = folder.universe(universe)
    own = [source.name for source in folder.sources.values() if source.universe == name]
    asked = margins if margins is not None else own or folder.panel(name)
    census = read_census(truth, zone=zone, universe=name, margins=asked)
    return census.margins, census.codebook


def measured_sets(asked: Sequence[str], truth: str, variables: Sequence[str]) -> list[list[str]]:
    """Read sets of measured variables: ``age,sex``, or the name of a list under [inputs]."""
    known = {} if is_data_file(truth) else Folder.open(truth).about.get("inputs", {})
    sets: list[list[str]] = []
    for text in asked:
        sets += known[text]["margins"] if text in known else [split(text) or []]
        if strange := {name for names in sets for name in names} - set(variables):
            lists = f", nor is it one of the lists {listed(known)}" if known else ""
            raise PopgenError(
                f"--measured {text!r}: the truth has no variable {listed(sorted(strange))}; it has "
                f"{listed(variables, most=30)}{lists}"
            )
    return sets

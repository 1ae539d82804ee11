"""A folder of margin tables on disk: ``SOURCE.toml``, ``codebook.toml`` and CSV files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from popgen.codebook import Codebook, read_codebook, read_toml
from popgen.domain import Variable
from popgen.errors import PopgenError, listed
from popgen.frames import load_frame, need_columns, read_cells
from popgen.shipped import shipped
from popgen.table import Table
from popgen.writing import sha256


@dataclass(frozen=True)
class Source:
    """Where one margin's figures come from, as its entry in ``SOURCE.toml`` says.

    Attributes
    ----------
    name, file, table : str
        The margin's name, its CSV file, and the agency's number of the table.
    variables : tuple of str
        Columns that are variables, the zone among them.
    universe, unit : str
        Who is counted, and what is counted (people, households).
    layout : str
        'tidy' (one column a variable) or 'long' (many tables in one file).
    details : mapping
        Everything else stated: description, total, sha256, checks.
    """

    name: str
    file: str
    variables: tuple[str, ...] = ()
    table: str = ""
    universe: str = ""
    unit: str = "people"
    layout: str = "tidy"
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any], where: Path) -> Source:
        """Build from a ``[[margins]]`` entry; `name` and `file` are required."""
        if absent := [key for key in ("name", "file") if key not in entry]:
            raise PopgenError(f"{where}: a [[margins]] entry lacks {listed(absent)}: {dict(entry)}")
        known = {"name", "file", "table", "universe", "unit", "layout"}
        stated = {key: entry[key] for key in known if key in entry}
        details = {key: value for key, value in entry.items() if key not in {*known, "variables"}}
        return cls(**stated, variables=tuple(entry.get("variables", ())), details=details)


def shipped_places() -> list[str]:
    """Names of the places whose figures come with popgen, wherever it is installed."""
    return sorted(path.parent.name for path in shipped("census_marginals").glob("*/SOURCE.toml"))


@dataclass(frozen=True)
class Folder:
    """One place's folder, opened: its sources, universes and codebook.

    Attributes
    ----------
    path : Path
    about : mapping
        Everything in ``SOURCE.toml`` but the margins.
    sources : mapping of str to Source
    """

    path: Path
    about: Mapping[str, Any]
    sources: Mapping[str, Source]

    @classmethod
    def open(cls, place: str | os.PathLike[str]) -> Folder:
        """Find a folder by path, or a shipped place by name.

        A folder without ``SOURCE.toml`` is read as it stands: every CSV file is a tidy margin.
        """
        path = Path(place)
        if not (path / "SOURCE.toml").is_file() and str(place) in shipped_places():
            path = shipped("census_marginals") / str(place)
        if not path.is_dir():
            raise PopgenError(
                f"no place {str(place)!r}: it is neither a folder nor one of "
                f"{listed(shipped_places())}"
            )
        if not (path / "SOURCE.toml").is_file():
            return cls(path, {}, _bare_sources(path))
        about = read_toml(path / "SOURCE.toml")
        entries = about.pop("margins", [])
        sources = [Source.from_entry(entry, path / "SOURCE.toml") for entry in entries]
        if not sources:
            raise PopgenError(f"{path / 'SOURCE.toml'} lists no [[margins]]")
        if len({source.name for source in sources}) < len(sources):
            names = listed(source.name for source in sources)
            raise PopgenError(f"{path / 'SOURCE.toml'} names two margins alike: {names}")
        return cls(path, about, {source.name: source for source in sources})

    @cached_property
    def codebook(self) -> Codebook:
        """The variables of all universes; of bare CSV files, as they appear in them."""
        path = self.path / "codebook.toml"
        if path.is_file() or self.about:
            return read_codebook(path)
        return self._codebook_as_found()

    def _codebook_as_found(self) -> Codebook:
        levels: dict[str, dict[str, None]] = {}
        for source in self.sources.values():
            frame = self._frame(source)
            for name in source.variables:
                found = frame[name].drop_nulls().unique(maintain_order=True)
                levels.setdefault(name, {}).update(dict.fromkeys(found))
        return Codebook.of(Variable(name, tuple(found)) for name, found in levels.items())

    @property
    def universes(self) -> Mapping[str, Mapping[str, Any]]:
        """The universes that ``SOURCE.toml`` describes."""
        universes: Mapping[str, Mapping[str, Any]] = self.about.get("universes", {})
        return universes

    @property
    def zone_variable(self) -> str | None:
        """Name of the variable that says the zone, if the place has zones."""
        return self.about.get("zone")

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones there are; none if the place is one zone."""
        return self.codebook[self.zone_variable].levels if self.zone_variable else ()

    def zone(self, asked: str | None) -> str | None:
        """Check a zone's name; None stands for all."""
        if asked is not None and asked not in self.zones:
            there = f"it has {listed(self.zones, most=60)}" if self.zones else "it is one zone"
            raise PopgenError(f"{self.path.name} has no zone {asked!r}; {there}")
        return asked

    def universe(self, asked: str | None) -> str:
        """Check a universe's name; None gives the folder's default."""
        name = asked if asked is not None else self.about.get("default_universe", "")
        if name not in (self.universes or ("",)):
            there = listed(self.universes, most=30)
            raise PopgenError(
                f"{self.path.name} has no universe {name!r}; "
                + (f"name one of {there}" if there else "SOURCE.toml describes none")
            )
        return str(name)

    def panel(self, universe: str) -> list[str]:
        """Names of the margins that make the universe's default panel; all of its own otherwise."""
        stated = self.universes.get(universe, {}).get("panel")
        if stated is not None:
            return list(stated)
        if not self.universes:
            return list(self.sources)
        return [name for name, source in self.sources.items() if source.universe == universe]

    def codebook_for(self, universe: str) -> Codebook:
        """Return the codebook with only the levels that the universe has."""
        return self.codebook.keeping(self.universes.get(universe, {}).get("keep", {}))

    def read(self, name: str, zone: str | None, universe: str | None) -> dict[str, Table]:
        """Read one margin (a file of layout 'long' gives several), cut to a zone and a universe."""
        if name not in self.sources:
            raise PopgenError(
                f"{self.path.name} has no margin {name!r}; it has {listed(self.sources, most=60)}"
            )
        source = self.sources[name]
        frame, where = self._frame(source), str(self.path / source.file)
        parts = {name: (frame, source.variables)}
        if source.layout == "long":
            parts = _long_parts(frame, where)
        return {
            key: self._cut(self._table(part, variables, zone, where), source, universe)
            for key, (part, variables) in parts.items()
        }

    def _table(
        self, frame: pl.DataFrame, variables: Sequence[str], zone: str | None, where: str
    ) -> Table:
        if zone is not None:
            if self.zone_variable not in variables:
                raise PopgenError(
                    f"{where} is not stated by {self.zone_variable!r}: its figures over "
                    f"{listed(variables)} are for all zones; leave the margin out for zone {zone!r}"
                )
            frame = self._one_zone(frame, zone, where)
            variables = [name for name in variables if name != self.zone_variable]
            where = f"{where}, zone {zone!r}"
        return read_cells(frame, [self.codebook[name] for name in variables], where)

    def _frame(self, source: Source) -> pl.DataFrame:
        path = self.path / source.file
        if not path.is_file():
            raise PopgenError(f"margin {source.name!r}: there is no file {path}")
        expected = source.details.get("sha256")
        if expected and _digest(path, path.stat().st_mtime_ns) != expected:
            raise PopgenError(
                f"{path} is not the file that SOURCE.toml describes: its sha256 differs; restore "
                "it, or state the new sha256 if the figures were changed on purpose"
            )
        frame = _cached_frame(path, path.stat().st_mtime_ns)
        if source.layout == "tidy":
            need_columns(frame, [*source.variables, "count"], str(path))
        return frame

    def _one_zone(self, frame: pl.DataFrame, zone: str, where: str) -> pl.DataFrame:
        variable = str(self.zone_variable)
        kept = frame.filter(pl.col(variable).cast(pl.String) == zone).drop(variable)
        if kept.is_empty():
            there = frame[variable].cast(pl.String).unique(maintain_order=True)
            raise PopgenError(f"{where} has no zone {zone!r}; it has {listed(there, most=60)}")
        return kept

    def _cut(self, table: Table, source: Source, universe: str | None) -> Table:
        """Cut a table down to a universe: keep its levels, drop variables that say no more."""
        if universe in (None, ""):
            return table
        rules = self.universes[str(universe)]
        readable = rules.get("margins", ())
        if source.universe != universe and source.name not in readable:
            raise PopgenError(
                f"margin {source.name!r} counts {source.universe!r} and cannot be cut down to "
                f"{universe!r}; leave it out, or read universe={source.universe!r}. Margins of "
                f"{universe!r}: {listed(readable, most=60)}"
            )
        keep = {name: rule for name, rule in rules.get("keep", {}).items() if name in table.names}
        stated = {
            name: [level for level in levels if level in table.domain[name].levels]
            for name, levels in keep.items()
        }
        if empty := [name for name, levels in stated.items() if not levels]:
            raise PopgenError(
                f"margin {source.name!r} states no level of {listed(empty)} that {universe!r} "
                "keeps; leave it out"
            )
        cut = table.select(**stated)
        book = self.codebook_for(str(universe))
        said = [v.name for v in cut.domain if len(v) > 1 or not book.covers(v.name)]
        return cut.project(*said or cut.names)


def _bare_sources(path: Path) -> dict[str, Source]:
    """Take every CSV file of a folder for a tidy margin; columns but count and se are variables."""
    files = sorted(path.glob("*.csv"))
    if not files:
        raise PopgenError(f"{path} holds neither SOURCE.toml nor CSV files: no margins to read")
    sources = {}
    for file in files:
        columns = _cached_frame(file, file.stat().st_mtime_ns).columns
        variables = tuple(name for name in columns if name not in ("count", "se"))
        sources[file.stem] = Source(file.stem, file.name, variables)
    return sources


def _long_parts(frame: pl.DataFrame, where: str) -> dict[str, tuple[pl.DataFrame, tuple[str, ...]]]:
    """Take a file of layout 'long' apart: the rows and the variables of each of its tables."""
    numbers = itertools.takewhile(lambda i: f"variable_{i}" in frame.columns, itertools.count(1))
    columns = {f"variable_{i}": f"level_{i}" for i in numbers} or {"variable_1": "level_1"}
    need_columns(frame, [*columns, *columns.values(), "count"], where)
    figures = [name for name in ("count", "se") if name in frame.columns]
    parts = {}
    for key, part in frame.partition_by(*columns, as_dict=True, maintain_order=True).items():
        stated = dict(zip(columns.values(), key, strict=True))
        names = {level: str(name) for level, name in stated.items() if name is not None}
        rows = part.select(*names, *figures).rename(names)
        parts["_".join(names.values())] = rows, tuple(names.values())
    return parts


@lru_cache(maxsize=64)
def _cached_frame(path: Path, _mtime: int) -> pl.DataFrame:
    return load_frame(path, text=True)[0]


@lru_cache(maxsize=256)
def _digest(path: Path, _mtime: int) -> str:
    return sha256(path)

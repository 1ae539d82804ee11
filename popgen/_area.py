"""What `generate` is asked to people: the zones of a place, each read into a `Problem`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from popgen.census import Census, read_census
from popgen.controls import Control
from popgen.domain import Variable
from popgen.errors import PopgenError, listed
from popgen.folder import Folder, Source
from popgen.microdata import Microdata
from popgen.problem import Problem
from popgen.reconcile import reconcile
from popgen.tables import Tables
from popgen.writing import sha256

Progress = Callable[[str, int, int], object]
"""Called with what is being done, how many zones are done, and how many there are."""


@dataclass(frozen=True, eq=False)
class Area:
    """What is to be peopled.

    Attributes
    ----------
    zones : tuple of (str or None)
        The zones; None alone where there are none.
    read : callable
        Gives one zone's census.
    about : mapping
        For the provenance: place, universe, the margins' files with their sha256.
    zone_name : str or None
        Name of the variable that says the zone, if the place has zones.
    by : Variable or None
        The same variable, if people of all zones are asked for: then each carries it.
    """

    zones: tuple[str | None, ...]
    read: Callable[[str | None], Census]
    about: Mapping[str, Any]
    zone_name: str | None = None
    by: Variable | None = None

    @classmethod
    def of(
        cls,
        place: str | os.PathLike[str] | Census,
        zone: str | None,
        universe: str | None,
        margins: Sequence[str] | None,
    ) -> Area:
        """Open a place for one zone or for all it has; a census that has been read is one zone."""
        if isinstance(place, Census):
            if (zone, universe, margins) != (None, None, None):
                raise PopgenError("give zone, universe and margins to read_census: this is read")
            return cls._of_census(place)
        folder = Folder.open(place)
        universe = folder.universe(universe)
        names = list(margins) if margins is not None else folder.panel(universe)

        def read(name: str | None) -> Census:
            return read_census(place, zone=name, universe=universe, margins=names)

        used = [folder.sources[name] for name in names if name in folder.sources]
        files = {source.name: _stated(source, folder.path) for source in used}
        about = {"place": folder.path.name, "universe": universe, "margins": files}
        by = (
            folder.codebook[folder.zone_variable] if folder.zone_variable and zone is None else None
        )
        return cls(by.levels if by else (zone,), read, about, folder.zone_variable, by)

    @classmethod
    def _of_census(cls, census: Census) -> Area:
        used = [s for s in census.sources.values() if s.name in census.margins]
        files = {source.name: _stated(source) for source in used or census.sources.values()}
        about = {"place": census.place, "universe": census.universe, "margins": files}
        return cls((census.zone,), lambda _: census, about, census.about.get("zone"))


def _stated(source: Source, folder: Path | None = None) -> dict[str, Any]:
    """Say for the provenance where a margin comes from."""
    known = source.details.get("sha256")
    if known is None and folder is not None and (folder / source.file).is_file():
        known = sha256(folder / source.file)
    return {"file": source.file, "table": source.table, "sha256": known}


@contextmanager
def naming(zone: str | None) -> Iterator[None]:
    """Make errors raised inside name the zone."""
    try:
        yield
    except PopgenError as error:
        if zone is None or f"zone {zone!r}" in str(error):
            raise
        raise type(error)(f"zone {zone!r}: {error}") from error


@dataclass(frozen=True, eq=False)
class Zone:
    """One zone as it was read.

    Attributes
    ----------
    problem : Problem
    moved : tuple of mappings
        What reconciling moved: rows of its report.
    """

    problem: Problem
    moved: tuple[Mapping[str, Any], ...] = ()


def read_zones(
    area: Area,
    microdata: Microdata | None,
    mend: bool,
    tell: Progress,
    *,
    controls: Sequence[Control] = (),
) -> dict[str | None, Zone]:
    """Read every zone; those where nobody lives are left out.

    Parameters
    ----------
    area : Area
    microdata : Microdata or None
        Records, of every zone or of all zones alike.
    mend : bool
        Whether to reconcile the margins.
    tell : callable
        Told of progress.
    controls : sequence of Control
        Of every zone: those of one name it.
    """
    mine = _by_zone(controls, area)
    zones = {}
    for done, name in enumerate(area.zones, start=1):
        with naming(name):
            census = area.read(name)
            if area.by is None or any(table.total for table in census.margins.values()):
                records = None
                if microdata is not None:
                    records = _records(microdata, area.zone_name, name)
                zones[name] = _zone(census, records, mend, mine[name])
        tell("reading", done, len(area.zones))
    if not zones:
        raise PopgenError(f"nobody lives in any zone of {area.about['place']}: every figure is 0")
    _refuse_differing(zones)
    return zones


def _by_zone(controls: Sequence[Control], area: Area) -> dict[str | None, tuple[Control, ...]]:
    """Share controls out among the zones that their groups name, which then need not name them."""
    mine: dict[str | None, tuple[Control, ...]] = dict.fromkeys(area.zones, ())
    for control in controls:
        named = dict(control.group).get(area.zone_name or "")
        if named is None and area.by is not None:
            raise PopgenError(
                f"control {control.name!r} is of no one zone, and each zone is fitted on its own: "
                f"name one in its group, {area.zone_name!r}, or generate one zone"
            )
        if strange := [z for z in named or () if area.by is not None and z not in area.zones]:
            raise PopgenError(
                f"control {control.name!r}: {area.about['place']} has no zone {listed(strange)}"
            )
        if named is not None and len(named) > 1:
            raise PopgenError(
                f"control {control.name!r} is of {len(named)} zones, and each is fitted on its own"
            )
        rest = tuple(pair for pair in control.group if pair[0] != area.zone_name)
        for zone in area.zones if named is None else named:
            if zone in mine:
                mine[zone] = (*mine[zone], replace(control, by=rest))
    return mine


def _zone(
    census: Census, records: Microdata | None, mend: bool, controls: Sequence[Control]
) -> Zone:
    margins: Tables = census.margins
    moved: tuple[Mapping[str, Any], ...] = ()
    if mend:
        margins, report = reconcile(margins, codebook=census.codebook)
        moved = tuple(row for row in report.to_dicts() if row["cells_moved"])
    seed = census.seed if records is None else None
    book = census.codebook
    return Zone(Problem(margins, records, codebook=book, seed=seed, controls=controls), moved)


def _refuse_differing(zones: Mapping[str | None, Zone]) -> None:
    (first, one), *others = zones.items()
    for name, zone in others:
        here, there = one.problem.domain, zone.problem.domain
        if here != there:
            raise PopgenError(
                f"zones {first!r} and {name!r} have different variables or levels ({here.names} "
                f"against {there.names}); give margins that both have"
            )


def _records(microdata: Microdata, zone_name: str | None, zone: str | None) -> Microdata:
    """Give a zone its own records, without the zone variable; all if they have no such variable."""
    if zone is None or zone_name not in microdata.domain:
        return microdata
    here = microdata.column(str(zone_name)) == microdata.domain[str(zone_name)].index(zone)
    if not here.any():
        raise PopgenError(
            f"the microdata have no record of {zone_name} {zone!r}; add some, or leave out the "
            f"column {zone_name!r} so that every zone uses all records"
        )
    mine = microdata.take(here)
    names = [name for name in mine.domain.names if name != zone_name]
    codes = mine.codes[:, [mine.domain.axis(name) for name in names]]
    values = {name: mine.values[name] for name in mine.values if name != zone_name}
    return Microdata(mine.domain.project(*names), codes, mine.weights, mine.notes, values)

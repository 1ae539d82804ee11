"""`Census`: a folder of margin tables with their sources, read for one zone and one universe."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from popgen.codebook import Codebook
from popgen.domain import Domain
from popgen.errors import PopgenError, listed
from popgen.folder import Folder, Source, shipped_places
from popgen.table import Table
from popgen.tables import Tables


@dataclass(frozen=True, eq=False)
class Census:
    """Margin tables of one place and universe, with what defines and documents them.

    Attributes
    ----------
    place : str
        Name of the folder, e.g. ``us_2018``.
    margins : Tables
        The tables asked for, by name.
    codebook : Codebook
    sources : mapping of str to Source
    universe : str
        Who is counted, e.g. ``adults``.
    zone : str or None
        The zone the margins are restricted to; None keeps the zone as a variable.
    seed : Table or None
        A table whose interactions are borrowed where no margin states them.
    about : mapping
        Title, agency, vintage, licence and the rest of ``SOURCE.toml``'s head.
    """

    place: str
    margins: Tables
    codebook: Codebook
    sources: Mapping[str, Source]
    universe: str
    zone: str | None = None
    seed: Table | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def domain(self) -> Domain:
        """Every variable that some margin has."""
        return self.margins.domain

    def project(self, *names: str) -> Table:
        """Answer from the smallest margin that holds all the variables asked for."""
        return self.margins.project(*names)


def catalog() -> pl.DataFrame:
    """List the margins that come with popgen: place, name, universe, variables, table, source.

    Examples
    --------
    >>> "us_2018" in catalog()["place"]
    True
    """
    rows = []
    for place in shipped_places():
        folder = Folder.open(place)
        for source in folder.sources.values():
            rows.append(
                {
                    "place": place,
                    "margin": source.name,
                    "universe": source.universe,
                    "unit": source.unit,
                    "variables": " × ".join(source.variables),
                    "table": source.table,
                    "source": f"{folder.about.get('agency', '')} {folder.about.get('vintage', '')}",
                    "description": str(source.details.get("description", "")),
                }
            )
    return pl.DataFrame(rows)


def read_census(
    place: str | os.PathLike[str],
    *,
    zone: str | None = None,
    universe: str | None = None,
    margins: Sequence[str] | None = None,
) -> Census:
    """Read a folder of margin tables, shipped with popgen or your own.

    Parameters
    ----------
    place : str or path
        A place in `catalog`, or a folder holding ``SOURCE.toml``, ``codebook.toml`` and CSV files.
    zone : str, optional
        Keep one zone (``"WI"``). Default: all, the zone being a variable of every margin.
    universe : str, optional
        Whom to count (``"adults"``); tables of a wider universe are cut down to it where their
        levels allow. Default: the folder's own default.
    margins : names, optional
        Which margins. Default: the universe's panel of margins.

    Returns
    -------
    Census

    Raises
    ------
    PopgenError
        For an unknown place, zone, universe or margin, a file that is absent or altered (its
        sha256 differs from the one stated), a level unknown to the codebook, a figure that is
        negative or not a number.

    Examples
    --------
    >>> census = read_census("us_2018", zone="WI", margins=["sex_age"])
    >>> round(census.margins["sex_age"].total)
    4541463
    """
    folder = Folder.open(place)
    zone, universe = folder.zone(zone), folder.universe(universe)
    names = list(margins) if margins is not None else folder.panel(universe)
    tables: dict[str, Table] = {}
    for name in names:
        read = folder.read(name, zone, universe)
        if twice := sorted(read.keys() & tables):
            raise PopgenError(f"{folder.path.name}: two margins give tables named {listed(twice)}")
        tables |= read
    seed = folder.universes.get(universe, {}).get("seed")
    seeded = folder.read(seed, zone, None)[seed] if seed else None
    return Census(
        folder.path.name,
        Tables(tables),
        folder.codebook_for(universe),
        folder.sources,
        universe,
        zone,
        seeded,
        dict(folder.about),
    )

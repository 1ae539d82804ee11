"""Margins and records that a command is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.options import MissingPolicy, Policy, Weight
from popgen.errors import PopgenError

if TYPE_CHECKING:
    from popgen.codebook import Codebook
    from popgen.microdata import Microdata
    from popgen.problem import Problem

AS_FOR_GENERATE = (
    "Margins to meet, a,b,c: names of the place's, or files of your own, as for popgen generate. "
    "Default: the universe's panel."
)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Options that say where margins and records are."""

    place: Annotated[
        str | None,
        typer.Option(help="A place that comes with popgen (popgen data list), or a folder."),
    ] = None
    zone: Annotated[str | None, typer.Option(help="The zone, where the place has zones.")] = None
    universe: Annotated[
        str | None, typer.Option(help="Whom to count. Default: as the place says.")
    ] = None
    margins: Annotated[str | None, typer.Option(help=AS_FOR_GENERATE)] = None
    microdata: Annotated[
        Path | None, typer.Option(help="Records to weight: a CSV or Parquet file.")
    ] = None
    weight: Weight = None
    missing: MissingPolicy = Policy.error
    bands: Annotated[
        list[str] | None,
        typer.Option(
            "--bands",
            help="Read a column of numbers in bands, and keep the numbers: 'age=0,18,65,inf'. May "
            "be given more than once; or the codebook says so.",
        ),
    ] = None

    def read(self) -> dict[str, Any]:
        """Read records, and margins if some are files; say it in the words of `generate`."""
        where = self._where()
        return {**where, "microdata": self._records(where)}

    def _records(self, where: dict[str, Any]) -> Microdata | None:
        edges = dict(map(_edges, self.bands or []))
        if self.microdata is None:
            if edges:
                raise PopgenError("--bands says how to read records: give some with --microdata")
            return None
        from popgen.survey import read_microdata

        return read_microdata(
            self.microdata,
            codebook_of(where),
            weight=self.weight,
            missing=self.missing.value,
            bands=edges,
        )

    def _where(self) -> dict[str, Any]:
        from popgen.cli.inputs import census_with_files, split
        from popgen.frames import is_data_file

        names = split(self.margins)
        if names == []:
            raise PopgenError("--margins names none; leave it out to have the universe's panel")
        if names is not None and any(map(is_data_file, names)):
            return {"place": census_with_files(self.place, self.zone, self.universe, names)}
        if self.place is None:
            raise PopgenError("give --place (see popgen data list), or margin files with --margins")
        return {
            "place": self.place,
            "zone": self.zone,
            "universe": self.universe,
            "margins": names,
        }


def codebook_of(where: dict[str, Any]) -> Codebook | None:
    """Return the codebook of the place that a command was given, unless it says nothing."""
    from popgen.census import Census
    from popgen.folder import Folder

    place: str | Census = where["place"]
    if isinstance(place, Census):
        book = place.codebook
    else:
        folder = Folder.open(place)
        book = folder.codebook_for(folder.universe(where["universe"]))
    return book if book.variables else None


def one_problem(where: dict[str, Any], reconcile: bool, what: str) -> tuple[str | None, Problem]:
    """Pose the problem of the one zone that the inputs are of: its name, and the problem."""
    from popgen._area import Area, read_zones
    from popgen.errors import listed

    zone, universe, margins = (where.get(key) for key in ("zone", "universe", "margins"))
    area = Area.of(where["place"], zone, universe, margins)
    if area.by is not None:
        raise PopgenError(f"{what} is of one zone: say which with --zone: {listed(area.zones)}")
    records, controls = where["microdata"], where.get("controls", ())
    zones = read_zones(area, records, reconcile, lambda *_: None, controls=controls)
    [(only, read)] = zones.items()
    return only, read.problem


def _edges(text: str) -> tuple[str, list[float]]:
    """Read ``age=0,18,65,inf``.

    >>> _edges("age=0,18,inf")
    ('age', [0.0, 18.0, inf])
    """
    name, _, edges = text.partition("=")
    try:
        return name.strip(), [float(edge) for edge in edges.split(",")]
    except ValueError:
        raise PopgenError(
            f"--bands {text!r}: write a column and the edges of its bands, as 'age=0,18,65,inf'"
        ) from None

"""``popgen generate``: people from margins, and perhaps microdata."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli import households
from popgen.cli.terminal import Json, Quiet, print_json, print_text, progress, say, writable
from popgen.cli.workers import workers
from popgen.errors import PopgenError
from popgen.methods import NAMED, RANKING, method_named

if TYPE_CHECKING:
    from popgen.codebook import Codebook
    from popgen.controls import Control
    from popgen.methods.base import Method
    from popgen.microdata import Microdata, Population
    from popgen.problem import Problem


MethodName = StrEnum("MethodName", {name: name for name in NAMED})  # type: ignore[misc]
"""Methods, as the command line names them."""


class Integerising(StrEnum):
    """Ways to whole people: see `popgen.integerise`; of households, `popgen.households.placing`."""

    systematic = "systematic"
    cube = "cube"
    trs = "trs"
    multinomial = "multinomial"
    exchange = "exchange"
    milp = "milp"


class Policy(StrEnum):
    """What to do with a missing value: see `popgen.survey.Missing`, to which mypy holds it."""

    error = "error"
    drop = "drop"
    level = "level"


Place = Annotated[
    str | None,
    typer.Option(help="A place that comes with popgen (popgen data list), or a folder."),
]
Universe = Annotated[str | None, typer.Option(help="Whom to count. Default: as the place says.")]
Records = Annotated[Path | None, typer.Option(help="Records to weight: a CSV or Parquet file.")]
Reconcile = Annotated[
    bool,
    typer.Option(
        "--reconcile", help="Make margins that disagree agree; the first are trusted most."
    ),
]
Weight = Annotated[str | None, typer.Option(help="Column of weights, people per record.")]
BandsOf = Annotated[
    list[str] | None,
    typer.Option(
        "--bands",
        help="Read a column of numbers in bands, and keep the numbers: 'age=0,18,65,inf'. May be "
        "given more than once; or the codebook says so.",
    ),
]
Controls = Annotated[
    Path | None,
    typer.Option(
        help="Means, totals and quantiles to meet besides: a file with columns variable, statistic "
        "(mean, total, median, quantile), value, perhaps se, p and width; other columns name the "
        "group."
    ),
]
MissingPolicy = Annotated[
    Policy, typer.Option(help="Missing values: refuse, drop the record, or give them a level.")
]
Ordinal = Annotated[
    str | None,
    typer.Option(
        help="Variables whose levels are in order, a,b,c: for sequential, copula and vine, of "
        "which the last two make little of any others. Two levels are always in order."
    ),
]
Rng = Annotated[int | None, typer.Option(min=0, help="The same number gives the same people.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Write to this .parquet, .csv or .arrow file, and its provenance beside it. "
        "Default: CSV on stdout."
    ),
]


def generate(
    context: typer.Context,
    n: Annotated[
        int | None, typer.Option("-n", "--people", help="How many people to draw.")
    ] = None,
    place: Place = None,
    zone: Annotated[
        str | None, typer.Option(help="One zone's people. Default: every zone, by its size.")
    ] = None,
    universe: Universe = None,
    margins: Annotated[
        str | None,
        typer.Option(
            help="Margins to meet, a,b,c: names of the place's, or files of your own (names ending "
            "in .csv or .parquet; one row a cell, one column a variable, then count and perhaps "
            "se). Default: the universe's panel."
        ),
    ] = None,
    microdata: Records = None,
    weight: Weight = None,
    missing: MissingPolicy = Policy.error,
    bands: BandsOf = None,
    controls: Controls = None,
    method: Annotated[
        MethodName | None,
        typer.Option(
            help="Default: calibration with microdata, ipf without. bayesnet, sequential, copula "
            "and vine learn from microdata; what they draw is calibrated to the margins."
        ),
    ] = None,
    ordinal: Ordinal = None,
    reconcile: Reconcile = False,
    integerise: Annotated[
        Integerising | None,
        typer.Option(
            help="How expected counts become whole people: systematic (the default), cube, trs or "
            "multinomial. With --config: exchange, cube, systematic or milp. Default: as it says."
        ),
    ] = None,
    rng: Rng = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that fit zones. With --config: processes that make households, region "
            "by region, and write each region's to Parquet files of its own.",
        ),
    ] = None,
    out: Out = None,
    config: households.Config = None,
    names: households.Names = None,
    soften: households.Soften = False,
    resume: households.Resume = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Draw people who meet published margins; or, with --config, households and their persons."""
    if config is not None:
        households.refuse_others(context)
        plan = partial(
            households.plan_of, config, names, None if integerise is None else integerise.value
        )
        if resume or workers is not None:
            households.write_parts(
                plan, out, rng=rng, soften=soften, number=workers or 1, resume=resume, json=as_json
            )
        else:
            households.write_at_once(plan, out, rng=rng, soften=soften, json=as_json)
        return
    households.refuse_alone(names, soften, resume, integerise)
    if n is None:
        raise PopgenError(
            "Missing option '-n': say how many people to draw, or give --config a folder that says "
            "what households to make"
        )
    if out is not None:
        from popgen.microdata import WRITERS

        writable(out, tuple(WRITERS))
    options: dict[str, Any] = {"rng": rng, "integerise": str(integerise or Integerising.systematic)}
    options["reconcile"] = reconcile
    options["method"] = asked(method, ordinal)
    where = where_of(place, zone, universe, margins)
    options["microdata"] = records_of(where, microdata, weight, missing, bands)
    options["controls"] = controls_of(controls)
    _deliver(_drawn(where, n, options, workers or 1), out, as_json)


def asked(method: MethodName | None, ordinal: str | None) -> Method | None:
    """Return the method that a command was given; None for its default."""
    from popgen.cli.inputs import split
    from popgen.errors import listed

    if method is not None:
        return method_named(method.value, ordinal=split(ordinal) or ())
    if ordinal is not None:
        raise PopgenError(f"--ordinal needs a --method that asks for it: {listed(RANKING)}")
    return None


def where_of(
    place: str | None, zone: str | None, universe: str | None, margins: str | None
) -> dict[str, Any]:
    """Say where the margins are to be found, in the words of `popgen.generate`."""
    from popgen.cli.inputs import census_with_files, split
    from popgen.frames import is_data_file

    names = split(margins)
    if names == []:
        raise PopgenError("--margins names none; leave it out to have the universe's panel")
    if names is not None and any(map(is_data_file, names)):
        return {"place": census_with_files(place, zone, universe, names)}
    if place is None:
        raise PopgenError("give --place (see popgen data list), or margin files with --margins")
    return {"place": place, "zone": zone, "universe": universe, "margins": names}


def records_of(
    where: dict[str, Any],
    file: Path | None,
    weight: str | None,
    missing: Policy,
    bands: list[str] | None,
) -> Microdata | None:
    """Read the records that a command was given, by the codebook of its place."""
    edges = dict(map(_edges, bands or []))
    if file is None:
        if edges:
            raise PopgenError("--bands says how to read records: give some with --microdata")
        return None
    from popgen.survey import read_microdata

    book = codebook_of(where)
    known = book if book.variables else None
    return read_microdata(file, known, weight=weight, missing=missing.value, bands=edges)


def codebook_of(where: dict[str, Any]) -> Codebook:
    """Return the codebook of the place that a command was given."""
    from popgen.census import Census
    from popgen.folder import Folder

    place: str | Census = where["place"]
    if isinstance(place, Census):
        return place.codebook
    folder = Folder.open(place)
    return folder.codebook_for(folder.universe(where["universe"]))


def one_problem(where: dict[str, Any], reconcile: bool, what: str) -> tuple[str | None, Problem]:
    """Pose the problem of the one zone that the inputs are of: its name, and the problem."""
    from popgen._area import Area, read_zones
    from popgen.errors import listed

    zone, universe, margins = (where.get(key) for key in ("zone", "universe", "margins"))
    area = Area.of(where["place"], zone, universe, margins)
    if area.by is not None:
        raise PopgenError(f"{what} is of one zone: say which with --zone: {listed(area.zones)}")
    records, controls = where.get("microdata"), where.get("controls", ())
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


def controls_of(file: Path | None) -> tuple[Control, ...]:
    """Read the controls that a command was given."""
    if file is None:
        return ()
    from popgen.control_file import read_controls

    return read_controls(file)


def _drawn(where: dict[str, Any], n: int, options: dict[str, Any], number: int) -> Population:
    from popgen.generate import generate as generated

    with progress() as tell, workers(number) as pool:
        return generated(**where, n=n, **options, executor=pool, progress=tell)


def _deliver(people: Population, out: Path | None, as_json: bool) -> None:
    known = people.provenance
    notes = [*(known["microdata"] or {"notes": ()})["notes"]]
    notes += dict.fromkeys(note for fit in known["fits"] for note in fit["notes"])
    for fit in known["fits"]:
        where = "" if fit["zone"] is None else f"zone {fit['zone']}: "
        for row in fit["reconciled"]:
            moved = f"{row['people_moved']:,.6g} of {row['people']:,.6g} people"
            notes.append(
                f"{where}margin {row['margin']!r} moved by {moved} to agree with the others"
            )
    for note in notes:
        say(f"note: {note}")
    frame = people.to_polars()
    if out is not None:
        people.write(out)
        say(f"wrote {len(people):,} people with {', '.join(frame.columns)} to {out}")
    if as_json:
        rest = {} if out is not None else {"people": frame.to_dicts()}
        print_json({"file": None if out is None else str(out), "provenance": known, **rest})
    elif out is None:
        print_text(frame.write_csv())

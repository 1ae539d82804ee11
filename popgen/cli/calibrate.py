"""``popgen calibrate``: a panel of personas brought to margins, its interactions weakened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.people import (
    BandsOf,
    MissingPolicy,
    Out,
    Place,
    Policy,
    Reconcile,
    Records,
    Rng,
    Universe,
    Weight,
    codebook_of,
    one_problem,
    records_of,
    where_of,
)
from popgen.cli.terminal import Json, Quiet, print_json, print_text, say, writable

if TYPE_CHECKING:
    from popgen.microdata import Microdata
    from popgen.personas.calibrate import CalibratedPersonas
    from popgen.problem import Problem
    from popgen.score import Scores

SHOWN = 5
"""Cells without a persona that are named."""


def calibrate(
    panel: Annotated[Path, typer.Argument(help="Personas: a CSV or Parquet file, one a row.")],
    place: Place = None,
    zone: Annotated[str | None, typer.Option(help="The zone, where the place has zones.")] = None,
    universe: Universe = None,
    margins: Annotated[
        str | None,
        typer.Option(
            "--margins",
            "--to",
            help="Margins to meet, a,b,c: names of the place's, or files of your own, as for "
            "popgen generate. Default: the universe's panel.",
        ),
    ] = None,
    microdata: Records = None,
    weight: Weight = None,
    missing: MissingPolicy = Policy.error,
    bands: BandsOf = None,
    reconcile: Reconcile = False,
    given: Annotated[
        str | None,
        typer.Option(help="Variables, a,b,c, that the personas were given, not asked for."),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(help="By how much interactions are taken. Default: learned, or 0.45."),
    ] = None,
    fresh: Annotated[
        float,
        typer.Option(help="Weight of newly drawn people, above 0; 1: everybody is drawn anew."),
    ] = 0.1,
    n: Annotated[
        int | None, typer.Option("-n", "--people", help="Default: as many as the panel has.")
    ] = None,
    rng: Rng = None,
    truth: Annotated[
        str | None,
        typer.Option(help="A place or a file to score interactions against, before and after."),
    ] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring personas that you have to margins: every person counts once, text columns stay."""
    from popgen.frames import load_frame
    from popgen.personas.calibrate import calibrate_personas, margin_fit

    if out is not None:
        from popgen.microdata import WRITERS

        writable(out, tuple(WRITERS))
    where = where_of(place, zone, universe, margins)
    where["microdata"] = records_of(where, microdata, weight, missing, bands)
    _, problem = one_problem(where, reconcile, "calibrating personas")
    personas = _personas(panel, where, problem)
    found = calibrate_personas(
        personas, problem, n=n, factor=factor, fresh=fresh, given=_names(given), rng=rng
    )
    stated = problem.stated
    fit = {"before": margin_fit(personas, stated), "after": margin_fit(found.people, stated)}
    scores = None if truth is None else _scores(truth, personas, found)
    frame = found.frame(load_frame(panel, text=True)[0])
    if out is not None:
        from popgen.microdata import write_with_provenance

        write_with_provenance(out, frame, found.people.provenance)
        say(f"wrote {len(frame):,} people to {out}")
    _tell(found, fit)
    if as_json:
        rows = None if scores is None else scores.rows.to_dicts()
        people = {} if out is not None else {"people": frame.to_dicts()}
        about = {"provenance": found.people.provenance, "lacking": found.lacking}
        print_json({"margins": fit, "kept": found.kept, "scores": rows, **about, **people})
    else:
        if out is None:
            print_text(frame.write_csv())
        for line in [] if scores is None else str(scores).splitlines():
            (say if out is None else print_text)(line)


def _personas(panel: Path, where: dict[str, Any], problem: Problem) -> Microdata:
    from popgen.survey import read_microdata

    book = codebook_of(where)
    known = book if book.variables else None
    return read_microdata(panel, known, variables=problem.domain.names)


def _names(given: str | None) -> list[str]:
    from popgen.cli.inputs import split

    return split(given) or []


def _scores(truth: str, personas: Microdata, found: CalibratedPersonas) -> Scores:
    from popgen.cli.inputs import read_truth
    from popgen.score import compare

    held, _ = read_truth(truth)
    return compare({"before": personas, "after": found.people}, held)


def _tell(found: CalibratedPersonas, fit: dict[str, float]) -> None:
    factors = zip(found.model.sources, found.model.factors.values, strict=True)
    believed = ", ".join(f"{name} {value:.2f}" for name, value in factors)
    say(f"interactions taken ({found.model.factors.how}): {believed}")
    say(f"{found.kept:,} of {len(found.people):,} people are personas of the panel")
    for cell in found.lacking[:SHOWN]:
        say(f"note: the panel had nobody with {cell}")
    if len(found.lacking) > SHOWN:
        say(f"note: nor in {len(found.lacking) - SHOWN} other cells of one or two variables")
    say(f"margins, 1000 is exact: before {fit['before']:.1f}, after {fit['after']:.1f}")

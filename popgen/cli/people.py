"""``popgen generate``: people from margins, and perhaps microdata."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli import households
from popgen.cli.options import Out, Reconcile, Rng, grouped
from popgen.cli.recipe import MethodName, Recipe
from popgen.cli.sources import Sources
from popgen.cli.terminal import Json, Quiet, print_frame, progress, say, writable
from popgen.cli.workers import workers as processes
from popgen.errors import PopgenError

if TYPE_CHECKING:
    from popgen.microdata import Population


class Integerising(StrEnum):
    """Ways to whole people: see `popgen.integerise`; of households, `popgen.households.placing`."""

    systematic = "systematic"
    cube = "cube"
    trs = "trs"
    multinomial = "multinomial"
    exchange = "exchange"
    milp = "milp"


@dataclass(frozen=True, kw_only=True)
class AllSources(Sources):
    """Options that say where margins and records are, for one zone or all of a place."""

    zone: Annotated[
        str | None, typer.Option(help="One zone's people. Default: every zone, by its size.")
    ] = None
    margins: Annotated[
        str | None,
        typer.Option(
            help="Margins to meet, a,b,c: names of the place's, or files of your own (names ending "
            "in .csv or .parquet; one row a cell, one column a variable, then count and perhaps "
            "se). Default: the universe's panel."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class DrawnRecipe(Recipe):
    """Options that say how to fit, of a method whose people are drawn."""

    method: Annotated[
        MethodName | None,
        typer.Option(
            help="Default: calibration with microdata, ipf without. bayesnet, sequential, copula "
            "and vine learn from microdata; what they draw is calibrated to the margins."
        ),
    ] = None


People = Annotated[int | None, typer.Option("-n", "--people", help="How many people to draw.")]
Integerise = Annotated[
    Integerising | None,
    typer.Option(
        help="How expected counts become whole people: systematic (the default), cube, trs or "
        "multinomial. With --config: exchange, cube, systematic or milp. Default: as it says."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that fit zones. With --config: processes that make households, region "
        "by region, and write each region's to Parquet files of its own.",
    ),
]


@grouped
def generate(
    context: typer.Context,
    *,
    n: People = None,
    sources: AllSources,
    recipe: DrawnRecipe,
    reconcile: Reconcile = False,
    integerise: Integerise = None,
    rng: Rng = None,
    workers: Workers = None,
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
        way = None if integerise is None else integerise.value
        plan = partial(households.plan_of, config, names, way)
        options: dict[str, Any] = {"rng": rng, "soften": soften, "json": as_json}
        if resume or workers is not None:
            households.write_parts(plan, out, number=workers or 1, resume=resume, **options)
        else:
            households.write_at_once(plan, out, **options)
        return
    households.refuse_alone(names, soften, resume, integerise)
    if n is None:
        raise PopgenError(
            "Missing option '-n': say how many people to draw, or give --config a folder that says "
            "what households to make"
        )
    writable(out)
    how = str(integerise or Integerising.systematic)
    options = {"n": n, "method": recipe.named_method(), "rng": rng, "integerise": how}
    options |= {**sources.read(), "controls": recipe.read_controls(), "reconcile": reconcile}
    _deliver(_drawn(options, workers or 1), out, as_json)


def _drawn(options: dict[str, Any], number: int) -> Population:
    from popgen.generate import generate as generated

    with progress() as tell, processes(number) as pool:
        return generated(**options, executor=pool, progress=tell)


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
    about = {"file": None if out is None else str(out), "provenance": known}
    print_frame(frame, out, about if as_json else None)

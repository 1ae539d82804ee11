"""``popgen fuse``: add a variable to a frame from a survey or margins that have only some of it."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.audit import question
from popgen.cli.people import MissingPolicy, Policy, Weight
from popgen.cli.terminal import Json, Quiet, print_json, print_text, say, writable

if TYPE_CHECKING:
    from popgen.methods.fusion import FusionModel


class Way(StrEnum):
    """Ways to fuse: see `popgen.Fusion`."""

    balanced = "balanced"
    smooth_fix = "smooth_fix"
    logit = "logit"
    product = "product"


class Unseen(StrEnum):
    """What to do with people of a level that no record has: see `popgen.Fusion`."""

    refuse = "refuse"
    average = "average"


def fuse(
    frame: Annotated[
        str, typer.Argument(help="The frame: a file, one row a cell, with a column count.")
    ],
    variable: Annotated[str, typer.Argument(help="What to add; several, in order, as a,b.")],
    donor: Annotated[
        Path | None,
        typer.Option(help="Survey records that have it and some of the frame's variables."),
    ] = None,
    weight: Weight = None,
    missing: MissingPolicy = Policy.error,
    margins: Annotated[
        str | None, typer.Option(help="Files of people by it and perhaps the frame's, a.csv,b.csv.")
    ] = None,
    way: Annotated[
        Way | None, typer.Option(help="What is assumed. Default: what uses all that is given.")
    ] = None,
    effects: Annotated[
        int, typer.Option(min=1, max=2, help="Terms of the logit: 1 variables, 2 also pairs.")
    ] = 1,
    unseen: Annotated[
        Unseen, typer.Option(help="People of a level that no record has: refuse, or the average.")
    ] = Unseen.refuse,
    share: Annotated[
        list[str] | None,
        typer.Option(
            help="Bound a share and give each way's estimate: 'vote=a given education=higher'."
        ),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", "--people", help="Draw so many people. Default: the table of counts."),
    ] = None,
    rng: Annotated[
        int | None, typer.Option(min=0, help="The same number gives the same people.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write to this .parquet, .csv or .arrow file. Default: CSV on stdout."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add a variable that was never seen with all of a frame, and say what that assumes."""
    if out is not None:
        from popgen.microdata import WRITERS

        writable(out, tuple(WRITERS))
    asked = [question(text) for text in share or []]
    options = {"way": None if way is None else way.value, "effects": effects}
    model = _fused(frame, variable, (donor, weight, missing), margins, options, unseen)
    for note in model.notes:
        say(f"note: {note}")

    from popgen.fusion_set import fusion_bounds

    answers = [fusion_bounds(model, where, given) for where, given in asked]
    for answer in [] if as_json else answers:
        say(str(answer))
    _deliver(model, (n, rng), out, [answer.to_dict() for answer in answers] if as_json else None)


def _fused(
    frame: str,
    variable: str,
    survey: tuple[Path | None, str | None, Policy],
    margins: str | None,
    options: dict[str, Any],
    unseen: Unseen,
) -> FusionModel:
    from popgen.cli.inputs import split
    from popgen.frames import load_frame, table_from_frame
    from popgen.fuse import fuse as fused
    from popgen.survey import read_microdata

    file, weight, missing = survey
    tables = {Path(name).stem: table_from_frame(name) for name in split(margins) or []}
    there = {Path(frame).stem: table_from_frame(frame)}
    [known] = [table.names for table in there.values()]
    names = split(variable) or []
    donor = None
    if file is not None:  # its other columns, and what is missing there, do not matter
        used = [name for name in load_frame(file)[0].columns if name in (*known, *names)]
        donor = read_microdata(file, variables=used, weight=weight, missing=missing.value)
    return fused(there, names, donor, margins=tables, **options, unseen=unseen.value)


def _deliver(
    model: FusionModel,
    drawn: tuple[int | None, int | None],
    out: Path | None,
    answers: list[dict[str, Any]] | None,
) -> None:
    """Write, or print, the table or the people drawn from it."""
    from popgen.microdata import WRITERS
    from popgen.writing import write_atomically

    n, rng = drawn
    people = None if n is None else model.sample(n, rng=rng)
    frame = model.table.to_polars() if people is None else people.to_polars()
    if out is not None:
        if people is not None:
            people.write(out)
        else:
            write_atomically(out, partial(WRITERS[out.suffix.lower()], frame))
        say(f"wrote {len(frame):,} rows with {', '.join(frame.columns)} to {out}")
    if answers is not None:
        rows = {} if out is not None else {"rows": frame.to_dicts()}
        print_json({"notes": list(model.notes), "answers": answers, **rows})
    elif out is None:
        print_text(frame.write_csv())

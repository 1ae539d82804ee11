"""``popgen fuse``: add a variable to a frame from a survey or margins that have only some of it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.audit import Question, question
from popgen.cli.options import MissingPolicy, Policy, Rng, Weight, grouped
from popgen.cli.terminal import Json, Quiet, print_frame, print_json, say, writable
from popgen.errors import PopgenError

if TYPE_CHECKING:
    import polars as pl

    from popgen.fusion_set import FusionBounds
    from popgen.methods.fusion import FusionModel
    from popgen.microdata import Microdata


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


@dataclass(frozen=True, kw_only=True)
class Donor:
    """Options that name survey records with what is to be added."""

    donor: Annotated[
        Path | None,
        typer.Option(help="Survey records that have it and some of the frame's variables."),
    ] = None
    weight: Weight = None
    missing: MissingPolicy = Policy.error

    def read(self, used: Container[str]) -> Microdata | None:
        """Read the records; their other columns, and what is missing there, do not matter."""
        from popgen.frames import load_frame
        from popgen.survey import read_microdata

        if self.donor is None:
            return None
        names = [name for name in load_frame(self.donor)[0].columns if name in used]
        return read_microdata(
            self.donor, variables=names, weight=self.weight, missing=self.missing.value
        )


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """Options that say what is assumed."""

    way: Annotated[
        Way | None, typer.Option(help="What is assumed. Default: what uses all that is given.")
    ] = None
    effects: Annotated[
        int, typer.Option(min=1, max=2, help="Terms of the logit: 1 variables, 2 also pairs.")
    ] = 1
    unseen: Annotated[
        Unseen, typer.Option(help="People of a level that no record has: refuse, or the average.")
    ] = Unseen.refuse


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Options that say whether people are drawn from the fused table."""

    n: Annotated[
        int | None,
        typer.Option("-n", "--people", help="Draw so many people. Default: the table of counts."),
    ] = None
    rng: Rng = None

    def __post_init__(self) -> None:
        if self.n is None and self.rng is not None:
            raise PopgenError("--rng is for drawing people: say with -n how many, or leave it out")


@grouped
def fuse(
    frame: Annotated[
        str, typer.Argument(help="The frame: a file, one row a cell, with a column count.")
    ],
    variable: Annotated[str, typer.Argument(help="What to add; several, in order, as a,b.")],
    *,
    donor: Donor,
    margins: Annotated[
        str | None, typer.Option(help="Files of people by it and perhaps the frame's, a.csv,b.csv.")
    ] = None,
    assumed: Assumption,
    share: Annotated[
        list[str] | None,
        typer.Option(
            help="Bound a share and give each way's estimate: 'vote=a given education=higher'."
        ),
    ] = None,
    drawn: Drawn,
    out: Annotated[
        Path | None,
        typer.Option(help="Write to this .parquet, .csv or .arrow file. Default: CSV on stdout."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add a variable that was never seen with all of a frame, and say what that assumes."""
    writable(out)
    asked = [question(text) for text in share or []]
    model = _fused(frame, variable, donor, margins, assumed)
    for note in model.notes:
        say(f"note: {note}")
    answers = _answers(model, asked)
    for answer in [] if as_json else answers:
        say(str(answer))
    fused = _delivered(model, drawn, out)
    about = {"notes": list(model.notes), "answers": [answer.to_dict() for answer in answers]}
    if as_json and answers and drawn.n is None:
        print_json(about)  # what was asked are questions, not all cells
    else:
        print_frame(fused, out, about if as_json else None, "rows")


def _answers(model: FusionModel, asked: list[Question]) -> list[FusionBounds]:
    from popgen.fusion_set import fusion_bounds

    return [fusion_bounds(model, where, given) for where, given in asked]


def _fused(
    frame: str, variable: str, donor: Donor, margins: str | None, assumed: Assumption
) -> FusionModel:
    from popgen.cli.inputs import split
    from popgen.frames import table_from_frame
    from popgen.fuse import fuse as fused

    tables = {Path(name).stem: table_from_frame(name) for name in split(margins) or []}
    table = table_from_frame(frame)
    names = split(variable) or []
    return fused(
        {Path(frame).stem: table},
        names,
        donor.read({*table.names, *names}),
        margins=tables,
        way=None if assumed.way is None else assumed.way.value,
        effects=assumed.effects,
        unseen=assumed.unseen.value,
    )


def _delivered(model: FusionModel, drawn: Drawn, out: Path | None) -> pl.DataFrame:
    """Frame the table, or the people drawn from it; write it, if that was asked for."""
    from popgen.microdata import WRITERS
    from popgen.writing import write_atomically

    people = None if drawn.n is None else model.sample(drawn.n, rng=drawn.rng)
    frame = (model.table if people is None else people).to_polars()
    if out is not None:
        if people is not None:
            people.write(out)
        else:
            write_atomically(out, partial(WRITERS[out.suffix.lower()], frame))
        say(f"wrote {len(frame):,} rows with {', '.join(frame.columns)} to {out}")
    return frame

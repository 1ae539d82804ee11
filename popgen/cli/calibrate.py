"""``popgen calibrate``: a panel of personas brought to margins, its interactions weakened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.options import Out, Reconcile, Rng, grouped
from popgen.cli.sources import AS_FOR_GENERATE, Sources, codebook_of, one_problem
from popgen.cli.terminal import Json, Quiet, print_frame, print_text, say, writable

if TYPE_CHECKING:
    import polars as pl

    from popgen.microdata import Microdata
    from popgen.personas.calibrate import CalibratedPersonas
    from popgen.problem import Problem
    from popgen.score import Scores

SHOWN = 5
"""Cells without a persona that are named."""


@dataclass(frozen=True, kw_only=True)
class Targets(Sources):
    """Options that say where margins and records are; ``--to`` reads well here."""

    margins: Annotated[str | None, typer.Option("--margins", "--to", help=AS_FOR_GENERATE)] = None


@dataclass(frozen=True, kw_only=True)
class Mending:
    """Options that say how personas are brought to margins."""

    given: Annotated[
        str | None,
        typer.Option(help="Variables, a,b,c, that the personas were given, not asked for."),
    ] = None
    factor: Annotated[
        float | None,
        typer.Option(help="By how much interactions are taken. Default: learned, or 0.45."),
    ] = None
    fresh: Annotated[
        float,
        typer.Option(help="Weight of newly drawn people, above 0; 1: everybody is drawn anew."),
    ] = 0.1
    n: Annotated[
        int | None, typer.Option("-n", "--people", help="Default: as many as the panel has.")
    ] = None
    rng: Rng = None

    def mend(self, personas: Microdata, problem: Problem) -> CalibratedPersonas:
        """Calibrate personas as the options say."""
        from popgen.cli.inputs import split
        from popgen.personas.calibrate import calibrate_personas

        return calibrate_personas(
            personas,
            problem,
            n=self.n,
            factor=self.factor,
            fresh=self.fresh,
            given=split(self.given) or [],
            rng=self.rng,
        )


@grouped
def calibrate(
    panel: Annotated[Path, typer.Argument(help="Personas: a CSV or Parquet file, one a row.")],
    *,
    sources: Targets,
    reconcile: Reconcile = False,
    mending: Mending,
    truth: Annotated[
        str | None,
        typer.Option(help="A place or a file to score interactions against, before and after."),
    ] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring personas that you have to margins: every person counts once, text columns stay."""
    writable(out)
    where = sources.read()
    _, problem = one_problem(where, reconcile, "calibrating personas")
    personas = _personas(panel, where, problem)
    found = mending.mend(personas, problem)
    fit = _margin_fit(personas, found, problem)
    scores = None if truth is None else _scores(truth, personas, found)
    frame = _framed(panel, found, out)
    _tell(found, fit)
    rows = None if scores is None else scores.rows.to_dicts()
    about = {"margins": fit, "kept": found.kept, "scores": rows}
    about |= {"provenance": found.people.provenance, "lacking": found.lacking}
    print_frame(frame, out, about if as_json else None)
    if scores is not None and not as_json:
        for line in str(scores).splitlines():
            (say if out is None else print_text)(line)


def _personas(panel: Path, where: dict[str, Any], problem: Problem) -> Microdata:
    from popgen.survey import read_microdata

    return read_microdata(panel, codebook_of(where), variables=problem.domain.names)


def _margin_fit(
    personas: Microdata, found: CalibratedPersonas, problem: Problem
) -> dict[str, float]:
    from popgen.personas.calibrate import margin_fit

    both = {"before": personas, "after": found.people}
    return {when: margin_fit(people, problem.stated) for when, people in both.items()}


def _framed(panel: Path, found: CalibratedPersonas, out: Path | None) -> pl.DataFrame:
    """Frame the people with the panel's own columns; write them, if that was asked for."""
    from popgen.frames import load_frame
    from popgen.microdata import write_with_provenance

    frame = found.frame(load_frame(panel, text=True)[0])
    if out is not None:
        write_with_provenance(out, frame, found.people.provenance)
        say(f"wrote {len(frame):,} people to {out}")
    return frame


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

"""``popgen score`` and ``popgen compare``: populations against a known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.options import grouped
from popgen.cli.terminal import Json, Quiet, print_json, print_text, progress, say, writable
from popgen.cli.truths import Reading, Truth, named_files, whole_numbers

if TYPE_CHECKING:
    from popgen.score import Scores


@dataclass(frozen=True, kw_only=True)
class Scoring(Reading):
    """Options that say how to read people and truth, and what to score."""

    orders: Annotated[
        str | None, typer.Option(help="Sizes of the sets of variables, e.g. 1,2. Default: up to 3.")
    ] = None
    measured: Annotated[
        list[str] | None,
        typer.Option(
            help="Variables whose joint table the candidates' makers were given, e.g. age,sex, or "
            "the name of a list of them in the truth's SOURCE.toml. May be repeated."
        ),
    ] = None
    rng: Annotated[int, typer.Option(min=0, help="For the yardsticks' draws.")] = 0

    def scores(self, files: dict[str, Path], truth: str) -> Scores:
        """Read people and truth, and compare them."""
        from popgen.cli.inputs import measured_sets
        from popgen.score import compare

        sizes = whole_numbers(self.orders)
        held, book = self.truth(truth)
        sets = measured_sets(self.measured or [], truth, held.domain.names)
        people = self.people(files, held, book)
        with progress() as tell:
            tell("scoring", 0, 0)
            return compare(people, held, measured=sets, orders=sizes, rng=self.rng)


@grouped
def score(
    candidate: Annotated[Path, typer.Argument(help="People to score: a CSV or Parquet file.")],
    *,
    truth: Truth,
    scoring: Scoring,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score people against a truth: margins and interactions apart."""
    _print(scoring.scores({candidate.stem: candidate}, truth), as_json)


@grouped
def compare(
    candidates: Annotated[
        list[str], typer.Argument(help="People to compare: NAME=FILE, or just FILE.")
    ],
    *,
    truth: Truth,
    scoring: Scoring,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a report: this .html file, and a .json with the same figures."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score several populations against one truth."""
    writable(report, ".html")
    files = named_files(candidates)
    found = scoring.scores(files, truth)
    if report is not None:
        _report(report, found, {"truth": truth, **_inputs(files)})
    _print(found, as_json)


def _print(scores: Scores, as_json: bool) -> None:
    print_json(scores.rows.to_dicts()) if as_json else print_text(str(scores))


def _inputs(files: dict[str, Path]) -> dict[str, object]:
    from popgen.writing import sha256

    return {name: {"file": file.name, "sha256": sha256(file)} for name, file in files.items()}


def _report(path: Path, scores: Scores, inputs: dict[str, object]) -> None:
    from popgen.report import summarise, write_report

    write_report(path, summarise(scores, provenance=inputs))
    say(f"wrote {path} and {path.with_suffix('.json')}")

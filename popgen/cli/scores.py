"""``popgen score`` and ``popgen compare``: populations against a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.people import MissingPolicy, Policy, Weight
from popgen.cli.terminal import Json, Quiet, print_json, print_text, progress, say, writable

if TYPE_CHECKING:
    from popgen.codebook import Codebook
    from popgen.score import Scores
    from popgen.table import Projectable

Truth = Annotated[
    str,
    typer.Option(
        help="A place, or a file: a table if it has a column count (one row a cell), else records."
    ),
]
Zone = Annotated[str | None, typer.Option(help="Zone of the truth's place.")]
Universe = Annotated[str | None, typer.Option(help="Universe of the truth's place.")]
Margins = Annotated[
    str | None, typer.Option(help="Margins of the truth's place, a,b,c. Default: the universe's.")
]
TruthWeight = Annotated[str | None, typer.Option(help="Column of weights, if truth is records.")]
Count = Annotated[
    str | None,
    typer.Option(
        help="Column of whole numbers of people, if each row of the candidates is a kind of people."
    ),
]
Orders = Annotated[
    str | None, typer.Option(help="Sizes of the sets of variables, e.g. 1,2. Default: up to 3.")
]
Measured = Annotated[
    list[str] | None,
    typer.Option(
        help="Variables whose joint table the candidates' makers were given, e.g. age,sex, or the "
        "name of a list of them in the truth's SOURCE.toml. May be repeated."
    ),
]
Rng = Annotated[int, typer.Option(min=0, help="For the yardsticks' draws.")]


def score(
    candidate: Annotated[Path, typer.Argument(help="People to score: a CSV or Parquet file.")],
    truth: Truth,
    zone: Zone = None,
    universe: Universe = None,
    margins: Margins = None,
    weight: Weight = None,
    count: Count = None,
    missing: MissingPolicy = Policy.error,
    truth_weight: TruthWeight = None,
    orders: Orders = None,
    measured: Measured = None,
    rng: Rng = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score people against a truth: margins and interactions apart."""
    from popgen.cli.inputs import read_truth, split

    sizes = whole_numbers(orders)
    held, book = read_truth(
        truth, zone=zone, universe=universe, margins=split(margins), weight=truth_weight
    )
    sets = _sets(measured, truth, held)
    people = read_people(
        {candidate.stem: candidate},
        held,
        book,
        {"weight": weight, "count": count, "missing": missing.value},
    )
    found = _scored(people, held, sets, sizes, rng)
    _print(found, as_json)


def compare(
    candidates: Annotated[
        list[str], typer.Argument(help="People to compare: NAME=FILE, or just FILE.")
    ],
    truth: Truth,
    zone: Zone = None,
    universe: Universe = None,
    margins: Margins = None,
    weight: Weight = None,
    count: Count = None,
    missing: MissingPolicy = Policy.error,
    truth_weight: TruthWeight = None,
    orders: Orders = None,
    measured: Measured = None,
    rng: Rng = 0,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a report: this .html file, and a .json with the same figures."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score several populations against one truth."""
    from popgen.cli.inputs import read_truth, split

    sizes = whole_numbers(orders)
    if report is not None:
        writable(report, (".html",))
    files = named_files(candidates)
    held, book = read_truth(
        truth, zone=zone, universe=universe, margins=split(margins), weight=truth_weight
    )
    sets = _sets(measured, truth, held)
    people = read_people(
        files, held, book, {"weight": weight, "count": count, "missing": missing.value}
    )
    found = _scored(people, held, sets, sizes, rng)
    if report is not None:
        _report(report, found, {"truth": truth, **_inputs(files)})
    _print(found, as_json)


def named_files(candidates: list[str]) -> dict[str, Path]:
    """Read NAME=FILE; a file alone, whatever is in its path, is named after itself."""
    from popgen.errors import PopgenError

    files: dict[str, Path] = {}
    for text in candidates:
        name, equals, file = ("", "", text) if Path(text).is_file() else text.partition("=")
        path = Path(file if equals else text)
        name = name if equals else path.stem
        if not name or name in files:
            raise PopgenError(
                f"candidate {text!r}: {'the name is taken' if name else 'it has no name'}; give "
                "each candidate a name of its own, NAME=FILE"
            )
        files[name] = path
    return files


def read_people(
    files: dict[str, Path],
    truth: Projectable,
    codebook: Codebook,
    reading: dict[str, Any],
) -> dict[str, Projectable]:
    """Read each candidate on the truth's variables; tell what reading did to its records."""
    from popgen.frames import load_frame
    from popgen.survey import read_microdata

    people: dict[str, Projectable] = {}
    for name, file in files.items():
        records = read_microdata(file, codebook, variables=truth.domain.names, **reading)
        for note in records.notes:
            say(f"note: {name}: {note}")
        given = reading["weight"] is not None or reading["count"] is not None
        if not given and "count" in load_frame(file)[0].columns:
            say(
                f"note: {name}: each row is one person; with --count count, it is as many people "
                "as its column count says"
            )
        people[name] = records
    return people


def whole_numbers(orders: str | None) -> list[int] | None:
    """Read the sizes of sets, before any work is done for them."""
    from popgen.cli.inputs import split
    from popgen.errors import PopgenError

    try:
        return None if orders is None else [int(size) for size in split(orders) or []]
    except ValueError:
        raise PopgenError(f"--orders {orders!r} is not a list of numbers such as 1,2") from None


def _sets(measured: list[str] | None, truth: str, held: Projectable) -> list[list[str]]:
    from popgen.cli.inputs import measured_sets

    return measured_sets(measured or [], truth, held.domain.names)


def _scored(
    people: dict[str, Projectable],
    truth: Projectable,
    measured: list[list[str]],
    orders: list[int] | None,
    rng: int,
) -> Scores:
    from popgen.score import compare

    with progress() as tell:
        tell("scoring", 0, 0)
        return compare(people, truth, measured=measured, orders=orders, rng=rng)


def _print(scores: Scores, as_json: bool) -> None:
    print_json(scores.rows.to_dicts()) if as_json else print_text(str(scores))


def _inputs(files: dict[str, Path]) -> dict[str, object]:
    from popgen.writing import sha256

    return {name: {"file": file.name, "sha256": sha256(file)} for name, file in files.items()}


def _report(path: Path, scores: Scores, inputs: dict[str, object]) -> None:
    from popgen.report import summarise, write_report

    write_report(path, summarise(scores, provenance=inputs))
    say(f"wrote {path} and {path.with_suffix('.json')}")

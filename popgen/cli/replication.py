"""``popgen replicate``: findings about a truth, tested again among other people."""

from __future__ import annotations

from typing import Annotated

import typer

from popgen.cli.options import grouped
from popgen.cli.terminal import Json, Quiet, print_json, print_text, progress
from popgen.cli.truths import Reading, Truth, named_files, whole_numbers


@grouped
def replicate(
    candidates: Annotated[
        list[str], typer.Argument(help="People to test findings in: NAME=FILE, or just FILE.")
    ],
    *,
    truth: Truth,
    outcome: Annotated[
        list[str],
        typer.Option(help="VARIABLE=LEVEL, or VARIABLE=LEVEL|LEVEL. May be repeated."),
    ],
    predictors: Annotated[
        str | None, typer.Option(help="Variables, a,b,c. Default: all of the truth's.")
    ] = None,
    n: Annotated[int, typer.Option("-n", "--people", help="People of an original study.")] = 1_000,
    orders: Annotated[
        str, typer.Option(help="1 main effects, 2 two-way interactions, 3 three-way.")
    ] = "1,2",
    null: Annotated[
        float, typer.Option(help="True effects smaller than this share count as none.")
    ] = 0.02,
    reading: Reading,
    rng: Annotated[int, typer.Option(min=0, help="For the studies and the yardsticks.")] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Test again, among other people, what studies of a truth would report."""
    from popgen.cli.inputs import split
    from popgen.findings import findings
    from popgen.replication import retest

    asked, files = _outcomes(outcome), named_files(candidates)
    sizes = whole_numbers(orders) or []
    held, book = reading.truth(truth)
    found = findings(held, asked, predictors=split(predictors), n=n, orders=sizes, rng=rng)
    people = reading.people(files, held, book)
    with progress() as tell:
        tell("testing findings again", 0, 0)
        replication = retest(people, found, null=null, rng=rng)
    print_json(replication.rows.to_dicts()) if as_json else print_text(str(replication))


def _outcomes(asked: list[str]) -> dict[str, list[str]]:
    """Read VARIABLE=LEVEL|LEVEL."""
    from popgen.errors import PopgenError

    outcomes: dict[str, list[str]] = {}
    for text in asked:
        name, equals, levels = text.partition("=")
        if not (name and equals and levels) or name in outcomes:
            raise PopgenError(
                f"--outcome {text!r}: give VARIABLE=LEVEL, or VARIABLE=LEVEL|LEVEL, and each "
                "variable once"
            )
        outcomes[name] = levels.split("|")
    return outcomes

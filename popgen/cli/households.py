"""``popgen generate --config``: households and persons in zones; and what one needs to begin."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.terminal import Quiet, print_json, print_text, progress, say
from popgen.cli.workers import ending_at_once, workers
from popgen.errors import PopgenError

if TYPE_CHECKING:
    from popgen.households.plan import HouseholdPlan

app = typer.Typer(help="Households and persons in nested zones: how to say what to make.")


class Naming(StrEnum):
    """Names of the columns that are written: see `popgen.households.naming`."""

    as_read = "as read"
    activitysim = "activitysim"


Config = Annotated[
    Path | None,
    typer.Option(
        help="A folder with popgen.toml, or PopulationSim's own folder (settings.yaml), or that "
        "file itself: make the households and persons that it describes. Goes with --rng, --out, "
        "--names, --soften, --integerise, --workers and --resume."
    ),
]
Names = Annotated[
    Naming | None, typer.Option(help="With --config: names of columns. Default: as it says.")
]
Soften = Annotated[
    bool,
    typer.Option(
        "--soften", help="With --config: meet zones that cannot be met as nearly as possible."
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="With --config: go on with the run in the folder of --out, however it ended; what is "
        "there stays. Writes region by region, as --workers does.",
    ),
]

OWN = {
    *("config", "rng", "out", "names", "soften", "integerise", "workers", "resume"),
    *("as_json", "quiet"),
}
"""Options of ``popgen generate`` that say something of households."""


@app.callback(invoke_without_command=True)
def _households(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def schema() -> None:
    """Print the JSON Schema of popgen.toml."""
    import json

    from popgen.households._schema import schema as published

    print_text(json.dumps(published(), indent=2))


@app.command()
def example(
    folder: Annotated[Path, typer.Argument(help="Where to write it: a folder not there yet.")],
    quiet: Quiet = False,
) -> None:
    """Write a small example: a town of six tracts, its survey, its margins and popgen.toml."""
    from popgen.households.example import write_example

    write_example(folder)
    say(f"wrote an example; next: popgen generate --config {folder} --rng 0 --out {folder / 'out'}")


def refuse_others(context: typer.Context) -> None:
    """Refuse options that say nothing beside ``--config``."""
    given = [
        f"--{name.replace('_', '-')}" if name != "n" else "-n"
        for name in context.params
        if name not in OWN and getattr(context.get_parameter_source(name), "name", "") != "DEFAULT"
    ]
    if given:
        raise PopgenError(
            f"{', '.join(given)} cannot go with --config, whose folder says it all; leave it out"
        )


def refuse_alone(names: Naming | None, soften: bool, resume: bool, integerise: str | None) -> None:
    """Refuse options that say nothing without ``--config``."""
    given = {
        "--names": names is not None,
        "--soften": soften,
        "--resume": resume,
        f"--integerise {integerise}": integerise in ("exchange", "milp"),
    }
    for option, there in given.items():
        if there:
            raise PopgenError(
                f"{option} cannot go without --config; it says something of households"
            )


def plan_of(config: Path, names: Naming | None, integerise: str | None) -> HouseholdPlan:
    """Read what a folder asks for; the command line has the last word."""
    from dataclasses import replace

    from popgen.households.read import read_households

    plan = read_households(config, names=None if names is None else names.value)
    return plan if integerise is None else replace(plan, integerise=integerise)


def write_at_once(
    plan_of: Callable[[], HouseholdPlan],
    out: Path | None,
    *,
    rng: int | None,
    soften: bool,
    json: bool,
) -> None:
    """Make all households and persons that a folder describes, then write them."""
    folder = _needed(out)
    with progress() as tell:
        tell("reading", 0, 3)
        plan = plan_of()
        plan.refuse_folder(folder)
        tell("fitting and placing", 1, 3)
        made = plan.populate(rng=rng, on_infeasible="soften" if soften else "raise")
        tell("writing", 2, 3)
        files = plan.write(made, folder)
    for line in [f"note: {note}" for note in made.provenance["notes"]]:
        say(line)
    persons = None if made.persons is None else len(made.persons)
    _told(str(made.report), len(made.households), persons, folder)
    if json:
        print_json({"files": [str(file) for file in files], "provenance": made.provenance})


def write_parts(
    plan_of: Callable[[], HouseholdPlan],
    out: Path | None,
    *,
    rng: int | None,
    soften: bool,
    number: int,
    resume: bool,
    json: bool,
) -> None:
    """Make the households and persons that a folder describes region by region, as a run."""
    folder = _needed(out)
    go_on = "regions that were finished are kept: to go on, give the same command with --resume"
    with ending_at_once(go_on), progress() as tell, workers(number) as pool:
        tell("reading", 0, 1)
        plan = plan_of()
        tell("fitting", 0, 1)
        done = plan.write_parts(
            folder,
            rng=rng,
            on_infeasible="soften" if soften else "raise",
            executor=pool,
            in_flight=2 * number,
            resume=resume,
            progress=tell,
        )
    for note in plan.notes:
        say(f"note: {note}")
    if plan.format != "parquet":
        say(f"note: a run is written to Parquet files, not {plan.format}")
    known = done.summary
    persons = known["persons"] if plan.problem.survey.persons is not None else None
    _told(str(done), known["households"], persons, folder)
    if json:
        print_json({"folder": str(folder), "summary": known})


def _needed(out: Path | None) -> Path:
    if out is None:
        raise PopgenError("say with --out into which folder households and persons shall go")
    return out


def _told(report: str, households: int, persons: int | None, folder: Path) -> None:
    for line in report.splitlines():
        say(line)
    people = "" if persons is None else f" and {persons:,} persons"
    say(f"wrote {households:,} households{people} to {folder}")

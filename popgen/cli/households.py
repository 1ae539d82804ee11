"""``popgen generate --config``: households and persons in zones; and what one needs to begin."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from popgen.cli.terminal import Quiet, print_json, print_text, progress, say
from popgen.errors import PopgenError

app = typer.Typer(help="Households and persons in nested zones: how to say what to make.")


class Naming(StrEnum):
    """Names of the columns that are written: see `popgen.households.naming`."""

    as_read = "as read"
    activitysim = "activitysim"


Config = Annotated[
    Path | None,
    typer.Option(
        help="A folder with popgen.toml, or PopulationSim's own folder (settings.yaml): make the "
        "households and persons that it describes. Goes with --rng, --out, --names and --soften."
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

OWN = {"config", "rng", "out", "names", "soften", "as_json", "quiet"}
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


def generate(
    config: Path,
    out: Path | None,
    *,
    rng: int | None,
    names: Naming | None,
    soften: bool,
    as_json: bool,
) -> None:
    """Make the households and persons that a folder describes, and write them."""
    from popgen.households.read import read_households

    if out is None:
        raise PopgenError("say with --out into which folder households and persons shall go")
    with progress() as tell:
        tell("reading", 0, 3)
        plan = read_households(config, names=None if names is None else names.value)
        tell("fitting and placing", 1, 3)
        made = plan.populate(rng=rng, on_infeasible="soften" if soften else "raise")
        tell("writing", 2, 3)
        files = plan.write(made, out)
    for note in made.provenance["notes"]:
        say(f"note: {note}")
    for line in str(made.report).splitlines():
        say(line)
    persons = "" if made.persons is None else f" and {len(made.persons):,} persons"
    say(f"wrote {len(made.households):,} households{persons} to {out}")
    if as_json:
        print_json({"files": [str(file) for file in files], "provenance": made.provenance})

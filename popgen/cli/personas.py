"""``popgen personas``: people asked of a language model, or replayed from a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.asking import Run, posed, read_records
from popgen.cli.options import Out, grouped
from popgen.cli.persona_options import Address, ArmName, Given, Place, Sending, Telling
from popgen.cli.terminal import (
    Json,
    Quiet,
    print_columns,
    print_frame,
    print_json,
    print_text,
    say,
    writable,
)

if TYPE_CHECKING:
    import polars as pl

    from popgen.personas.arm import Arm

app = typer.Typer(help="Ask a language model for personas, or replay a recording.")


@app.callback(invoke_without_command=True)
def _personas(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_arms(as_json: Json = False, quiet: Quiet = False) -> None:
    """List the arms: ways to have people from a language model."""
    from popgen.personas.arms import ARMS

    rows = [
        {"arm": name, "starts from records": "yes" if arm.records else "no", "about": arm.about}
        for name, arm in ARMS.items()
    ]
    print_json(rows) if as_json else print_columns(rows)


@app.command("prompt")
@grouped
def prompt(
    name: ArmName,
    *,
    place: Place,
    telling: Telling,
    given: Given = None,
    people: Annotated[int, typer.Option("-n", "--people", min=1, help="Personas.")] = 400,
    quiet: Quiet = False,
) -> None:
    """Print what an arm tells the model, but for the records and the form of the answer."""
    from popgen.cli.inputs import split

    told = telling.told(place)
    print_text(_arm(name).prompt(told, split(given) or [], people))


@app.command("replay")
def replay(
    name: ArmName,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder with card.toml. Default: those of popgen.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replay a recorded arm: the people that a model wrote, without asking it again."""
    from popgen.personas.recording import Recording

    writable(out)
    recording = Recording.of(name, recordings)
    asked = recording.replay()
    _deliver(asked.people, recording.provenance(asked), out, as_json)


@app.command("run")
@grouped
def run(
    name: ArmName,
    *,
    place: Place,
    model: Annotated[str, typer.Option(help="The model's name, as the endpoint knows it.")],
    people: Annotated[
        int | None, typer.Option("-n", "--people", help="Personas. Default: one a record.")
    ] = None,
    telling: Telling,
    records: Annotated[
        Path | None, typer.Option(help="Records to start from, e.g. of popgen generate.")
    ] = None,
    given: Given = None,
    chunk: Annotated[int, typer.Option(min=1, help="Personas to ask for at once.")] = 20,
    rng: Annotated[int, typer.Option(min=0, help="For what the arm draws itself.")] = 0,
    address: Address,
    sending: Sending,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model for people; every answer is kept in the cache as it comes."""
    from popgen.personas.cache import Cache

    writable(out)
    endpoint = address.endpoint(model)
    told, arm = telling.told(place), _arm(name)
    cache = Cache(sending.cache)
    task = posed(arm, told, people, chunk, read_records(records, given), rng)
    asking = Run(arm, task, endpoint, cache)
    for path in sending.results or []:
        asking.read_results(path)
    if sending.dry_run:
        asking.print_estimate(as_json)
    elif sending.batch is not None:
        asking.write_batch(sending.batch, sending.service.value)
    else:
        _deliver(*asking.ask(), out, as_json)


def _arm(name: str) -> Arm:
    from popgen.errors import PopgenError, listed
    from popgen.personas.arms import ARMS

    if name not in ARMS:
        raise PopgenError(f"no arm {name!r}; there are {listed(ARMS)}")
    return ARMS[name]()


def _deliver(people: pl.DataFrame, record: dict[str, Any], out: Path | None, as_json: bool) -> None:
    from popgen.microdata import write_with_provenance

    if out is not None:
        write_with_provenance(out, people, record)
        say(f"wrote {len(people):,} people to {out}")
    print_frame(people, out, {"provenance": record} if as_json else None)

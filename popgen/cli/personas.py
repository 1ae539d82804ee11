"""``popgen personas``: people asked of a language model, or replayed from a recording."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.cli.people import Out
from popgen.cli.terminal import (
    Json,
    Quiet,
    print_columns,
    print_json,
    print_text,
    progress,
    say,
    writable,
)

if TYPE_CHECKING:
    import polars as pl

    from popgen.personas.arm import Arm, Task
    from popgen.personas.cache import Cache
    from popgen.personas.endpoint import Endpoint
    from popgen.personas.told import Told

app = typer.Typer(help="Ask a language model for personas, or replay a recording.")


class Service(StrEnum):
    """Services that batch files are for."""

    openai = "openai"
    anthropic = "anthropic"


Name = Annotated[str, typer.Argument(metavar="ARM", help="An arm: see popgen personas list.")]
Place = Annotated[str, typer.Option(help="The place whose one-way shares the model is told.")]
Zone = Annotated[str | None, typer.Option(help="One zone of the place.")]
Universe = Annotated[str | None, typer.Option(help="Whom to tell of. Default: as the place says.")]
Variables = Annotated[str | None, typer.Option(help="Variables, a,b,c. Default: all.")]
About = Annotated[Path | None, typer.Option(help="TOML with words about the population.")]
Given = Annotated[str | None, typer.Option(help="Columns of the records, a,b,c, to be told.")]


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
def prompt(
    name: Name,
    place: Place,
    zone: Zone = None,
    universe: Universe = None,
    variables: Variables = None,
    about: About = None,
    given: Given = None,
    people: Annotated[int, typer.Option("-n", "--people", min=1, help="Personas.")] = 400,
    quiet: Quiet = False,
) -> None:
    """Print what an arm tells the model, but for the records and the form of the answer."""
    from popgen.cli.inputs import split

    told = _told(place, zone, universe, variables, about)
    print_text(_arm(name).prompt(told, split(given) or [], people))


@app.command("replay")
def replay(
    name: Name,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder with card.toml. Default: those of popgen.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replay a recorded arm: the people that a model wrote, without asking it again."""
    from popgen.personas.recording import Recording

    _writable(out)
    recording = Recording.of(name, recordings)
    asked = recording.replay()
    _deliver(asked.people, recording.provenance(asked), out, as_json)


@app.command("run")
def run(
    name: Name,
    place: Place,
    model: Annotated[str, typer.Option(help="The model's name, as the endpoint knows it.")],
    people: Annotated[
        int | None, typer.Option("-n", "--people", help="Personas. Default: one a record.")
    ] = None,
    zone: Zone = None,
    universe: Universe = None,
    variables: Variables = None,
    about: About = None,
    records: Annotated[
        Path | None, typer.Option(help="Records to start from, e.g. of popgen generate.")
    ] = None,
    given: Given = None,
    chunk: Annotated[int, typer.Option(min=1, help="Personas to ask for at once.")] = 20,
    rng: Annotated[int, typer.Option(min=0, help="For what the arm draws itself.")] = 0,
    base_url: Annotated[
        str, typer.Option(help="An OpenAI-compatible address, up to /v1.")
    ] = "https://api.openai.com/v1",
    key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    temperature: Annotated[float | None, typer.Option(help="Default: the server's.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, tokens.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 120.0,
    attempts: Annotated[int, typer.Option(help="Times to send a request, at most.")] = 6,
    concurrency: Annotated[int, typer.Option(help="Requests under way together.")] = 4,
    per_minute: Annotated[float | None, typer.Option(help="Requests a minute, at most.")] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="Tokens, likewise.")] = None,
    price_in: Annotated[float, typer.Option(help="Price of a million tokens of input.")] = 0.0,
    price_out: Annotated[float, typer.Option(help="Price of a million tokens of output.")] = 0.0,
    budget: Annotated[float | None, typer.Option(help="Most that may be spent.")] = None,
    cache: Annotated[
        Path, typer.Option(help="Folder of answers; a run that was stopped goes on from it.")
    ] = Path("personas_cache"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it may cost, and send nothing.")
    ] = False,
    batch: Annotated[
        Path | None,
        typer.Option(help="Send nothing: write what is unanswered as batch files here."),
    ] = None,
    service: Annotated[
        Service, typer.Option(help="Whom the batch files are for.")
    ] = Service.openai,
    results: Annotated[
        list[Path] | None, typer.Option(help="Results of a batch, read first. May be repeated.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Ask a language model for people; every answer is kept in the cache as it comes."""
    from popgen.personas.cache import Cache
    from popgen.personas.endpoint import Endpoint

    _writable(out)
    endpoint = Endpoint(
        model,
        base_url=base_url,
        key_env=key_env,
        temperature=temperature,
        max_tokens=max_tokens,
        timeout=timeout,
        attempts=attempts,
        concurrency=concurrency,
        per_minute=per_minute,
        tokens_per_minute=tokens_per_minute,
        prices=(price_in, price_out),
        budget=budget,
    )
    told = _told(place, zone, universe, variables, about)
    arm, held = _arm(name), Cache(cache)
    task = _task(told, arm, people, chunk, _records(records, given), rng)
    for path in results or []:
        _read_results(path, arm, task, endpoint, held)
    if dry_run:
        _print_estimate(arm, task, endpoint, held, as_json)
    elif batch is not None:
        _write_batch(arm, task, endpoint, held, batch, service.value)
    else:
        people_, provenance = _ask(arm, task, endpoint, held)
        _deliver(people_, provenance, out, as_json)


def _arm(name: str) -> Arm:
    from popgen.errors import PopgenError, listed
    from popgen.personas.arms import ARMS

    if name not in ARMS:
        raise PopgenError(f"no arm {name!r}; there are {listed(ARMS)}")
    return ARMS[name]()


def _told(
    place: str, zone: str | None, universe: str | None, variables: str | None, about: Path | None
) -> Told:
    from popgen.census import read_census
    from popgen.cli.inputs import split
    from popgen.personas.told import Told

    census = read_census(place, zone=zone, universe=universe)
    return Told.of(census, variables=split(variables), about=about)


def _records(path: Path | None, given: str | None) -> pl.DataFrame | None:
    """Read records; those without an id are numbered."""
    from popgen.cli.inputs import split
    from popgen.frames import load_frame, need_columns

    if path is None:
        return None
    frame, where = load_frame(path, text=True)
    if "id" not in frame.columns:
        frame = frame.with_row_index("id", offset=1)
    names = split(given)
    if names is None:
        return frame
    need_columns(frame, names, where)
    return frame.select("id", *names)


def _task(
    told: Told, arm: Arm, people: int | None, chunk: int, records: pl.DataFrame | None, rng: int
) -> Task:
    from popgen.errors import PopgenError
    from popgen.personas.arm import Task

    if records is not None and not arm.records:
        raise PopgenError("this arm starts from no records; leave out --records")
    if people is None and records is None:
        raise PopgenError("say how many personas you want, with -n, or give --records")
    wanted = people if people is not None else 0 if records is None else len(records)
    return Task(told, wanted, chunk, records, rng)


def _ask(arm: Arm, task: Task, endpoint: Endpoint, cache: Cache) -> tuple[pl.DataFrame, Any]:
    from popgen.personas.arm import converse
    from popgen.personas.client import Client
    from popgen.personas.run import account, estimate, refuse_costly

    refuse_costly(estimate(arm, task, endpoint, cache), endpoint)
    with progress() as tell:
        asked = converse(arm, task, Client(endpoint, cache, tell=tell))
    record = account(arm, task, endpoint, asked)
    for row in record["unanswered"]:
        say(f"note: request {row['request']} {row['status']}: {row['detail']}")
    return asked.people, record


def _print_estimate(arm: Arm, task: Task, endpoint: Endpoint, cache: Cache, as_json: bool) -> None:
    from popgen.personas.run import estimate

    found = asdict(estimate(arm, task, endpoint, cache))
    print_json(found) if as_json else print_columns([found])


def _unanswered(arm: Arm, task: Task, endpoint: Endpoint, cache: Cache) -> list[Any]:
    """Give the first requests, round by round, that the cache does not answer."""
    from popgen.personas.arm import converse
    from popgen.personas.batch import UnansweredError, from_cache

    try:
        converse(arm, task, from_cache(cache, endpoint))
    except UnansweredError as lacking:
        return list(lacking.requests)
    return []


def _write_batch(
    arm: Arm, task: Task, endpoint: Endpoint, cache: Cache, folder: Path, service: str
) -> None:
    from popgen.personas.batch import write_batch

    requests = _unanswered(arm, task, endpoint, cache)
    for path in write_batch(requests, endpoint, folder, kind=service):
        print_text(str(path))
    if requests:
        say(f"{len(requests):,} request(s); read the results with --results FILE")
    else:
        say("nothing is left to ask: run again without --batch for the people")


def _read_results(path: Path, arm: Arm, task: Task, endpoint: Endpoint, cache: Cache) -> None:
    from popgen.personas.batch import read_batch

    counts = read_batch(path, _unanswered(arm, task, endpoint, cache), endpoint, cache)
    say(f"{path}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))


def _writable(out: Path | None) -> None:
    from popgen.microdata import WRITERS

    if out is not None:
        writable(out, tuple(WRITERS))


def _deliver(people: pl.DataFrame, record: dict[str, Any], out: Path | None, as_json: bool) -> None:
    from popgen.microdata import write_with_provenance

    if out is not None:
        write_with_provenance(out, people, record)
        say(f"wrote {len(people):,} people to {out}")
    if as_json:
        rest = {} if out is not None else {"people": people.to_dicts()}
        print_json({"provenance": record, **rest})
    elif out is None:
        print_text(people.write_csv())

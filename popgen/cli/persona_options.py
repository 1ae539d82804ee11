"""Options of ``popgen personas``: what the model is told, where it is, how requests go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from popgen.personas.endpoint import Endpoint
    from popgen.personas.told import Told

ArmName = Annotated[str, typer.Argument(metavar="ARM", help="An arm: see popgen personas list.")]
Place = Annotated[str, typer.Option(help="The place whose one-way shares the model is told.")]
Given = Annotated[str | None, typer.Option(help="Columns of the records, a,b,c, to be told.")]


class Service(StrEnum):
    """Services that batch files are for."""

    openai = "openai"
    anthropic = "anthropic"


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Options that say what of a place the model is told."""

    zone: Annotated[str | None, typer.Option(help="One zone of the place.")] = None
    universe: Annotated[
        str | None, typer.Option(help="Whom to tell of. Default: as the place says.")
    ] = None
    variables: Annotated[str | None, typer.Option(help="Variables, a,b,c. Default: all.")] = None
    about: Annotated[Path | None, typer.Option(help="TOML with words about the population.")] = None

    def told(self, place: str) -> Told:
        """Read the place's shares."""
        from popgen.census import read_census
        from popgen.cli.inputs import split
        from popgen.personas.told import Told

        census = read_census(place, zone=self.zone, universe=self.universe)
        return Told.of(census, variables=split(self.variables), about=self.about)


@dataclass(frozen=True, kw_only=True)
class Sending:
    """Options that say where answers are kept, and how requests go."""

    cache: Annotated[
        Path, typer.Option(help="Folder of answers; a run that was stopped goes on from it.")
    ] = Path("personas_cache")
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it may cost, and send nothing.")
    ] = False
    batch: Annotated[
        Path | None,
        typer.Option(help="Send nothing: write what is unanswered as batch files here."),
    ] = None
    service: Annotated[Service, typer.Option(help="Whom the batch files are for.")] = Service.openai
    results: Annotated[
        list[Path] | None, typer.Option(help="Results of a batch, read first. May be repeated.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Address:
    """Options that say where the model is, and how hard it may be asked."""

    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible address, up to /v1.")] = (
        "https://api.openai.com/v1"
    )
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the key.")] = (
        "OPENAI_API_KEY"
    )
    temperature: Annotated[float | None, typer.Option(help="Default: the server's.")] = None
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer, tokens.")] = None
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 120.0
    attempts: Annotated[int, typer.Option(help="Times to send a request, at most.")] = 6
    concurrency: Annotated[int, typer.Option(help="Requests under way together.")] = 4
    per_minute: Annotated[float | None, typer.Option(help="Requests a minute, at most.")] = None
    tokens_per_minute: Annotated[float | None, typer.Option(help="Tokens, likewise.")] = None
    price_in: Annotated[float, typer.Option(help="Price of a million tokens of input.")] = 0.0
    price_out: Annotated[float, typer.Option(help="Price of a million tokens of output.")] = 0.0
    budget: Annotated[float | None, typer.Option(help="Most that may be spent.")] = None

    def endpoint(self, model: str) -> Endpoint:
        """Say where a model is to be asked."""
        from popgen.personas.endpoint import Endpoint

        options = asdict(self)
        prices = (options.pop("price_in"), options.pop("price_out"))
        return Endpoint(model, prices=prices, **options)

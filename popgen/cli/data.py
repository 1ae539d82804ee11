"""``popgen data``: the figures that come with popgen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.terminal import Json, Quiet, print_columns, print_json, print_text, printable, say

if TYPE_CHECKING:
    from popgen.folder import Folder

app = typer.Typer(
    help="Look at the margin tables that come with popgen or at your own; find other data."
)

Place = Annotated[str, typer.Argument(help="A place's name, or a folder of margin tables.")]


@app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_places(as_json: Json = False, quiet: Quiet = False) -> None:
    """List the places that come with popgen."""
    from popgen.folder import Folder, shipped_places

    rows = []
    for name in shipped_places():
        folder = Folder.open(name)
        rows.append(
            {
                "place": name,
                "zones": len(folder.zones),
                "margins": len(folder.sources),
                "universe": folder.universe(None),
                "title": folder.about.get("title", ""),
            }
        )
    print_json(rows) if as_json else print_columns(rows)


@app.command("show")
def show(
    place: Place,
    margin: Annotated[
        str | None, typer.Argument(help="One of its margins: print its figures, as CSV.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Only this zone's figures.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show where a place's margins come from, or the figures of one margin."""
    from popgen.errors import PopgenError
    from popgen.folder import Folder

    folder = Folder.open(place)
    if margin is not None:
        _show_margin(folder, margin, zone, as_json)
    elif zone is not None:
        raise PopgenError("a zone's figures are shown margin by margin: name a margin too")
    else:
        _show_place(folder, as_json)


@app.command("add")
def add(
    folder: Annotated[str, typer.Argument(help="A folder of data that may not be shipped.")],
    quiet: Quiet = False,
) -> None:
    """Remember a folder, so that benchmark tasks find their files in it, checksums verified."""
    from popgen.bench.found import register

    say(f"{register(folder)} will be searched")


@app.command("get")
def get(
    task: Annotated[str, typer.Argument(help="A benchmark task whose data have an official URL.")],
    folder: Annotated[Path, typer.Option(help="Folder with tasks/.")] = Path("benchmarks"),
    quiet: Quiet = False,
) -> None:
    """Download a task's data from their official source, and check them."""
    from popgen.bench.found import download
    from popgen.bench.task import read_tasks
    from popgen.errors import PopgenError

    tasks = read_tasks(folder / "tasks")
    data = next((one.data for one in tasks if one.definition == task), None)
    if data is None or not data.url:
        raise PopgenError(
            f"no task {task!r} with an official download; popgen bench list shows the tasks, "
            "popgen data add registers a folder"
        )
    say(f"downloaded {download(data.url, data.file, data.sha256[data.file])}")


def _show_place(folder: Folder, as_json: bool) -> None:
    margins = [
        {
            "margin": source.name,
            "variables": " × ".join(source.variables),
            "universe": source.universe,
            "unit": source.unit,
            "table": source.table,
        }
        for source in folder.sources.values()
    ]
    if as_json:
        print_json({**folder.about, "zones": folder.zones, "margins": margins})
        return
    for key, value in folder.about.items():
        if isinstance(value, str | int):
            print_text(f"{key}: {printable(value)}")
    for name, about in folder.universes.items():
        print_text(f"universe {printable(name)}: {printable(about.get('description', ''))}")
    for caveat in folder.about.get("caveats", ()):
        print_text(f"caveat: {printable(caveat)}")
    if folder.zones:
        print_text(f"zones: {printable(' '.join(folder.zones))}")
    print_text("")
    print_columns(margins)


def _show_margin(folder: Folder, margin: str, zone: str | None, as_json: bool) -> None:
    import polars as pl

    from popgen.errors import PopgenError, listed
    from popgen.frames import load_frame

    if margin not in folder.sources:
        raise PopgenError(
            f"{folder.path.name} has no margin {margin!r}; it has {listed(folder.sources, most=60)}"
        )
    frame, _ = load_frame(folder.path / folder.sources[margin].file)
    if folder.zone(zone) is not None and folder.zone_variable in frame.columns:
        frame = frame.filter(pl.col(folder.zone_variable).cast(pl.String) == zone)
    print_json(frame.to_dicts()) if as_json else print_text(frame.write_csv())

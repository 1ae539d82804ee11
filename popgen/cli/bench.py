"""``popgen bench``: run entrants on known populations, rank them, score a submission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.terminal import Json, Quiet, print_columns, print_json, print_text, progress, say

if TYPE_CHECKING:
    from popgen.bench.entrants import Entrant
    from popgen.bench.rows import Row
    from popgen.bench.task import Task

app = typer.Typer(help="PopBench: which method recovers a known joint, from how much information.")

Folder = Annotated[
    Path, typer.Option(help="Folder with tasks/ and results/.", file_okay=False, exists=True)
]
Only = Annotated[
    list[str] | None, typer.Option("--task", help="Only tasks whose name starts so. Repeatable.")
]
HERE = Path("benchmarks")


@app.callback(invoke_without_command=True)
def _bench(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_tasks(
    folder: Folder = HERE, task: Only = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """List the tasks, and which of them need data."""
    from popgen.bench.pose import NeedsDataError, truth_of

    rows = []
    for one in _tasks(folder, task):
        try:
            truth_of(one)
            data = "here"
        except NeedsDataError:
            data = "needs data"
        about = {"task": one.name, "track": one.track, "split": one.split, "data": data}
        rows.append({**about, "superseded": one.superseded_by, "title": one.title})
    print_json(rows) if as_json else print_columns(rows)


@app.command("run")
def run_tasks(
    folder: Folder = HERE,
    task: Only = None,
    entrant: Annotated[
        list[str] | None, typer.Option(help="Only this entrant. Repeatable. Default: all.")
    ] = None,
    peers: Annotated[
        Path | None, typer.Option(help="Folder of adapters of other packages: benchmarks/peers.")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="Default: FOLDER/results.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Also development tasks, unranked.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run entrants on tasks and append their scores; what is stored already is skipped."""
    from popgen.bench.entrants import chosen, entrants
    from popgen.bench.run import run
    from popgen.bench.task import ranked

    competing: list[Entrant] = list(entrants())
    if peers is not None:
        from popgen.bench.peers import peers as found

        competing += found(peers)
    asked = _tasks(folder, task)
    kept = [one for one in asked if not one.superseded_by] if dev else ranked(asked)
    with progress() as tell:
        done = run(kept, chosen(entrant, competing), results or folder / "results", tell=tell)
    say(", ".join(f"{count:,} {what}" for what, count in done.items()))


@app.command("rank")
def rank(
    folder: Folder = HERE,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file is not up to date.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write LEADERBOARD.md and leaderboard.html from the stored rows."""
    from popgen.bench.leaderboard import leaderboard
    from popgen.bench.rows import read_rows
    from popgen.bench.words import markdown
    from popgen.errors import PopgenError, listed
    from popgen.report.leaderboard import leaderboard_page
    from popgen.writing import of_text, write_together

    found = leaderboard(read_rows(folder / "results"), _tasks(folder, None))
    texts = {
        folder / "LEADERBOARD.md": markdown(found),
        folder / "leaderboard.html": leaderboard_page(found),
    }
    if not check:
        write_together({path: of_text(text) for path, text in texts.items()})
        say(f"wrote {' and '.join(map(str, texts))}")
        return
    stale = [
        str(path)
        for path, text in texts.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if stale:
        raise PopgenError(f"{listed(stale)} do not follow from the stored rows: popgen bench rank")


@app.command("submit")
def submit(
    file: Annotated[Path, typer.Argument(help="A panel (Parquet, CSV) or an entrant (Python).")],
    task: Annotated[str, typer.Option(help="The task, or with a Python file the start of names.")],
    name: Annotated[str | None, typer.Option(help="Default: the file's name.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Only this seed, for a panel of its own.")
    ] = None,
    folder: Folder = HERE,
    results: Annotated[
        Path | None, typer.Option(help="Append the rows to files in this folder.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a submission: a panel is scored as it is, a Python file is run."""
    from popgen.bench.submit import submitted
    from popgen.errors import PopgenError

    asked = _tasks(folder, [task])
    if file.suffix != ".py" and len(asked) > 1:
        raise PopgenError(
            f"a panel is of one task, and {len(asked)} start with {task!r}: "
            f"{', '.join(one.name for one in asked[:8])}"
        )
    with progress() as tell:
        rows = submitted(file, asked, name=name, seed=seed, results=results, tell=tell)
    if as_json:
        print_json([vars(row) for row in rows])
        return
    for row in rows:
        print_text(f"{row.task}, seed {row.seed}: {row.failure or _said(row)}")


def _said(row: Row) -> str:
    """Write the figures over all tables, and the skill of those that have one."""
    parts = []
    for name, (value, *rest) in row.figures.items():
        if name.endswith(" all") and value is not None:
            skill = f" (skill {rest[-1]:.2f})" if rest and rest[-1] is not None else ""
            parts.append(f"{name.removesuffix(' all')} {value:.4g}{skill}")
    return ", ".join(parts)


def _tasks(folder: Path, starts: list[str] | None) -> list[Task]:
    """Read the tasks whose names start as asked."""
    from popgen.bench.task import read_tasks
    from popgen.errors import PopgenError, listed

    tasks = read_tasks(folder / "tasks")
    if starts is None:
        return tasks
    kept = [task for task in tasks if task.name.startswith(tuple(starts))]
    if not kept:
        names = sorted({task.definition for task in tasks})
        raise PopgenError(f"no task starts with {listed(starts)}; there are {listed(names, 40)}")
    return kept

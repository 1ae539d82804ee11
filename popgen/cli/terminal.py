"""What commands share: how they speak on stdout and stderr, and where they may write."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popgen.errors import PopgenError, listed

if TYPE_CHECKING:
    import polars as pl

INTERRUPTED = 130
REFUSED = 2
"""Exit code of a command that was refused, or that found something wrong."""

_hushed = False


def _hush(asked: bool) -> None:
    global _hushed
    _hushed = _hushed or asked


def reset() -> None:
    """Speak again, whatever an earlier command of this process was told."""
    global _hushed
    _hushed = False


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_hush, help="No progress and no messages but errors."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def printable(text: object) -> str:
    r"""Write what a terminal would obey (control characters, escapes, new lines) as escapes.

    >>> printable("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def complain(message: str) -> None:
    """Print the one message of a failure, on stderr."""
    typer.echo(f"popgen: {printable(message)}", err=True)


def say(message: str) -> None:
    """Print a message on stderr, unless told to be quiet."""
    if not _hushed:
        typer.echo(printable(message), err=True)


def print_text(text: str) -> None:
    """Print data on stdout as it is; if that is a terminal, without what it would obey."""
    if sys.stdout.isatty():
        text = "".join(c if c == "\n" else printable(c) for c in text)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def print_json(data: Any) -> None:
    """Print data as JSON on stdout; what is not a finite number becomes null."""
    from popgen.writing import finite

    print_text(json.dumps(finite(data), indent=2, ensure_ascii=False, default=str))


def print_columns(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows in aligned columns on stdout, with their keys as the header."""
    lines = [list(rows[0]), *([printable(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print_text("  ".join(map(str.ljust, line, widths)).rstrip())


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar on stderr while the block runs, if that is a terminal and not told to be quiet.

    Yields a callable that takes what is being done, how many steps are done, and how many in all.
    """
    if _hushed or not sys.stderr.isatty():
        yield lambda what, done, steps: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, steps: bar.update(
            task, description=what, completed=done, total=steps
        )


def print_frame(
    frame: pl.DataFrame, out: Path | None, about: dict[str, Any] | None, name: str = "people"
) -> None:
    """Print a frame that was not written to a file: as CSV, or in JSON after what is said of it."""
    if about is not None:
        print_json(about if out is not None else {**about, name: frame.to_dicts()})
    elif out is None:
        print_text(frame.write_csv())


def writable(path: Path | None, *endings: str) -> None:
    """Refuse an output that could not be written, before any work is done for it.

    None stands for stdout. Endings: by default, those of files of records.
    """
    if path is None:
        return
    if not endings:
        from popgen.microdata import WRITERS

        endings = tuple(WRITERS)
    if path.suffix.lower() not in endings:
        raise PopgenError(f"cannot write {path}: give a name ending in {listed(endings)}")
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        with tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent):
            pass
    except OSError as error:
        raise PopgenError(
            f"cannot write {path}: {error.strerror or os.strerror(error.errno or 0)}; choose a "
            "folder that exists and is writable"
        ) from error

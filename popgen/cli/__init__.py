"""The command line: each command parses, calls one public function and prints.

Data goes to stdout, progress and messages to stderr. Exit codes: 0 done; 2 refused, with one
message and nothing written; 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from popgen.cli import (
    audit,
    bench,
    calibrate,
    data,
    diagnoses,
    fuse,
    households,
    people,
    personas,
    replication,
    scores,
    terminal,
    validate,
)
from popgen.cli.terminal import INTERRUPTED, REFUSED
from popgen.errors import PopgenError

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of typer's complaints about a command line; typer has it under no name of its own."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,  # no colour into a file or a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench.app, name="bench")
app.add_typer(data.app, name="data")
app.add_typer(households.app, name="households")
app.add_typer(personas.app, name="personas")
app.command()(people.generate)
app.command()(calibrate.calibrate)
app.command()(audit.audit)
app.command()(fuse.fuse)
app.command()(scores.score)
app.command()(scores.compare)
app.command()(replication.replicate)
app.command()(diagnoses.diagnose)
app.command()(validate.validate)


def _version(asked: bool) -> None:
    if asked:
        from popgen.provenance import VERSION

        typer.echo(f"popgen {VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _popgen(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: terminal.Quiet = False,
) -> None:
    """Synthetic people from published margins: generate them, and score any population."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Examples
    --------
    >>> main(["--version"])
    popgen ...
    0
    """
    terminal.reset()
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        code = int(app(given, prog_name="popgen", standalone_mode=False) or 0)
        if code == INTERRUPTED:  # newer versions of typer turn the interrupt into this
            raise KeyboardInterrupt
        return code
    except USAGE_ERROR as error:
        context = getattr(error, "ctx", None)
        command = "popgen" if context is None else context.command_path
        message = error.format_message()  # type: ignore[attr-defined]
        terminal.complain(f"{message.rstrip('.')} (see {command} --help)")
    except PopgenError as error:
        terminal.complain(str(error))
    except (OSError, MemoryError) as error:
        terminal.complain(str(error) or "out of memory; ask for fewer people or fewer variables")
    except (KeyboardInterrupt, typer.Abort):
        terminal.complain("interrupted")
        return INTERRUPTED
    return REFUSED

"""``popgen validate``: everything that is wrong with a folder of margins or a microdata file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popgen.cli.terminal import Json, Quiet, print_json, print_text, printable, progress, say

REFUSED = 2


def validate(
    path: Annotated[
        Path, typer.Argument(help="A folder of margins (or a place's name), or a microdata file.")
    ],
    codebook: Annotated[
        Path | None, typer.Option(help="For microdata: the codebook.toml that it should follow.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="For microdata: column of weights.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check margins or microdata; list everything wrong, and exit with 2 if anything is."""
    from popgen.cli.faults import folder_faults, microdata_faults
    from popgen.cli.inputs import is_file
    from popgen.errors import PopgenError

    microdata = is_file(str(path)) or path.is_file()
    if not microdata and (codebook, weight) != (None, None):
        raise PopgenError(f"--codebook and --weight are for a microdata file; {path} is none")
    with progress() as tell:
        faults = (
            microdata_faults(path, codebook, weight) if microdata else folder_faults(path, tell)
        )
    if as_json:
        print_json({"path": str(path), "valid": not faults, "faults": faults})
    else:
        for fault in faults:
            print_text(printable(fault))
    if not faults:
        say(f"{path}: nothing wrong")
        return
    typer.echo(f"popgen: {printable(path)}: {len(faults)} fault(s) found", err=True)
    raise typer.Exit(REFUSED)

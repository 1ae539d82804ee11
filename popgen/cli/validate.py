"""``popgen validate``: everything that is wrong with a folder of margins or a microdata file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popgen.cli.terminal import (
    REFUSED,
    Json,
    Quiet,
    print_json,
    print_text,
    printable,
    progress,
    say,
)


def validate(
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder of margins (or a place's name), a folder of households (popgen.toml, or "
            "PopulationSim's settings.yaml), or a microdata file."
        ),
    ],
    codebook: Annotated[
        Path | None, typer.Option(help="For microdata: the codebook.toml that it should follow.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="For microdata: column of weights.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check margins or microdata; list everything wrong, and exit with 2 if anything is."""
    from popgen.validate import validate as validated

    with progress() as tell:
        faults = validated(path, codebook=codebook, weight=weight, progress=tell)
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

"""``popgen diagnose``: every diagnostic that the columns of a persona panel allow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.options import grouped
from popgen.cli.terminal import Json, Quiet, print_json, print_text, progress, say, writable

if TYPE_CHECKING:
    from popgen.personas.diagnostics import Answers, Diagnosis


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Options that name what is known besides the panel."""

    run: Annotated[
        list[Path] | None, typer.Option(help="The same personas asked again. May be repeated.")
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(help="What personas were given: a file, or columns of the panel, a,b,c."),
    ] = None
    persona: Annotated[
        str | None, typer.Option(help="Column that names the personas. Default: persona or id.")
    ] = None
    truth: Annotated[
        Path | None, typer.Option(help="What the people they stand for really answered.")
    ] = None
    retest: Annotated[
        Path | None, typer.Option(help="What these people answered when asked again.")
    ] = None
    bare: Annotated[
        Path | None, typer.Option(help="What the model answered without the profile.")
    ] = None
    population: Annotated[
        str | None, typer.Option(help="The population they stand for: a place, or a file.")
    ] = None

    def answers(self, panel: Path) -> Answers:
        """Read a panel's answers and what else is known."""
        from popgen.cli.inputs import read_truth, split
        from popgen.frames import is_data_file
        from popgen.personas.diagnostics import read_answers

        named = self.profile is not None and not is_data_file(self.profile)
        return read_answers(
            [panel, *(self.run or [])],
            profile=split(self.profile) if named else self.profile,
            persona=self.persona,
            population=None if self.population is None else read_truth(self.population)[0],
            truth=self.truth,
            retest=self.retest,
            bare=self.bare,
        )


@grouped
def diagnose(
    panel: Annotated[
        Path,
        typer.Argument(
            help="Answers: one row a persona and one column an item, or one row an answer with "
            "columns persona, item and answer (and others: see docs/diagnostics.md)."
        ),
    ],
    *,
    beside: Beside,
    rng: Annotated[int, typer.Option(min=0, help="For the groups of intervals and folds.")] = 0,
    report: Annotated[
        Path | None,
        typer.Option(help="Write a page: this .html file, and a .json with the same figures."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Diagnose a persona panel: every diagnostic that its columns allow."""
    from popgen.personas.diagnostics import diagnose as diagnosed

    writable(report, ".html")
    answers = beside.answers(panel)
    with progress() as tell:
        tell("diagnosing", 0, 0)
        found = diagnosed(answers, rng=rng)
    if report is not None:
        _write(report, found, [panel, *(beside.run or [])])
    print_json(found.to_dict()) if as_json else print_text(str(found))


def _write(path: Path, found: Diagnosis, files: list[Path]) -> None:
    from popgen.report import write_diagnosis
    from popgen.writing import sha256

    inputs = {file.name: sha256(file) for file in files}
    write_diagnosis(
        path, found, title=f"Diagnostics of {files[0].name}", provenance={"inputs": inputs}
    )
    say(f"wrote {path} and {path.with_suffix('.json')}")

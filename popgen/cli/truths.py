"""A known truth, and the people who are held against it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.cli.options import MissingPolicy, Policy, Weight
from popgen.cli.terminal import say
from popgen.errors import PopgenError

if TYPE_CHECKING:
    from popgen.codebook import Codebook
    from popgen.microdata import Microdata
    from popgen.table import Projectable

Truth = Annotated[
    str,
    typer.Option(
        help="A place, or a file: a table if it has a column count (one row a cell), else records."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options that say how to read the truth and the candidates."""

    zone: Annotated[str | None, typer.Option(help="Zone of the truth's place.")] = None
    universe: Annotated[str | None, typer.Option(help="Universe of the truth's place.")] = None
    margins: Annotated[
        str | None,
        typer.Option(help="Margins of the truth's place, a,b,c. Default: the universe's."),
    ] = None
    weight: Weight = None
    count: Annotated[
        str | None,
        typer.Option(
            help="Column of whole numbers of people, if each row of the candidates is a kind of "
            "people."
        ),
    ] = None
    missing: MissingPolicy = Policy.error
    truth_weight: Annotated[
        str | None, typer.Option(help="Column of weights, if truth is records.")
    ] = None

    def truth(self, truth: str) -> tuple[Projectable, Codebook]:
        """Read the truth, and the codebook that candidates are to follow."""
        from popgen.cli.inputs import read_truth, split

        return read_truth(
            truth,
            zone=self.zone,
            universe=self.universe,
            margins=split(self.margins),
            weight=self.truth_weight,
        )

    def people(
        self, files: dict[str, Path], truth: Projectable, codebook: Codebook
    ) -> dict[str, Projectable]:
        """Read each candidate on the truth's variables; tell what reading did to its records."""
        return {name: self._records(name, file, truth, codebook) for name, file in files.items()}

    def _records(self, name: str, file: Path, truth: Projectable, codebook: Codebook) -> Microdata:
        from popgen.frames import load_frame
        from popgen.survey import read_microdata

        records = read_microdata(
            file,
            codebook,
            variables=truth.domain.names,
            weight=self.weight,
            count=self.count,
            missing=self.missing.value,
        )
        for note in records.notes:
            say(f"note: {name}: {note}")
        given = self.weight is not None or self.count is not None
        if not given and "count" in load_frame(file)[0].columns:
            say(
                f"note: {name}: each row is one person; with --count count, it is as many people "
                "as its column count says"
            )
        return records


def named_files(candidates: list[str]) -> dict[str, Path]:
    """Read NAME=FILE; a file alone, whatever is in its path, is named after itself."""
    files: dict[str, Path] = {}
    for text in candidates:
        name, equals, file = ("", "", text) if Path(text).is_file() else text.partition("=")
        path = Path(file if equals else text)
        name = name if equals else path.stem
        if not name or name in files:
            raise PopgenError(
                f"candidate {text!r}: {'the name is taken' if name else 'it has no name'}; give "
                "each candidate a name of its own, NAME=FILE"
            )
        files[name] = path
    return files


def whole_numbers(orders: str | None) -> list[int] | None:
    """Read the sizes of sets, before any work is done for them."""
    from popgen.cli.inputs import split

    try:
        return None if orders is None else [int(size) for size in split(orders) or []]
    except ValueError:
        raise PopgenError(f"--orders {orders!r} is not a list of numbers such as 1,2") from None

"""How a command is to fit margins, and what it is to meet besides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popgen.errors import PopgenError, listed
from popgen.methods import NAMED, RANKING, method_named

if TYPE_CHECKING:
    from popgen.controls import Control
    from popgen.methods.base import Method

MethodName = StrEnum("MethodName", {name: name for name in NAMED})  # type: ignore[misc]
"""Methods, as the command line names them."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Options that say what else to meet, and how to fit."""

    controls: Annotated[
        Path | None,
        typer.Option(
            help="Means, totals and quantiles to meet besides: a file with columns variable, "
            "statistic (mean, total, median, quantile), value, perhaps se, p and width; other "
            "columns name the group."
        ),
    ] = None
    method: Annotated[
        MethodName | None, typer.Option(help="Default: calibration with microdata, ipf without.")
    ] = None
    ordinal: Annotated[
        str | None,
        typer.Option(
            help="Variables whose levels are in order, a,b,c: for sequential, copula and vine, of "
            "which the last two make little of any others. Two levels are always in order."
        ),
    ] = None

    def named_method(self) -> Method | None:
        """Return the method that was asked for; None for the default."""
        from popgen.cli.inputs import split

        if self.method is not None:
            return method_named(self.method.value, ordinal=split(self.ordinal) or ())
        if self.ordinal is not None:
            raise PopgenError(f"--ordinal needs a --method that asks for it: {listed(RANKING)}")
        return None

    def read_controls(self) -> tuple[Control, ...]:
        """Read the controls that were given."""
        if self.controls is None:
            return ()
        from popgen.control_file import read_controls

        return read_controls(self.controls)

"""Options that several commands have, and how a command takes a group of options as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer


class Policy(StrEnum):
    """What to do with a missing value: see `popgen.survey.Missing`, to which mypy holds it."""

    error = "error"
    drop = "drop"
    level = "level"


Weight = Annotated[str | None, typer.Option(help="Column of weights, people per record.")]
MissingPolicy = Annotated[
    Policy, typer.Option(help="Missing values: refuse, drop the record, or give them a level.")
]
Reconcile = Annotated[
    bool,
    typer.Option(
        "--reconcile", help="Make margins that disagree agree; the first are trusted most."
    ),
]
Rng = Annotated[int | None, typer.Option(min=0, help="The same number gives the same people.")]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Write to this .parquet, .csv or .arrow file, and its provenance beside it. "
        "Default: CSV on stdout."
    ),
]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options, each a dataclass whose fields are the options.

    On the command line the options stand where the group stands among the parameters.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Size:
    ...     rows: int
    ...     columns: int = 2
    >>> @grouped
    ... def show(*, name: str = "a", size: Size) -> None:
    ...     print(name, size.rows * size.columns)
    >>> list(signature(show).parameters)
    ['name', 'rows', 'columns']
    >>> show(name="b", rows=3, columns=4)
    b 12
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {
        name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)
    }
    shown: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            shown += _options(groups[name])
        else:
            shown.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        command(**given, **made)

    run.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return run


def _options(group: type) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]

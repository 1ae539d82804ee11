"""What a model is asked, and what came back: a `Request` for rows, and the `Reply` to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from popgen.errors import PopgenError, listed

TEXT: Final = "text"
"""Kind of a column of free text."""
SHARE: Final = "share"
"""Kind of a column of percentages, 0 to 100."""
LONGEST = 2000
"""Characters of a text that is accepted."""
FEWEST = 0.9
"""Share of the rows asked for that must come, where rows have no id."""
BETWEEN = " | "
"""Between the values that identify a row together."""
COMPLAINTS = 5
"""Complaints about one answer that are written out."""

Column = tuple[str, ...] | Literal["text", "share"]
Row = Mapping[str, Any]

FORMAT = """
Form of the answer: instead of the lines write one JSON object and nothing else. Its only key is
"rows": a list with one object for each line, whose keys are the columns {columns} and whose values
are texts{numbers}.
"""


@dataclass(frozen=True, eq=False)
class Request:
    """A question whose answer is a number of rows.

    Attributes
    ----------
    prompt : str
        All that the model is told, but the form of the answer.
    columns : mapping of str to Column
        The levels that each column may hold, or `TEXT` or `SHARE`.
    rows : int
        How many rows are wanted.
    ids : tuple of str
        Where rows are identified: each of these exactly once.
    draw : int
        Tells apart questions in the same words, so that each gets an answer of its own.
    identity : names
        The columns that identify a row, whose values are joined with `BETWEEN` into its id.
    """

    prompt: str
    columns: Mapping[str, Column]
    rows: int
    ids: tuple[str, ...] = ()
    draw: int = 0
    identity: tuple[str, ...] = ("id",)

    @property
    def message(self) -> str:
        """The prompt, and the form that the answer is to have."""
        numbers = [name for name, kind in self.columns.items() if kind == SHARE]
        return self.prompt + FORMAT.format(
            columns=", ".join(self.columns),
            numbers=f", but numbers for {', '.join(numbers)}" if numbers else "",
        )

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        row = _object({name: _property(kind) for name, kind in self.columns.items()})
        return _object({"rows": {"type": "array", "items": row}})

    @property
    def longest(self) -> int:
        """Bytes of the longest answer that would pass, texts taken at a third of their limit."""
        sizes = [len(f'"{name}": "", ') + _width(kind) for name, kind in self.columns.items()]
        return self.rows * (sum(sizes) + len("{}, ")) + len('{"rows": []}')

    def key(self, model: str, parameters: Mapping[str, Any]) -> str:
        """SHA-256 of all that the answer depends on: 64 characters, fit for a batch's id."""
        told = [model, self.message, self.schema, dict(parameters), self.draw]
        text = json.dumps(told, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, text: str) -> tuple[Row, ...]:
        """Read an answer.

        Raises
        ------
        PopgenError
            If it is not the JSON asked for, or a row, a column or a level is wrong; the message
            says what, so that it can be put to the model.
        """
        try:
            data = json.loads(_unfenced(text))
        except ValueError as error:
            raise PopgenError(f"the answer is not JSON: {error}") from None
        rows = data.get("rows") if isinstance(data, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PopgenError('the answer must be an object with a list "rows" of objects')
        return self.checked(rows)

    def checked(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Return the rows if they are what was asked for, else refuse them as `read` does."""
        faults = [f"row {i}: {fault}" for i, row in enumerate(rows, 1) for fault in self._in(row)]
        if self.ids:
            seen = [BETWEEN.join(str(row.get(name)) for name in self.identity) for row in rows]
            if lacking := [one for one in self.ids if one not in seen]:
                faults.append(f"no row for id {listed(lacking)}")
            if twice := sorted({one for one in seen if seen.count(one) > 1}):
                faults.append(f"more than one row for id {listed(twice)}")
        elif not FEWEST * self.rows <= len(rows) <= self.rows:
            faults.append(f"{len(rows)} rows instead of {self.rows}")
        if faults:
            more = len(faults) - COMPLAINTS
            rest = f"; and {more} more" if more > 0 else ""
            raise PopgenError("; ".join(faults[:COMPLAINTS]) + rest)
        return tuple(rows)

    def _in(self, row: Row) -> list[str]:
        faults = []
        if lacking := [name for name in self.columns if name not in row]:
            faults.append(f"no {listed(lacking)}")
        if strange := [name for name in row if name not in self.columns]:
            faults.append(f"unknown {listed(strange)}")
        for name, kind in self.columns.items():
            if name in row and (fault := _fault(row[name], kind)):
                faults.append(f"{name}={row[name]!r:.80} {fault}")
        return faults


@dataclass(frozen=True, eq=False)
class Reply:
    """What came of a request.

    Attributes
    ----------
    request : Request
    status : {'answered', 'refused', 'invalid', 'truncated'}
        ``refused``: the model declined; ``invalid``, ``truncated``: so it stayed, asked again.
    rows : tuple of mappings
        The answer; empty unless answered.
    detail : str
        What was wrong, or the model's words of refusal.
    usage : mapping of str to int
        ``input`` and ``output`` tokens, over all attempts; ``attempts``; ``asked_again``.
    model : str
        As the endpoint names it.
    cached : bool
        Whether it was found, not asked for.
    """

    request: Request
    status: str
    rows: tuple[Row, ...] = ()
    detail: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    model: str = ""
    cached: bool = False


def _unfenced(text: str) -> str:
    """Take off the code fence that many models put around JSON."""
    lines = text.strip().splitlines()
    fenced = len(lines) > 1 and lines[0].startswith("```") and lines[-1].strip() == "```"
    return "\n".join(lines[1:-1]) if fenced else text


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    rules = {"required": list(properties), "additionalProperties": False}
    return {"type": "object", "properties": dict(properties), **rules}


def _property(kind: Column) -> dict[str, Any]:
    if isinstance(kind, tuple):
        return {"type": "string", "enum": list(kind)}
    return {"type": "number" if kind == SHARE else "string"}


def _width(kind: Column) -> int:
    if isinstance(kind, tuple):
        return max(len(level.encode()) for level in kind)
    return len("100.0") if kind == SHARE else LONGEST // 3


def _fault(value: Any, kind: Column) -> str:
    """Say what is wrong with a value; an empty text if nothing is."""
    if isinstance(kind, tuple):
        return "" if value in kind else f"is not one of {listed(kind, most=12)}"
    if kind == SHARE:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and 0 <= value <= 100 else "is not a number from 0 to 100"
    fits = isinstance(value, str) and len(value.strip()) > 0 and len(value) <= LONGEST
    return "" if fits else f"is not a text of 1 to {LONGEST} characters"

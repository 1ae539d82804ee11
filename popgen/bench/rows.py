"""Rows: one JSON object a run, appended to text files and never edited (ADR 5)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popgen.errors import PopgenError, listed

Key = tuple[str, ...]

YARDSTICK = "yardstick"
"""Kind of the rows that are not an entrant's, and are not ranked."""
PARTS = ("value", "se", "floor", "ceiling", "skill")
"""What is stored of a figure, in this order; the last ones may be absent."""


def label(metric: str, order: int, group: str) -> str:
    """Name a figure in a row.

    >>> label("mae", 2, "all")
    'mae 2 all'
    """
    return f"{metric} {order} {group}"


@dataclass(frozen=True)
class Row:
    """One run of one entrant.

    Attributes
    ----------
    task, revision, board, split : str
        What was asked, digest of it (`Task.revision`), and where it counts.
    entrant, kind, parameters : str
        Who ran.
    seed : int
    popgen : str
        Version.
    definitions : int
        Version of the figures' definitions.
    figures : mapping of `label` to list
        `PARTS` of each figure. Empty if it failed.
    failure : str
        What went wrong, or "".
    panel : str
        Digest of the people.
    size : float or None
        People handed in; None: exact tables.
    cost : mapping
        seconds; mib (growth of resident memory); tokens (of language models). None: not known.
        Empty if it failed.
    made : mapping
        When, with which versions, at which commit.
    """

    task: str
    revision: str
    board: str
    split: str
    entrant: str
    kind: str
    parameters: str
    seed: int
    popgen: str
    definitions: int
    figures: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    failure: str = ""
    panel: str = ""
    size: float | None = None
    cost: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What a run is told by: a run with the key of a stored one is not run again."""
        told = (self.task, self.revision, self.entrant, self.parameters, self.seed)
        return tuple(map(str, (*told, self.popgen, self.definitions)))

    def figure(self, metric: str, order: int, group: str, what: str) -> float | None:
        """Give one figure; None where it is undefined or was not measured."""
        found = dict(zip(PARTS, self.figures.get(label(metric, order, group), ()), strict=False))
        return found.get(what)


def append(path: Path, row: Row) -> None:
    """Add a row's line to a file, at once and whole."""
    line = json.dumps(vars(row), ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        stream.write(line.encode())
        stream.flush()
        os.fsync(stream.fileno())


def read_rows(folder: str | os.PathLike[str]) -> list[Row]:
    """Read every row of a folder's ``*.jsonl`` files, in order.

    Raises
    ------
    PopgenError
        For a line that is not a row; file and line are named.
    """
    return [row for path in sorted(Path(folder).glob("*.jsonl")) for row in read_file(path)]


def read_file(path: Path) -> list[Row]:
    """Read the rows of one file, which may be absent."""
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise PopgenError(
                f"{path}, line {number}, is not a row of results ({error}); an interrupted run "
                "may have left half a line: delete it"
            ) from None
    return rows


def latest(rows: list[Row]) -> list[Row]:
    """Keep the last row of each task, entrant and seed: a correction is a new row.

    Raises
    ------
    PopgenError
        If rows that are left follow different definitions of the figures.
    """
    kept = {(row.task, row.entrant, row.seed): row for row in rows}
    if len(versions := {row.definitions for row in kept.values()}) > 1:
        raise PopgenError(
            f"rows follow definitions {listed(sorted(versions))} of the figures, which cannot be "
            "compared; run the older ones again"
        )
    return list(kept.values())

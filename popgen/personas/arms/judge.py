"""Plausibility judge: independent draws, of which the model has the implausible redrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from popgen.errors import PopgenError
from popgen.frames import need_columns
from popgen.personas.arm import Talk, Task, answered, as_lines
from popgen.personas.request import Request
from popgen.personas.told import Told

PROMPT = """\
You are given persona records, one per line:
{columns}
For each record decide whether this combination of attributes is plausible for one real person of \
the population described
below (1) or implausible, so that it should be redrawn (0). Judge the whole combination. Write one \
line per record: id,verdict
"""


@dataclass(frozen=True)
class Judge:
    """Draw records independently and let the model reject what it finds implausible.

    Attributes
    ----------
    rounds : int
        Times that records are judged; what is rejected is drawn anew, but in the last round.
    """

    rounds: int = 3
    about: ClassVar[str] = "records drawn independently; the model has the implausible redrawn"
    records: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise PopgenError(f"a judge needs at least 1 round; got {self.rounds}")

    @property
    def most_rounds(self) -> int:
        """Rounds of requests, at most."""
        return self.rounds

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the instruction and the description."""
        columns = ",".join(["id", *told.domain.names])
        return PROMPT.format(columns=columns) + told.text()

    def talk(self, task: Task) -> Talk:
        """Have the records judged; redraw those rejected, round by round."""
        rng = np.random.default_rng(task.rng)
        frame = independent(task.told, task.people, rng)
        if task.records is not None:
            given = task.given()
            need_columns(given, frame.columns, "records to judge")
            frame = given.select(frame.columns)
        prompt = self.prompt(task.told, (), task.people)
        kept = []
        for judged in range(1, self.rounds + 1):
            requests = []
            for part in frame.iter_slices(task.chunk):
                ids = tuple(part["id"])
                columns = {"id": ids, "verdict": ("0", "1")}
                requests.append(Request(f"{prompt}\n{as_lines(part)}", columns, len(ids), ids))
            replies = yield requests
            verdicts = {str(row["id"]): row["verdict"] for row in answered(replies)}
            verdict = frame["id"].replace_strict(verdicts, default=None, return_dtype=pl.String)
            kept.append(frame.filter(verdict == "1"))
            rejected = frame.filter(verdict == "0")
            if rejected.is_empty() or judged == self.rounds:
                break
            redrawn = independent(task.told, len(rejected), rng)
            frame = redrawn.with_columns(rejected["id"].alias("id"))
        return pl.concat(kept)


def independent(told: Told, people: int, rng: np.random.Generator) -> pl.DataFrame:
    """Draw records from the one-way shares, each variable by itself."""
    columns = {"id": [str(i) for i in range(1, people + 1)]}
    for name, table in told.shares.items():
        levels = table.domain[name].levels
        codes = rng.choice(len(levels), people, p=table.shares.counts)
        columns[name] = [levels[code] for code in codes]
    return pl.DataFrame(columns)

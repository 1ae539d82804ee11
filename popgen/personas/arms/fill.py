"""Record to table: the model completes records with the attributes that they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from popgen.errors import PopgenError
from popgen.personas.arm import Talk, Task, answered, as_lines, columns_of, frame_of
from popgen.personas.request import Request
from popgen.personas.told import Told

PROMPT = """\
You are given real-sounding demographic profiles, one per line: {given}.
For each profile imagine one concrete person who fits it and fill in the other attributes that \
this person would have:
{asked}
Read the population description below for the level names and the overall shares. Answer as the \
individual person would,
not as the average of the group. Write one line per profile as comma-separated values, in the \
given order of ids:
id,{asked}
"""


@dataclass(frozen=True)
class Fill:
    """Let the model fill in what records lack."""

    about: ClassVar[str] = "given coarse profiles, the model fills in the other attributes"
    records: ClassVar[bool] = True
    most_rounds: ClassVar[int] = 1

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the instruction and the description."""
        asked = ",".join(name for name in told.domain.names if name not in given)
        return PROMPT.format(given=",".join(["id", *given]), asked=asked) + told.text()

    def talk(self, task: Task) -> Talk:
        """Ask about the records, chunk by chunk; again from the first if more are wanted."""
        frame = task.given()
        names = frame.columns[1:]
        asked = [name for name in task.told.domain.names if name not in names]
        if not names or not asked:
            raise PopgenError(
                "profiles must have some of the variables, not all of them: the rest is filled in"
            )
        prompt = self.prompt(task.told, names, task.people)
        requests, parts = [], []
        for start in range(0, task.people, len(frame)):
            turn = frame.head(task.people - start)
            for part in turn.iter_slices(task.chunk):
                ids = tuple(part["id"])
                columns = {"id": ids, **columns_of(task.told.domain, asked)}
                text = f"{prompt}\n{as_lines(part)}"
                draw = start // len(frame)
                requests.append(Request(text, columns, len(ids), ids, draw))
                parts.append(part)
        replies = yield requests
        known = frame.rows_by_key("id", named=True, unique=True)
        rows = [{**known[str(row["id"])], **row} for row in answered(replies)]
        return frame_of(rows, ["id", *task.told.domain.names])

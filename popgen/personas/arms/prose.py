"""Record to prose: the model writes each record out as a described person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from popgen.personas.arm import Talk, Task, answered, as_lines
from popgen.personas.request import TEXT, Column, Request
from popgen.personas.told import Told

PROMPT = """\
You are given records of people, one per line: {given}.
Write for each record a portrait of one concrete person who fits it, in three to five sentences of \
the third person:
consistent with every attribute, particular rather than typical, and as varied over the records as \
real people are.
The population that they come from is described below. Write one line per record, in the given \
order of ids: id,text
"""


@dataclass(frozen=True)
class Prose:
    """Let the model describe each record in words; the attributes stay as given."""

    about: ClassVar[str] = "given records, the model writes each out in prose (column text)"
    records: ClassVar[bool] = True
    most_rounds: ClassVar[int] = 1

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the instruction and the description."""
        return PROMPT.format(given=",".join(["id", *given])) + told.text()

    def talk(self, task: Task) -> Talk:
        """Ask about the records, chunk by chunk."""
        frame = task.given().head(task.people)
        prompt = self.prompt(task.told, frame.columns[1:], task.people)
        requests = []
        for part in frame.iter_slices(task.chunk):
            ids = tuple(part["id"])
            columns: dict[str, Column] = {"id": ids, "text": TEXT}
            requests.append(Request(f"{prompt}\n{as_lines(part)}", columns, len(ids), ids))
        replies = yield requests
        texts = {str(row["id"]): row["text"] for row in answered(replies)}
        told = frame.filter(frame["id"].is_in(list(texts)))
        return told.with_columns(told["id"].replace_strict(texts).alias("text"))

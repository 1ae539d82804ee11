"""Zero-input invention: the model is told the shares and writes whole personas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from popgen.personas.arm import Talk, Task, answered, columns_of, frame_of
from popgen.personas.request import Request
from popgen.personas.told import Told

PROMPT = """\
You are asked to invent a synthetic panel of personas that stands for a population.
Read the population description below. Write {people} personas so that, taken together, they look \
like a random sample of that
population: the shares should come out about right, and each persona should be a believable whole \
person, so that the
combinations of attributes are as common as they are in reality.
Write one persona per line as comma-separated values, in this column order, with exactly the level \
names given:
{columns}
"""


@dataclass(frozen=True)
class Direct:
    """Let the model invent personas from one-way shares."""

    about: ClassVar[str] = "given the one-way shares, the model invents whole personas"
    records: ClassVar[bool] = False
    most_rounds: ClassVar[int] = 1

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the instruction and the description."""
        columns = ",".join(told.domain.names)
        return PROMPT.format(people=people, columns=columns) + told.text()

    def talk(self, task: Task) -> Talk:
        """Ask for all personas at once, chunk by chunk."""
        names = task.told.domain.names
        columns = columns_of(task.told.domain, names)
        replies = yield [
            Request(self.prompt(task.told, (), size), columns, size, draw=draw)
            for draw, size in enumerate(task.sizes())
        ]
        return frame_of(answered(replies), names)

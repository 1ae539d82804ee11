"""What an arm is: a frozen recipe that turns a population's description into requests and people.

An arm talks: it yields rounds of requests, is sent the replies, and returns people. So the same arm
runs against an endpoint, against a cache, in batch files, and against a recording.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import polars as pl

from popgen.domain import Domain
from popgen.errors import PopgenError, listed
from popgen.personas.request import Column, Reply, Request, Row
from popgen.personas.told import Told

Talk = Generator[list[Request], list[Reply], pl.DataFrame]
"""Rounds of requests out, their replies in, people at the end: a column a variable, and others."""
Responder = Callable[[Sequence[Request]], list[Reply]]
"""Answers a round: an endpoint, a cache or a recording."""


@dataclass(frozen=True, eq=False)
class Task:
    """What an arm is asked for.

    Attributes
    ----------
    told : Told
        The population.
    people : int
        Personas wanted.
    chunk : int
        Rows to ask for at once.
    records : polars.DataFrame or None
        For arms that start from records: a column ``id``, and a column a variable that is given.
    rng : int
        For what an arm draws itself; answers do not depend on it.
    """

    told: Told
    people: int
    chunk: int = 20
    records: pl.DataFrame | None = None
    rng: int = 0

    def __post_init__(self) -> None:
        if self.people < 1 or self.chunk < 1:
            raise PopgenError(
                f"people and chunk must be at least 1; got {self.people} and {self.chunk}"
            )

    def sizes(self, people: int | None = None) -> list[int]:
        """Part a number of people (default: all) into chunks."""
        left = self.people if people is None else people
        return [min(self.chunk, left - start) for start in range(0, left, self.chunk)]

    def given(self) -> pl.DataFrame:
        """Return the records, checked.

        Raises
        ------
        PopgenError
            If there are none, an id is missing or there twice, or a level is unknown.
        """
        if self.records is None:
            raise PopgenError("this arm starts from records; give some, with a column 'id'")
        frame = self.records.cast(pl.String)
        if "id" not in frame.columns or frame["id"].n_unique() < len(frame):
            raise PopgenError("records need a column 'id' that is different in every row")
        if strange := [n for n in frame.columns if n != "id" and n not in self.told.domain]:
            raise PopgenError(
                f"records have column(s) {listed(strange)}, which the population does not; it has "
                f"{listed(self.told.domain.names, most=30)}"
            )
        names = [name for name in self.told.domain.names if name in frame.columns]
        for name in names:
            levels = self.told.domain[name].levels
            if wrong := sorted({str(v) for v in frame[name].to_list()} - set(levels)):
                raise PopgenError(
                    f"records: {name!r} has {listed(wrong)}; it has levels {listed(levels)}"
                )
        return frame.select("id", *names)


class Arm(Protocol):
    """A recipe: parameters only, no state.

    Attributes
    ----------
    about : str
        What it does, in a line.
    records : bool
        Whether it starts from records.
    most_rounds : int
        Rounds of requests, at most.
    """

    about: ClassVar[str]
    records: ClassVar[bool] = False

    @property
    def most_rounds(self) -> int:
        """Rounds of requests, at most; those after the first are no larger than it."""
        ...

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the instruction and the description: the text that the recordings answer to."""
        ...

    def talk(self, task: Task) -> Talk:
        """Ask, round by round, and return people."""
        ...


@dataclass(frozen=True, eq=False)
class Asked:
    """What came of a task.

    Attributes
    ----------
    people : polars.DataFrame
        A row a persona.
    replies : tuple of Reply
        All, in the order asked.
    """

    people: pl.DataFrame
    replies: tuple[Reply, ...] = field(repr=False)

    def log(self) -> pl.DataFrame:
        """Give a row a request: what became of it, and what it took."""
        return pl.DataFrame(
            [
                {
                    "request": i,
                    "status": reply.status,
                    "rows": len(reply.rows),
                    "detail": reply.detail,
                    "cached": reply.cached,
                    **{key: reply.usage.get(key, 0) for key in USAGE},
                }
                for i, reply in enumerate(self.replies, 1)
            ]
        )


USAGE = ("input", "output", "attempts", "asked_again")


def converse(arm: Arm, task: Task, responder: Responder) -> Asked:
    """Let an arm talk to whoever answers.

    Raises
    ------
    PopgenError
        If the task does not suit the arm, nobody is left to make a panel of, or the responder
        refuses.
    """
    replies: list[Reply] = []
    talk = arm.talk(task)
    requests = next(talk)
    while True:
        answers = responder(requests)
        replies += answers
        try:
            requests = talk.send(answers)
        except StopIteration as end:
            people: pl.DataFrame = end.value
            break
    if people.is_empty():
        faults = [f"{r.status}: {r.detail}" for r in replies if r.status != "answered"]
        why = listed(faults, most=3) if faults else "the model let nobody pass"
        raise PopgenError(f"of {len(replies)} request(s) none gave a persona: {why}")
    return Asked(people, tuple(replies))


def answered(replies: Iterable[Reply]) -> list[Row]:
    """Put the rows of all replies together."""
    return [row for reply in replies for row in reply.rows]


def columns_of(domain: Domain, names: Iterable[str]) -> dict[str, Column]:
    """Say which levels the columns of an answer may hold."""
    return {name: domain[name].levels for name in names}


def as_lines(frame: pl.DataFrame) -> str:
    """Write records as comma-separated lines, without a header."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(frame.rows())
    return out.getvalue()


def frame_of(rows: Sequence[Row], names: Sequence[str]) -> pl.DataFrame:
    """Make a frame of rows: the named columns, as texts."""
    columns = {name: [str(row[name]) for row in rows] for name in names}
    return pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))

"""Iterative discrepancy feedback: propose people, compare shares, tell the model the gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from popgen.errors import PopgenError
from popgen.personas.arm import Talk, Task, answered, columns_of, frame_of
from popgen.personas.arms.direct import Direct
from popgen.personas.request import Request
from popgen.personas.told import Told

GAPS = """
So far the panel has {people} personas. Its shares differ most from the population's here (percent):
{gaps}
Write personas that bring the whole panel nearer to the population: more of what is too rare, less \
of what is too common.
"""


@dataclass(frozen=True)
class Feedback:
    """Have the panel proposed in rounds, each told how far the panel so far is from the shares.

    The idea is LLMSynthor's (arXiv:2505.14752), from its description: its code is not public.

    Attributes
    ----------
    rounds : int
        The panel is asked for in so many parts.
    gaps : int
        Levels named in each round.
    """

    rounds: int = 4
    gaps: int = 12
    about: ClassVar[str] = "personas in rounds, each told the gaps that the panel still has"
    records: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.rounds < 2 or self.gaps < 1:
            raise PopgenError(
                f"feedback needs at least 2 rounds and 1 gap; got {self.rounds} and {self.gaps}"
            )

    @property
    def most_rounds(self) -> int:
        """Rounds of requests, at most."""
        return self.rounds

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the first round's prompt, which is that of invention."""
        return Direct().prompt(told, given, people)

    def talk(self, task: Task) -> Talk:
        """Ask for a part of the panel, compare, ask for the next."""
        names = task.told.domain.names
        columns = columns_of(task.told.domain, names)
        panel = frame_of([], names)
        parts = [-(-task.people * i // self.rounds) for i in range(1, self.rounds + 1)]
        for start, stop in zip([0, *parts], parts, strict=False):
            told = self._gaps(task.told, panel) if len(panel) else ""
            replies = yield [
                Request(self.prompt(task.told, (), size) + told, columns, size, draw=start + draw)
                for draw, size in enumerate(task.sizes(stop - start))
            ]
            panel = pl.concat([panel, frame_of(answered(replies), names)])
        return panel

    def _gaps(self, told: Told, panel: pl.DataFrame) -> str:
        """Name the levels whose shares are furthest from the population's."""
        found = []
        for name, table in told.shares.items():
            for level, wanted in zip(table.domain[name].levels, table.shares.counts, strict=True):
                has = float((panel[name] == level).sum()) / len(panel)
                found.append((abs(has - wanted), f"{name}={level}: {100 * has:.1f}", wanted))
        found.sort(key=lambda gap: -gap[0])
        lines = [f"{has} instead of {100 * wanted:.1f}" for _, has, wanted in found[: self.gaps]]
        return GAPS.format(people=len(panel), gaps="\n".join(lines))

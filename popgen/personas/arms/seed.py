"""LLM seed and IPF: the model invents personas, and raking brings them to the shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import polars as pl

from popgen.errors import PopgenError
from popgen.methods.calibration import Calibration
from popgen.personas.arm import Talk, Task
from popgen.personas.arms.direct import Direct
from popgen.personas.told import Told
from popgen.problem import Problem
from popgen.survey import read_microdata


@dataclass(frozen=True)
class Seed:
    """Take invented personas for the seed of IPF (raking, on records) to the one-way shares.

    Attributes
    ----------
    source : Direct
        How the seed is had.
    """

    source: Direct = field(default_factory=Direct)
    about: ClassVar[str] = "invented personas as the seed of IPF to the one-way shares"
    records: ClassVar[bool] = False
    most_rounds: ClassVar[int] = 1

    def prompt(self, told: Told, given: Sequence[str], people: int) -> str:
        """Write the source's prompt."""
        return self.source.prompt(told, given, people)

    def talk(self, task: Task) -> Talk:
        """Talk as the source does, then rake what it returns and draw as many people again."""
        invented = yield from self.source.talk(task)
        if invented.is_empty():
            return invented
        seed = read_microdata(invented, task.told.codebook)
        problem = Problem(task.told.shares, seed)
        try:
            model = Calibration().fit(problem)
        except PopgenError as error:
            raise PopgenError(f"the invented personas cannot be raked: {error}") from error
        people = model.sample(len(invented), rng=task.rng, integerise="cube")
        return people.to_polars().cast(pl.String)

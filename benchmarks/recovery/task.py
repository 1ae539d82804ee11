"""A task: what entrants are given, and what they are scored against."""

from __future__ import annotations

from dataclasses import dataclass

from popgen import Domain, Microdata, Problem, Table


@dataclass(frozen=True, eq=False)
class Task:
    """Margins and records that are given, and the truth that is not.

    Attributes
    ----------
    regime : str
        What is given, in words.
    draw : int
        Number of the random draw.
    margins : tuple of Table
    seed : Microdata or None
        The records that are given.
    truth : Microdata or Table
        What to score against.
    people : int
        How many people to draw, where a method draws whole ones.
    """

    regime: str
    draw: int
    margins: tuple[Table, ...]
    seed: Microdata | None
    truth: Microdata | Table
    people: int

    @property
    def domain(self) -> Domain:
        """The variables in the order of everybody's codes."""
        return self.truth.domain

    @property
    def problem(self) -> Problem:
        """The same for popgen."""
        return Problem(self.margins, self.seed)

"""What of a problem bears on some of its variables, and what its records know of one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Coarsening, Domain
from popgen.errors import InfeasibleError, PopgenError, listed
from popgen.margin import Margin
from popgen.methods._axes import Floats
from popgen.microdata import MISSING, Microdata
from popgen.problem import Problem
from popgen.table import Table

UNSEEN = ("refuse", "average")
"""What to do with people of a level that no record has."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Margins over some of a problem's variables.

    Attributes
    ----------
    domain : Domain
    margins : tuple of Margin
    total : float
    """

    domain: Domain
    margins: tuple[Margin, ...]
    total: float

    @classmethod
    def of(cls, problem: Problem, names: Sequence[str]) -> Stage:
        """Keep what margins say of some variables, others summed out where that loses nobody."""
        found = []
        for margin in problem.margins:
            kept = tuple(rule for rule in margin.maps if rule.fine.name in names)
            gone = [rule for rule in margin.maps if rule.fine.name not in names]
            if kept and all(rule.complete for rule in gone):
                table = margin.table.project(*(rule.coarse.name for rule in kept))
                found.append(Margin(margin.name, table, kept))
        return cls(problem.domain.project(*names), tuple(found), problem.total)

    def extending(self, frame: Table, name: str) -> Stage:
        """Keep a joint of the other variables as it is, and what margins say of one more."""
        rules = tuple(Coarsening(v, v, np.arange(len(v))) for v in frame.domain)
        added = tuple(margin for margin in self.margins if name in margin.variables)
        return Stage(self.domain, (Margin("frame", frame, rules), *added), self.total)


@dataclass(frozen=True, eq=False)
class Donors:
    """Records that know a variable, counted by the variables that they share with a frame.

    Attributes
    ----------
    names : tuple of str
        The shared variables.
    counts : array, shape (cells of the shared variables, K)
        Records at each level, in effective number.
    records : int
    """

    names: tuple[str, ...]
    counts: Floats
    records: int

    @classmethod
    def of(cls, records: Microdata, name: str, others: Sequence[str]) -> Donors:
        """Count the records by a variable and those of some others that they have.

        Raises
        ------
        PopgenError
            If they do not know the variable or no other, or some records lack a value.
        """
        known = {each: records.column(each) != MISSING for each in (name, *others)}
        if not known[name].any():
            raise PopgenError(f"no record has a value of {name!r}: give a survey that asked for it")
        shared = tuple(other for other in others if known[other].any())
        for each in (name, *shared):
            if gone := int((~known[each]).sum()):
                raise PopgenError(
                    f"{gone} of {len(records)} records have no {each!r}; read them with "
                    "missing='drop' or missing='level'"
                )
        if not shared:
            raise PopgenError(
                f"the records that know {name!r} share no variable with the frame, which has "
                f"{listed(others)}: nothing links them"
            )
        table = records.project(*shared, name).scaled(records.effective_size)
        return cls(shared, table.counts.reshape(-1, table.domain.shape[-1]), len(records))

    def unseen(self, frame: Table) -> list[tuple[str, float]]:
        """List the levels that people of the frame have and no record, and how many people."""
        found = []
        shape = frame.domain.project(*self.names).shape
        for axis, name in enumerate(self.names):
            gone = tuple(other for other in range(len(shape)) if other != axis)
            seen: Floats = self.counts.sum(axis=1).reshape(shape).sum(axis=gone)
            held = frame.project(name).counts
            found += [
                (f"{name}={frame.domain[name].levels[i]}", float(held[i]))
                for i in np.flatnonzero((seen == 0) & (held > 0))
            ]
        return found

    def noted(self, frame: Table, unseen: str) -> tuple[str, ...]:
        """Refuse levels of which there is no record, or say what is done with them.

        Raises
        ------
        InfeasibleError
            Naming the levels and their people.
        """
        lacking = self.unseen(frame)
        if not lacking:
            return ()
        told = [f"{level} ({people:,.6g} people)" for level, people in lacking]
        if unseen == "refuse":
            raise InfeasibleError(
                f"the frame has people of whom the survey has no record: {listed(told)}; coarsen "
                "the variable in both, add records, or give such people the average effect with "
                "unseen='average'"
            )
        return (f"no record of {listed(told)}: their effect is taken as the average",)


def onto(shares: Floats, names: Sequence[str], domain: Domain) -> Floats:
    """State shares by some variables (in a domain's order) and a level over all of the domain."""
    shape = [len(v) if v.name in names else 1 for v in domain]
    return shares.reshape(*shape, shares.shape[-1])


def codes_over(margin: Margin, names: Sequence[str]) -> NDArray[np.intp]:
    """Give the flat cell of a margin's part over some variables for each joint level of them."""
    rules = [margin.rule(name) for name in names]
    sizes = [len(rule.fine) for rule in rules]
    grid = np.indices(sizes).reshape(len(rules), math.prod(sizes))
    stated = np.zeros(grid.shape[1], dtype=np.intp)
    outside = np.zeros(grid.shape[1], dtype=bool)
    for rule, levels in zip(rules, grid, strict=True):
        codes = rule.codes[levels]
        outside |= codes < 0
        stated = stated * len(rule.coarse) + np.maximum(codes, 0)
    return np.where(outside, -1, stated)

"""What of a problem bears on some of its variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Coarsening, Domain
from popgen.margin import Margin
from popgen.methods._axes import Floats
from popgen.problem import Problem
from popgen.table import Table


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

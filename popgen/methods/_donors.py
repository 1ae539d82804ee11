"""What records know of a variable, by those that they share with a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popgen.errors import InfeasibleError, PopgenError, listed
from popgen.methods._axes import Floats
from popgen.microdata import MISSING, Microdata
from popgen.table import Table

UNSEEN = ("refuse", "average")
"""What to do with people of a level that no record has."""


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

"""Two tables side by side: the same axes, the same order of levels, people in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.table import Table

Floats = NDArray[np.float64]


def aligned(candidate: Table, truth: Table) -> Table:
    """Write the candidate's counts in the truth's order of axes and levels.

    Raises
    ------
    PopgenError
        If the candidate lacks a variable or level of the truth, or has a level that the truth does
        not know: people would be lost or invented. Or if it holds nobody.

    Examples
    --------
    >>> from popgen.domain import Domain
    >>> truth = Table(Domain((Variable("sex", ("f", "m")),)), [50, 50])
    >>> aligned(Table(Domain((Variable("sex", ("m", "f")),)), [40, 60]), truth).counts.tolist()
    [60.0, 40.0]
    >>> aligned(Table(Domain((Variable("sex", ("m",)),)), [40]), truth)
    Traceback (most recent call last):
    popgen.errors.PopgenError: the candidate's variable 'sex' lacks level(s) 'f' of the truth; ...
    """
    refuse_lacking(candidate.domain, truth.names)
    if candidate.names != truth.names:
        candidate = candidate.project(*truth.names)
    shares_of(candidate, "candidate")
    if candidate.domain == truth.domain:
        return candidate
    index = [
        level_order(have, want) for have, want in zip(candidate.domain, truth.domain, strict=True)
    ]
    return Table(truth.domain, candidate.counts[np.ix_(*index)])


def refuse_lacking(domain: Domain, names: Sequence[str]) -> None:
    """Refuse a candidate that lacks some of the truth's variables."""
    if missing := [name for name in names if name not in domain]:
        raise PopgenError(
            f"the candidate lacks variable(s) {listed(missing)} of the truth; it has "
            f"{listed(domain.names)}: add them to the candidate, or score it against a truth "
            "without them, truth.project(...) of the others"
        )


def level_order(have: Variable, want: Variable) -> list[int]:
    """Give the index in ``have`` of each level of ``want``; both must have the same levels."""
    if lost := [level for level in want.levels if level not in have.levels]:
        raise PopgenError(
            f"the candidate's variable {have.name!r} lacks level(s) {listed(lost)} of the truth; "
            f"it has {listed(have.levels)}; name its levels as the truth does"
        )
    if extra := [level for level in have.levels if level not in want.levels]:
        raise PopgenError(
            f"the candidate's variable {have.name!r} has level(s) {listed(extra)} that the truth "
            f"does not know; it has {listed(want.levels)}; recode or coarsen the candidate first"
        )
    return [have.index(level) for level in want.levels]


def shares_of(table: Table, who: str) -> Floats:
    """Give a table's shares; one that holds nobody is refused by its owner's name."""
    try:
        return table.shares.counts
    except PopgenError as error:
        raise PopgenError(f"the {who}'s {error}") from None


def cell_axes(table: Floats) -> tuple[int, ...]:
    """Give the axes of a table's cells, counted from the last, so that copies may lead."""
    return tuple(range(-table.ndim, 0))

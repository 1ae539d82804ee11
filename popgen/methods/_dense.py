"""What methods that keep the joint as a dense table share: where it starts, and how it must end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from popgen.domain import Domain
from popgen.errors import ConvergenceError, InfeasibleError, PopgenError
from popgen.margin import Margin, check_agreement
from popgen.methods._axes import Floats, largest
from popgen.methods._multipliers import meet_all
from popgen.methods._scaling import Slice, empty_structural_zeros
from popgen.problem import Problem


def refuse_large(problem: Problem, max_cells: int) -> None:
    """Refuse a problem whose joint has too many cells for a table."""
    problem.domain.need_axes()
    if problem.domain.size > max_cells:
        raise PopgenError(
            f"the joint of {problem.domain.names} has {problem.domain.size:,} cells, more than "
            f"max_cells={max_cells:,} ({8 * max_cells / 1e9:g} GB); use fewer "
            "variables or coarser levels, or Calibration on microdata"
        )


class Goal(Protocol):
    """Margins over a domain: a problem, or a part of one."""

    @property
    def domain(self) -> Domain:
        """The table's variables."""
        ...

    @property
    def margins(self) -> tuple[Margin, ...]:
        """The targets."""
        ...

    @property
    def total(self) -> float:
        """People."""
        ...


def meet_margins(
    table: Floats, problem: Goal, *, tol: float, max_iter: int
) -> tuple[int, float, str]:
    """Scale a table, in place, until it has all of a problem's margins, or say why it cannot.

    Returns
    -------
    sweeps : int
    miss : float
        Largest miss that is left, people.
    worst : str
        The cell that is missed by so many.

    Raises
    ------
    InfeasibleError
        If a margin cell has people but the table, or another margin's zeros, leave nobody there.
    InconsistentMarginsError
        If two margins differ by more than the tolerance.
    ConvergenceError
        If some margin is still missed after ``max_iter`` sweeps, or sweeps no longer help.
    """
    slices = [Slice.of(margin, problem.domain) for margin in problem.margins]
    empty_structural_zeros(table, slices)
    refuse_empty_cells(table, problem.domain, zip(problem.margins, slices, strict=True))
    tol = tol * problem.total
    # half of it: the margins met later in a sweep undo a little of those met before
    sweeps, _ = meet_all(table, slices, tol=tol / 2, max_iter=max_iter)
    worst, miss = largest_miss(table, problem, slices)
    if miss > tol:
        check_agreement(problem.margins, tolerance=tol / problem.total, significant=0.0)
        raise ConvergenceError(
            f"IPF missed a margin by {miss:,.6g} people after {sweeps} sweeps, at {worst} "
            f"(tolerance {tol:,.6g}); no two margins contradict each other, but all together "
            "may, or the seed's zeros may: use a seed with fewer zeros, reconcile the margins "
            "(popgen.reconcile), or raise max_iter"
        )
    return sweeps, miss, worst


def starting_table(problem: Problem) -> Floats:
    """Return the table IPF starts from: microdata, the seed table spread evenly, or flat."""
    domain = problem.domain
    if problem.microdata is not None:
        return np.array(problem.microdata.project(*domain.names).counts, order="C")
    table = np.full(domain.shape, problem.total / domain.size)
    if problem.seed is not None:
        Slice.of(problem.seed, domain).meet(table)
    return table


def refuse_empty_cells(
    table: Floats, domain: Domain, margins: Iterable[tuple[Margin, Slice]]
) -> None:
    """Refuse margin cells that have people where the table to be scaled has none."""
    if table.min() > 0:
        return
    for margin, part in margins:
        empty = (part.fitted(table) <= 0) & (part.target > 0)
        if empty.any():
            first = int(np.flatnonzero(empty)[0])
            raise InfeasibleError(
                f"{int(empty.sum())} cell(s) of margin {margin.name!r} have people but the seed or "
                f"another margin's zeros leave nobody there; first "
                f"{cell_name(margin, domain, first)} with {part.target.flat[first]:,.6g} "
                "people: add records, coarsen the margin, or correct the zeros"
            )


def largest_miss(table: Floats, problem: Goal, slices: Sequence[Slice]) -> tuple[str, float]:
    """Return the margin cell that the table misses most, and by how many people."""
    found, where = -1.0, ""
    for margin, part in zip(problem.margins, slices, strict=True):
        gaps = part.fitted(table) - part.target
        if (miss := largest(gaps)) > found:
            cell = int(np.abs(gaps, out=gaps).argmax())
            found, where = miss, cell_name(margin, problem.domain, cell)
    return where, found


def cell_name(margin: Margin, domain: Domain, cell: int) -> str:
    """Name a margin's cell by its place in a `Slice`, whose axes are in the domain's order."""
    rules = sorted(margin.maps, key=lambda rule: domain.axis(rule.fine.name))
    stated = margin.table.domain.project(*(rule.coarse.name for rule in rules))
    return f"{margin.name}: {stated.cell(cell)}"

"""`IPF`: iterative proportional fitting of a dense table to any overlapping margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popgen.domain import Domain
from popgen.errors import ConvergenceError, InfeasibleError, PopgenError
from popgen.margin import Margin, check_agreement
from popgen.methods._axes import Floats, largest
from popgen.methods._scaling import Slice, empty_structural_zeros, gathered, scale_to_margins
from popgen.methods.base import Convergence
from popgen.methods.models import TableModel
from popgen.problem import Problem
from popgen.table import Table


@dataclass(frozen=True)
class IPF:
    """Fit the joint nearest to a seed that has all the margins.

    The seed is the problem's microdata (weighted), its seed table, or else flat: then the fit is
    the maximum-entropy joint of the margins. Interactions that no margin states are the seed's
    (scaling a margin never changes an odds ratio), so a flat seed assumes there are none. Within a
    level that margins state only in a wider band, a flat seed spreads people evenly.

    Every margin is met exactly, estimated ones too: margins that differ within their standard
    errors have to be reconciled first (`popgen.reconcile`).

    Attributes
    ----------
    tol : float
        Largest miss of a margin cell accepted, as a share of the total.
    max_iter : int
        Most sweeps over all margins.
    max_cells : int
        Largest table made; a cell takes 8 bytes, and fitting about 3 times that.

    Raises
    ------
    PopgenError
        If a parameter is not positive.

    References
    ----------
    .. [1] Deming & Stephan (1940), doi:10.1214/aoms/1177731829

    Examples
    --------
    >>> from popgen import Domain, Problem, Variable
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> margins = [Table(Domain((sex,)), [60, 40]), Table(Domain((age,)), [30, 70])]
    >>> IPF().fit(Problem(margins)).project("sex", "age").counts.round(6).tolist()
    [[18.0, 42.0], [12.0, 28.0]]
    """

    tol: float = 1e-9
    max_iter: int = 2000
    max_cells: int = 100_000_000

    def __post_init__(self) -> None:
        if not (self.tol > 0 and self.max_iter > 0 and self.max_cells > 0):
            raise PopgenError(f"tol, max_iter and max_cells must be positive; got {self}")

    def fit(self, problem: Problem) -> TableModel:
        """Fit a problem.

        Raises
        ------
        InfeasibleError
            If a margin cell has people but the seed, or another margin's zeros, leave nobody there.
        InconsistentMarginsError
            If two margins differ by more than the tolerance.
        ConvergenceError
            If some margin is still missed after ``max_iter`` sweeps, or sweeps no longer help.
        PopgenError
            If the table would have more than ``max_cells`` cells, or than 32 variables.
        """
        problem.domain.need_axes()
        if problem.domain.size > self.max_cells:
            raise PopgenError(
                f"the joint of {problem.domain.names} has {problem.domain.size:,} cells, more than "
                f"max_cells={self.max_cells:,} ({8 * self.max_cells / 1e9:g} GB); use fewer "
                "variables or coarser levels, or Calibration on microdata"
            )
        table = starting_table(problem)
        slices = [Slice.of(margin, problem.domain) for margin in problem.margins]
        empty_structural_zeros(table, slices)
        refuse_empty_cells(table, problem, slices)
        tol = self.tol * problem.total
        parts = gathered(table.shape, slices)
        # half of it: the margins met later in a sweep undo a little of those met before
        sweeps, _ = scale_to_margins(table, parts, tol=tol / 2, max_iter=self.max_iter)
        worst, miss = largest_miss(table, problem, slices)
        if miss > tol:
            check_agreement(problem.margins, tolerance=self.tol, significant=0.0)
            raise ConvergenceError(
                f"IPF missed a margin by {miss:,.6g} people after {sweeps} sweeps, at {worst} "
                f"(tolerance {tol:,.6g}); no two margins contradict each other, but all together "
                "may, or the seed's zeros may: use a seed with fewer zeros, reconcile the margins "
                "(popgen.reconcile), or raise max_iter"
            )
        convergence = Convergence(True, sweeps, miss, worst)
        return TableModel(self, problem, convergence, Table(problem.domain, table))


def starting_table(problem: Problem) -> Floats:
    """Return the table IPF starts from: microdata, the seed table spread evenly, or flat."""
    domain = problem.domain
    if problem.microdata is not None:
        return np.array(problem.microdata.project(*domain.names).counts, order="C")
    table = np.full(domain.shape, problem.total / domain.size)
    if problem.seed is not None:
        Slice.of(problem.seed, domain).meet(table)
    return table


def refuse_empty_cells(table: Floats, problem: Problem, slices: Sequence[Slice]) -> None:
    """Refuse margin cells that have people where the table to be scaled has none."""
    if table.min() > 0:
        return
    for margin, part in zip(problem.margins, slices, strict=True):
        empty = (part.fitted(table) <= 0) & (part.target > 0)
        if empty.any():
            first = int(np.flatnonzero(empty)[0])
            raise InfeasibleError(
                f"{int(empty.sum())} cell(s) of margin {margin.name!r} have people but the seed or "
                f"another margin's zeros leave nobody there; first "
                f"{cell_name(margin, problem.domain, first)} with {part.target.flat[first]:,.6g} "
                "people: add records, coarsen the margin, or correct the zeros"
            )


def largest_miss(table: Floats, problem: Problem, slices: Sequence[Slice]) -> tuple[str, float]:
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

"""`IPF`: iterative proportional fitting of a dense table to any overlapping margins."""

from __future__ import annotations

from dataclasses import dataclass

from popgen.methods._dense import meet_margins, refuse_large, starting_table
from popgen.methods.base import Convergence, check_numbers, refuse_controls
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
        check_numbers(self, "tol", "max_iter", "max_cells", above=0)

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
        refuse_controls(problem, "IPF")
        refuse_large(problem, self.max_cells)
        table = starting_table(problem)
        sweeps, miss, worst = meet_margins(table, problem, tol=self.tol, max_iter=self.max_iter)
        convergence = Convergence(True, sweeps, miss, worst)
        return TableModel(self, problem, convergence, Table(problem.domain, table))

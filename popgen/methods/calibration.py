"""Calibration: weight survey records so that they meet the margins, moving weights least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from popgen.errors import ConvergenceError, InfeasibleError, PopgenError
from popgen.methods._cells import (
    Cells,
    independent,
    merged,
    outside_zero_cells,
    people,
)
from popgen.methods._certificate import refuse_clash, refuse_empty_cells
from popgen.methods._checked import checked_cells, checked_weights
from popgen.methods._controls import refuse_far_controls, with_controls
from popgen.methods._dual import ROUNDING, Dual, curvature, newton
from popgen.methods._reach import explain
from popgen.methods.base import Convergence, check_numbers
from popgen.methods.distances import RAKING, Distance, Floats
from popgen.methods.models import RecordModel
from popgen.problem import Incidence, Problem, incidence_of

PRECISION = 1e-9
"""Miss accepted by default, as a share of the total."""

FAR = 5.0
"""A soft margin cell missed by more standard errors than this contradicts the rest."""


@dataclass(frozen=True)
class Calibration:
    """Weight the problem's microdata to its margins.

    Raking to exact margins ends at the same weights as classical raking; linear calibration is the
    generalised regression estimator; a bounded distance keeps every weight near its design weight.
    No distance changes which combinations the records hold: cells without records stay empty.
    The problem's controls (`Mean`, `Median`, ...) are met beside the margins, on the same terms.

    Attributes
    ----------
    distance : Distance
        How weights may move: `RAKING`, `LINEAR`, ``logit(lower, upper)`` or your own.
    tol : float
        Largest miss accepted, as a share of the problem's total.
    max_iter : int
        Newton steps before giving up; a feasible problem needs five to twenty.
    soft : bool
        Whether margins with standard errors are held only as tightly as those allow.

    Notes
    -----
    Design weights are first scaled to the population's total, so bounds of a distance speak of the
    calibrated over the scaled design weight. With ``soft=True`` the records count as evidence worth
    their effective sample size (Kish), so that a margin and the records are each trusted by their
    precision: weights minimise ``n_eff / N * sum_i d_i G(w_i/d_i) + sum_j (miss_j / se_j)^2 / 2``
    (Nagle et al. 2014, doi:10.1080/00045608.2013.843439).

    References
    ----------
    .. [1] Deville & Särndal (1992), JASA 87:376-382, doi:10.1080/01621459.1992.10475217
    .. [2] Hainmueller (2012), Political Analysis 20:25-46, doi:10.1093/pan/mpr025

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> from popgen.microdata import Microdata
    >>> from popgen.table import Table
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> survey = Microdata(Domain((sex, age)), [[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> margins = [Table(Domain((sex,)), [60, 40]), Table(Domain((age,)), [30, 70])]
    >>> model = Calibration().fit(Problem(margins, survey))
    >>> model.project("sex", "age").counts.round(6).tolist()
    [[18.0, 42.0], [12.0, 28.0]]
    """

    distance: Distance = RAKING
    tol: float = PRECISION
    max_iter: int = 100
    soft: bool = False

    def __post_init__(self) -> None:
        check_numbers(self, "tol", least=0)
        check_numbers(self, "max_iter", least=1)

    def fit(self, problem: Problem) -> RecordModel:
        """Calibrate the problem's microdata.

        Raises
        ------
        PopgenError
            If the problem has no microdata.
        InfeasibleError
            If a cell has people but no record, exact margins clash, no weights bring a control's
            figure about, or a soft margin or control is missed by more than five standard errors.
        ConvergenceError
            If margins are still missed after ``max_iter`` steps.
        """
        records = problem.records
        incidence = problem.incidence
        if self.soft:  # a remainder, found from estimates, would count them twice
            incidence = incidence_of(problem.stated, records)
        design = records.weights * (problem.total / records.weights.sum())
        goal = with_controls(incidence, problem.controls, records, design, soft=self.soft)
        evidence = records.effective_size / problem.total
        try:
            found = calibrate(
                goal.X,
                design,
                goal.targets,
                self.distance,
                se=goal.se * np.sqrt(evidence) if self.soft else None,
                cells=goal.cells,
                tol=self.tol * problem.total,
                max_iter=self.max_iter,
            )
        except PopgenError as error:
            if not problem.controls:
                raise
            raise self._explained(error, problem, incidence) from error
        return self._model(problem, incidence, found)

    def _explained(self, error: PopgenError, problem: Problem, incidence: Incidence) -> PopgenError:
        """Say why controls cannot be met, if it is they that cannot."""
        if not self.soft:
            incidence = replace(incidence, se=np.zeros(len(incidence.se)))
        exact = [control for control in problem.controls if not (self.soft and control.se)]
        return explain(error, problem, incidence, exact)

    def _model(self, problem: Problem, incidence: Incidence, found: Calibrated) -> RecordModel:
        """Keep the records with a positive weight; refuse negative ones, which nobody can be."""
        records, weights = problem.records, found.weights
        if negative := int((weights < 0).sum()):
            raise PopgenError(
                f"calibration ({self.distance.name}) gave {negative} of {len(weights)} records a "
                f"negative weight, down to {people(weights.min())} people, which nobody can be "
                "drawn from; use RAKING or logit(lower, upper) with lower >= 0"
            )
        kept = np.flatnonzero(weights > 0)
        calibrated = replace(records.take(kept), weights=weights[kept])
        if self.soft:
            _refuse_far_misses(incidence, weights)
            refuse_far_controls(problem.controls, calibrated, FAR)
        residual, worst = found.residual, found.worst
        if problem.controls:  # a residual is in people
            held = (incidence.se == 0) | (not self.soft)
            miss = np.where(held, np.abs(incidence.X.T @ weights - incidence.targets), 0.0)
            residual, worst = float(miss.max()), incidence.cells[int(miss.argmax())]
        convergence = Convergence(True, found.iterations, residual, worst)
        return RecordModel(self, problem, convergence, calibrated, kept)


def _refuse_far_misses(incidence: Incidence, weights: Floats) -> None:
    miss = np.abs(incidence.X.T @ weights - incidence.targets)
    far = np.where(incidence.se > 0, miss - FAR * incidence.se, 0.0)
    worst = int(far.argmax())
    if far[worst] > 0:
        stated, se = incidence.targets[worst], incidence.se[worst]
        raise InfeasibleError(
            f"soft margin cell {incidence.cells[worst]!r} ({people(stated)} people, standard error "
            f"{people(se)}) is missed by {people(miss[worst])} people, {miss[worst] / se:.1f} "
            "standard errors; the records or another margin contradict it: coarsen or drop it, or "
            "add records"
        )


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Weights that meet the margins, and how they were found.

    Attributes
    ----------
    weights : array, shape (n,)
        Calibrated weight of each record, people.
    multipliers : array, shape (m,)
        Dual variable of each cell: ``w = d F(X @ multipliers)``. 0 for cells that others make
        redundant and for cells that must be empty.
    residual : float
        Largest miss of an exact cell, people.
    worst : str
        The cell that is missed by so many.
    history : tuple of float
        Largest entry of the dual's gradient at the start and after each Newton step, people.
    """

    weights: Floats
    multipliers: Floats
    residual: float
    worst: str
    history: tuple[float, ...]

    @property
    def iterations(self) -> int:
        """Newton steps taken."""
        return len(self.history) - 1


def calibrate(
    X: sparse.csr_array,
    d: Floats,
    targets: Floats,
    distance: Distance,
    *,
    se: Floats | None = None,
    cells: Sequence[str] | None = None,
    tol: float | None = None,
    max_iter: int = 100,
) -> Calibrated:
    """Move design weights as little as possible so that weighted totals hit the targets.

    Parameters
    ----------
    X : sparse array, shape (n, m)
        Record i's part in cell j: 0/1 for people in margin cells, any number in general.
    d : array, shape (n,)
        Design weights, people per record, > 0.
    targets : array, shape (m,)
        Total wanted in each cell. Where it is exactly 0 and the distance keeps weights positive,
        the cell's records get weight 0.
    distance : Distance
        How weights may move: ``w = d F(X lam)``.
    se : array, shape (m,), optional
        Standard errors of the targets: 0 for a cell that must be met, else the cell is held as
        tightly as its precision allows, ``X.T w - t = -se^2 lam``. Default: all exact.
    cells : sequence of str, optional
        Names for messages, written ``"margin: cell"``.
    tol : float, optional
        Largest miss accepted, people (for a column that is not 0/1: in units of its largest
        entry). Default: 1e-9 of the largest target.
    max_iter : int
        Newton steps.

    Returns
    -------
    Calibrated

    Raises
    ------
    PopgenError
        If shapes disagree, a number is not finite, or a design weight is not positive.
    InfeasibleError
        If no weights that the distance allows meet the exact targets; the message names the cells
        without records or the margins that clash, with the nearest totals within reach.
    ConvergenceError
        If the targets are within reach but still missed after ``max_iter`` steps.

    Notes
    -----
    Identical records are merged, redundant columns left out (rank by pivoted Cholesky), and the
    convex dual is minimised by Newton's method with Armijo's line search: [1]_ section 2; as
    maximum entropy [2]_. A step costs n k^2 / 2 additions for records in k cells each.

    References
    ----------
    .. [1] Deville & Särndal (1992), JASA 87:376-382, doi:10.1080/01621459.1992.10475217
    .. [2] Hainmueller (2012), Political Analysis 20:25-46, doi:10.1093/pan/mpr025

    Examples
    --------
    >>> X = sparse.csr_array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]])
    >>> fit = calibrate(X, np.ones(4), np.array([60.0, 40.0, 30.0]), RAKING)
    >>> fit.weights.round(6).tolist()
    [18.0, 42.0, 12.0, 28.0]
    >>> calibrate(X[:2], np.ones(2), np.array([60.0, 40.0, 30.0]), RAKING)
    Traceback (most recent call last):
    popgen.errors.InfeasibleError: 1 margin cell(s) have people but no record: 'cell 1 (40 people)';
    coarsen the margin so that the cell joins one with records, or add records
    """
    goal = checked_cells(X, targets, se, cells)
    d = checked_weights(d, goal.X.shape[0])
    tol = PRECISION * float(np.abs(goal.targets).max(initial=0.0)) if tol is None else tol
    used = outside_zero_cells(goal, distance)
    left = goal if len(used) == len(d) else goal.on(goal.X[used])
    rows, row_of = merged(left.X)
    left = left.on(rows)
    weight: Floats = np.bincount(row_of, d[used], minlength=rows.shape[0]).astype(np.float64)

    curved = curvature(rows, weight)
    refuse_empty_cells(goal, curved.diagonal(), tol)
    basis = independent(curved, goal.hard)
    dual = Dual(rows, weight, goal.targets, goal.se**2, distance, basis)
    lam, history = newton(dual, curved, _inner(tol, goal), max_iter)

    weights = np.zeros(len(d))
    weights[used] = d[used] * distance.F(rows @ lam)[row_of]
    miss = np.where(goal.hard, np.abs(goal.X.T @ weights - goal.targets), 0.0)
    worst = int(miss.argmax())
    if not max(miss[worst], history[-1]) <= tol:
        refuse_clash(left, weight, distance, tol)
        raise _not_converged(goal, miss, history, distance, tol)
    residual = float(miss[worst] * goal.unit[worst])
    return Calibrated(weights, lam / goal.unit, residual, goal.names[worst], history)


def _inner(tol: float, goal: Cells) -> float:
    """Tolerance for the cells solved for: their misses add up in the cells that they imply."""
    return max(tol / 100, ROUNDING * float(np.abs(goal.targets).max(initial=0.0)))


def _not_converged(
    goal: Cells, miss: Floats, history: Sequence[float], distance: Distance, tol: float
) -> PopgenError:
    worst = int(miss.argmax())
    missed = miss[worst] * goal.unit[worst] if miss[worst] > tol else history[-1]
    stated = goal.targets[worst] * goal.unit[worst]
    return ConvergenceError(
        f"calibration ({distance.name}) missed {goal.names[worst]!r} by {people(missed)} people of "
        f"{people(stated)} after {len(history) - 1} steps (tolerance {tol:.3g}); raise max_iter, "
        "or coarsen margins whose cells hold few records"
    )

"""`CalibratedPool`: people drawn from any model, weighted so that they meet the margins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from popgen._rng import Rng
from popgen.errors import InfeasibleError, listed
from popgen.methods._cells import people
from popgen.methods.base import Method, Model, check_numbers
from popgen.methods.calibration import PRECISION, Calibration
from popgen.methods.models import Floats, RecordModel
from popgen.problem import Problem

ENOUGH = 5.0
"""People that a pool should have in a margin cell, when a larger one is recommended."""


@dataclass(frozen=True, eq=False)
class PoolModel(RecordModel):
    """A weighted pool of people, and the model that they were drawn from.

    Attributes
    ----------
    source : Model
        As fitted, before calibration.
    """

    source: Model

    numbers_from: ClassVar[str] = "the person of the pool that the person is a copy of"

    @property
    def weights(self) -> Floats:
        """Calibrated weights of the pool's people who stand for somebody, shape (len(kept),)."""
        return self.microdata.weights

    @property
    def notes(self) -> tuple[str, ...]:
        """What the problem or a fit did that a user should know of, in words."""
        return tuple(dict.fromkeys([*self.problem.notes, *self.source.notes]))


@dataclass(frozen=True)
class CalibratedPool:
    """Follow a method by calibration: draw a pool from its model, and weight the pool.

    Whatever can be sampled so meets the problem's margins. The pool has combinations that the
    records lack, if the method makes any; within margin cells it keeps the method's interactions,
    since weights move as little as the distance allows. A margin cell of which the pool has nobody
    is refused with its name, and how large a pool would have some. The problem's controls are held
    too, if the pool's people have numbers.

    Attributes
    ----------
    method : Method
        What the pool is drawn from; it may leave margins unmet.
    calibration : Calibration
        How the pool is weighted.
    pool : int
        Candidate people to draw.
    rng : int
        The pool's random numbers: part of the recipe, so that the same recipe gives the same fit.

    Examples
    --------
    >>> from popgen import Domain, Independent, Table, Variable
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> problem = Problem([Table(Domain((sex, age)), [[30, 20], [10, 40]])])
    >>> model = CalibratedPool(Independent(), pool=1000).fit(problem)
    >>> model.project("sex", "age").counts.round(6).tolist()
    [[30.0, 20.0], [10.0, 40.0]]
    """

    method: Method
    calibration: Calibration = field(default_factory=Calibration)
    pool: int = 50_000
    rng: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, "pool", least=1)

    def fit(self, problem: Problem) -> PoolModel:
        """Fit the method, draw a pool and calibrate it.

        Raises
        ------
        InfeasibleError
            If a margin cell has people and the pool has none, or margins clash on the pool.
        PopgenError
            For anything else that the method or the calibration refuses.
        """
        alone = problem.restated(problem.margins, problem.microdata, problem.seed, controls=())
        return self.calibrated(self.method.fit(alone), problem)

    def calibrated(self, model: Model, problem: Problem, *, rng: Rng = None) -> PoolModel:
        """Calibrate a pool from a model that is fitted already, perhaps to another problem.

        Parameters
        ----------
        model : Model
            Over the variables and levels of the problem, e.g. learnt from a national survey.
        problem : Problem
            Whose margins the pool is to meet; its microdata is not looked at.
        rng : int, Generator or None
            Default: the recipe's own.
        """
        drawn = model.sample(self.pool, rng=self.rng if rng is None else rng)
        among = problem.with_microdata(drawn)
        _refuse_empty_cells(model, among, self.calibration.soft)
        fitted = self.calibration.fit(among)
        return PoolModel(self, problem, fitted.convergence, fitted.microdata, fitted.kept, model)


def _refuse_empty_cells(model: Model, problem: Problem, soft: bool) -> None:
    """Refuse margin cells that have people but nobody of the pool, saying what would help."""
    incidence = problem.incidence
    bound = (incidence.se == 0) | (not soft)
    some = incidence.targets > PRECISION * problem.total
    held = np.bincount(incidence.X.indices, minlength=len(incidence.targets))
    empty = np.flatnonzero(bound & some & (held == 0))
    if not empty.size:
        return
    assert problem.microdata is not None
    size = len(problem.microdata)
    expected = [m.fitted(model.project(*m.variables)).ravel() for m in problem.margins]
    share = np.concatenate(expected)[empty] / model.project().total
    cells = [
        f"{incidence.cells[j]} ({people(incidence.targets[j])} people)"
        + ("" if p > 0 else ", of which the model has none")
        for j, p in zip(empty, share, strict=True)
    ]
    advice = "coarsen the margin, or add records or a prior, so that the model has such people"
    if (share > 0).all():
        advice = f"draw a larger pool: {people(np.ceil(ENOUGH / share.min()))} would have some"
    raise InfeasibleError(
        f"{empty.size} margin cell(s) have people but nobody in a pool of {size:,}: "
        f"{listed(cells, most=5)}; {advice}"
    )

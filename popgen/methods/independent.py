"""`Independent`: every variable drawn on its own; the floor that any other method must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popgen.domain import Domain, Variable
from popgen.errors import InconsistentMarginsError, PopgenError
from popgen.margin import Margin
from popgen.methods._axes import Floats
from popgen.methods._scaling import Slice, scale_to_margins
from popgen.methods.base import Convergence, refuse_controls
from popgen.methods.models import ProductModel
from popgen.problem import Problem
from popgen.table import Table

TOL = 1e-9  # largest miss of a stated band, as a share of the total
MOST_SWEEPS = 10_000


@dataclass(frozen=True)
class Independent:
    """Use the one-way shares of the margins only, and assume no interaction at all.

    Where margins state a variable in bands only, the one-way table is the one nearest to the
    microdata's (flat without microdata) that has all the bands. A variable that no margin states
    has the microdata's shares.

    Examples
    --------
    >>> from popgen import Domain, Problem, Variable
    >>> sex, vote = Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))
    >>> joint = Table(Domain((sex, vote)), [[50, 10], [10, 30]])
    >>> Independent().fit(Problem([joint])).project("sex", "vote").counts.tolist()
    [[36.0, 24.0], [24.0, 16.0]]
    """

    def fit(self, problem: Problem) -> ProductModel:
        """Fit a problem.

        Raises
        ------
        InconsistentMarginsError
            If no shares of a variable have all the bands that margins state.
        PopgenError
            If nothing states a variable for everybody.
        """
        refuse_controls(problem, "Independent")
        fits = [one_way(problem, variable) for variable in problem.domain]
        shares = tuple(
            Table(Domain((variable,)), counts)
            for variable, (counts, _, _) in zip(problem.domain, fits, strict=True)
        )
        sweeps, miss = max(fit[1] for fit in fits), max(fit[2] for fit in fits)
        return ProductModel(self, problem, Convergence(True, sweeps, miss), shares)


def one_way(problem: Problem, variable: Variable) -> tuple[Floats, int, float]:
    """Find the people in each level of a variable, the sweeps it took and the largest miss."""
    name = variable.name
    stated = [
        margin for margin in problem.margins if name in margin.variables and _all_else(margin, name)
    ]
    exactly = any(margin.rule(name).trivial for margin in stated)
    counts = np.full(len(variable), problem.total / len(variable))
    if problem.microdata is not None and not exactly:
        counts = np.array(problem.microdata.project(name).scaled(problem.total).counts)
    elif not stated:
        raise PopgenError(f"no margin states {name!r} for everybody; add its one-way table")
    whole = Slice((), np.array(problem.total), ())
    bands = [Slice((0,), _alone(margin, name), (margin.rule(name),)) for margin in stated]
    tol = TOL * problem.total
    sweeps, miss = scale_to_margins(counts, [whole, *bands], tol=tol, max_iter=MOST_SWEEPS)
    if miss > tol:
        raise InconsistentMarginsError(
            f"no shares of {name!r} meet what margins {', '.join(repr(m.name) for m in stated)} "
            f"state of it: missed by {miss:,.6g} people; reconcile them (popgen.reconcile), or add "
            "records where a level has people and no record"
        )
    return counts, sweeps, miss


def _all_else(margin: Margin, name: str) -> bool:
    """Whether a margin leaves nobody out through its other variables."""
    return all(rule.complete for rule in margin.maps if rule.fine.name != name)


def _alone(margin: Margin, name: str) -> Floats:
    return margin.table.project(margin.rule(name).coarse.name).counts

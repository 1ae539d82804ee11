"""The least cap on expansion that weights can keep and meet the exact cells: proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from popgen.errors import InfeasibleError
from popgen.households.cells import Pool, Stack
from popgen.households.infeasible import APART, Groups, grouped, rows_of, side_by_side
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._certificate import SCALE
from popgen.methods.distances import Distance

ZONES = 200
"""Most zones that are looked at each by itself."""

SLACK = 1e-5
"""What the least cap must exceed another by, as a share, to disprove it."""


@dataclass(frozen=True)
class LeastCap:
    """How often some record must be used, as a multiple of its design weight over its region.

    Attributes
    ----------
    expansion : float
        No weights that meet the exact cells keep to less.
    reached : bool
        Whether some keep to just that: each zone was looked at by itself.
    """

    expansion: float
    reached: bool

    @classmethod
    def find(
        cls,
        problem: HouseholdProblem,
        stack: Stack,
        pools: tuple[Pool, ...],
        distance: Distance,
    ) -> LeastCap | None:
        """Find it for the exact cells and numbers of persons; None if that is too much work.

        Every zone is looked at by itself if zones and records are few enough; else the zones of
        each pool are taken as one, and the areas of each level: what even that much freedom cannot
        meet, nothing can.
        """
        together, apart = grouped(pools, problem.units > 0)
        reached = len(apart) <= ZONES and rows_of(apart) <= APART
        groups = apart if reached else together
        if rows_of(groups) > APART:
            return None
        found = _least(problem, stack, groups, distance, summed=not reached)
        return None if found is None else cls(found, reached)

    def refuse(self, most: float) -> None:
        """Refuse a cap that no weights can keep to.

        Raises
        ------
        InfeasibleError
            With the least cap.
        """
        if self.expansion > most * (1 + SLACK):
            raise InfeasibleError(
                f"no weights meet the exact cells so that no record is used more than {most:g} "
                "times its design weight over its region: some record must be used at least "
                f"{self.expansion:,.6g} times; raise max_expansion (max_expansion_factor), "
                "or give margins standard errors or less importance"
            )


def _least(
    problem: HouseholdProblem, stack: Stack, groups: Groups, distance: Distance, *, summed: bool
) -> float | None:
    """Minimise the largest expansion by a linear programme; None if it has no solution.

    Its variables are the weights of every group's records, then the cap.
    """
    cells, d = side_by_side(problem, stack, groups, summed=summed)
    exact = np.flatnonzero(cells.hard)
    X, targets = sparse.csr_array(cells.X[:, exact].T), cells.targets[exact]
    unit = max(1.0, float(np.abs(targets).max(initial=0.0))) / SCALE
    used, region = _records(groups), d / unit
    found = optimize.linprog(
        np.append(np.zeros(len(d)), 1.0),
        A_eq=sparse.hstack([X, sparse.csr_array((len(exact), 1))], format="csr"),
        b_eq=targets / unit,
        A_ub=sparse.hstack([used, sparse.csr_array(-(used @ region)[:, None])], format="csr"),
        b_ub=np.zeros(used.shape[0]),
        bounds=np.column_stack(
            [
                np.append(distance.lower * region, 0.0),
                np.append(distance.upper * region, np.inf),
            ]
        ),
        method="highs",
    )
    return float(found.x[-1]) if found.status == 0 else None


def _records(groups: Groups) -> sparse.csr_array:
    """Say which weights are of one record of a pool, shape (records of all pools, weights)."""
    first: dict[int, int] = {}
    rows: list[Index] = []
    count = 0
    for pool, _ in groups:
        start = first.setdefault(id(pool), count)
        count = max(count, start + len(pool.d))
        rows.append(np.arange(start, start + len(pool.d)))
    row = np.concatenate(rows)
    return sparse.csr_array((np.ones(len(row)), (row, np.arange(len(row)))), (count, len(row)))

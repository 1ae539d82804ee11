"""`NestedCalibration`: a weight of every record in every zone, all levels' cells met together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popgen.errors import ConvergenceError
from popgen.households._newton import Level, Nest, Sample, Solved, solve
from popgen.households.cells import Pool, Stack, independent, pools, stacked
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._dual import curvature
from popgen.methods.distances import RAKING, Distance, Floats


@dataclass(frozen=True)
class NestedCalibration:
    """Weight the records of each zone to its cells and, together, to those of larger areas.

    Attributes
    ----------
    distance : Distance
        How weights may move: `RAKING`, or ``logit(lower, upper)`` for bounds on each weight.
    soft : bool
        Whether cells with standard errors are held only as tightly as those allow; the records
        count as evidence worth each zone's own number of households.
    tol : float
        Largest miss accepted, as a share of the largest target of the areas concerned.
    max_iter : int
        Newton steps before giving up.
    """

    distance: Distance = RAKING
    soft: bool = True
    tol: float = 1e-9
    max_iter: int = 60

    def fit(self, problem: HouseholdProblem) -> HouseholdModel:
        """Weight all zones.

        Raises
        ------
        ConvergenceError
            If exact cells are still missed after ``max_iter`` steps.
        """
        stack = stacked(problem, soft=self.soft)
        groups = tuple(pools(problem, stack))
        gram = sum(curvature(pool.X, pool.d) for pool in groups)
        nest = _nest(problem, stack, groups, independent(stack, np.asarray(gram)), self.distance)
        solved = solve(nest, tol=self.tol, max_iter=self.max_iter)
        model = HouseholdModel(self, problem, stack, groups, nest, solved)
        _refuse_misses(model)
        return model


def _nest(
    problem: HouseholdProblem,
    stack: Stack,
    groups: tuple[Pool, ...],
    kept: list[Index],
    distance: Distance,
) -> Nest:
    columns = np.concatenate(
        [start + some for start, some in zip(stack.edges, kept, strict=False)]
    )
    levels = [
        Level(one.area_of, one.targets[:, some], one.variance[:, some])
        for one, some in zip(stack.levels, kept, strict=True)
    ]
    scale = np.zeros(len(problem.geography.zones))
    for pool in groups:
        scale[pool.zones] = problem.households[pool.zones].sum(axis=1) / pool.d.sum()
    samples = tuple(Sample(pool.X[:, columns], pool.d, pool.zones) for pool in groups)
    return Nest(samples, tuple(levels), scale, distance)


@dataclass(frozen=True, eq=False)
class HouseholdModel:
    """Weights of the records in every zone.

    Attributes
    ----------
    method : NestedCalibration
    problem : HouseholdProblem
    stack : Stack
    pools : tuple of Pool
    nest : Nest
    solved : Solved
    """

    method: NestedCalibration
    problem: HouseholdProblem
    stack: Stack
    pools: tuple[Pool, ...]
    nest: Nest
    solved: Solved

    def weights(self, pool: int, zones: Index | None = None) -> Floats:
        """Households of each of a pool's rows in some of its zones, shape (zones, rows)."""
        some = self.pools[pool].zones if zones is None else zones
        weights = self.nest.weights(self.solved.lam, self.nest.samples[pool], some)
        return np.ascontiguousarray(weights.T)

    def held(self) -> list[Floats]:
        """For each level, what its areas hold in each cell, shape (areas, cells)."""
        out = [np.zeros_like(level.targets) for level in self.stack.levels]
        edges = self.stack.edges
        for number, pool in enumerate(self.pools):
            held = self.weights(number) @ pool.X
            for depth, level in enumerate(self.stack.levels):
                part = held[:, edges[depth] : edges[depth + 1]]
                np.add.at(out[depth], level.area_of[pool.zones], part)
        return out


def _refuse_misses(model: HouseholdModel) -> None:
    """Refuse exact cells that are missed, redundant ones included."""
    for level, held in zip(model.stack.levels, model.held(), strict=True):
        miss = np.where(level.variance == 0, np.abs(held - level.targets), 0.0)
        tol = 1e3 * model.method.tol * max(float(np.abs(level.targets).max(initial=1.0)), 1.0)
        if not miss.max(initial=0.0) <= tol:
            area, cell = np.unravel_index(int(np.nanargmax(miss)), miss.shape)
            depth = model.problem.geography.depth(level.level)
            raise ConvergenceError(
                f"{level.level} {model.problem.geography.areas[depth][area]!r} misses "
                f"{level.names[cell]!r} by {miss[area, cell]:,.4g} of "
                f"{level.targets[area, cell]:,.6g} after {int(model.solved.iterations.max())} steps"
            )

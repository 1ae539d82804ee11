"""`NestedCalibration`: a weight of every record in every zone, all levels' cells met together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from popgen.errors import ConvergenceError, PopgenError, listed
from popgen.households._nest import Level, Nest, Sample
from popgen.households._newton import Solved, solve
from popgen.households.cells import LevelCells, Pool, Stack, independent, pools, stacked
from popgen.households.infeasible import refuse_area, refuse_unheld, refuse_zone
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._dual import curvature
from popgen.methods.distances import RAKING, Distance, Floats

Flags = NDArray[np.bool_]

LOOSE = 1000.0
"""Importance of the cells of areas whose exact cells cannot be met, where that is allowed."""

SETTLED = 100.0
"""Multiple of the tolerance at which a fit of cells with standard errors still passes."""


@dataclass(frozen=True)
class NestedCalibration:
    """Weight the records of each zone to its cells and, together, to those of larger areas.

    Weights move away from the records' design weights as little as possible (in the sense of the
    distance), over all zones at once, so that every level's cells are met.

    Attributes
    ----------
    distance : Distance
        How weights may move: `RAKING`, or ``logit(lower, upper)`` for bounds on each weight, as a
        multiple of its design weight scaled to the zone's households.
    soft : bool
        Whether cells with standard errors are held only as tightly as those allow. A zone's
        records then count as evidence worth their effective number (Kish) of households, or all
        of its own households if those are fewer.
    tol : float
        Largest miss accepted, as a share of the largest target of the areas solved together.
    max_iter : int
        Newton steps before giving up.
    on_infeasible : {"raise", "soften"}
        What to do where exact cells cannot be met: say why (the default), or hold the cells of
        just those zones softly, with variance ``max(target, 1) / 1000``; the model's ``softened``
        names them. Numbers of households stay exact either way.

    Notes
    -----
    Newton's method on the convex dual; zones meet only through the larger areas' multipliers, so
    its equations are solved by eliminating zone after zone, and cost grows in proportion to their
    number. With one zone the weights are those of `popgen.Calibration`. [1]_

    References
    ----------
    .. [1] Deville & Särndal (1992), JASA 87:376-382, doi:10.1080/01621459.1992.10475217

    Examples
    --------
    >>> import polars as pl
    >>> from scipy import sparse
    >>> from popgen.households.controls import Controls
    >>> from popgen.households.geography import Geography
    >>> from popgen.households.units import Households
    >>> survey = Households.of(pl.DataFrame({"id": [1, 2], "size": [1, 3]}), id="id")
    >>> places = Geography.of(pl.DataFrame({"tract": ["a", "b"]}), ["tract"])
    >>> X = sparse.csr_array([[1.0, 0.0], [0.0, 1.0]])
    >>> sizes = Controls("tract", ("size: 1", "size: 3"), X, [[6, 4], [1, 9]])
    >>> problem = HouseholdProblem(survey, places, [sizes], households=[10, 10])
    >>> NestedCalibration().fit(problem).weights(0).round(6).tolist()
    [[6.0, 4.0], [1.0, 9.0]]
    """

    distance: Distance = RAKING
    soft: bool = True
    tol: float = 1e-9
    max_iter: int = 100
    on_infeasible: str = "raise"

    def __post_init__(self) -> None:
        if self.on_infeasible not in ("raise", "soften"):
            raise PopgenError(
                f"on_infeasible must be 'raise' or 'soften'; got {self.on_infeasible!r}"
            )

    def fit(self, problem: HouseholdProblem) -> HouseholdModel:
        """Weight all zones.

        Raises
        ------
        InfeasibleError
            If no weights meet the exact cells of a zone or an area; the message names it, the
            margins that clash and the nearest totals within reach.
        ConvergenceError
            If cells are still missed after ``max_iter`` steps and nothing shows why.
        """
        stack = stacked(problem, soft=self.soft)
        groups = tuple(pools(problem, stack))
        if self.on_infeasible == "raise":
            for pool in groups:
                refuse_unheld(problem, stack, pool)
        model = self._solved(problem, stack, groups)
        if any(missed.any() for missed in model.missed()):
            model = self._afresh(model)
        _refuse_unsettled(model)
        return model

    def _solved(
        self, problem: HouseholdProblem, stack: Stack, groups: tuple[Pool, ...]
    ) -> HouseholdModel:
        gram = sum(curvature(pool.X, pool.d) for pool in groups)
        kept = independent(stack, np.asarray(gram))
        nest = _nest(problem, stack, groups, kept, self.distance)
        solved = solve(nest, tol=self.tol, max_iter=self.max_iter)
        return HouseholdModel(self, problem, stack, groups, nest, solved)

    def _afresh(self, model: HouseholdModel) -> HouseholdModel:
        """Find which zones cannot be met by themselves; say why, or soften them and fit again."""
        suspects = model.families(model.missed())
        impossible = self._impossible(model, suspects)
        if self.on_infeasible == "raise":
            for zone in np.flatnonzero(impossible).tolist():
                refuse_zone(model.problem, model.stack, model.pool_of(zone), zone, self.distance)
            for area in np.unique(model.nest.family_of[suspects]).tolist():
                refuse_area(model.problem, model.stack, model.pools, area, self.distance)
            raise _not_converged(model)
        loose = [impossible, *(np.zeros(len(one.targets), bool) for one in model.stack.levels[1:])]
        again = self._softened(model, loose)
        if any(flags.any() for flags in again.missed()):  # larger areas, then, that clash
            missed = again.missed()
            again = self._softened(
                model, [old | new for old, new in zip(loose, missed, strict=True)]
            )
        if any(flags.any() for flags in again.missed()):
            raise _not_converged(again)
        return again

    def _softened(self, model: HouseholdModel, loose: list[Flags]) -> HouseholdModel:
        """Fit again with the exact cells of some areas held softly."""
        levels = tuple(map(_loosened, model.stack.levels, loose))
        again = self._solved(model.problem, replace(model.stack, levels=levels), model.pools)
        return replace(again, softened=tuple(loose))

    def _impossible(self, model: HouseholdModel, suspects: Flags) -> Flags:
        """Find the zones, of some, that miss cells even where larger areas are left aside."""
        zones = replace(model.stack.levels[0], area_of=np.arange(len(model.nest.scale)))
        edge = model.stack.edges[1]
        stack = Stack(model.stack.X[:, :edge], (zones,))
        groups = tuple(
            replace(pool, X=pool.X[:, :edge], zones=pool.zones[suspects[pool.zones]])
            for pool in model.pools
        )
        return suspects & self._solved(model.problem, stack, groups).missed()[0]


def _loosened(level: LevelCells, areas: Flags) -> LevelCells:
    spread = np.maximum(level.targets, 1.0) / LOOSE
    exact = (level.variance == 0) & areas[:, None]
    exact[:, [name.startswith("units: ") for name in level.names]] = False
    return replace(level, variance=np.where(exact, spread, level.variance))


def _nest(
    problem: HouseholdProblem,
    stack: Stack,
    groups: tuple[Pool, ...],
    kept: list[Index],
    distance: Distance,
) -> Nest:
    levels, looked_at = [], []
    for one, some, closed in zip(stack.levels, kept, _closed(stack, distance), strict=True):
        used = np.union1d(some, np.flatnonzero(closed.any(axis=0)))
        targets, variance = one.targets[:, some], one.variance[:, some]
        solved = np.searchsorted(used, some)
        levels.append(Level(one.area_of, solved, closed[:, used], targets, variance))
        looked_at.append(used)
    starts = stack.edges[:-1]
    columns = np.concatenate([start + some for start, some in zip(starts, kept, strict=True)])
    seen = np.concatenate([start + used for start, used in zip(starts, looked_at, strict=True)])
    scale = np.zeros(len(problem.geography.zones))
    for pool in groups:
        scale[pool.zones] = problem.units[pool.zones] / pool.d.sum()
    samples = tuple(
        Sample(pool.X[:, seen], pool.X[:, columns], pool.d, pool.zones) for pool in groups
    )
    return Nest(samples, tuple(levels), scale, distance)


def _closed(stack: Stack, distance: Distance) -> list[Flags]:
    """Find exact cells of 0 that nothing can cancel: weights above 0 would never get there."""
    signed = np.zeros(stack.X.shape[1], bool)
    signed[stack.X.indices[stack.X.data < 0]] = True
    parts = np.split(signed, stack.edges[1:-1])
    return [
        (level.targets == 0) & (level.variance == 0) & ~part & (distance.lower == 0)
        for level, part in zip(stack.levels, parts, strict=True)
    ]


@dataclass(frozen=True, eq=False, repr=False)
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
    softened : tuple of array of bool, shape (areas,)
        For each level of the stack, the areas whose exact cells were held softly.
    """

    method: NestedCalibration
    problem: HouseholdProblem
    stack: Stack
    pools: tuple[Pool, ...]
    nest: Nest
    solved: Solved
    softened: tuple[Flags, ...] = field(default=())

    def __repr__(self) -> str:
        steps = int(self.solved.iterations.max(initial=0))
        return f"HouseholdModel({self.problem!r}, {steps} steps)"

    def weights(self, pool: int, zones: Index | None = None) -> Floats:
        """Households of each of a pool's rows in some of its zones, shape (zones, rows)."""
        some = self.pools[pool].zones if zones is None else zones
        weights = self.nest.weights(self.solved.lam, self.nest.samples[pool], some)
        return np.ascontiguousarray(weights.T)

    def held(self) -> list[Floats]:
        """For each level, what its areas hold in each cell, shape (areas, cells), in units."""
        out = [np.zeros_like(level.targets) for level in self.stack.levels]
        for number, pool in enumerate(self.pools):
            for sum_, part, level in zip(out, self.parts(number), self.stack.levels, strict=True):
                np.add.at(sum_, level.area_of[pool.zones], part)
        return out

    def parts(self, pool: int) -> list[Floats]:
        """For each level, what each zone of a pool holds in each cell, shape (zones, cells)."""
        held = self.weights(pool) @ self.pools[pool].X
        return np.split(np.asarray(held), self.stack.edges[1:-1], axis=1)

    def missed(self) -> list[Flags]:
        """For each level, the areas that miss an exact cell, redundant ones included."""
        scale = self.nest.largest()
        out = []
        for level, family, held in zip(
            self.stack.levels, self.nest.family_of_areas(), self.held(), strict=True
        ):
            miss = np.where(level.variance == 0, np.abs(held - level.targets), 0.0)
            allowed = (1 + len(level.names)) * self.method.tol * scale[family]
            out.append(~(miss.max(axis=1, initial=0.0) <= allowed))
        return out

    def families(self, missed: list[Flags]) -> Flags:
        """Find the zones that are solved together with an area that misses a cell."""
        bad = np.zeros(len(self.solved.missed), bool)
        for flags, family in zip(missed, self.nest.family_of_areas(), strict=True):
            bad[family[flags]] = True
        return bad[self.nest.family_of]

    def pool_of(self, zone: int) -> Pool:
        """Return the records that a zone is made of."""
        return next(pool for pool in self.pools if zone in pool.zones)

    def softened_areas(self) -> list[tuple[str, str]]:
        """Level and identifier of every area whose exact cells were held softly."""
        geography = self.problem.geography
        return [
            (level.level, area)
            for level, flags in zip(self.stack.levels, self.softened, strict=False)
            for area in compress(geography.areas[geography.depth(level.level)], flags)
        ]


def _refuse_unsettled(model: HouseholdModel) -> None:
    """Refuse a fit of soft cells that has not come to rest."""
    if not (model.solved.missed <= SETTLED * model.method.tol).all():
        raise _not_converged(model)


def _not_converged(model: HouseholdModel) -> ConvergenceError:
    worst = int(np.argmax(np.nan_to_num(model.solved.missed, nan=np.inf)))
    top = model.stack.levels[-1].level
    geography = model.problem.geography
    area = geography.areas[geography.depth(top)][worst]
    return ConvergenceError(
        f"{top} {area!r} still misses cells by {model.solved.missed[worst]:.2g} of its largest "
        f"after {int(model.solved.iterations[worst])} steps (tolerance {model.method.tol:g}), and "
        "no margins were found to clash; raise max_iter, or coarsen margins whose cells hold few "
        f"records; levels solved: {listed([one.level for one in model.stack.levels])}"
    )

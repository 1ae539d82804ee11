"""`NestedCalibration`: a weight of every record in every zone, all levels' cells met together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress

import numpy as np

from popgen.errors import ConvergenceError, PopgenError, listed
from popgen.households._absolute import solve_absolute
from popgen.households._nest import Nest
from popgen.households._newton import Solved
from popgen.households.capping import PATIENT, ROUNDING, ROUNDS, capped, expansions
from popgen.households.cells import NEARLY, Flags, LevelCells, Pool, Stack, pools, stacked
from popgen.households.infeasible import refuse_area, refuse_unheld, refuse_zone
from popgen.households.least_cap import LeastCap
from popgen.households.nesting import nest_of
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods.distances import RAKING, Distance, Floats

LOOSE = 1000.0
"""Importance of the cells of areas whose exact cells cannot be met, where that is allowed."""

ADRIFT = 0.1
"""Persons that a zone's weights may be off by: whole households put that right."""

CHOICES = {"on_infeasible": ("raise", "soften"), "loss": ("squared", "absolute")}

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
        just those zones softly, so that their total absolute error is near the least possible; the
        model's ``softened`` names them. Numbers of households stay exact either way.
    loss : {"squared", "absolute"}
        How misses of cells with standard errors count: by their squares (normal errors), or by
        their sizes (Laplace's): most cells are then met, and a few carry what clashes.
    max_expansion : float, optional
        Cap on how often a record is used over all zones of its region, as a multiple of its design
        weight scaled to the region's households. Default: none.

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
    loss: str = "squared"
    max_expansion: float | None = None

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (given := getattr(self, name)) not in known:
                raise PopgenError(f"{name} must be {' or '.join(map(repr, known))}; got {given!r}")
        if self.max_expansion is not None and not self.max_expansion > 1:
            raise PopgenError(
                f"max_expansion must be above 1, the mean of all records; got {self.max_expansion}"
            )

    def fit(self, problem: HouseholdProblem) -> HouseholdModel:
        """Weight all zones.

        Raises
        ------
        InfeasibleError
            If no weights meet the exact cells of a zone or an area; the message names it, the
            margins that clash and the nearest totals within reach. If none do under
            ``max_expansion``; the message says the least that some record must be used.
        ConvergenceError
            If cells are still missed after ``max_iter`` steps and nothing shows why, or if weights
            under ``max_expansion`` were not found, and nothing shows that there are none.
        """
        stack = stacked(problem, soft=self.soft, absolute=self.loss == "absolute")
        groups = tuple(pools(problem, stack))
        if self.on_infeasible == "raise":
            for pool in groups:
                refuse_unheld(problem, stack, pool)
        model = self._solved(problem, stack, groups)
        if any(missed.any() for missed in (*model.missed(), model.adrift())):
            model = self._afresh(model)
        if self.max_expansion is not None:
            model = self._capped(model, self.max_expansion)
        _refuse_unsettled(model)
        return model

    def _solved(
        self, problem: HouseholdProblem, stack: Stack, groups: tuple[Pool, ...]
    ) -> HouseholdModel:
        nest = nest_of(problem, stack, groups, self.distance)
        nest, solved = solve_absolute(nest, tol=self.tol, max_iter=self.max_iter)
        return HouseholdModel(self, problem, stack, groups, nest, solved)

    def _capped(self, model: HouseholdModel, most: float) -> HouseholdModel:
        """Fit again so that no record is used too often; say so if that cannot be."""
        found, known = self._held_back(model, most, ROUNDS), None
        if not found.keeps(most):
            known = LeastCap.find(model.problem, model.stack, model.pools, self.distance)
        if known is not None:
            known.refuse(most)
            if known.reached:
                found = self._held_back(found, most, PATIENT)
        if not found.keeps(most):
            missed = sum(int(flags.sum()) for flags in found.missed())
            told = "not known" if known is None else f"{known.expansion:,.6g} or more"
            raise ConvergenceError(
                f"found no weights by which no record is used more than {most:g} times its design "
                f"weight over its region: still {missed} area(s) are missed and some record is "
                f"used {found.largest_expansion:,.4g} times (without a cap: "
                f"{model.largest_expansion:,.4g}; the least possible: {told}); raise max_expansion "
                "(max_expansion_factor), or give margins standard errors or less importance"
            )
        return found

    def _held_back(self, model: HouseholdModel, most: float, rounds: int) -> HouseholdModel:
        nest, solved = capped(
            model.nest, model.solved, most, tol=self.tol, max_iter=self.max_iter, rounds=rounds
        )
        return replace(model, nest=nest, solved=solved)

    def _afresh(self, model: HouseholdModel) -> HouseholdModel:
        """Find which zones cannot be met by themselves; say why, or soften them and fit again."""
        missed = model.missed()
        suspects = model.families(missed)
        impossible = self._impossible(model, suspects | model.adrift())
        if self.on_infeasible == "raise":
            for zone in np.flatnonzero(impossible).tolist():
                refuse_zone(model.problem, model.stack, model.pool_of(zone), zone, self.distance)
            for area in np.unique(model.nest.family_of[suspects]).tolist():
                refuse_area(model.problem, model.stack, model.pools, area, self.distance)
            if any(flags.any() for flags in missed):
                raise _not_converged(model)
            return model  # persons are adrift, but for the sake of cells with standard errors
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
        problem = model.problem
        kinds, persons = len(problem.kinds), int(problem.persons is not None)
        totals = [(kinds, persons)] + [(0, 0)] * (len(loose) - 1)
        levels = tuple(map(_loosened, model.stack.levels, loose, totals))
        again = self._solved(problem, replace(model.stack, levels=levels), model.pools)
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
        alone = self._solved(model.problem, stack, groups)
        return suspects & (alone.missed()[0] | alone.adrift())


def _loosened(level: LevelCells, areas: Flags, totals: tuple[int, int]) -> LevelCells:
    """Give the exact cells of some areas one standard error an area.

    Of the first cells, so many number units and stay exact; so many more number persons, and have
    a tenth of the others' standard error.
    """
    kinds, persons = totals
    loose = (level.variance == 0) & areas[:, None]
    loose[:, :kinds] = False
    size = np.maximum(level.targets, 1.0).mean(axis=1, keepdims=True, where=loose | ~areas[:, None])
    variance = np.where(loose, size / LOOSE, level.variance)
    everybody = slice(kinds, kinds + persons)
    variance[areas, everybody] = (size / LOOSE / 100)[areas]
    loose[areas, everybody] = True
    return replace(level, variance=variance, absolute=level.absolute | loose)


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
        return [*self._held]

    @cached_property
    def _held(self) -> list[Floats]:
        out = [np.zeros_like(level.targets) for level in self.stack.levels]
        for number, pool in enumerate(self.pools):
            for sum_, part, level in zip(out, self.parts(number), self.stack.levels, strict=True):
                np.add.at(sum_, level.area_of[pool.zones], part)
        return out

    def parts(self, pool: int) -> list[Floats]:
        """For each level, what each zone of a pool holds in each cell, shape (zones, cells)."""
        held = self.weights(pool) @ self.pools[pool].X
        return np.split(np.asarray(held), self.stack.edges[1:-1], axis=1)

    @cached_property
    def largest_expansion(self) -> float:
        """Most that any record's weight over its region exceeds its scaled design weight by."""
        return max(float(each.max()) for each in expansions(self.nest, self.solved.lam))

    def keeps(self, most: float) -> bool:
        """Whether exact cells are met and no record is used more often than it may be."""
        missed = any(flags.any() for flags in self.missed())
        return not missed and self.largest_expansion <= most * (1 + ROUNDING)

    @cached_property
    def borrowed(self) -> float:
        """Share of all households that are weighted from records of other regions."""
        problem, total = self.problem, 0.0
        for number, pool in enumerate(self.pools if problem.borrow else ()):
            of_row = self.weights(number).sum(axis=0)
            other = problem.region_of[pool.records] != problem.region_of_zone[pool.zones[0]]
            share = np.bincount(pool.row_of, pool.design * other, len(of_row)) / pool.d
            total += float(of_row @ share)
        return total / max(float(problem.units.sum()), 1.0)

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

    def adrift(self) -> Flags:
        """Zones whose persons are further off than rounding weights may be trusted to mend."""
        level, everybody = self.stack.levels[0], len(self.problem.kinds)
        if self.problem.persons is None:
            return np.zeros(len(level.targets), bool)
        gap: Floats = np.abs(self.held()[0] - level.targets)[:, everybody]
        return ~(gap <= ADRIFT) & (level.variance[:, everybody] <= NEARLY**2)

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
            for area in compress(geography.ids(level.level), flags)
        ]


def _refuse_unsettled(model: HouseholdModel) -> None:
    """Refuse a fit of soft cells that has not come to rest."""
    if not (model.solved.missed <= SETTLED * model.method.tol).all():
        raise _not_converged(model)


def _not_converged(model: HouseholdModel) -> ConvergenceError:
    worst = int(np.argmax(np.nan_to_num(model.solved.missed, nan=np.inf)))
    top = model.stack.levels[-1].level
    geography = model.problem.geography
    area = geography.ids(top)[worst]
    return ConvergenceError(
        f"{top} {area!r} still misses cells by {model.solved.missed[worst]:.2g} of its largest "
        f"after {int(model.solved.iterations[worst])} steps (tolerance {model.method.tol:g}), and "
        "no margins were found to clash; coarsen margins whose cells hold few records, give them "
        "standard errors, or raise max_iter (of NestedCalibration, in Python); levels solved: "
        f"{listed([one.level for one in model.stack.levels])}"
    )

"""From a fitted model to whole households of every zone: which records, how often, where."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from popgen.errors import ConvergenceError, PopgenError, listed
from popgen.households.cells import LevelCells, Pool
from popgen.households.fit import HouseholdModel
from popgen.households.metric import Records
from popgen.households.problem import Counts, Index
from popgen.households.rounding import WAYS, round_zones
from popgen.households.whole import Copies, Goals, place
from popgen.methods.distances import Floats

EXACT = 100.0
"""Cost of a person too many or too few in a zone whose number of persons is known."""

LARGER = (2.0, 0.5)
"""Cost of a miss of the next larger areas' cells, and of those of all areas beyond, beside 1 for
the zones' own. The next have few zones to be met with; the largest have many."""

INTEGERISE = ("exchange", *WAYS)
"""Ways to make whole households of weights."""


def shares(model: HouseholdModel) -> list[list[Floats]]:
    """Part what each level's areas must hold among the pools, in whole numbers that add up.

    So pools can be placed one by one, in any order. Of an area that is made of one pool alone the
    share is the target; that of others is parted in proportion to what the weights hold, each part
    rounded up or down.

    Returns
    -------
    list of list of array, shape (areas, cells)
        By pool, then by level: of the areas that the pool's zones lie in, by their position.
    """
    pools = model.pools
    held = [model.parts(number) for number in range(len(pools))]
    out: list[list[Floats]] = [[] for _ in pools]
    for depth, level in enumerate(model.stack.levels):
        found = [np.unique(level.area_of[pool.zones], return_inverse=True) for pool in pools]
        parts = [np.zeros((len(areas), len(level.names))) for areas, _ in found]
        for part, (_, local), mine in zip(parts, found, held, strict=True):
            np.add.at(part, local, mine[depth])
        areas = np.concatenate([areas for areas, _ in found])
        whole = _apportioned(np.vstack(parts), areas, level)
        edges = np.cumsum([len(part) for part in parts])[:-1]
        for mine, part in zip(out, np.split(whole, edges), strict=True):
            mine.append(part)
    return out


def _apportioned(parts: Floats, areas: Index, level: LevelCells) -> Floats:
    """Scale the parts of each area to add up to its targets; round those that count by one."""
    out, counted = level.targets[areas], level.worth == 1
    out[:, counted] = np.rint(out[:, counted])
    order = np.argsort(areas, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(areas[order])) + 1):
        if len(rows) > 1:
            targets, part = level.targets[areas[rows[0]]], parts[rows]
            weight = np.abs(part)
            weight = np.where(weight.sum(axis=0) > 0, weight, 1.0)
            part = part + (targets - part.sum(axis=0)) * weight / weight.sum(axis=0)
            part[:, counted] = rounded_parts(part[:, counted], targets[counted])
            out[rows] = part
    return out


def rounded_parts(parts: Floats, totals: Floats) -> Floats:
    """Round parts up or down so that they add up to the totals, rounded; largest remainders up.

    Parameters
    ----------
    parts : array, shape (pools, ...)
        They add up to the totals.
    totals : array, shape (...)

    Examples
    --------
    >>> rounded_parts(np.array([[1.4], [2.3], [0.3]]), np.array([4.0])).ravel().tolist()
    [2.0, 2.0, 0.0]
    """
    low = np.floor(parts + 1e-9)
    missing = np.rint(totals) - low.sum(axis=0)
    rank = np.argsort(np.argsort(low - parts, axis=0, kind="stable"), axis=0)
    rounded: Floats = low + (rank < missing)
    return rounded


@dataclass(frozen=True, eq=False)
class Whole:
    """Whole households of some zones.

    Attributes
    ----------
    zone, record : array of int, shape (households,)
        Zone of each household, and the survey record that it copies; zone by zone.
    """

    zone: Index
    record: Index


@dataclass(frozen=True, eq=False)
class Task:
    """All that making whole households of a pool's zones takes, complete in itself.

    Attributes
    ----------
    pool : Pool
        Its ``X`` has the columns of the levels' totals, in their order.
    names : tuple of str
        The zones' identifiers.
    weights : array, shape (zones, rows)
    levels : tuple of Goals
    wanted : array of int, shape (zones, kinds)
    kinds : tuple of str
    """

    pool: Pool
    names: tuple[str, ...]
    weights: Floats
    levels: tuple[Goals, ...]
    wanted: Counts
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, model: HouseholdModel, number: int, goals: list[Floats]) -> Task:
        """Gather what one pool takes.

        Parameters
        ----------
        model : HouseholdModel
        number : int
            Which pool.
        goals : list of array
            Its entry of `shares`.

        Raises
        ------
        PopgenError
            If weights are negative.
        """
        pool, problem = model.pools[number], model.problem
        weights = model.weights(number)
        if weights.min(initial=0.0) < 0:
            raise PopgenError(
                f"{int((weights < 0).sum())} weights are negative, down to {weights.min():.3g} "
                "households, which nobody can be made of; fit with RAKING or logit(lower, upper)"
            )
        names = tuple(problem.geography.zones[zone] for zone in pool.zones)
        wanted = problem.households[pool.zones]
        levels = _goals(model, pool, goals)
        return cls(pool, names, weights, levels, wanted, problem.kinds)

    def filled(self, entropy: int, *, integerise: str = "exchange") -> tuple[Copies, Whole]:
        """Make whole households: of every row in every zone, and one by one.

        Parameters
        ----------
        entropy : int
            Of the random numbers; each zone has its own, by its identifier.
        integerise : {"exchange", "cube", "systematic", "milp"}
            See `popgen.populate`.

        Returns
        -------
        counts : array of int, shape (zones, rows)
        found : Whole
            Every zone has the households of each kind that the problem says, and no record is
            copied a whole time more or less often than its weight.

        Raises
        ------
        PopgenError
            If the way is unknown.
        ConvergenceError
            If the weights of a zone do not add up to its units closely enough.
        """
        refuse_unknown(integerise)
        X, kind = self.pool.X, self.pool.kind_of_row.astype(np.int64)
        rngs = [_rng_of(entropy, name) for name in self.names]
        if integerise == "exchange":
            counts = place(Records.of(X, kind), self.weights, self.levels, self.wanted, rngs)
        else:
            goals = self.levels[0]
            counts = round_zones(integerise, X, self.weights, goals, kind, self.wanted, rngs)
        self.refuse_uncounted(counts)
        return counts, Whole(*_named(self.pool, counts, rngs))

    def refuse_uncounted(self, counts: Copies) -> None:
        """Refuse whole households of which there are not as many of each kind as a zone has.

        Raises
        ------
        ConvergenceError
            Naming the first zone: its weights add up to another number.
        """
        kinds = self.pool.kind_of_row[:, None] == np.arange(self.wanted.shape[1])
        gap = np.argwhere(counts @ kinds.astype(np.int64) != self.wanted)
        if len(gap):
            zone, kind = gap[0]
            raise ConvergenceError(
                f"{len(gap)} zone(s) cannot have their units of a kind within 1 of each weight, "
                f"first {self.names[zone]!r}: {self.wanted[zone, kind]:,} of kind "
                f"{self.kinds[kind]!r}; fit with a smaller tol"
            )


def refuse_unknown(integerise: str) -> None:
    """Refuse a way to integerise that is none of `INTEGERISE`."""
    if integerise not in INTEGERISE:
        raise PopgenError(f"unknown way to integerise {integerise!r}; known: {listed(INTEGERISE)}")


def _rng_of(entropy: int, zone: str) -> np.random.Generator:
    """Give a zone random numbers of its own, told apart by its identifier alone."""
    own = int.from_bytes(hashlib.sha256(zone.encode()).digest()[:8], "little")
    return np.random.default_rng([entropy, own])


def _goals(model: HouseholdModel, pool: Pool, goals: list[Floats]) -> tuple[Goals, ...]:
    """Goals of each level for one pool's zones."""
    levels, kinds = [], len(model.problem.kinds)
    for depth, level in enumerate(model.stack.levels):
        local = np.unique(level.area_of[pool.zones], return_inverse=True)[1]
        cost = np.full(len(level.names), 1.0 if not depth else LARGER[min(depth, 2) - 1])
        exact = np.array([], dtype=np.intp)
        if not depth and model.problem.persons is not None:
            exact = np.array([kinds])
            cost[kinds] = EXACT
        levels.append(Goals(local, goals[depth], cost, exact))
    return tuple(levels)


def _named(pool: Pool, counts: Copies, rngs: list[np.random.Generator]) -> tuple[Index, Index]:
    """Share the households of alike records out among these, by their design weights.

    Over all zones together each record gets its part rounded up or down (systematic sampling);
    which zone gets which of them is by chance.
    """
    alike = np.argsort(pool.row_of, kind="stable")
    marks = np.cumsum(pool.design[alike])
    first = np.searchsorted(pool.row_of[alike], np.arange(len(pool.d) + 1))
    start = np.concatenate([[0.0], marks])[first[:-1]]
    place, rows = np.nonzero(counts)
    times = counts[place, rows]
    place, rows = np.repeat(place, times), np.repeat(rows, times)
    rng = rngs[0]
    shuffled = np.lexsort((rng.random(len(rows)), rows))
    total = counts.sum(axis=0)
    turn = np.arange(len(rows)) - (np.cumsum(total) - total)[rows[shuffled]]
    of = rows[shuffled]
    at = start[of] + (turn + rng.random(len(total))[of]) / total[of] * pool.d[of]
    spot = np.clip(np.searchsorted(marks, at, side="right"), first[of], first[of + 1] - 1)
    records = np.empty(len(rows), dtype=np.intp)
    records[shuffled] = pool.records[alike[spot]]
    return pool.zones[place], records

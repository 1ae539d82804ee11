"""Why no weights meet the cells of a zone or of an area: proved, and said in names and numbers."""

from __future__ import annotations

from types import EllipsisType

import numpy as np
from scipy import sparse

from popgen.errors import InfeasibleError, listed
from popgen.households.cells import Flags, LevelCells, Pool, Stack
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods._cells import Cells, outside_zero_cells, people
from popgen.methods._certificate import refuse_clash
from popgen.methods.distances import Distance, Floats

Groups = list[tuple[Pool, Index]]
"""Zones of a pool that are looked at as one."""

TOLERANCE = 1e-7
"""Misses below this share of the largest target are not held against the margins."""

APART = 100_000
"""Most rows, over all zones of an area, for which each zone is looked at by itself."""


def refuse_unheld(problem: HouseholdProblem, stack: Stack, pool: Pool) -> None:
    """Refuse exact zone cells with a target that none of the zone's records can add to.

    Raises
    ------
    InfeasibleError
        Naming the cells, and the first zone that needs them.
    """
    level = stack.levels[0]
    held = np.zeros(stack.X.shape[1], bool)
    held[pool.X.indices] = True
    own = held[: stack.edges[1]]
    exact = (level.variance[pool.zones] == 0) & (np.abs(level.targets[pool.zones]) > TOLERANCE)
    missing = np.argwhere(exact & ~own)
    if len(missing):
        zone, cells = pool.zones[missing[0, 0]], np.unique(missing[:, 1])
        raise InfeasibleError(
            f"{len(cells)} cell(s) have people or households but no record can meet them: "
            f"{listed([level.names[cell] for cell in cells])}, first {level.level} "
            f"{problem.geography.zones[zone]!r} ({_stated(level.targets[zone], cells)}); coarsen "
            "the margin so that the cell joins one with records, or add records"
        )


def _stated(targets: Floats, cells: Index) -> str:
    return ", ".join(people(targets[cell]) for cell in cells[:5])


def refuse_zone(
    problem: HouseholdProblem, stack: Stack, pool: Pool, zone: int, distance: Distance
) -> None:
    """Refuse a zone whose own exact cells cannot be met together.

    Raises
    ------
    InfeasibleError
        Naming the zone, a least set of margins that clash and the nearest totals within reach.
    """
    level, edge = stack.levels[0], stack.edges[1]
    cells = Cells(
        pool.X[:, :edge],
        level.targets[zone],
        np.sqrt(_variance(problem, level, zone)),
        level.names,
        level.worth,
    )
    scale = problem.units[zone] / pool.d.sum()
    where = f"{level.level} {problem.geography.zones[zone]!r}"
    _refuse(cells, pool.d * scale, distance, where)


def _variance(problem: HouseholdProblem, level: LevelCells, zones: int | EllipsisType) -> Floats:
    """Return the variances of zones' cells; that of persons, whom the solver may miss, is 0."""
    variance = level.variance[zones].copy()
    if problem.persons is not None:
        variance[..., len(problem.kinds)] = 0.0
    return variance


def refuse_area(
    problem: HouseholdProblem,
    stack: Stack,
    pools: tuple[Pool, ...],
    area: int,
    distance: Distance,
) -> None:
    """Refuse a top area whose exact cells and its zones' cannot be met together.

    First the zones of each pool are taken as one, and the areas of each level: what even that much
    freedom cannot meet, nothing can. Then, if there are few enough, every zone by itself.

    Raises
    ------
    InfeasibleError
        Naming the area, a least set of margins that clash and the nearest totals within reach.
    """
    top = stack.levels[-1]
    name = problem.geography.ids(top.level)[area]
    together, apart = grouped(pools, (top.area_of == area) & (problem.units > 0))
    if not together:
        return
    for groups in (together, apart):
        if groups is together or rows_of(groups) <= APART:
            cells, d = side_by_side(problem, stack, groups, summed=groups is together)
            _refuse(cells, d, distance, f"{top.level} {name!r}")


def grouped(pools: tuple[Pool, ...], inside: Flags) -> tuple[Groups, Groups]:
    """Give some zones, those of each pool taken as one, and each by itself."""
    some = [(pool, pool.zones[inside[pool.zones]]) for pool in pools]
    together = [(pool, zones) for pool, zones in some if len(zones)]
    return together, [(pool, zones[[i]]) for pool, zones in together for i in range(len(zones))]


def rows_of(groups: Groups) -> int:
    """Count the records of all groups."""
    return sum(len(pool.d) for pool, _ in groups)


def side_by_side(
    problem: HouseholdProblem,
    stack: Stack,
    groups: Groups,
    *,
    summed: bool,
) -> tuple[Cells, Floats]:
    """Put the records of groups of zones one below another, by the cells of all their areas.

    Each group is one area of the zones' level. Areas of other levels are added up to one if
    ``summed``; else each group lies in one area of each level.
    """
    every = np.concatenate([zones for _, zones in groups])
    names: list[str] = []
    blocks, targets, se, unit = [], [], [], []
    for depth, level in enumerate(stack.levels):
        if depth == 0:
            some = [zones for _, zones in groups]
        else:
            areas = np.unique(level.area_of[every])
            some = [areas] if summed else [areas[[i]] for i in range(len(areas))]
        ids = problem.geography.ids(level.level)
        columns = slice(stack.edges[depth], stack.edges[depth + 1])
        for held in some:
            blocks.append([_part(pool, columns, level, zones, held) for pool, zones in groups])
            targets.append(level.targets[held].sum(axis=0))
            variance = level.variance if depth else _variance(problem, level, ...)
            se.append(np.sqrt(variance[held].max(axis=0)))
            unit.append(level.worth)
            where = f"{level.level} {ids[held[0]]!r}" if len(held) == 1 else f"{len(held)} areas"
            names.extend(f"{name} ({where})" for name in level.names)
    X = sparse.csr_array(sparse.block_array(blocks).T)
    d = [pool.d * problem.units[zones].sum() / pool.d.sum() for pool, zones in groups]
    found = (np.concatenate(targets), np.concatenate(se), tuple(names), np.concatenate(unit))
    return Cells(X, *found), np.concatenate(d)


def _part(
    pool: Pool, columns: slice, level: LevelCells, zones: Index, areas: Index
) -> sparse.csr_array:
    """Return what a group's records add to an area's cells, shape (cells, records)."""
    part = sparse.csr_array(pool.X[:, columns].T)
    return part if np.isin(level.area_of[zones[0]], areas) else sparse.csr_array(part.shape)


def _refuse(cells: Cells, d: Floats, distance: Distance, where: str) -> None:
    """Refuse cells that no weights meet; ``where`` begins the message."""
    tol = TOLERANCE * float(np.abs(cells.targets).max(initial=1.0))
    used = outside_zero_cells(cells, distance)
    try:
        refuse_clash(cells.on(cells.X[used]), d[used], distance, tol)
    except InfeasibleError as error:
        raise InfeasibleError(
            f"{where}: {error}; or hold its cells softly: on_infeasible='soften', on the command "
            "line --soften"
        ) from error

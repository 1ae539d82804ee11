"""Why no weights meet the cells of a zone or of an area: proved, and said in names and numbers."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from popgen.errors import InfeasibleError, listed
from popgen.households.cells import Pool, Stack
from popgen.households.problem import HouseholdProblem
from popgen.methods._cells import Cells, outside_zero_cells, people
from popgen.methods._certificate import refuse_clash
from popgen.methods.distances import Distance, Floats

TOLERANCE = 1e-7
"""Misses below this share of the largest target are not held against the margins."""


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


def _stated(targets: Floats, cells: np.ndarray) -> str:
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
        np.sqrt(level.variance[zone]),
        level.names,
        level.unit,
    )
    scale = problem.units[zone] / pool.d.sum()
    where = f"{level.level} {problem.geography.zones[zone]!r}"
    _refuse(cells, pool.d * scale, distance, where)


def refuse_area(
    problem: HouseholdProblem,
    stack: Stack,
    pools: tuple[Pool, ...],
    area: int,
    distance: Distance,
) -> None:
    """Refuse a top area whose exact cells and its zones', added up, cannot be met together.

    The zones of each pool are taken as one: what even that much freedom cannot meet, nothing can.

    Raises
    ------
    InfeasibleError
        Naming the area, a least set of margins that clash and the nearest totals within reach.
    """
    top = stack.levels[-1]
    names: list[str] = []
    rows, d, targets, se, unit = [], [], [], [], []
    inside = top.area_of == area
    used = [pool for pool in pools if inside[pool.zones].any()]
    for place, pool in enumerate(used):
        zones, edge, level = pool.zones[inside[pool.zones]], stack.edges[1], stack.levels[0]
        blocks = [sparse.csr_array((pool.X.shape[0], edge)) for _ in used]
        blocks[place] = pool.X[:, :edge]
        rows.append(sparse.hstack([*blocks, pool.X[:, edge:]]))
        d.append(pool.d * problem.units[zones].sum() / pool.d.sum())
        targets.append(level.targets[zones].sum(axis=0))
        se.append(level.variance[zones].max(axis=0, initial=0.0))
        names.extend(f"{name} (its {len(zones)} {level.level}s together)" for name in level.names)
        unit.append(level.unit)
    for level in stack.levels[1:]:
        areas = np.unique(level.area_of[inside])
        targets.append(level.targets[areas].sum(axis=0))
        se.append(level.variance[areas].max(axis=0, initial=0.0))
        names.extend(level.names)
        unit.append(level.unit)
    X = sparse.csr_array(sparse.vstack(rows))
    cells = Cells(
        X, np.concatenate(targets), np.concatenate(se), tuple(names), np.concatenate(unit)
    )
    name = problem.geography.areas[problem.geography.depth(top.level)][area]
    _refuse(cells, np.concatenate(d), distance, f"{top.level} {name!r}")


def _refuse(cells: Cells, d: Floats, distance: Distance, where: str) -> None:
    """Refuse cells that no weights meet; ``where`` begins the message."""
    tol = TOLERANCE * float(np.abs(cells.targets).max(initial=1.0))
    used = outside_zero_cells(cells, distance)
    try:
        refuse_clash(cells.on(cells.X[used]), d[used], distance, tol)
    except InfeasibleError as error:
        raise InfeasibleError(
            f"{where}: {error}; or fit with on_infeasible='soften' to hold its cells softly"
        ) from error

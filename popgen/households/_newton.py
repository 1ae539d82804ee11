"""Newton's method on the dual of nested calibration: all zones and all levels in one problem.

Zone z weights record i of its sample by ``w_iz = d_i s_z F(u_iz)``, where ``s_z`` scales design
weights to the zone's size and ``u_iz`` adds up the multipliers of the zone and of every larger area
it lies in. The dual has one multiplier for each cell of each area, and a Hessian of nested arrows:
areas meet only through the areas that hold them, so Newton's step is found by eliminating the zones
first, then the areas around them, and so on up (Schur complements): linear in zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from popgen.households._lanes import grams, parts, totals
from popgen.households._nest import Index, Nest
from popgen.methods.distances import Floats

RIDGE = 1e-10
"""Added to the unit diagonal of a scaled Hessian: cells that a zone's zeros make redundant."""

SUFFICIENT = 1e-4
"""Armijo's constant: the part of the promised decrease that a step must deliver."""

ROUNDING = 1e-13
"""Changes of the dual below this share of its terms are rounding, not ascent."""

DAMPING = 1e-3
"""Part of the design weights' curvature added where weights are bounded, times an area's relative
miss: where all weights are at their bounds there is no curvature left to say how far to go."""

HALVINGS = 40
"""Most times that a step is halved."""


@dataclass(frozen=True, eq=False)
class Solved:
    """Multipliers of every level's areas, and how they were found.

    Attributes
    ----------
    lam : tuple of array, shape (areas, cells)
    iterations : array of int, shape (families,)
        Newton steps taken.
    missed : array, shape (families,)
        Largest entry of the dual's gradient, as a share of the family's largest target.
    """

    lam: tuple[Floats, ...]
    iterations: NDArray[np.int64]
    missed: Floats


def solve(
    nest: Nest, *, tol: float = 1e-10, max_iter: int = 60, start: Sequence[Floats] | None = None
) -> Solved:
    """Minimise the dual of every family of zones.

    Parameters
    ----------
    nest : Nest
    tol : float
        Largest miss accepted, as a share of the family's largest target.
    max_iter : int
        Newton steps after which a family is given up; ``missed`` then says so.
    start : sequence of array, shape (areas, cells), optional
        Multipliers of each level to start from. Default: 0, the design weights.

    Returns
    -------
    Solved
    """
    scale = nest.largest()
    families = len(scale)
    lam = [np.zeros_like(level.targets) for level in nest.levels] if start is None else [*start]
    iterations, missed = np.zeros(families, np.int64), np.zeros(families)
    design = _design_curvature(nest)
    active = np.ones(families, bool)
    with np.errstate(over="ignore", invalid="ignore"):  # the line search turns back from infinity
        state = _evaluate(nest, lam, active)
        for step in range(max_iter + 1):
            missed[active] = (
                _largest_gradient(nest, state.gradient, families)[active] / scale[active]
            )
            active = active & ~(missed <= tol)
            iterations[active] = step
            if not active.any() or step == max_iter:
                break
            damping = _damping(nest, design, state)
            direction = _direction(nest, lam, state, active, damping)
            lam, state, stuck = _search(nest, lam, direction, state, active)
            active &= ~stuck
    return Solved(tuple(lam), iterations, missed)


@dataclass(frozen=True, eq=False)
class _State:
    """The dual at some multipliers: value and size of terms by family, gradient by level."""

    value: Floats
    terms: Floats
    gradient: list[Floats]


def _largest_gradient(nest: Nest, gradient: Sequence[Floats], families: int) -> Floats:
    out = np.zeros(families)
    for part, family in zip(gradient, nest.family_of_areas(), strict=True):
        np.maximum.at(out, family, np.abs(part).max(axis=1, initial=0.0))
    return out


def _evaluate(nest: Nest, lam: Sequence[Floats], active: NDArray[np.bool_]) -> _State:
    """Value and gradient of the dual for the active families."""
    families = len(active)
    value, terms = np.zeros(families), np.zeros(families)
    gradient = [
        -level.targets + level.variance * part for part, level in zip(lam, nest.levels, strict=True)
    ]
    columns = nest.columns()
    for sample, zones in nest.chunks(active[nest.family_of]):
        u = nest.scores(lam, sample, zones)
        design = nest.design(sample, zones)
        held = totals(*parts(sample.X), design * nest.distance.F(u), sample.X.shape[1])
        records = (design * nest.distance.integral(u)).sum(axis=0)
        np.add.at(value, nest.family_of[zones], records)
        np.add.at(terms, nest.family_of[zones], np.abs(records) + design.sum(axis=0))
        for part, level, where in zip(gradient, nest.levels, columns, strict=True):
            np.add.at(part, level.area_of[zones], held[where].T)
    for part, level, family in zip(lam, nest.levels, nest.family_of_areas(), strict=True):
        cells = (part * (level.targets - 0.5 * level.variance * part)).sum(axis=1)
        np.subtract.at(value, family, cells)
        np.add.at(terms, family, np.abs(cells))
    return _State(value, terms, gradient)


def _design_curvature(nest: Nest) -> list[Floats]:
    """Return the diagonal of the Hessian at the design weights, by level; 0 where not needed."""
    out = [np.zeros_like(level.targets) for level in nest.levels]
    if not np.isfinite(nest.distance.upper):
        return out
    for sample in nest.samples:
        squares = sample.X.multiply(sample.X).T @ sample.d
        held = np.multiply.outer(nest.scale[sample.zones], squares)
        for part, level, where in zip(out, nest.levels, nest.columns(), strict=True):
            np.add.at(part, level.area_of[sample.zones], held[:, where])
    return out


def _damping(nest: Nest, start: Sequence[Floats], state: _State) -> list[Floats]:
    """Say how much to add to the Hessian's diagonal; nothing in the end, so steps stay Newton's."""
    if not np.isfinite(nest.distance.upper):
        return [*start]
    out = []
    for part, level, gradient in zip(start, nest.levels, state.gradient, strict=True):
        largest = np.abs(level.targets).max(axis=1, initial=1.0)
        miss = np.abs(gradient).max(axis=1, initial=0.0) / largest
        out.append(DAMPING * miss[:, None] * part)
    return out


def _direction(
    nest: Nest,
    lam: Sequence[Floats],
    state: _State,
    active: NDArray[np.bool_],
    damping: Sequence[Floats],
) -> list[Floats]:
    """Newton's step of the active families: eliminate from the zones up, then go back down."""
    sizes = [level.targets.shape[1] for level in nest.levels]
    rest = [sum(sizes[depth + 1 :]) for depth in range(len(sizes))]
    parents, zones = nest.parents(), len(nest.scale)
    softness = [level.variance + part for level, part in zip(nest.levels, damping, strict=True)]
    matrix = [
        np.zeros((len(level.targets), sizes[depth] + rest[depth], sizes[depth] + rest[depth]))
        for depth, level in enumerate(nest.levels)
        if depth
    ]
    right = [
        np.zeros((len(level.targets), sizes[depth] + rest[depth]))
        for depth, level in enumerate(nest.levels)
        if depth
    ]
    solved = [np.zeros((zones, sizes[0], rest[0] + 1))]
    for sample, some in nest.chunks(active[nest.family_of]):
        u = nest.scores(lam, sample, some)
        curved = nest.design(sample, some) * nest.distance.dF(u)
        hessian = grams(*parts(sample.X), curved, sample.X.shape[1])
        start = np.zeros(hessian.shape[:2])
        start[:, : sizes[0]] = -state.gradient[0][some]
        solved[0][some], more, left = _eliminate(hessian, start, softness[0][some])
        if parents:
            np.add.at(matrix[0], parents[0][some], more)
            np.add.at(right[0], parents[0][some], left)
    for depth in range(1, len(sizes)):
        right[depth - 1][:, : sizes[depth]] -= state.gradient[depth]
        found, more, left = _eliminate(matrix[depth - 1], right[depth - 1], softness[depth])
        solved.append(found)
        if depth < len(parents):
            np.add.at(matrix[depth], parents[depth], more)
            np.add.at(right[depth], parents[depth], left)
    return _back(nest, solved, parents, active)


def _eliminate(matrix: Floats, right: Floats, softness: Floats) -> tuple[Floats, Floats, Floats]:
    """Solve for the first cells of each area in terms of the others.

    Parameters
    ----------
    matrix : array, shape (areas, own + rest, own + rest)
    right : array, shape (areas, own + rest)
    softness : array, shape (areas, own)
        What is added to the diagonal.

    Returns
    -------
    solved : array, shape (areas, own, rest + 1)
        What multiplies the others' steps, and the constant.
    matrix, right : arrays
        What is left for the others.
    """
    own = softness.shape[1]
    diagonal = np.arange(own)
    block = matrix[:, :own, :own]
    block[:, diagonal, diagonal] += softness
    size = block[:, diagonal, diagonal]
    unit = 1 / np.sqrt(np.where(size > 0, size, 1.0))
    scaled = block * unit[:, :, None] * unit[:, None, :]
    scaled[:, diagonal, diagonal] = 1.0 + RIDGE
    wanted = np.concatenate([matrix[:, :own, own:], right[:, :own, None]], axis=2)
    solved = unit[:, :, None] * np.linalg.solve(scaled, unit[:, :, None] * wanted)
    moved = matrix[:, own:, :own] @ solved
    return solved, matrix[:, own:, own:] - moved[:, :, :-1], right[:, own:] - moved[:, :, -1]


def _back(
    nest: Nest, solved: Sequence[Floats], parents: Sequence[Index], active: NDArray[np.bool_]
) -> list[Floats]:
    steps: list[Floats] = []
    above = np.zeros((len(solved[-1]), 0))
    for depth in reversed(range(len(solved))):
        if depth < len(parents):
            above = above[parents[depth]]
        step = solved[depth][:, :, -1] - np.einsum("aij,aj->ai", solved[depth][:, :, :-1], above)
        steps.insert(0, step)
        above = np.hstack([step, above])
    for step, family in zip(steps, nest.family_of_areas(), strict=True):
        step[~active[family]] = 0.0
    return steps


def _search(
    nest: Nest, lam: list[Floats], direction: list[Floats], state: _State, active: NDArray[np.bool_]
) -> tuple[list[Floats], _State, NDArray[np.bool_]]:
    """Take the first of 1, 1/2, 1/4, ... of the step that lowers each family's dual enough."""
    family = nest.family_of_areas()
    slope = np.zeros(len(active))
    for gradient, step, areas in zip(state.gradient, direction, family, strict=True):
        np.add.at(slope, areas, (gradient * step).sum(axis=1))
    size, waiting = np.where(active, 1.0, 0.0), active.copy()
    new, found = lam, state
    for _ in range(HALVINGS):
        new = [
            part + size[areas, None] * step
            for part, step, areas in zip(lam, direction, family, strict=True)
        ]
        trial = _evaluate(nest, new, waiting)
        rise = trial.value - state.value - SUFFICIENT * size * slope
        good = waiting & (rise <= ROUNDING * trial.terms)
        found = _merged(found, trial, good, family)
        waiting = waiting & ~good
        if not waiting.any():
            break
        size[waiting] /= 2
    size[waiting] = 0.0
    new = [
        part + size[areas, None] * step
        for part, step, areas in zip(lam, direction, family, strict=True)
    ]
    return new, found, waiting


def _merged(old: _State, new: _State, which: NDArray[np.bool_], family: Sequence[Index]) -> _State:
    gradient = [
        np.where(which[areas, None], after, before)
        for before, after, areas in zip(old.gradient, new.gradient, family, strict=True)
    ]
    return _State(
        np.where(which, new.value, old.value), np.where(which, new.terms, old.terms), gradient
    )

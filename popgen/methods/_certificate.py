"""Why no weights meet the margins: proved by a linear programme, and said in people and names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from popgen.errors import InfeasibleError, PopgenError, listed
from popgen.methods._cells import Cells, people
from popgen.methods.distances import Distance, Floats

SCALE = 1e6
"""The solver sees targets as parts per million of the largest: its tolerances are absolute."""

TOLERANCE = 1e-10
"""How far the solver's multipliers may fall short of a proof, per weight."""

PROVABLE = 1e-9
"""Misses below this share of the largest target are within the solver's rounding."""

BATCH = 20_000
"""Records given to the solver at a time; the rest are priced by the multipliers it returns."""


def refuse_empty_cells(cells: Cells, held: Floats, tol: float) -> None:
    """Refuse exact cells that hold people but no record.

    Parameters
    ----------
    cells : Cells
    held : array, shape (m,)
        0 for cells with no record, after those in cells of 0 people are left out.
    tol : float
        People that may go missing.
    """
    inhabited = cells.hard & (np.abs(cells.targets) > tol)
    empty = np.flatnonzero(inhabited & (held == 0))
    if not empty.size:
        return
    stated = [
        f"{cells.names[j]} ({people(cells.targets[j] * cells.unit[j])} people)" for j in empty
    ]
    never = not np.isin(empty, cells.X.indices).any()
    why = "no record" if never else "no record, or only records that lie in a cell of 0 people"
    raise InfeasibleError(
        f"{len(empty)} margin cell(s) have people but {why}: {listed(stated)}; coarsen the margin "
        "so that the cell joins one with records, or add records"
    )


@dataclass(frozen=True, eq=False)
class Nearest:
    """Totals within reach that are nearest to the targets (least sum of misses), and the proof.

    Attributes
    ----------
    missed : array, shape (m,)
        Nearest reachable total minus target, people.
    proof : array, shape (m,)
        Farkas vector y: ``t @ y`` exceeds ``w @ (X @ y)`` for every allowed w.
    """

    missed: Floats
    proof: Floats

    @property
    def worst(self) -> float:
        """Largest miss, people; 0 if the targets are within reach."""
        return float(np.abs(self.missed).max(initial=0.0))


def refuse_clash(cells: Cells, d: Floats, distance: Distance, tol: float) -> None:
    """Raise `InfeasibleError` if exact margins cannot be met together, naming a least set of them.

    Parameters
    ----------
    cells : Cells
        Records that are left, by margin cells.
    d : array, shape (n,)
        Design weights.
    distance : Distance
        Its bounds say which weights are allowed.
    tol : float
        Misses up to this many people are not held against the margins.
    """
    tol = max(tol, PROVABLE * float(np.abs(cells.targets).max(initial=0.0)))
    exact = cells.take(np.flatnonzero(cells.hard))
    refuse_out_of_bounds(exact, d, distance, tol)
    nearest = nearest_totals(exact, d, distance)
    if nearest.worst <= tol:
        return
    margins = [exact.margin(j) for j in range(len(exact.names))]
    clash = list(dict.fromkeys(margins[j] for j in np.flatnonzero(np.abs(nearest.proof) > 1e-7)))
    for name in tuple(clash):  # leave out every margin without which the others still clash
        fewer = [other for other in clash if other != name]
        part = exact.take(np.flatnonzero(np.isin(margins, fewer)))
        if fewer and (less := nearest_totals(part, d, distance)).worst > tol:
            clash, nearest = fewer, less
    part = exact.take(np.flatnonzero(np.isin(margins, clash)))
    if len(nearest.missed) != len(part.names):  # nothing was left out: solve for these alone
        nearest = nearest_totals(part, d, distance)
    raise InfeasibleError(
        f"margins {listed(clash)} clash: no {_allowed(distance)} meet them together on these "
        f"records; nearest within reach: {listed(_misses(part, nearest), most=5)}; coarsen or drop "
        "one of these margins, give it standard errors and soft=True, or add records"
    )


def refuse_out_of_bounds(cells: Cells, d: Floats, distance: Distance, tol: float) -> None:
    """Refuse exact cells that no weights within the distance's bounds reach, each by itself."""
    if not np.isfinite([distance.lower, distance.upper]).all():
        return
    up, down = cells.X.maximum(0), cells.X.minimum(0)
    least = distance.lower * (up.T @ d) + distance.upper * (down.T @ d)
    most = distance.upper * (up.T @ d) + distance.lower * (down.T @ d)
    over = np.flatnonzero((cells.targets > most + tol) | (cells.targets < least - tol))
    if not over.size:
        return
    unit = cells.unit[over]
    parts = [
        f"{cells.names[j]}: {people(t)} stated, {people(a)} to {people(b)} within reach"
        for j, t, a, b in zip(
            over, cells.targets[over] * unit, least[over] * unit, most[over] * unit, strict=True
        )
    ]
    raise InfeasibleError(
        f"{len(over)} margin cell(s) lie beyond {_allowed(distance)}: {listed(parts, most=5)}; "
        "allow wider bounds or coarsen the margin"
    )


def _allowed(distance: Distance) -> str:
    if np.isfinite([distance.lower, distance.upper]).all():
        return f"weights between {distance.lower:g} and {distance.upper:g} times the design weights"
    return "weights at all" if distance.lower < 0 else "weights above 0"


def _misses(cells: Cells, nearest: Nearest) -> list[str]:
    missed, stated = nearest.missed * cells.unit, cells.targets * cells.unit
    order = np.argsort(-np.abs(missed), kind="stable")
    return [
        f"{cells.names[j]}: {people(stated[j])} stated, "
        f"{people(abs(missed[j]))} {'fewer' if missed[j] < 0 else 'more'}"
        for j in order
        if abs(missed[j]) > 1e-3 * nearest.worst
    ]


def nearest_totals(cells: Cells, d: Floats, distance: Distance) -> Nearest:
    """Totals nearest to the targets that allowed weights reach, by column generation.

    Weights outside the working set rest at their lower bound (0 if there is none); the multipliers
    tell which of them would lower the misses, and those join until none would.
    """
    scale = SCALE / (float(np.abs(cells.targets).max(initial=0.0)) or float(d.sum()))
    low, high = d * scale * distance.lower, d * scale * distance.upper
    rest = np.where(np.isfinite(low), low, 0.0)
    room = np.array([rest - low, high - rest])
    working = np.zeros(len(d), dtype=bool)
    working[np.argsort(-d, kind="stable")[:BATCH]] = True
    while True:
        goal = cells.targets * scale - cells.X[~working].T @ rest[~working]
        missed, proof = _elastic(cells.X[working], goal, low[working], high[working])
        price = cells.X @ proof
        helps = np.where(price > 0, room[1], room[0]) > 0
        wanted = np.flatnonzero(helps & ~working & (np.abs(price) > TOLERANCE))
        if not wanted.size:
            return Nearest(missed / scale, proof)
        working[wanted[np.argsort(-np.abs(price[wanted]), kind="stable")[:BATCH]]] = True


def _elastic(X: sparse.csr_array, goal: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Least sum of misses over weights between bounds: misses and multipliers of the cells."""
    n, m = X.shape
    eye = sparse.eye_array(m)
    slack = np.tile([0.0, np.inf], (2 * m, 1))
    found = optimize.linprog(
        np.concatenate([np.zeros(n), np.ones(2 * m)]),
        A_eq=sparse.hstack([X.T, eye, -eye]).tocsc(),
        b_eq=goal,
        bounds=np.vstack([np.column_stack([low, high]), slack]),
        method="highs",
        options={"dual_feasibility_tolerance": TOLERANCE, "primal_feasibility_tolerance": 1e-9},
    )
    if found.x is None:
        raise PopgenError(f"the programme that looks for clashing margins failed: {found.message}")
    return found.x[n + m :] - found.x[n : n + m], np.asarray(found.eqlin.marginals)

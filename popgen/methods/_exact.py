"""Maximum entropy on a dense table: exact, where the variables' joint is small enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from popgen.domain import Domain
from popgen.errors import ConvergenceError
from popgen.margin import Margin, check_agreement
from popgen.methods._axes import Axes, largest
from popgen.methods._dense import refuse_empty_cells
from popgen.methods._multipliers import meet_all
from popgen.methods._scaling import (
    Part,
    Slice,
    empty_structural_zeros,
    gathered,
)
from popgen.table import Projectable, Table

Floats = NDArray[np.float64]

SLACK = 0.1
"""Standard errors by which a band may be missed."""

CHECKED = 10
"""Sweeps between looks at whether all bands are held."""


@dataclass(frozen=True, eq=False)
class Band:
    """A margin with standard errors: held to within one of them, and no tighter.

    A cell's multiplier is moved to the nearest edge of its band, and back towards none as soon as
    the other margins allow that: Bregman's method for inequalities, so that the limit has the
    largest entropy of all tables within the bands. The cells of a margin that covers everybody
    are moved together, so that they add up to the total.
    """

    part: Slice
    se: Floats
    tol: float
    total: float | None
    multipliers: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "multipliers", np.zeros_like(self.se))

    @classmethod
    def of(cls, margin: Margin, domain: Domain, tol: float, total: float) -> Band:
        """Express a margin on the axes of a domain."""
        assert margin.table.se is not None
        order = np.argsort([domain.axis(name) for name in margin.variables])
        se = np.ascontiguousarray(np.transpose(margin.table.se, order))
        return cls(Slice.of(margin, domain), se, tol, total if margin.complete else None)

    @property
    def axes(self) -> Axes:
        """Axes of the table that the margin keeps, ascending."""
        return self.part.axes

    def meet(self, table: Floats) -> float:
        """Scale the table into the band; return the largest move, on the scale of ``tol``."""
        held = self.part.fitted(table)
        free = _log(held) - self.multipliers  # what the cells would hold without this margin
        low, high = _log(self.part.target - self.se), _log(self.part.target + self.se)
        level = 0.0 if self.total is None else _level(free, low, high, self.total)
        wanted = np.clip(free + level, low, high)
        self.multipliers[...] = np.where(held > 0, wanted - free - level, 0.0)
        ratio = np.where(held > 0, np.exp(wanted) / np.maximum(held, 1e-300), 1.0)
        self.part.scale(table, ratio)
        moved = np.where(self.se > 0, held * (ratio - 1), 0.0)  # exact cells are looked at apart
        return largest(moved / (1 + SLACK * self.se / self.tol))


def _level(free: Floats, low: Floats, high: Floats, total: float) -> float:
    """Find the factor (its log) of all cells at which their clipped sum is the total."""

    def excess(level: float) -> float:
        return float(np.exp(np.clip(free + level, low, high)).sum() - total)

    reach = 1.0
    while excess(-reach) > 0 or excess(reach) < 0:
        reach *= 2
        if reach > 1e4:
            return 0.0
    return float(optimize.brentq(excess, -reach, reach, xtol=1e-14))


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, 1e-300))


@dataclass(frozen=True, eq=False)
class Dense:
    """A fitted table, and how it ended."""

    table: Table
    sweeps: int
    miss: float
    worst: str


def fit_dense(
    domain: Domain,
    margins: Sequence[Margin],
    start: Floats,
    total: float,
    *,
    tol: float,
    max_iter: int,
) -> Dense:
    """Find the table nearest to a start that has all the margins.

    Raises
    ------
    InfeasibleError
        If a cell has people but the start, or another margin's zeros, leave nobody there.
    InconsistentMarginsError
        If two margins differ by more than they may.
    ConvergenceError
        If some margin is still missed after ``max_iter`` sweeps.
    """
    table = np.array(start, order="C")
    slices = [Slice.of(margin, domain) for margin in margins]
    hard = [s for s, margin in zip(slices, margins, strict=True) if margin.table.exact]
    empty_structural_zeros(table, hard)
    stated = zip(margins, slices, strict=True)
    refuse_empty_cells(table, domain, ((m, s) for m, s in stated if m.table.exact))
    bands = [
        Band.of(margin, domain, tol / 2, total) for margin in margins if not margin.table.exact
    ]
    everybody = Slice((), np.array(total), ())
    if bands:
        parts = gathered(table.shape, [everybody, *hard])
        sweeps = into_bands(
            table, bands, parts, tol=tol / 2, max_iter=max_iter,
            held=lambda: missed(Table(domain, table), margins, SLACK)[0] <= tol,
        )  # fmt: skip
    else:
        sweeps, _ = meet_all(table, [everybody, *hard], tol=tol / 2, max_iter=max_iter)
    found = Table(domain, table)
    return Dense(found, sweeps, *refuse_missed(found, margins, sweeps, tol))


def refuse_missed(
    found: Projectable, margins: Sequence[Margin], sweeps: int, tol: float
) -> tuple[float, str]:
    """Refuse a fit that misses a margin; else return by how much it is missed most, and where."""
    miss, worst = missed(found, margins)
    if missed(found, margins, SLACK)[0] > tol:
        check_agreement(margins, significant=4.0)
        raise ConvergenceError(
            f"MaxEnt missed a margin by {miss:,.6g} people after {sweeps} sweeps, at {worst} "
            f"(tolerance {tol:,.6g}); no two margins contradict each other, but all together may: "
            "reconcile them (popgen.reconcile), or raise max_iter"
        )
    return miss, worst


def into_bands(
    table: Floats,
    bands: Sequence[Part],
    parts: Sequence[Part],
    *,
    tol: float,
    max_iter: int,
    held: Callable[[], bool],
) -> int:
    """Scale to bands, then to the exact margins, until no band moves and all are held."""
    for done in range(1, max_iter + 1):
        moved = max(band.meet(table) for band in bands)
        for part in parts:
            part.meet(table)
        if moved <= tol and done % CHECKED == 0 and held():
            return done
    return max_iter


def missed(table: Projectable, margins: Sequence[Margin], slack: float = 0.0) -> tuple[float, str]:
    """Return by how much a margin is missed most, people beyond its standard error, and where."""
    worst, where = -1.0, ""
    for margin in margins:
        se = 0.0 if margin.table.se is None else margin.table.se
        held = margin.fitted(table.project(*margin.variables))
        gaps = np.maximum(np.abs(held - margin.table.counts) - (1 + slack) * se, 0.0)
        if gaps.max() > worst:
            worst, where = float(gaps.max()), margin.describe(int(gaps.argmax()))
    return worst, where

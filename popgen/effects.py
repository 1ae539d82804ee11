"""Interactions: what a table says beyond its margins, and how well a candidate recovers it.

The k-way interaction of a table is its log, centred along every axis. Centring takes out whatever
depends on fewer than k of the variables, so raking a table to other margins leaves it as it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from popgen._aligned import Floats, aligned, cell_axes, shares_of
from popgen._logcounts import expected_log
from popgen.domain import frozen
from popgen.errors import ConvergenceError, PopgenError
from popgen.table import Table

PEOPLE = 10_000
"""A truth that counts fewer people than this (shares, say) is read as one of this many."""
ROUNDING = 1e-11
"""Centred logs below this part of the largest log are rounding, not interaction."""

TOLERANCE = 1e-11
MOST_SWEEPS = 5_000


def centred(values: ArrayLike, support: ArrayLike) -> Floats:
    """Take out of an array all that depends on fewer than all of its (last) axes.

    Parameters
    ----------
    values : array, shape (..., *S)
        Logs of counts; the leading axes are copies that are centred apart.
    support : array of bool, shape S
        Cells that count. The others are left out of every mean, and come back as 0.

    Returns
    -------
    array, shape (..., *S)
        ``values`` less its least-squares fit by functions of the (k-1)-way margins over the
        support, every cell counting alike.

    Raises
    ------
    ConvergenceError
        If empty cells leave the support almost in separate pieces (does not happen without them).

    Notes
    -----
    For full support this is inclusion and exclusion of means, exact in one sweep: for two axes
    ``l_ab - l_a. - l_.b + l_..``, for three ``l_abc - l_ab. - l_a.c - l_.bc + l_a.. + ...``
    [1]_. With empty cells the means of one axis disturb those of another, and sweeps repeat until
    nothing moves (alternating projections).

    References
    ----------
    .. [1] Goodman (1970), JASA 65:226-256, doi:10.1080/01621459.1970.10481076

    Examples
    --------
    >>> centred([[0.0, 0.0], [0.0, 4.0]], [[True, True], [True, True]]).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    cells = np.asarray(support, dtype=bool)
    out = np.where(cells, np.asarray(values, dtype=np.float64), 0.0)
    axes = range(-cells.ndim, 0)
    full = bool(cells.all())
    held = [np.maximum(cells.sum(axis=axis, keepdims=True), 1) for axis in axes]
    scale = max(float(np.abs(out).max(initial=0.0)), 1.0)
    for _ in range(MOST_SWEEPS):
        moved = 0.0
        for axis, count in zip(axes, held, strict=True):
            mean = out.sum(axis=axis, keepdims=True) / count
            moved = max(moved, float(np.abs(mean).max(initial=0.0)))
            out = (out - mean) * cells
        if full or moved <= TOLERANCE * scale:
            return np.asarray(out, dtype=np.float64)
    raise ConvergenceError(
        f"centring a table of shape {cells.shape} with {int((~cells).sum())} empty cells still "
        f"moved by {moved:.1e} after {MOST_SWEEPS} sweeps; merge sparse levels and score again"
    )


def interactions(table: Table) -> Floats:
    """Give the margin-free interaction of a table: its centred log, 0 in empty cells.

    Returns
    -------
    array, shape ``table.domain.shape``
        In log units: for a 2x2 table each cell holds plus or minus a quarter of the log odds ratio.

    Raises
    ------
    PopgenError
        If the table holds nobody.

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("age", ("young", "old"))))
    >>> interactions(Table(domain, [[40, 10], [10, 40]])).round(3).tolist()
    [[0.693, -0.693], [-0.693, 0.693]]
    """
    support = table.shares.counts > 0
    return centred(np.log(np.where(support, table.counts, 1.0)), support)


@dataclass(frozen=True, eq=False)
class Recovery:
    """Interactions of a candidate beside the truth's, cell by cell.

    Attributes
    ----------
    candidate, truth : array, shape S
        Centred logs; 0 in cells where the truth has nobody.
    weights : array, shape S
        The truth's share of each cell: fixed by the truth, so that noise of the candidate cannot
        choose which cells count.

    Examples
    --------
    >>> truth = np.array([[0.5, -0.5], [-0.5, 0.5]])
    >>> twice = Recovery(2 * truth, truth, np.full((2, 2), 0.25))
    >>> twice.slope, twice.correlation, twice.mae
    (2.0, 1.0, 0.5)
    """

    candidate: Floats
    truth: Floats
    weights: Floats

    def __post_init__(self) -> None:
        for name in ("candidate", "truth", "weights"):
            value = np.array(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, frozen(value))
        if not self.candidate.shape == self.truth.shape == self.weights.shape:
            raise PopgenError(
                f"interactions need one shape; got {self.candidate.shape} of the candidate, "
                f"{self.truth.shape} of the truth and {self.weights.shape} of the weights"
            )

    @property
    def sums(self) -> Floats:
        """The five sums that all three figures are made of; they add up over tables."""
        return recovery_sums(self.candidate, self.truth, self.weights)

    @property
    def slope(self) -> float:
        """``sum w t c / sum w t^2``: 1 faithful, 0 none, 2 twice too strong; NaN if all t are 0."""
        return float(slope(self.sums))

    @property
    def correlation(self) -> float:
        """``sum w t c / sqrt(sum w t^2 sum w c^2)``: right pattern, whatever the strength."""
        return float(correlation(self.sums))

    @property
    def mae(self) -> float:
        """``sum w |c - t| / sum w``, in log units."""
        return float(mae(self.sums))


def recovery_sums(candidate: Floats, truth: Floats, weights: Floats) -> Floats:
    """Sum over cells ``w, w t c, w t^2, w c^2, w |c - t|``: shape (..., *S) gives (..., 5)."""
    axes = cell_axes(weights)
    terms = (
        np.broadcast_to(weights, candidate.shape),
        weights * truth * candidate,
        np.broadcast_to(weights * truth**2, candidate.shape),
        weights * candidate**2,
        weights * np.abs(candidate - truth),
    )
    return np.stack([term.sum(axis=axes) for term in terms], axis=-1)


def slope(sums: Floats) -> Floats:
    """``sum w t c / sum w t^2`` of recovery sums, shape (..., 5); NaN where all t are 0."""
    return _ratio(sums[..., 1], sums[..., 2])


def correlation(sums: Floats) -> Floats:
    """``sum w t c / sqrt(sum w t^2 sum w c^2)`` of recovery sums, shape (..., 5)."""
    return _ratio(sums[..., 1], np.sqrt(sums[..., 2] * sums[..., 3]))


def mae(sums: Floats) -> Floats:
    """``sum w |c - t| / sum w`` of recovery sums, shape (..., 5)."""
    return _ratio(sums[..., 4], sums[..., 0])


def recovery(candidate: Table, truth: Table, *, size: float | None = None) -> Recovery:
    """Compare the interactions of a candidate with the truth's, seen through a sample of its size.

    Parameters
    ----------
    candidate, truth : Table
        Over the same variables (two or more).
    size : float or None
        People the candidate was drawn as (Kish's effective size for weighted records). None: its
        counts are exact expectations.

    Raises
    ------
    PopgenError
        If variables or levels differ, a table holds nobody, or ``size`` is not a positive number.

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("age", ("young", "old"))))
    >>> truth = Table(domain, [[4000, 1000], [1000, 4000]])
    >>> seen = recovery(Table(domain, [[40, 10], [20, 30]]), truth, size=100)
    >>> round(seen.slope, 2)
    0.63
    """
    lens = Lens.of(truth, size)
    seen = lens.look(aligned(candidate, truth).shares.counts)
    return Recovery(seen, lens.truth, lens.weights)


@dataclass(frozen=True, eq=False)
class Lens:
    """A true table as a sample of ``size`` people shows it, and how to look at shares likewise.

    Attributes
    ----------
    truth : array, shape S
        Centred expected logs of the truth.
    weights : array, shape S
        The truth's shares.
    size : int or None
        People drawn; None means exact expectations.
    least : float
        Share below which an exact candidate's cell is read as this share (half a person).
    """

    truth: Floats
    weights: Floats
    size: int | None
    least: float

    @classmethod
    def of(cls, truth: Table, size: float | None) -> Lens:
        """Look at a true table through a sample of ``size`` people (None: with the naked eye)."""
        if len(truth.domain) < 2:
            raise PopgenError(f"an interaction needs two variables or more; got {truth.names}")
        people = whole_size(size)
        p = shares_of(truth, "truth")
        support = p > 0
        least = 0.5 * min(1 / max(truth.total, PEOPLE), float(p[support].min()))
        logs = np.log(np.where(support, p, 1.0))
        true = centred(logs, support)
        if np.abs(true).max() <= ROUNDING * max(np.abs(logs).max(), 1.0):
            true = np.zeros_like(true)  # no interaction: what is left is rounding
        elif people is not None:
            true = centred(expected_log(p, people), support)
        return cls(true, p, people, least)

    @property
    def support(self) -> NDArray[np.bool_]:
        """Cells where the truth has people."""
        return np.asarray(self.weights > 0)

    def look(self, shares: Floats) -> Floats:
        """Centre the logs of shares, shape (..., *S): of ``size q + 1/2``, or plain where exact."""
        if self.size is None:
            return centred(np.log(np.maximum(shares, self.least)), self.support)
        return centred(np.log(shares * self.size + 0.5), self.support)


def whole_size(size: float | None) -> int | None:
    """Round an effective size to whole people, at least 1; None stays None."""
    if size is None:
        return None
    if not (np.isfinite(size) and size > 0):
        raise PopgenError(f"a candidate's size must be a positive number of people; got {size!r}")
    return max(round(size), 1)


def size_of(candidate: object) -> int | None:
    """Give the people that a candidate's counts were drawn as; None where they are exact."""
    return whole_size(getattr(candidate, "effective_size", None))


def _ratio(above: Floats, below: Floats) -> Floats:
    holds = below > 0
    return np.where(holds, above / np.where(holds, below, 1.0), np.nan)

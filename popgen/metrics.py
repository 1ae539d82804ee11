"""Distances between two tables: total variation, the k-way score, and the standardised error.

Each takes two tables over the same variables; how many people each counts does not matter, nor the
order in which levels or axes are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.table import Table

Floats = NDArray[np.float64]


def total_variation(candidate: Table, truth: Table) -> float:
    """Give the share of people who would have to move cell: ``1/2 sum |p - q|``, in [0, 1].

    Raises
    ------
    PopgenError
        If the tables differ in variables or levels, or one of them holds nobody.

    Examples
    --------
    >>> from popgen.domain import Domain
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> total_variation(Table(sex, [60, 40]), Table(sex, [1000, 1000]))
    0.1
    """
    return float(half_l1(*_shares(candidate, truth)))


def k_score(pairs: Iterable[tuple[Table, Table]]) -> float:
    """Give the k-way marginal score of pairs (candidate, truth): ``K = 1000 (1 - mean TV)``.

    The pairs are the tables over all sets of k variables; 1000 is a perfect match [1]_.

    Raises
    ------
    PopgenError
        If there is no pair, or as `total_variation`.

    References
    ----------
    .. [1] Ridgeway, Theofanos, Manley & Task (2021), NIST Technical Note 2151,
       doi:10.6028/NIST.TN.2151

    Examples
    --------
    >>> from popgen.domain import Domain
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> k_score([(Table(sex, [60, 40]), Table(sex, [50, 50]))])
    900.0
    """
    distances = [total_variation(candidate, truth) for candidate, truth in pairs]
    if not distances:
        raise PopgenError("a k-way score needs at least one pair of tables; got none")
    return float(1000 * (1 - np.mean(distances)))


def srmse(candidate: Table, truth: Table) -> float:
    """Give the standardised root mean squared error of the shares.

    ``sqrt(1/B sum (q - p)^2) / (1/B sum p)`` over the B cells [1]_; 0 is a perfect match. It grows
    with B, so compare it only between candidates on the same tables.

    Raises
    ------
    PopgenError
        If the tables differ in variables or levels, or one of them holds nobody.

    References
    ----------
    .. [1] Knudsen & Fotheringham (1986), International Regional Science Review 10:127-147,
       doi:10.1177/016001768601000204

    Examples
    --------
    >>> from popgen.domain import Domain
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> round(srmse(Table(sex, [60, 40]), Table(sex, [50, 50])), 12)
    0.2
    """
    return float(relative_rmse(*_shares(candidate, truth)))


def aligned(candidate: Table, truth: Table) -> Table:
    """Write the candidate's counts in the truth's order of axes and levels.

    Raises
    ------
    PopgenError
        If the candidate lacks a variable or level of the truth, or has a level that the truth does
        not know: people would be lost or invented.

    Examples
    --------
    >>> from popgen.domain import Domain
    >>> truth = Table(Domain((Variable("sex", ("f", "m")),)), [50, 50])
    >>> aligned(Table(Domain((Variable("sex", ("m", "f")),)), [40, 60]), truth).counts.tolist()
    [60.0, 40.0]
    >>> aligned(Table(Domain((Variable("sex", ("m",)),)), [40]), truth)
    Traceback (most recent call last):
    popgen.errors.PopgenError: the candidate's variable 'sex' lacks level(s) 'f' of the truth; ...
    """
    refuse_lacking(candidate.domain, truth.names)
    if candidate.names != truth.names:
        candidate = candidate.project(*truth.names)
    if candidate.domain == truth.domain:
        return candidate
    index = [
        level_order(have, want) for have, want in zip(candidate.domain, truth.domain, strict=True)
    ]
    return Table(truth.domain, candidate.counts[np.ix_(*index)])


def refuse_lacking(domain: Domain, names: Sequence[str]) -> None:
    """Refuse a candidate that lacks some of the truth's variables."""
    if missing := [name for name in names if name not in domain]:
        raise PopgenError(
            f"the candidate lacks variable(s) {listed(missing)} of the truth; it has "
            f"{listed(domain.names)}: add them to the candidate, or score it against a truth "
            "without them, truth.project(...) of the others"
        )


def level_order(have: Variable, want: Variable) -> list[int]:
    """Give the index in ``have`` of each level of ``want``; both must have the same levels."""
    if lost := [level for level in want.levels if level not in have.levels]:
        raise PopgenError(
            f"the candidate's variable {have.name!r} lacks level(s) {listed(lost)} of the truth; "
            f"it has {listed(have.levels)}; name its levels as the truth does"
        )
    if extra := [level for level in have.levels if level not in want.levels]:
        raise PopgenError(
            f"the candidate's variable {have.name!r} has level(s) {listed(extra)} that the truth "
            f"does not know; it has {listed(want.levels)}; recode or coarsen the candidate first"
        )
    return [have.index(level) for level in want.levels]


def half_l1(q: Floats, p: Floats) -> Floats:
    """Total variation of shares: copies of a table, shape (..., *S), against one, shape S."""
    return np.asarray(0.5 * np.abs(q - p).sum(axis=cell_axes(p)))


def relative_rmse(q: Floats, p: Floats) -> Floats:
    """SRMSE of shares: copies of a table, shape (..., *S), against one, shape S."""
    return np.asarray(np.sqrt(np.mean((q - p) ** 2, axis=cell_axes(p))) / np.mean(p))


def cell_axes(table: Floats) -> tuple[int, ...]:
    """Give the axes of a table's cells, counted from the last, so that copies may lead."""
    return tuple(range(-table.ndim, 0))


def _shares(candidate: Table, truth: Table) -> tuple[Floats, Floats]:
    if extra := [name for name in candidate.names if name not in truth.domain]:
        raise PopgenError(
            f"the candidate's table has variable(s) {listed(extra)} that the truth's lacks; "
            f"project it on {listed(truth.names)} first"
        )
    same = aligned(candidate, truth)
    for table, who in ((same, "candidate"), (truth, "truth")):
        if table.total <= 0:
            raise PopgenError(f"the {who}'s table over {table.names} holds nobody: no shares exist")
    return same.counts / same.total, truth.counts / truth.total

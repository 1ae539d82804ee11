"""The joint that a model's stated conditional shares amount to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popgen.domain import Domain
from popgen.methods._axes import Floats, keep_axes, largest, multiply
from popgen.panels import Conditional
from popgen.table import Table

MOST_SWEEPS = 12
SETTLED = 1e-3
"""Sweeps end when none of a table's conditional shares is off by more, or after so many."""


def elicited_joint(stated: Sequence[Conditional], shares: Sequence[Table]) -> Table:
    """Find a joint that has some conditional shares, as nearly as they agree, and one-way shares.

    Parameters
    ----------
    stated : sequence of Conditional
    shares : sequence of Table
        One-way tables of all the variables, in the order wanted.

    Returns
    -------
    Table
        Of total 1, strictly positive unless a stated share is 0.

    Notes
    -----
    Iterative proportional fitting in which each conditional table is a margin whose conditions
    count as many people as they do at the moment [1]_. Stated shares that contradict one another
    leave a cycle of nearby joints; the last one is returned, one-way shares met last.

    References
    ----------
    .. [1] Arnold, Castillo & Sarabia (2001), Statistical Science 16:249-274,
       doi:10.1214/ss/1009213728

    Examples
    --------
    >>> from popgen.domain import Variable
    >>> sex, vote = Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))
    >>> told = Conditional(Domain((sex, vote)), np.array([[0.6, 0.4], [0.4, 0.6]]))
    >>> even = [Table(Domain((v,)), [1, 1]) for v in (sex, vote)]
    >>> elicited_joint([told], even).counts.round(3).tolist()
    [[0.3, 0.2], [0.2, 0.3]]
    """
    domain = Domain(tuple(table.domain.variables[0] for table in shares))
    table = np.full(domain.shape, 1 / domain.size)
    one_way = [table_.scaled(1.0).counts for table_ in shares]
    rules = [_on_axes(one, domain) for one in stated]
    for _ in range(MOST_SWEEPS):
        gap = 0.0
        for axes, wanted, target in rules:
            held = keep_axes(table, axes)
            given = held.sum(axis=target, keepdims=True)
            gap = max(gap, largest(held - given * wanted))
            multiply(table, axes, np.divide(given * wanted, held, out=held * 0, where=held > 0))
        for axis, counts in enumerate(one_way):
            held = keep_axes(table, (axis,))
            multiply(table, (axis,), np.divide(counts, held, out=held * 0, where=held > 0))
        if gap <= SETTLED * SETTLED:
            break
    return Table(domain, table)


def _on_axes(stated: Conditional, domain: Domain) -> tuple[tuple[int, ...], Floats, int]:
    """Put a conditional table's axes in a domain's order; say which of them is the target's."""
    axes = [domain.axis(name) for name in stated.domain.names]
    order = np.argsort(axes)
    target = int(np.flatnonzero(order == len(axes) - 1)[0])
    return tuple(axes[i] for i in order), np.transpose(stated.shares, order), target

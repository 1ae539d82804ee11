"""Pairs of variables: which of them margins measure, and what other margins imply of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from popgen.domain import Coarsening, Domain
from popgen.margin import Margin
from popgen.methods._axes import Floats, keep_axes
from popgen.methods._scaling import Slice, gathered, scale_to_margins
from popgen.methods.panel import Pair, pair_of, weighted_centre
from popgen.problem import Problem
from popgen.table import Table

LEAVE_OUT_TOL = 1e-6
"""Largest miss, as a share of the total, of the margins that stay when a pair is left out."""
LEAVE_OUT_SWEEPS = 100
DEEPEST = 4.0
"""A cell that is emptier than this, in logs below independence, is read as if it were this."""


@dataclass(frozen=True, eq=False)
class View:
    """What a margin states of one pair of variables, perhaps on coarser levels.

    Attributes
    ----------
    names : (name, name)
        In the problem's order.
    counts : array
        People, exactly as stated.
    variance : float
        Mean sampling variance of the log counts, cells by their share; 0 where exact.
    rules : (Coarsening, Coarsening)
        How the variables' levels map to those stated; everybody is in one of them.
    """

    names: Pair
    counts: Floats
    variance: float
    rules: tuple[Coarsening, Coarsening]

    @property
    def fine(self) -> bool:
        """Whether it states every level apart."""
        return all(len(rule.coarse) == len(rule.fine) for rule in self.rules)


def views(margins: Iterable[Margin], names: Sequence[str]) -> list[View]:
    """Give what margins state of pairs for everybody: the finest view of each pair.

    Parameters
    ----------
    margins : margins
    names : sequence of str
        The problem's variables; pairs come in their alphabetical order.
    """
    place = {name: i for i, name in enumerate(names)}
    found: dict[Pair, View] = {}
    for margin in margins:
        for a, b in itertools.combinations(sorted(margin.variables, key=place.__getitem__), 2):
            rules = (margin.rule(a), margin.rule(b))
            if not margin.complete or min(len(rule.coarse) for rule in rules) < 2:
                continue
            table = margin.table.project(*(rule.coarse.name for rule in rules))
            view = View((a, b), table.counts, _log_variance(table), rules)
            best = found.get(pair_of(a, b))
            if best is None or view.counts.size > best.counts.size:
                found[pair_of(a, b)] = view
    return [found[pair] for pair in sorted(found)]


def _log_variance(table: Table) -> float:
    if table.se is None or table.total <= 0:
        return 0.0
    held = table.counts > 0
    relative = np.divide(table.se, table.counts, out=np.zeros(table.counts.shape), where=held)
    return float((table.counts / table.total * relative**2).sum())


def without(margins: Iterable[Margin], left_out: Collection[Pair]) -> list[Margin]:
    """Give what margins still say when some pairs are not to be seen together.

    A margin that shows such a pair is replaced by its two-way tables that do not, and its one-way
    tables.
    """
    kept: list[Margin] = []
    for margin in margins:
        pairs = list(itertools.combinations(range(len(margin.maps)), 2))
        hidden = [pair_of(margin.variables[i], margin.variables[j]) in left_out for i, j in pairs]
        if not any(hidden):
            kept.append(margin)
            continue
        shown = [pair for pair, gone in zip(pairs, hidden, strict=True) if not gone]
        for axes in [*shown, *((i,) for i in range(len(margin.maps)))]:
            if all(margin.maps[i].complete for i in range(len(margin.maps)) if i not in axes):
                maps = tuple(margin.maps[i] for i in axes)
                table = margin.table.project(*(rule.coarse.name for rule in maps))
                kept.append(Margin(margin.name, table, maps))
    return kept


def implied(start: Floats, margins: Sequence[Margin], problem: Problem) -> Floats:
    """Scale a copy of a table to margins, nearly: what they imply of every pair."""
    table = start.copy()
    parts = gathered(table.shape, in_order(margins, problem.domain))
    tol = LEAVE_OUT_TOL * problem.total
    scale_to_margins(table, parts, tol=tol, max_iter=LEAVE_OUT_SWEEPS)
    return table


def in_order(margins: Iterable[Margin], domain: Domain) -> list[Slice]:
    """Express margins on a domain, in an order that does not depend on the one given."""
    ranked = sorted(margins, key=lambda m: sorted(zip(m.variables, m.table.names, strict=True)))
    return [Slice.of(margin, domain) for margin in ranked]


def interaction(counts: Floats) -> tuple[Floats, Floats]:
    """Give a pair's interaction, and the shares its cells would have under independence.

    Returns
    -------
    values : array, shape (k, l)
        Log ratio to independence, centred over the rows and columns by their shares.
    weights : array, shape (k, l)

    Examples
    --------
    >>> values, weights = interaction(np.array([[40.0, 10.0], [10.0, 40.0]]))
    >>> values.round(3).tolist(), weights.tolist()
    ([[0.693, -0.693], [-0.693, 0.693]], [[0.25, 0.25], [0.25, 0.25]])
    """
    rows, columns = shares(counts)
    weights = np.outer(rows, columns)
    ratio = np.divide(counts / counts.sum(), weights, out=np.ones_like(counts), where=weights > 0)
    return weighted_centre(np.log(np.maximum(ratio, np.exp(-DEEPEST))), rows, columns), weights


def shares(counts: Floats) -> tuple[Floats, Floats]:
    """Give the shares of a matrix's rows and of its columns."""
    total = counts.sum()
    return counts.sum(axis=1) / total, counts.sum(axis=0) / total


def pair_counts(table: Floats, domain: Domain, names: Pair) -> Floats:
    """Sum a dense table over all but two variables, which are in the domain's order."""
    return keep_axes(table, (domain.axis(names[0]), domain.axis(names[1])))

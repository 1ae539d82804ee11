"""Fréchet bounds of every cell of a few variables' joint, from the margins that speak of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen.domain import OUTSIDE, Coarsening
from popgen.margin import Margin, added_up, onward, shared_partition
from popgen.problem import Problem

Floats = NDArray[np.float64]

MOST_CELLS = 20_000_000
"""Cells of the largest array made; variables shared by two margins are left out to stay below."""
PINNED = 1e-9
"""A cell whose bounds are closer than this share of the total is known."""


@dataclass(frozen=True, eq=False)
class CellBounds:
    """Least and most people in each cell of some variables' joint.

    Attributes
    ----------
    names : tuple of str
    lower, upper : array, shape of the variables' domain
        People.
    through : tuple of str
        Variables, shared by two margins, that made the bounds narrowest; empty if none did.
    """

    names: tuple[str, ...]
    lower: Floats
    upper: Floats
    through: tuple[str, ...] = ()

    @property
    def width(self) -> Floats:
        """People by which each cell is undetermined."""
        return np.maximum(self.upper - self.lower, 0.0)


def frechet(a: Floats, b: Floats, whole: Floats) -> tuple[Floats, Floats]:
    """Bound how many are in both of two groups, from their counts among ``whole`` people.

    Parameters
    ----------
    a, b : array, shape (..., C)
        People in each group, by shared category.
    whole : array, shape (C,)
        People in each shared category.

    Returns
    -------
    lower, upper : array, shape (...)
        ``sum_c max(0, a + b - n)`` and ``sum_c min(a, b)``: attained, so they cannot be narrowed
        without knowing more.

    References
    ----------
    .. [1] Dobra & Fienberg (2000), PNAS 97:11885-11892, doi:10.1073/pnas.97.22.11885

    Examples
    --------
    >>> lower, upper = frechet(np.array([60.0]), np.array([70.0]), np.array([100.0]))
    >>> float(lower), float(upper)  # 60 and 70 of 100 people
    (30.0, 60.0)
    """
    return _least(a, b, whole), _most(a, b)


def _least(a: Floats, b: Floats, whole: Floats) -> Floats:
    return np.asarray(np.maximum(a + b - whole, 0.0).sum(axis=-1))


def _most(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.minimum(a, b).sum(axis=-1))


def cell_bounds(problem: Problem, *names: str, through_partial: bool = True) -> CellBounds:
    """Bound every cell of some variables' joint by the problem's margins, two at a time.

    Parameters
    ----------
    problem : Problem
        Its microdata and seed are not used: bounds hold whatever the interactions are.
    *names : str
        Variables of its domain.
    through_partial : bool
        Whether margins that leave out people through a further variable may be used, by bounding
        the joint with that variable too and adding up.

    Returns
    -------
    CellBounds

    Notes
    -----
    Any two margins that hold the variables between them bound the joint by `frechet`, within each
    group of all that they share; the narrowest bounds over all such pairs are kept, cell by cell.
    With margins of one pair (A,C), (B,C) these are sharp; with more they hold but may be wider
    than need be (`popgen.bounds` finds the sharp ones of one question).

    Examples
    --------
    >>> from popgen import Domain, Table, Variable
    >>> sex, vote = Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))
    >>> problem = Problem([Table(Domain((sex,)), [60, 40]), Table(Domain((vote,)), [70, 30])])
    >>> found = cell_bounds(problem, "sex", "vote")
    >>> found.lower.tolist(), found.upper.tolist()
    ([[30.0, 0.0], [10.0, 0.0]], [[60.0, 30.0], [40.0, 30.0]])
    """
    shape = problem.domain.project(*names).shape
    lower, upper = np.zeros(shape), np.full(shape, problem.total)
    usable = [m for m in problem.margins if set(names) & set(m.variables) and _whole_but(m, names)]
    best = np.inf
    through: tuple[str, ...] = ()
    single = [(m, m) for m in problem.margins if set(names) <= set(m.variables)]
    covered = False
    for one, two in (*single, *itertools.combinations(usable, 2)):
        if not set(names) <= set(one.variables) | set(two.variables):
            continue
        covered = True
        low, high, shared = _pair(problem, one, two, names)
        lower, upper = np.maximum(lower, low), np.minimum(upper, high)
        width = float(np.minimum(high, problem.total).sum() - low.sum())
        if width < best * (1 - PINNED):
            best, through = width, shared
        if (upper - lower).max() <= PINNED * problem.total:
            break
    if through_partial and (upper - lower).max() > PINNED * problem.total:
        for name in _left_out_through(problem, names):
            more = cell_bounds(problem, *names, name, through_partial=False)
            lower = np.maximum(lower, more.lower.sum(axis=-1))
            upper = np.minimum(upper, more.upper.sum(axis=-1))
    if not covered:
        low, high = _from_parts(problem, names, through_partial)
        lower, upper = np.maximum(lower, low), np.minimum(upper, high)
    return CellBounds(names, np.minimum(lower, upper), upper, through)


def _left_out_through(problem: Problem, names: Sequence[str]) -> list[str]:
    """Further variables through which a margin over some of these leaves people out."""
    found = {
        rule.fine.name: None
        for margin in problem.margins
        if set(names) & set(margin.variables)
        for rule in margin.maps
        if not rule.complete and rule.fine.name not in names
    }
    size = problem.domain.project(*names).size
    return [n for n in found if size * len(problem.domain[n]) <= MOST_CELLS / 100]


def _whole_but(margin: Margin, names: Sequence[str]) -> bool:
    """Whether a margin leaves nobody out through variables other than those named."""
    return all(rule.complete for rule in margin.maps if rule.fine.name not in names)


def _pair(
    problem: Problem, one: Margin, two: Margin, names: Sequence[str]
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Bound the joint by two margins, or by one that is given twice."""
    if one is two:
        own = _own(one, one, names, ())
        low, high = (_view(one, names, own, (), pick) for pick in (False, True))
        others = 0.0 if _whole_but(one, names) else max(problem.total - one.table.total, 0.0)
        return low, high + others, ()
    shared = _shared(one, two, problem, names)
    groups = tuple(int(n) for n in (len(rule.coarse) for rule in shared))
    whole = _people(problem, one, two, shared).reshape(-1)
    views = [
        _view(margin, names, _own(margin, other, names, shared), shared, pick)
        for pick in (False, True)
        for margin, other in ((one, two), (two, one))
    ]
    flat = [view.reshape(*view.shape[: len(names)], int(np.prod(groups))) for view in views]
    low, high = _least(flat[0], flat[1], whole), _most(flat[2], flat[3])
    shape = problem.domain.project(*names).shape
    through = tuple(rule.fine.name for rule in shared if rule.fine.name not in names)
    return np.broadcast_to(low, shape), np.broadcast_to(high, shape), through


def _shared(
    one: Margin, two: Margin, problem: Problem, names: Sequence[str]
) -> tuple[Coarsening, ...]:
    """Find the groups that both margins add up to, of as many variables as memory allows."""
    found: list[Coarsening] = []
    cells = problem.domain.project(*names).size
    for name in one.variables:
        if name in two.variables:
            rule = shared_partition(one.rule(name), two.rule(name))
            if rule is not None and rule.complete and cells * len(rule.coarse) <= MOST_CELLS:
                cells *= len(rule.coarse)
                found.append(rule)
    return tuple(found)


def _people(
    problem: Problem, one: Margin, two: Margin, shared: Sequence[Coarsening]
) -> NDArray[Any]:
    """People in each shared group; infinitely many (no lower bound) if neither margin says."""
    if not shared:
        return np.array([problem.total])
    kept = [rule.fine.name for rule in shared]
    for margin in (one, two):
        if _whole_but(margin, kept):
            return added_up(margin, shared).counts
    return np.full(tuple(len(rule.coarse) for rule in shared), np.inf)


def _own(
    margin: Margin, other: Margin, names: Sequence[str], shared: Sequence[Coarsening]
) -> list[str]:
    """Names whose levels a margin is to bound: not those that the other one states more finely."""
    groups = [rule.fine.name for rule in shared]
    return [
        name
        for name in names
        if name in margin.variables
        and not (name in groups and _banded(margin, name) and not _banded(other, name))
    ]


def _banded(margin: Margin, name: str) -> bool:
    codes = margin.rule(name).codes
    inside = codes[codes != OUTSIDE]
    return len(np.unique(inside)) < len(inside)


def _view(
    margin: Margin,
    names: Sequence[str],
    own: Sequence[str],
    shared: Sequence[Coarsening],
    most: bool,
) -> Floats:
    """State a margin's figures on the levels asked and the shared groups, as bounds.

    A fine level of a wider stated band has at most the band's people, and at least none; one of
    which the margin says nothing has no upper bound. Axes: one for each name (of length 1 where it
    is not the margin's own), then one for each shared variable.
    """
    groups = {rule.fine.name: rule for rule in shared}
    counts: Floats = margin.table.counts
    kept: list[tuple[str, str]] = []
    for rule in margin.maps:  # each turn takes the first axis away and adds its views at the end
        name = rule.fine.name
        onto = _fine(rule, most) if name in own else np.ones((1, len(rule.coarse)))
        if name in groups:
            there = onward(rule, groups[name]).codes
            members = there == np.arange(len(groups[name].coarse))[:, None]
            onto = onto[:, None, :] * members
        counts = np.tensordot(counts, onto, axes=(0, onto.ndim - 1))
        kept += [("level", name)] + [("group", name)] * (name in groups)
    wanted = [("level", name) for name in own]
    wanted += [("group", n) for n in groups]
    summed = [i for i, key in enumerate(kept) if key not in wanted]
    counts = counts.sum(axis=tuple(summed))
    kept = [key for key in kept if key in wanted]
    counts = np.transpose(counts, [kept.index(key) for key in wanted])
    absent = [axis for axis, name in enumerate(names) if name not in own]
    counts = np.expand_dims(counts, absent)
    if most:  # of levels that the margin does not state there may be any number
        for name in own:
            moved: Floats = np.moveaxis(counts, names.index(name), 0)
            moved[margin.rule(name).codes == OUTSIDE] = np.inf
    return np.asarray(counts, dtype=np.float64)


def _fine(rule: Coarsening, most: bool) -> Floats:
    """Which stated level holds each fine one; for lower bounds only where it holds no other."""
    inside = rule.codes[:, None] == np.arange(len(rule.coarse))
    if not most:
        inside &= inside.sum(axis=0) == 1
    return np.asarray(inside, dtype=np.float64)


def _from_parts(
    problem: Problem, names: Sequence[str], through_partial: bool
) -> tuple[Floats, Floats]:
    """Bound a joint that no two margins hold between them, by its parts of one variable less."""
    domain = problem.domain.project(*names)
    lower, upper = np.zeros(domain.shape), np.full(domain.shape, problem.total)
    if len(names) == 1:
        return lower, upper
    for axis, name in enumerate(names):
        others = [other for other in names if other != name]
        rest = cell_bounds(problem, *others, through_partial=through_partial)
        alone = cell_bounds(problem, name, through_partial=through_partial)
        along = [1] * len(names)
        along[axis] = -1
        both = np.expand_dims(rest.lower, axis) + alone.lower.reshape(along) - problem.total
        lower = np.maximum(lower, both)
        upper = np.minimum(upper, np.expand_dims(rest.upper, axis))
        upper = np.minimum(upper, alone.upper.reshape(along))
    return lower, upper

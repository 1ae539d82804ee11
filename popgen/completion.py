"""Partial margins made whole: who is in none of a margin's levels, found by subtraction.

A table that leaves out a suppressed race still says how many people of that race there are in each
cell of its other variables, if another margin states all people there. Saying so in full lets
methods see the zeros it implies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from popgen.domain import OUTSIDE, Coarsening, Domain, Variable
from popgen.errors import InconsistentMarginsError
from popgen.margin import SIGNIFICANT, TOLERANCE, Margin, added_up
from popgen.table import Counts, Table

REST = "(all others)"
"""Name of the level that holds the people whom a partial margin leaves out."""

ROUNDING = 1e-11
"""A remainder below this share of the total is nobody: methods must see it as a zero."""


def completed(margin: Margin, others: Sequence[Margin]) -> tuple[Margin, tuple[str, ...]]:
    """Give a partial margin a level for everybody else, for each variable where that is known.

    Parameters
    ----------
    margin : Margin
    others : sequence of Margin
        The margins that may state all people over the remaining variables.

    Returns
    -------
    margin : Margin
        The same margin where nothing can be added.
    notes : tuple of str
        What was found by subtraction from what, in words.

    Raises
    ------
    InconsistentMarginsError
        If the margin counts more people in a cell than the other margin has there.
    """
    notes: tuple[str, ...] = ()
    for name in margin.variables:
        if margin.rule(name).complete:
            continue
        whole = next((other for other in others if _states_all(other, margin, name)), None)
        if whole is not None:
            margin = _with_rest(margin, name, whole)
            notes += (f"margin {margin.name!r}: {name!r} {REST} subtracted from {whole.name!r}",)
    return margin, notes


def _states_all(other: Margin, margin: Margin, name: str) -> bool:
    """Whether ``other`` states all people over the margin's variables but ``name``."""
    rest = [rule for rule in margin.maps if rule.fine.name != name]
    if other is margin or any(rule.fine.name not in other.variables for rule in rest):
        return False
    known = {rule.fine.name for rule in rest}
    if any(not rule.complete for rule in other.maps if rule.fine.name not in known):
        return False
    return all(_refines(other.rule(rule.fine.name), rule) for rule in rest)


def _refines(fine: Coarsening, coarse: Coarsening) -> bool:
    """Whether groups of ``fine`` lie each in one group of ``coarse``, and cover all of them."""
    if (fine.codes[coarse.codes != OUTSIDE] == OUTSIDE).any():
        return False
    pairs = {(int(f), int(c)) for f, c in zip(fine.codes, coarse.codes, strict=True)}
    pairs = {(f, c) for f, c in pairs if f != OUTSIDE}
    return len(pairs) == len({f for f, _ in pairs})


def _error(everybody: Table, stated: Table, axis: int) -> Counts:
    """Return the standard error of what is left, as if the two tables' errors were independent."""
    known = 0.0 if everybody.se is None else everybody.se**2
    part = 0.0 if stated.se is None else (stated.se**2).sum(axis=axis)
    return np.sqrt(known + part + np.zeros(everybody.domain.shape))


def _unused(levels: Sequence[str]) -> str:
    name = REST
    while name in levels:
        name += "*"
    return name


def _with_rest(margin: Margin, name: str, whole: Margin) -> Margin:
    rest = [rule for rule in margin.maps if rule.fine.name != name]
    axis = margin.variables.index(name)
    everybody = added_up(whole, rest)
    stated = margin.table
    inside = stated.counts.sum(axis=axis)
    others = everybody.counts - inside
    error = _error(everybody, stated, axis)
    gap = -others - TOLERANCE * whole.table.total - SIGNIFICANT * error
    if (gap > 0).any():
        cell = int(gap.argmax())
        raise InconsistentMarginsError(
            f"margin {margin.name!r} counts {inside.flat[cell]:,.6g} people in "
            f"({everybody.domain.cell(cell) or 'all cells'}), more than the "
            f"{everybody.counts.flat[cell]:,.6g} of margin {whole.name!r}; reconcile them first "
            "(popgen.reconcile)"
        )
    others = np.where(others > ROUNDING * whole.table.total, others, 0.0)
    counts = np.concatenate([stated.counts, np.expand_dims(others, axis)], axis=axis)
    se = None
    if error.any():
        known = np.zeros(stated.domain.shape) if stated.se is None else stated.se
        se = np.concatenate([known, np.expand_dims(error, axis)], axis=axis)
    rule = margin.rule(name)
    coarse = Variable(rule.coarse.name, (*rule.coarse.levels, _unused(rule.coarse.levels)))
    codes = np.where(rule.codes == OUTSIDE, len(rule.coarse), rule.codes)
    variables = list(stated.domain.variables)
    variables[axis] = coarse
    maps = list(margin.maps)
    maps[axis] = Coarsening(rule.fine, coarse, codes)
    return Margin(margin.name, Table(Domain(tuple(variables)), counts, se), tuple(maps))

"""`reconcile`: make margins that contradict one another agree, and say what moved.

A `Problem` refuses margins that disagree. This is the explicit way to mend them: margins given
earlier are trusted, and each later one is moved, as little as possible, to say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.codebook import Codebook
from popgen.completion import completed
from popgen.domain import Domain
from popgen.errors import InconsistentMarginsError, InfeasibleError, PopgenError
from popgen.margin import Margin, added_up, check_agreement, onward, shared_partition
from popgen.methods._axes import Floats
from popgen.methods._scaling import Slice, empty_structural_zeros, scale_to_margins
from popgen.spanning import Span
from popgen.table import Table
from popgen.tables import Tables

TOL = 1e-11  # largest disagreement left, as a share of the people in the earlier margin
MOVED = 1e-9  # a cell that moves by less than this share of the table's people has not moved
MOST_SWEEPS = 2000


def reconcile(
    margins: Tables | Mapping[str, Table] | Iterable[Table],
    *,
    codebook: Codebook | None = None,
    total: float | None = None,
) -> tuple[Tables, pl.DataFrame]:
    """Rake each margin to agree with all earlier ones; report what moved.

    Parameters
    ----------
    margins : Tables, mapping of name to Table, or tables
        Most trusted first. They may be stated on different levels of a variable.
    codebook : Codebook, optional
        Coarsenings between variables.
    total : float, optional
        People there are: first scale every margin to it. A margin that leaves out some people is
        scaled as the first one that covers everybody. Default: what the first margin says.

    Returns
    -------
    tables : Tables
        The margins, agreeing with one another; standard errors as stated.
    report : polars.DataFrame
        One row a margin:

        - ``margin``, ``cells``, ``people`` (as stated), ``people_after``;
        - ``cells_moved``; ``people_moved``, those added or those taken away, whichever are more;
        - ``largest_move``, the change in people of the cell named in ``largest_move_cell``;
        - ``most_standard_errors``, the largest move in any cell's own standard errors, null where
          none is known;
        - ``disagreed_with``, the earlier margins it had to be raked to.

    Raises
    ------
    InfeasibleError
        If a margin has zeros where an earlier one has people: zeros stay zero.
    InconsistentMarginsError
        If no figures of a margin agree with all the earlier ones together, or if two earlier ones
        contradict by what a later one implies of them.
    PopgenError
        If ``total`` is not positive, or a margin's variable or level has no counterpart.

    Notes
    -----
    Raking moves a table least in Kullback-Leibler divergence and keeps its odds ratios. Where one
    margin leaves out some people (a suppressed group) that another counts, the part may not exceed
    the whole, and only that is mended. What a margin implies of the people whom it leaves out, by
    subtraction from an earlier one, is made to agree as well.

    Examples
    --------
    >>> from popgen import Variable
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> trusted = Table(Domain((sex,)), [52, 48])
    >>> survey = Table(Domain((sex, age)), [[20, 30], [30, 20]])
    >>> tables, report = reconcile([trusted, survey])
    >>> tables["sex_age"].counts.tolist()
    [[20.8, 31.2], [28.8, 19.2]]
    >>> report["people_moved"].to_list()
    [0.0, 2.0]
    """
    stated = margins if isinstance(margins, Tables) else Tables(margins)
    if not stated:
        raise PopgenError("there is no margin to reconcile; give at least one")
    span = Span(stated, codebook or Codebook())
    told = [span.margin(name, table) for name, table in stated.items()]
    scaled = _scaled(told, total)
    done = [] if total is None else [Margin("total", Table(Domain(()), np.array(total)), ())]
    rows = []
    for before, margin in zip(told, scaled, strict=True):
        fitting, against = raked(margin, done)
        done.append(fitting)
        rows.append(_row(before, fitting.table.counts, against))
    _check(done)
    mended = {margin.name: margin.table for margin in done[-len(told) :]}
    return Tables(mended), pl.DataFrame(rows, SCHEMA)


def _check(margins: Sequence[Margin]) -> None:
    """Refuse margins that still contradict: an earlier one by what a later one implies of it."""
    try:
        check_agreement([completed(margin, margins)[0] for margin in margins])
    except InconsistentMarginsError as error:
        raise InconsistentMarginsError(
            "raking each margin to the earlier ones does not make all of them agree; put margins "
            f"that cover everybody first, or leave one of these out: {error}"
        ) from error


def _scaled(margins: Sequence[Margin], total: float | None) -> list[Margin]:
    """Scale margins to the total; those that leave out people as the first that does not."""
    if total is None:
        return list(margins)
    whole = next((margin for margin in margins if margin.complete), None)
    if whole is None or not (total > 0 and np.isfinite(total)):
        raise PopgenError(
            f"cannot scale margins to {total:,.6g} people: give a positive number, and at least "
            "one margin that covers everybody"
        )
    factor = total / whole.table.total if whole.table.total > 0 else 0.0
    return [
        replace(m, table=m.table.scaled(total if m.complete else m.table.total * factor))
        for m in margins
    ]


def raked(margin: Margin, earlier: Sequence[Margin]) -> tuple[Margin, list[str]]:
    """Rake a margin to the earlier ones; return it with the names of those that it contradicted.

    What a partial margin implies of the people whom it leaves out must agree as well, so it is
    completed (by one earlier margin after another), raked again, and cut back to what it states.
    """
    known = [completed(other, earlier)[0] for other in earlier]
    stated = tuple(slice(size) for size in margin.table.domain.shape)
    whole, against = _agreeing(margin, known, stated)
    for other in earlier:
        larger = completed(whole, [other])[0]
        if larger is not whole:
            whole, more = _agreeing(larger, known, stated)
            against += [name for name in more if name not in against]
    if not against:
        return margin, []
    counts = whole.table.counts[stated]
    return replace(margin, table=Table(margin.table.domain, counts, margin.table.se)), against


def _agreeing(
    margin: Margin, known: Sequence[Margin], stated: tuple[slice, ...]
) -> tuple[Margin, list[str]]:
    """Rake a margin, of which some cells are stated, to others; name those it contradicted."""
    counts = margin.table.counts.copy()
    limits = [limit for other in known for limit in _limits(margin, other)]
    against = list(dict.fromkeys(x.name for x in limits if x.miss(counts) > x.tol))
    if not against:
        return margin, []
    equal = [limit for limit in limits if limit.kind == "equal"]
    found = np.ones(counts.shape, bool)
    found[stated] = False
    _fill(found, counts, limits)
    for limit in limits:
        _refuse_zeros(margin, counts, limit)
    empty_structural_zeros(counts, [limit.part for limit in equal])
    for limit in limits:
        _refuse_zeros(margin, counts, limit)
    scale_to_margins(counts, limits, tol=min(limit.tol for limit in limits), max_iter=MOST_SWEEPS)
    for limit in limits:
        if (miss := limit.miss(counts)) > 2 * limit.tol:
            raise InconsistentMarginsError(
                f"margin {margin.name!r} cannot agree with all of the earlier margins "
                f"{', '.join(map(repr, dict.fromkeys(x.name for x in limits)))}: {limit.name!r} is "
                f"still missed by {miss:,.6g} people; correct or leave out one of them"
            )
    return replace(margin, table=Table(margin.table.domain, counts, margin.table.se)), against


def _fill(found: NDArray[np.bool_], counts: Floats, limits: Sequence[Limit]) -> None:
    """Put somebody, in place, in figures found by subtraction, where others say there are people.

    That subtraction leaves nobody is no statement of the margin's: those zeros need not stay.
    """
    if not found.any():
        return
    for limit in limits:
        empty = (limit.part.fitted(counts) == 0) & (limit.gap(counts) < -limit.tol)
        marked = np.ones(counts.shape)
        limit.part.scale(marked, np.where(empty, 0.0, 1.0))
        counts[found & (marked == 0)] = limit.said.total / limit.said.domain.size


@dataclass(frozen=True, eq=False)
class Limit:
    """What an earlier margin says of a later one's figures, in the groups that both state.

    Attributes
    ----------
    name : str
        The earlier margin's.
    kind : str
        Whether figures must ``equal`` the earlier ones, or be ``at most`` or ``at least`` those.
    said : Table
        The earlier margin's figures.
    part : Slice
        The same, as a margin of the later table.
    """

    name: str
    kind: str
    said: Table
    part: Slice

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes of the later table that the limit speaks of."""
        return self.part.axes

    @property
    def tol(self) -> float:
        """Disagreement that is left, people."""
        return TOL * max(self.said.total, 1.0)

    def gap(self, table: Floats) -> Floats:
        """By how many people each group of a table breaks the limit: 0 where it keeps it."""
        gap = self.part.fitted(table) - self.part.target
        if self.kind == "at most":
            return np.maximum(gap, 0.0)
        return np.minimum(gap, 0.0) if self.kind == "at least" else gap

    def miss(self, table: Floats) -> float:
        """Return the largest gap, people."""
        return float(np.abs(self.gap(table)).max())

    def meet(self, table: Floats) -> float:
        """Scale a table, in place, to keep the limit; return the largest gap before that."""
        gap = self.gap(table)
        fitted = self.part.fitted(table)
        ratio = np.divide(fitted - gap, fitted, out=np.ones_like(fitted), where=fitted > 0)
        self.part.scale(table, ratio)
        return float(np.abs(gap).max())


def _limits(later: Margin, earlier: Margin) -> list[Limit]:
    """State what an earlier margin says of a later one.

    A variable of both that one of them states in part only is also left out in turn: the part may
    not exceed the whole, whichever levels the two have in common.
    """
    shared = [name for name in later.variables if name in earlier.variables]
    partial = [x for x in shared if later.rule(x).complete != earlier.rule(x).complete]
    found = [_limit(later, earlier, [name for name in shared if name != x]) for x in ("", *partial)]
    return [limit for limit in found if limit is not None]


def _limit(later: Margin, earlier: Margin, names: Sequence[str]) -> Limit | None:
    """State what an earlier margin says over some variables; None if nothing."""
    part_only = [
        any(not rule.complete for rule in margin.maps if rule.fine.name not in names)
        for margin in (later, earlier)
    ]
    found = [shared_partition(earlier.rule(name), later.rule(name)) for name in names]
    groups = [group for group in found if group is not None]
    if all(part_only) or len(groups) < len(found):
        return None
    kind = "at most" if part_only[0] else "at least" if part_only[1] else "equal"
    said = added_up(earlier, groups)
    said = replace(said, counts=np.where(said.counts > TOL * said.total, said.counts, 0.0))
    axes = tuple(later.variables.index(name) for name in names)
    rules = tuple(onward(later.rule(group.fine.name), group) for group in groups)
    return Limit(earlier.name, kind, said, Slice(axes, said.counts, rules))


def _refuse_zeros(margin: Margin, counts: Floats, limit: Limit) -> None:
    """Refuse a later margin that has nobody in a group where an earlier one has people."""
    empty = (limit.part.fitted(counts) == 0) & (limit.gap(counts) < -limit.tol)
    if empty.any():
        cell = int(np.flatnonzero(empty)[0])
        raise InfeasibleError(
            f"margin {margin.name!r} has nobody in ({limit.said.domain.cell(cell) or 'any cell'}), "
            f"or only in cells that other margins empty, where margin {limit.name!r} has "
            f"{limit.said.counts.flat[cell]:,.6g} people: zeros stay zero, so correct the zero, "
            f"coarsen {margin.name!r}, or put it before {limit.name!r}"
        )


SCHEMA: dict[str, Any] = {
    "margin": pl.String,
    "cells": pl.Int64,
    "people": pl.Float64,
    "people_after": pl.Float64,
    "cells_moved": pl.Int64,
    "people_moved": pl.Float64,
    "largest_move": pl.Float64,
    "largest_move_cell": pl.String,
    "most_standard_errors": pl.Float64,
    "disagreed_with": pl.List(pl.String),
}


def _row(before: Margin, after: Floats, against: list[str]) -> dict[str, object]:
    """Say what moved in a margin."""
    table = before.table
    move = after - table.counts
    worst = int(np.abs(move).argmax())
    moved = np.abs(move) > MOVED * table.total
    known = np.zeros(move.shape, bool) if table.se is None else table.se > 0
    in_errors = None
    if table.se is not None and known.any():
        in_errors = float((np.abs(move[known]) / table.se[known]).max())
    return {
        "margin": before.name,
        "cells": table.domain.size,
        "people": table.total,
        "people_after": float(after.sum()),
        "cells_moved": int(moved.sum()),
        "people_moved": float(max(move[move > 0].sum(), -move[move < 0].sum())),
        "largest_move": float(move.flat[worst]),
        "largest_move_cell": table.domain.cell(worst) if moved.any() else None,
        "most_standard_errors": in_errors,
        "disagreed_with": against,
    }

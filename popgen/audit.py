"""`audit`: which interactions of a fitted model were measured, borrowed or assumed, and how well.

Every model answers every question. Audit says on what each answer rests.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from popgen._basis import basis
from popgen._evidence import (
    Sample,
    clashes,
    describe,
    evidence_of,
    interaction_strength,
    standing,
)
from popgen._frechet import cell_bounds
from popgen.bounds import Bounds, bounds
from popgen.errors import PopgenError, listed
from popgen.methods.base import Model
from popgen.methods.models import RecordModel
from popgen.problem import Problem

KNOWN = 1e-9
"""Bounds closer than this share of the total leave nothing open."""

SCHEMA: dict[str, Any] = {
    "variables": pl.List(pl.String),
    "order": pl.Int64,
    "status": pl.String,
    "detail": pl.String,
    "source": pl.List(pl.String),
    "n": pl.Int64,
    "effective_n": pl.Float64,
    "design_effect": pl.Float64,
    "interaction": pl.Float64,
    "se": pl.Float64,
    "width_mean": pl.Float64,
    "width_max": pl.Float64,
    "through": pl.List(pl.String),
}


@dataclass(frozen=True, eq=False)
class Audit:
    """What a model rests on.

    Attributes
    ----------
    rows : polars.DataFrame
        One row a set of variables: ``variables``; ``order``; ``status`` (``measured``,
        ``borrowed``, ``prior``, ``assumed``); ``detail`` in words; ``source``, the margins, records
        or prior; ``n``, ``effective_n``, ``design_effect`` of the records, where borrowed;
        ``interaction``, the model's mean absolute log interaction; ``se``, its standard error by
        the evidence of ``source``, 0 if that is exact, null if it has none; ``width_mean`` and
        ``width_max``, how far apart the least and most people are that margins allow a cell, as
        shares of all people; ``through``, shared variables that made this narrower.
    evidence : dict
        Records: how many, effective size, reuse, largest weights. Empty without records.
    clashes : tuple of dict
        Estimated margins that differ: the margins, the cell, people, and in standard errors.
    answers : tuple of Bounds
        To the questions asked.
    controls : tuple of dict
        Figures of numbers that the model was held to: control, stated, model.
    """

    rows: pl.DataFrame
    evidence: Mapping[str, Any]
    clashes: tuple[Mapping[str, Any], ...] = ()
    answers: tuple[Bounds, ...] = ()
    controls: tuple[Mapping[str, Any], ...] = ()

    def status(self, *names: str) -> str:
        """Tell on what a set of variables rests."""
        for row in self.rows.iter_rows(named=True):
            if set(row["variables"]) == set(names):
                return str(row["status"])
        raise PopgenError(
            f"the audit has no row for {listed(names)}; ask for orders=({len(names)},)"
        )

    def to_polars(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {
            "rows": self.rows.to_dicts(),
            "evidence": dict(self.evidence),
            "clashes": [dict(clash) for clash in self.clashes],
            "answers": [answer.to_dict() for answer in self.answers],
            "controls": [dict(control) for control in self.controls],
        }

    def __str__(self) -> str:
        """Write a table: a line a set of variables, then what is known of the records."""
        head = ["variables", "status", "by", "interaction", "se", "open"]
        lines = [head, *(_line(row) for row in self.rows.iter_rows(named=True))]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        texts += ["", *describe(self.evidence)] if self.evidence else []
        for clash in self.clashes:
            off = clash["standard_errors"]
            texts.append(
                f"clash: {clash['a']!r} and {clash['b']!r} differ by {clash['people']:,.6g} people "
                f"in {clash['cell'] or 'all'}" + ("" if off is None else f" ({off:.1f} se)")
            )
        for row in self.controls:
            texts.append(
                f"control: {row['control']} {row['stated']:,.6g} stated, {row['model']:,.6g} met"
            )
        return "\n".join([*texts, *map(str, self.answers)])


def _line(row: Mapping[str, Any]) -> list[str]:
    by = ", ".join(row["source"][:2]) + (" …" if len(row["source"]) > 2 else "")
    by += f" ({row['detail']})" if row["detail"] else ""
    if row["n"] is not None:
        by += f" n={row['n']:,}, effective {row['effective_n']:,.0f}" if row["effective_n"] else ""
    se, open_ = row["se"], row["width_max"]
    figures = ["–" if row["interaction"] is None else f"{row['interaction']:.2f}"]
    figures += ["–" if se is None else "exact" if se == 0 else f"{se:.2f}"]
    figures += ["–" if open_ is None else "0" if open_ <= KNOWN else f"{open_:.1%}"]
    return ["×".join(row["variables"]), row["status"], by.strip(), *figures]


def audit(
    model: Model,
    *,
    orders: Sequence[int] = (2,),
    bounds: bool = True,
    shares: Collection[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = (),
) -> Audit:
    """Say for every pair of variables (or other sets) on what a model's joint rests.

    Parameters
    ----------
    model : Model
        Any fitted model that keeps its ``problem``.
    orders : sequence of int
        Sizes of the sets: 2 for pairs, 3 for triples.
    bounds : bool
        Whether to bound what is open, by `popgen.bounds`' closed form cell by cell.
    shares : collection of (where, given)
        Questions to answer besides, as `popgen.bounds` takes them.

    Returns
    -------
    Audit

    Raises
    ------
    PopgenError
        If the model keeps no problem, an order is not between 1 and the number of variables, or a
        question names what there is not.

    Notes
    -----
    A set inside a margin is *measured* (``in bands`` where only coarser levels are stated, ``in
    part`` where some people are left out), provided that the model meets the margin: `Independent`
    does not. Else it is *borrowed* from the records or the seed table, *prior* if the model has
    recorded so, or *assumed*: maximum entropy. Records that a model made up (a `Population`) lend
    nothing, so what rests on them is assumed. Standard errors are those of the table's log
    interactions (delta method), averaged with the cells' people as weights.

    Examples
    --------
    >>> from popgen import IPF, Domain, Table, Variable
    >>> a, b, c = (Variable(name, ("0", "1")) for name in "abc")
    >>> margins = [Table(Domain((a, b)), [[30, 20], [10, 40]]), Table(Domain((c,)), [60, 40])]
    >>> found = audit(IPF().fit(Problem(margins)))
    >>> print(found)
    variables  status    by               interaction  se     open
    a×b        measured  a_b              0.45         exact  0
    a×c        assumed   maximum entropy  0.00         –      40.0%
    b×c        assumed   maximum entropy  0.00         –      40.0%
    """
    problem = getattr(model, "problem", None)
    if not isinstance(problem, Problem):
        raise PopgenError(f"a {type(model).__name__} keeps no problem, so nothing can be audited")
    names = problem.domain.names
    if bad := [order for order in orders if not 1 <= order <= len(names)]:
        raise PopgenError(f"orders must lie between 1 and {len(names)} variables; got {bad[0]}")
    sample = evidence_of(model, problem)
    met = standing(model, problem)
    rows = [
        _row(model, problem, sample, met, chosen, bounds)
        for order in dict.fromkeys(orders)
        for chosen in itertools.combinations(names, order)
    ]
    answers = tuple(_answer(model, where, given) for where, given in shares)
    evidence = {} if sample is None else sample.to_dict()
    figures = model.figures if isinstance(model, RecordModel) else ()
    return Audit(pl.DataFrame(rows, SCHEMA), evidence, clashes(problem), answers, figures)


def _answer(model: Model, where: Mapping[str, Any], given: Mapping[str, Any] | None) -> Bounds:
    return bounds(model, where, given)


def _row(
    model: Model,
    problem: Problem,
    sample: Sample | None,
    met: Mapping[str, bool],
    names: tuple[str, ...],
    bounded: bool,
) -> dict[str, Any]:
    """Say on what one set of variables rests."""
    table = model.project(*names)
    row: dict[str, Any] = {"variables": list(names), "order": len(names)}
    row["interaction"] = interaction_strength(table.counts)
    row |= basis(model, problem, sample, met, names)
    if bounded:
        found = cell_bounds(problem, *names)
        width = found.width / problem.total
        row |= {"width_mean": float(width.mean()), "width_max": float(width.max())}
        row["through"] = list(found.through)
    return row

"""Findings: what a study of some people from a known population would report about outcomes.

Each finding is an effect on the share of people with an outcome: a main effect of one predictor,
a moderation (interaction) of two, or of three. `popgen.replication` tests them again elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._contrasts import Contrasts
from popgen._rng import Rng, generator_of
from popgen._study import Question
from popgen.census import Census
from popgen.domain import Coarsening
from popgen.errors import PopgenError, listed
from popgen.table import Projectable, group_axis
from popgen.tables import Tables

KINDS = {1: "main effect", 2: "two-way", 3: "three-way"}
"""Kinds of finding by the number of predictors."""

SCHEMA: dict[str, Any] = {
    "outcome": pl.String,
    "kind": pl.String,
    "contrast": pl.String,
    "table": pl.Int64,
    "truth": pl.Float64,
    "estimate": pl.Float64,
    "se": pl.Float64,
    "p": pl.Float64,
}


@dataclass(frozen=True, eq=False)
class Findings:
    """Effects as original studies report them, beside the true ones.

    Attributes
    ----------
    rows : polars.DataFrame
        One row a finding: ``outcome``; ``kind`` (main effect, two-way, three-way); ``contrast``
        (which levels of the predictors are compared); ``table`` (findings of one outcome and one
        set of predictors share a table, and so a study); ``truth`` (the effect in the population);
        ``estimate``, ``se`` and ``p`` as the study reports them. Effects are in share points.
    size : int
        People of each study.
    questions : tuple of Question
        The tables, and how they are contrasted.
    kept : tuple of arrays of int
        The contrasts of each question that are findings.
    """

    rows: pl.DataFrame
    size: int
    questions: tuple[Question, ...] = field(repr=False)
    kept: tuple[NDArray[np.intp], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def to_polars(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows


def findings(
    truth: Projectable,
    outcomes: Mapping[str, str | Sequence[str]],
    *,
    predictors: Sequence[str | Coarsening] | None = None,
    n: int = 1_000,
    orders: Sequence[int] = (1, 2),
    rng: Rng = 0,
) -> Findings:
    """Report what studies of ``n`` people each would find in a population.

    Parameters
    ----------
    truth : Projectable
        Its counts are taken as the population's own, without sampling noise.
    outcomes : mapping
        Variable to the level, or levels, that count as having the outcome.
    predictors : names or Coarsenings, optional
        A coarsening of a variable of the truth compares groups of its levels; people outside the
        groups are left out. Default: every variable. An outcome never predicts itself.
    n : int
        People of a study. A study is one random sample of the table over an outcome and its
        predictors; studies are independent of one another.
    orders : sequence of int
        Numbers of predictors: 1 main effects, 2 and 3 interactions. Sets of variables that the
        truth does not state together are left out.
    rng : int, Generator or None

    Returns
    -------
    Findings
        Each level (or group) of each predictor is compared with the most frequent one. Contrasts
        of which the study has a group of fewer than 10 people are left out: nobody would report
        them.

    Raises
    ------
    PopgenError
        If an outcome's variable or level, or a predictor, is unknown; an outcome holds nobody or
        everybody; or nothing can be found.

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> from popgen.table import Table
    >>> domain = Domain((Variable("vote", ("yes", "no")), Variable("age", ("young", "old"))))
    >>> truth = Table(domain, [[3000, 2000], [2000, 3000]])
    >>> found = findings(truth, {"vote": "yes"}, predictors=["age"], orders=[1])
    >>> found.rows.row(0, named=True)["contrast"], found.rows["truth"].round(3).to_list()
    ('age old-young', [-0.2])
    """
    if not (isinstance(n, int | np.integer) and n > 0):
        raise PopgenError(f"a study needs a whole number of people, at least 1; got {n!r}")
    size = int(n)
    stream = generator_of(rng)
    parts: list[pl.DataFrame] = []
    kept: list[NDArray[np.intp]] = []
    asked: list[Question] = []
    for question in _questions(truth, outcomes, predictors, orders):
        shares = question.table.shares.counts
        exact = question.contrasts(question.table.counts[None])
        study = question.drawn(shares, size, stream, 1)
        index = np.flatnonzero(study.tested[0] & (exact.fewest[0] > 0))
        if index.size:
            parts.append(_rows(question, len(asked), exact.taken(index), study.taken(index), index))
            kept.append(index)
            asked.append(question)
    if not parts:
        raise PopgenError(
            f"a study of {size} people finds nothing to report on {listed(outcomes)}: every "
            "contrast has a group of fewer than 10 people, or the truth states no such table; give "
            "more people, other orders or coarser predictors"
        )
    return Findings(pl.concat(parts), size, tuple(asked), tuple(kept))


def _rows(
    question: Question, number: int, exact: Contrasts, study: Contrasts, index: NDArray[np.intp]
) -> pl.DataFrame:
    labels = question.labels()
    variable = question.table.domain.variables[0]
    levels = [
        level for level, is_in in zip(variable.levels, question.success, strict=True) if is_in
    ]
    count = len(index)
    return pl.DataFrame(
        {
            "outcome": [f"{variable.name}={'|'.join(levels)}"] * count,
            "kind": [KINDS[len(question.references)]] * count,
            "contrast": [labels[i] for i in index],
            "table": [number] * count,
            "truth": exact.estimate[0],
            "estimate": study.estimate[0],
            "se": study.se[0],
            "p": study.p[0],
        },
        schema=SCHEMA,
    )


def _questions(
    truth: Projectable,
    outcomes: Mapping[str, str | Sequence[str]],
    predictors: Sequence[str | Coarsening] | None,
    orders: Sequence[int],
) -> list[Question]:
    """Ask about every outcome by every set of predictors that the truth states together."""
    held = truth.margins if isinstance(truth, Census) else truth
    if not outcomes:
        raise PopgenError("there is no outcome; give at least one, e.g. {'vote': 'yes'}")
    if strange := [order for order in orders if order not in KINDS]:
        raise PopgenError(
            f"orders are numbers of predictors, {listed(KINDS)}; got {listed(strange)}"
        )
    stated = [set(table.names) for table in held.values()] if isinstance(held, Tables) else None
    given = held.domain.names if predictors is None else predictors
    rules = {rule.fine.name: rule for rule in (_rule(held, each) for each in given)}
    references = {
        name: int(group_axis(held.project(name).counts, 0, rule).argmax())
        for name, rule in rules.items()
    }
    found = []
    for outcome, levels in outcomes.items():
        success = _success(held, outcome, levels)
        others = [name for name in rules if name != outcome]
        for order in orders:
            for chosen in combinations(others, order):
                wanted = {outcome, *chosen}
                if stated is None or any(wanted <= have for have in stated):
                    how = tuple(rules[name] for name in chosen)
                    at = tuple(references[name] for name in chosen)
                    found.append(Question(held.project(outcome, *chosen), success, how, at))
    return found


def _rule(truth: Projectable, predictor: str | Coarsening) -> Coarsening:
    """Say which of a predictor's levels are compared: each, or groups of them."""
    if isinstance(predictor, Coarsening):
        return predictor.restricted(truth.domain[predictor.fine.name], predictor.coarse)
    variable = truth.domain[predictor]
    return Coarsening.by_name(variable, variable)


def _success(truth: Projectable, outcome: str, levels: str | Sequence[str]) -> NDArray[np.bool_]:
    """Mark the levels that count as having the outcome; some people must, and some must not."""
    variable = truth.domain[outcome]
    chosen = [levels] if isinstance(levels, str) else list(levels)
    success = np.isin(np.arange(len(variable)), [variable.index(level) for level in chosen])
    counts = truth.project(outcome).counts
    if not 0 < counts[success].sum() < counts.sum():
        raise PopgenError(
            f"outcome {outcome!r} at {listed(chosen)} holds nobody or everybody; choose levels "
            "that some people have and some have not"
        )
    return success

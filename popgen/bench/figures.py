"""What PopBench measures of a panel, beyond `popgen.score`: an entry each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._aligned import aligned, cell_axes, level_order
from popgen.bench.pose import Posed, Truth, real_people
from popgen.bench.rows import PARTS, label
from popgen.effects import size_of
from popgen.errors import PopgenError
from popgen.findings import KINDS, findings
from popgen.metrics import METRICS, Metric
from popgen.microdata import Microdata
from popgen.replication import retest
from popgen.score import score
from popgen.table import Projectable
from popgen.tables import Tables

DEFINITIONS = 1
"""Raised when a figure is computed otherwise: rows of other definitions are not compared."""
RARE = 0.01
"""A cell with fewer people than this share of all is rare."""
TRIAL = 4_000
"""Most people on either side of the classifier's trial."""
STUDY = 1_000
"""People of a study whose findings are tested again."""
FEWEST = 5
"""A rate over fewer findings is left undefined."""
REPLICATES = 40
"""Draws of each yardstick."""

Floats = NDArray[np.float64]
Measured = float | tuple[float | None, ...] | None
"""A value, or all `PARTS`; None where it is undefined."""


def _impossible(q: Floats, p: Floats) -> Floats:
    return np.asarray((q * (p == 0)).sum(axis=cell_axes(p)))


def _rare(q: Floats, p: Floats) -> Floats:
    rare = (p > 0) & (p < RARE)
    gaps = (np.abs(q - p) * rare).sum(axis=cell_axes(p))
    return np.stack([gaps, np.full(gaps.shape, (p * rare).sum())], axis=1)


def _ratio(sums: Floats, tables: int) -> Floats:
    return sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)


IMPOSSIBLE = Metric("impossible", _impossible, digits=4, label="impossible")
"""Share of the panel in cells where the truth has nobody, mean over tables."""
RARE_CELLS = Metric("rare", _rare, _ratio, digits=2, label="rare cells")
"""Error in rare cells: people misplaced there, over people who belong there."""
SCORED = (*METRICS, IMPOSSIBLE, RARE_CELLS)


@dataclass(frozen=True)
class Figure:
    """A figure that needs whole people, or what was given.

    Attributes
    ----------
    name : str
        As in the rows.
    of : callable
        ``of(panel, truth, posed, rng)``; its random numbers are the same for all panels.
    order : int
    """

    name: str
    of: Callable[[Projectable, Truth, Posed, np.random.Generator], Measured]
    order: int = 0


def c2st(panel: Projectable, truth: Truth, posed: Posed, rng: np.random.Generator) -> float | None:
    """Let a classifier tell the panel from as many real people: its AUC, 0.5 if it cannot.

    Gradient-boosted trees, two folds, `TRIAL` people of either side at most [1]_. None where
    either side is known as tables only.

    References
    ----------
    .. [1] Lopez-Paz & Oquab (2017), ICLR, arXiv:1610.06545
    """
    if isinstance(truth, Tables) or not isinstance(panel, Microdata):
        return None
    if find_spec("sklearn") is None:
        raise PopgenError("the classifier's trial needs scikit-learn: pip install scikit-learn")
    from sklearn.ensemble import HistGradientBoostingClassifier  # an extra
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    n = min(len(panel), TRIAL)
    mine = _codes(panel, truth)[rng.choice(len(panel), n, replace=False)]
    real = real_people(truth, n, rng).codes
    people, whose = np.vstack([mine, real]), np.repeat([0, 1], n)
    classifier = HistGradientBoostingClassifier(
        max_iter=40, categorical_features=list(range(people.shape[1])), random_state=0
    )
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    with threadpool_limits(1):  # sums in one order: the same figure on every run
        odds = cross_val_predict(classifier, people, whose, cv=folds, method="predict_proba")
    return float(roc_auc_score(whose, odds[:, 1]))


def _codes(panel: Microdata, truth: Truth) -> NDArray[Any]:
    """Give the panel's codes in the truth's order of variables and levels."""
    columns = []
    for variable in truth.domain:
        position = np.argsort(level_order(panel.domain[variable.name], variable))
        columns.append(position[panel.column(variable.name)])
    return np.column_stack(columns)


def found_zeros(
    panel: Projectable, truth: Truth, posed: Posed, rng: np.random.Generator
) -> float | None:
    """Give the share of true three-way cells absent from the records that the panel has.

    None without records, or if they miss no cell.
    """
    if posed.records is None:
        return None
    missed = found = 0
    for names in combinations(truth.domain.names, min(3, len(truth.domain))):
        true = truth.project(*names)
        absent = (true.counts > 0) & (aligned(posed.records.project(*names), true).counts == 0)
        missed += int(absent.sum())
        found += int((absent & (aligned(panel.project(*names), true).counts > 0)).sum())
    return found / missed if missed else None


def replicated(
    panel: Projectable, truth: Truth, posed: Posed, rng: np.random.Generator, *, order: int
) -> tuple[float | None, ...] | None:
    """Give the share of findings about the outcomes that are found again among the panel's people.

    Findings are what studies of `STUDY` people each of the truth report as significant; the
    yardsticks are those of `popgen.replication.retest`. None without outcomes, for exact tables, or
    of fewer than `FEWEST` findings.
    """
    if not posed.outcomes or size_of(panel) is None:
        return None
    study, again = rng.spawn(2)
    found = findings(truth, posed.outcomes, n=STUDY, orders=[order], rng=study)
    rows = retest(panel, found, rng=again).rows
    row = rows.row(by_predicate=_REPLICATED & (pl.col("kind") == KINDS[order]), named=True)
    value, floor, ceiling = (row[name] for name in ("value", "floor", "ceiling"))
    if row["findings"] < FEWEST or not ceiling > floor:
        return None
    return value, None, floor, ceiling, (value - floor) / (ceiling - floor)


_REPLICATED = (pl.col("figure") == "replicated") & (pl.col("evidence") == "all")

FIGURES = (
    Figure("c2st", c2st),
    Figure("found zeros", found_zeros),
    Figure("replicated", partial(replicated, order=1), 1),
    Figure("replicated", partial(replicated, order=2), 2),
)
"""To add one, add its entry; it becomes a column of the leaderboard by an entry there."""


def figures_of(
    panel: Projectable, truth: Truth, posed: Posed, rng: np.random.Generator
) -> dict[str, list[float | None]]:
    """Measure a panel: what `popgen.score` gives, then `FIGURES`.

    Parameters
    ----------
    panel : Projectable
        People or tables, over the variables and levels of the truth.
    truth : Table, Tables or Microdata
    posed : Posed
        What was given: some figures are also of the sets of variables that no table given holds.
    rng : Generator

    Returns
    -------
    dict of str to list
        ``"metric order group"`` to value, se, floor, ceiling and skill, six digits of each; None
        where undefined.

    Raises
    ------
    PopgenError
        If the panel lacks a variable or level, has one that is unknown, or holds nobody.
    """
    scores = score(
        panel, truth, measured=posed.given, rng=rng, replicates=REPLICATES, metrics=SCORED
    )
    found = {
        label(row["metric"], row["order"], row["group"]): [_digits(row[what]) for what in PARTS]
        for row in scores.rows.iter_rows(named=True)
        if row["group"] != "measured"
    }
    for figure, own in zip(FIGURES, rng.spawn(len(FIGURES)), strict=True):
        measured = figure.of(panel, truth, posed, own)
        parts = measured if isinstance(measured, tuple) else (measured,)
        found[label(figure.name, figure.order, "all")] = [_digits(part) for part in parts]
    return found


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")

"""Score candidates against a known truth: anything that can be projected, with anything likewise.

Main effects and interactions are scored apart, and every figure stands between two yardsticks: what
independent draws from the one-way shares give, and what a real sample of the same size gives.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._rng import Rng, generator_of
from popgen._scores import SCHEMA, Scores
from popgen._tally import (
    Target,
    orders_of,
    refuse_unprojectable,
    true_tables,
)
from popgen._yardsticks import Yardsticks
from popgen.effects import size_of
from popgen.errors import PopgenError, listed
from popgen.metrics import METRICS, Metric, check_metrics
from popgen.table import Projectable, Table

__all__ = ["Scores", "compare", "score"]


def score(
    candidate: Projectable,
    truth: Projectable,
    *,
    measured: Collection[Collection[str]] = (),
    orders: Sequence[int] | None = None,
    rng: Rng = 0,
    replicates: int = 200,
    metrics: Sequence[Metric] = METRICS,
) -> Scores:
    """Score a candidate against a truth on all tables of each order.

    Parameters
    ----------
    candidate : Projectable
        Tables, a table, microdata, a population or a model. Its ``effective_size`` (people), where
        it has one, says how large a sample its counts are; without, they are exact expectations.
    truth : Projectable
        Likewise; its counts are taken as the population's own, without sampling noise. A set of
        tables is scored on the sets of variables that some table holds.
    measured : collection of sets of names
        The sets of variables whose tables the candidate's maker was given. Then sets inside one of
        them are also scored as group ``measured``, all others as ``unmeasured``.
    orders : sequence of int, optional
        Sizes of the sets of variables. Default: 1, 2 and 3, as far as the truth states them.
    rng : int, Generator or None
        For the yardsticks' draws and the jackknife's groups; the same whatever else is compared.
    replicates : int
        Draws of each yardstick, at least 2.
    metrics : sequence of Metric
        What is scored: see docs/scoring.md, "Adding a metric".

    Returns
    -------
    Scores

    Raises
    ------
    PopgenError
        If the candidate lacks a variable or level of the truth (or has one it does not know), holds
        nobody, or the truth states no table of an asked order.

    Notes
    -----
    Formulas, the handling of small counts and what the figures cannot say: ``docs/scoring.md``.

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("vote", ("yes", "no"))))
    >>> truth = Table(domain, [[3000, 2000], [2000, 3000]])
    >>> guess = Table(domain, [[250, 250], [250, 250]])
    >>> scores = score(guess, truth, orders=(1, 2))
    >>> scores.value("K", 2), scores.value("slope", 2), scores.skill("mae", 2)
    (900.0, 0.0, 0.0)
    """
    return compare(
        {"candidate": candidate},
        truth,
        measured=measured,
        orders=orders,
        rng=rng,
        replicates=replicates,
        metrics=metrics,
    )


def compare(
    candidates: Mapping[str, Projectable],
    truth: Projectable,
    *,
    measured: Collection[Collection[str]] = (),
    orders: Sequence[int] | None = None,
    rng: Rng = 0,
    replicates: int = 200,
    metrics: Sequence[Metric] = METRICS,
) -> Scores:
    """Score several candidates, by name, against one truth; parameters as in `score`.

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("vote", ("yes", "no"))))
    >>> truth = Table(domain, [[3000, 2000], [2000, 3000]])
    >>> flat = Table(domain, [[1, 1], [1, 1]])
    >>> print(compare({"truth": truth, "flat": flat}, truth, orders=[2]))
    candidate  n      group      K2  slope2  correlation2   mae2  skill mae2
    truth      exact  all    1000.0    1.00          1.00  0.000        1.00
    flat       exact  all     900.0    0.00             –  0.203        0.00
    """
    _refuse(candidates, truth, replicates)
    scored = check_metrics(metrics)
    entropy = int(generator_of(rng).integers(2**62))
    sizes = {name: size_of(given) for name, given in candidates.items()}
    parts = []
    for order in orders_of(truth) if orders is None else _whole_orders(orders):
        tables = true_tables(truth, order)
        if not any(metric.defined(order) for metric in scored):
            continue
        groups = _groups(tables, measured)
        yardsticks = {
            size: Yardsticks.of(Target.of(tables, size, scored), [entropy, order], replicates)
            for size in dict.fromkeys(sizes.values())
        }
        for name, given in candidates.items():
            size = sizes[name]
            rows = yardsticks[size].rows(given, groups, np.random.default_rng([entropy, 0]))
            parts += [{"candidate": name, "size": size, "order": order} | row for row in rows]
    if not parts:
        raise PopgenError(
            "no order was asked for that a metric is defined for; give at least one, e.g. "
            "orders=(1, 2, 3)"
        )
    place = {name: i for i, name in enumerate(candidates)}
    frame = pl.DataFrame(sorted(parts, key=lambda row: place[row["candidate"]]), schema=SCHEMA)
    frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
    return Scores(frame, scored, truth, dict(candidates), tuple(map(tuple, measured)))


def _refuse(candidates: Mapping[str, Projectable], truth: Projectable, replicates: int) -> None:
    refuse_unprojectable(truth, "the truth")
    for name, candidate in candidates.items():
        refuse_unprojectable(candidate, f"candidate {name!r}")
    if not candidates:
        raise PopgenError("there is no candidate to score; give at least one")
    if replicates < 2:
        raise PopgenError(f"yardsticks need at least 2 replicates; got {replicates}")


def _whole_orders(orders: Sequence[int]) -> list[int]:
    """Check the sizes of sets that were asked for; each is scored once."""
    try:
        return list(dict.fromkeys(operator.index(order) for order in orders))
    except TypeError:
        raise PopgenError(
            f"orders is a list of whole numbers, e.g. orders=[1, 2]; got {orders!r}"
        ) from None


def _groups(
    tables: Sequence[Table], measured: Collection[Collection[str]]
) -> dict[str, NDArray[np.intp]]:
    """Give the positions of each group's tables; a group without tables is left out."""
    groups = {"all": np.arange(len(tables))}
    if any(isinstance(names, str) for names in measured):
        raise PopgenError(f"measured sets are collections of names, not texts: {listed(measured)}")
    known = [set(names) for names in measured]
    if known:
        inside = np.array([any(names.issuperset(t.names) for names in known) for t in tables])
        groups |= {"measured": np.flatnonzero(inside), "unmeasured": np.flatnonzero(~inside)}
    return {name: index for name, index in groups.items() if index.size}

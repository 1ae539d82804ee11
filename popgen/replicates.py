"""`replicates`: models that differ as the evidence allows; `combine`: one answer from many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from popgen._rng import Rng, generator_of
from popgen.errors import PopgenError
from popgen.margin import Margin
from popgen.methods.base import Method, Model
from popgen.microdata import Microdata, Population
from popgen.problem import Problem
from popgen.reconcile import raked
from popgen.table import Table, numbers

Floats = NDArray[np.float64]

INHABITED = 1e-8
"""A cell that had people keeps at least this share of its table's, lest it become a zero."""


def replicates(
    known: Model | Method,
    problem: Problem | None = None,
    m: int = 20,
    *,
    rng: Rng = None,
) -> Iterator[Model]:
    """Refit a model to evidence that might as well have been seen.

    Parameters
    ----------
    known : Model or Method
        A fitted model that keeps its method and problem, or a method.
    problem : Problem, optional
        What a method is to be fitted to; a model has its own.
    m : int
        How many, at least 2.
    rng : int, Generator or None
        The same int gives the same models. Each replicate has random numbers of its own.

    Yields
    ------
    Model
        Each is as good as the fitted one by the evidence; draw people from each with
        ``sample(n, integerise="multinomial")`` where their own sampling noise is wanted besides.

    Raises
    ------
    PopgenError
        If there is no problem, or m is below 2; and whatever fitting refuses.

    Notes
    -----
    - A margin's cell with a standard error is redrawn from a gamma distribution, so nobody becomes
      negative and empty cells stay empty; the table's total stays, and so does each cell's standard
      error. Exact margins stay; the others, in the order given, are raked to agree with those
      before (not for a soft `Calibration`, which needs no agreement).
    - A seed table with standard errors is redrawn likewise; a control with one, from a normal
      distribution.
    - Records get a Bayesian bootstrap [1]_: weights times independent Exp(1) draws, so no record,
      and no margin cell's only record, is ever lost.
    - What was assumed does not vary: where neither margin nor record speaks, all replicates
      assume the same, and `popgen.bounds` is the honest answer.

    References
    ----------
    .. [1] Rubin (1981), Annals of Statistics 9:130-134, doi:10.1214/aos/1176345338

    Examples
    --------
    >>> from popgen import IPF, Domain, Problem, Table, Variable
    >>> domain = Domain((Variable("vote", ("a", "b")),))
    >>> problem = Problem([Table(domain, [600, 400], [30, 30])])
    >>> shares = [x.project("vote").counts[0] for x in replicates(IPF(), problem, 200, rng=0)]
    >>> abs(float(combine(shares).se) - 30) < 3
    True
    """
    method, problem = _parts(known, problem)
    if m < 2:
        raise PopgenError(f"at least 2 replicates are needed to see them differ; got {m}")
    spawned = generator_of(rng).spawn(m)
    return (method.fit(redrawn(problem, own, method)) for own in spawned)


def _parts(known: Model | Method, problem: Problem | None) -> tuple[Method, Problem]:
    method: Any = known if hasattr(known, "fit") else getattr(known, "method", None)
    problem = getattr(known, "problem", None) if problem is None else problem
    if method is None or problem is None:
        raise PopgenError(
            f"a {type(known).__name__} alone cannot be refitted: give a method and its problem, or "
            "a model that keeps both"
        )
    return method, problem


def redrawn(problem: Problem, rng: np.random.Generator, method: Method | None = None) -> Problem:
    """Return the problem with margins, seed and records redrawn once, as `replicates` says."""
    soft = bool(getattr(method, "soft", False))
    ordered = sorted(problem.margins, key=lambda margin: not margin.table.exact)
    done: list[Margin] = []
    for margin in ordered:
        drawn = replace(margin, table=_redrawn(margin.table, rng))
        done.append(drawn if soft or not done else raked(drawn, done)[0])
    place = {margin.name: margin for margin in done}
    seed = problem.seed
    if seed is not None:
        seed = replace(seed, table=_redrawn(seed.table, rng))
    records = None if problem.microdata is None else bootstrapped(problem.microdata, rng)
    margins = tuple(place[margin.name] for margin in problem.margins)
    controls = tuple(
        replace(control, value=rng.normal(control.value, control.se)) if control.se else control
        for control in problem.controls
    )
    return problem.restated(margins, records, seed, controls=controls)


def _redrawn(table: Table, rng: np.random.Generator) -> Table:
    """Redraw a table's estimated cells; what they add up to stays.

    Scaling back to that sum leaves a cell ``1 - share`` of its variance (exactly so for figures of
    a multinomial sample), so each is drawn with so much more: its standard error is as stated.
    """
    if table.exact or table.se is None:
        return table
    counts = table.counts.copy()
    free = (table.se > 0) & (counts > 0)
    mean, total = counts[free], counts[free].sum()
    if len(mean) < 2:  # one cell, given its total, is known
        return table
    variance = table.se[free] ** 2 / (1 - mean / total)
    drawn = rng.gamma(mean**2 / variance, variance / mean)
    drawn = np.maximum(drawn, np.minimum(mean, INHABITED * total))
    counts[free] = drawn * (total / drawn.sum())
    return Table(table.domain, counts, table.se)


def bootstrapped(records: Microdata, rng: np.random.Generator) -> Microdata:
    """Give records the weights of one Bayesian bootstrap; synthetic people stay as they are."""
    if isinstance(records, Population):
        return records
    draws = np.maximum(rng.exponential(size=len(records)), np.finfo(float).tiny)
    weights = records.weights * draws
    return replace(records, weights=weights * (records.weights.sum() / weights.sum()))


@dataclass(frozen=True, eq=False)
class Combined:
    """One estimate from several, with its uncertainty.

    Attributes
    ----------
    estimate : array
        Mean of the estimates.
    within, between, variance : array
        Mean of their own variances; the variance from one to another; both together.
    df : array
        Degrees of freedom of the t distribution that intervals are taken from.
    m : int
        How many were combined.
    """

    estimate: Floats
    within: Floats
    between: Floats
    variance: Floats
    df: Floats
    m: int

    @property
    def se(self) -> Floats:
        """Standard error."""
        return np.sqrt(self.variance)

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Give the interval that covers the truth with the probability ``level``."""
        if not 0 < level < 1:
            raise PopgenError(f"an interval's level must lie between 0 and 1; got {level:g}")
        reach = stats.t.ppf((1 + level) / 2, self.df) * self.se
        return self.estimate - reach, self.estimate + reach


def combine(estimates: ArrayLike, variances: ArrayLike | None = None) -> Combined:
    """Combine the same estimate from several replicates by Rubin's rules.

    Parameters
    ----------
    estimates : array, shape (m, ...)
        One a replicate: numbers, or arrays of one shape.
    variances : array, shape (m, ...), optional
        The variance that each estimate has by itself, e.g. of a regression on one population as if
        it were a survey. Default: 0, for figures of a model or of a whole population.

    Returns
    -------
    Combined

    Raises
    ------
    PopgenError
        If there are fewer than 2, shapes differ, a figure is not finite, or a variance is negative.

    Notes
    -----
    With m estimates, mean within-variance U and between-variance B, the total variance is
    ``U + (1 + 1/m) B`` on ``(m - 1) (1 + U / ((1 + 1/m) B))^2`` degrees of freedom [1]_.

    References
    ----------
    .. [1] Rubin (1987), Multiple Imputation for Nonresponse in Surveys,
           doi:10.1002/9780470316696, chapter 3

    Examples
    --------
    >>> found = combine([10.0, 12.0, 14.0], [1.0, 1.0, 1.0])
    >>> float(found.estimate), float(found.between), float(found.variance), float(found.df)
    (12.0, 4.0, 6.333, 2.820)
    """
    values = numbers(estimates, "estimates")
    own = np.zeros_like(values) if variances is None else numbers(variances, "variances")
    m = len(values) if values.ndim else 0
    if m < 2 or own.shape != values.shape:
        raise PopgenError(
            f"combining needs at least 2 estimates, and a variance for each or none; got estimates "
            f"of shape {values.shape} and variances of shape {own.shape}"
        )
    if not (np.isfinite(values).all() and np.isfinite(own).all() and (own >= 0).all()):
        raise PopgenError("estimates and variances must be finite, and variances not negative")
    within, between = own.mean(axis=0), values.var(axis=0, ddof=1)
    added = (1 + 1 / m) * between
    ratio = np.divide(within, added, out=np.full(np.shape(added), math.inf), where=added > 0)
    df = np.where(added > 0, (m - 1) * (1 + ratio) ** 2, math.inf)
    return Combined(values.mean(axis=0), within, between, within + added, df, m)

"""What is scored: an entry for each metric, and the distances between two tables behind them.

Everything that reports a metric (`popgen.score`, the printed table, the report, the demo) goes
through `METRICS`, so a new one is one entry: see docs/scoring.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from popgen._aligned import Floats, aligned, cell_axes, shares_of
from popgen.effects import correlation, mae, recovery, recovery_sums, slope
from popgen.errors import PopgenError, listed
from popgen.table import Table

Terms = Callable[..., Floats]


class Plot(NamedTuple):
    """A column of the report's dot plots.

    Attributes
    ----------
    order : int
        Variables in a set.
    title, note : str
        The note goes on to say which way is better.
    """

    order: int
    title: str
    note: str


def mean_of_tables(sums: Floats, tables: int) -> Floats:
    """Average over tables."""
    return sums / tables


@dataclass(frozen=True)
class Metric:
    """A figure of a candidate against the truth, over all tables of one order.

    Attributes
    ----------
    name : str
        As in the rows of `popgen.score.Scores`.
    terms : callable
        What is summed over tables. Of shares, ``terms(q, p)``: copies of the candidate's, with one
        axis before the table's, and the truth's. Of interactions, ``terms(c, t, w)``: likewise the
        candidate's and the truth's, and the weights of the cells. Gives (copies,) or (copies, m).
    figure : callable
        From the sums and the number of tables to the metric. Default: the mean.
    interactions : bool
        Which of the two; these are defined for two variables or more.
    perfect : float
        Its value for the truth itself.
    better : "higher", "lower" or "nearer"
        Which way is better; nearer to ``perfect``.
    digits : int
        Decimals worth reading.
    label : str
        A short head for a column; default: the name.
    skilled, printed, main : tuple of int
        The orders that have a skill, that a printed `popgen.score.Scores` shows, and that the main
        table of a report shows.
    plots : tuple of Plot

    Raises
    ------
    PopgenError
        If it has no name, or ``better`` is none of the three.

    Examples
    --------
    >>> largest = Metric("largest", lambda q, p: np.abs(q - p).max(axis=cell_axes(p)), digits=3)
    >>> from popgen.domain import Domain, Variable
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> largest.of([(Table(sex, [60, 40]), Table(sex, [50, 50]))])
    0.1
    """

    name: str
    terms: Terms
    figure: Callable[[Floats, int], Floats] = mean_of_tables
    interactions: bool = False
    perfect: float = 0.0
    better: Literal["higher", "lower", "nearer"] = "lower"
    digits: int = 2
    label: str = ""
    skilled: tuple[int, ...] = ()
    printed: tuple[int, ...] = (2,)
    main: tuple[int, ...] = (2,)
    plots: tuple[Plot, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise PopgenError("a metric needs a name; give it one")
        if self.better not in ("higher", "lower", "nearer"):
            raise PopgenError(
                f"metric {self.name!r}: better is 'higher', 'lower' or 'nearer'; "
                f"got {self.better!r}"
            )
        object.__setattr__(self, "label", self.label or self.name)

    def defined(self, order: int) -> bool:
        """Whether sets of so many variables have it."""
        return order >= (2 if self.interactions else 1)

    def of(self, pairs: Iterable[tuple[Table, Table]], *, size: float | None = None) -> float:
        """Give the figure of pairs (candidate, truth) of tables over the same variables.

        Parameters
        ----------
        pairs : iterable of (Table, Table)
        size : float, optional
            People the candidate was drawn as, for interactions: see `popgen.effects.recovery`.

        Raises
        ------
        PopgenError
            If there is no pair, or the tables of one differ in variables or levels, or one of
            them holds nobody.
        """
        seen = [
            _interactions(*pair, size=size) if self.interactions else _shares(*pair)
            for pair in pairs
        ]
        if not seen:
            raise PopgenError(f"metric {self.name!r} needs at least one pair of tables; got none")
        sums = np.sum([self.terms(*arrays) for arrays in seen], axis=0)
        return float(self.figure(sums, len(seen)))

    def verdict(self) -> str:
        """Say which way is better."""
        return (
            f"{self.perfect:g} is right" if self.better == "nearer" else f"{self.better} is better"
        )

    def written(self, value: float | None, *, typeset: bool = False) -> str:
        """Write a value as precisely as it is worth reading."""
        return number(value, self.digits, typeset=typeset)


def number(value: float | None, digits: int = 2, *, typeset: bool = False) -> str:
    """Write a number, or a dash for what is undefined; typeset: with commas and a true minus.

    >>> number(-1234.567, 1), number(-1234.567, 1, typeset=True), number(-0.001), number(None)
    ('-1234.6', '−1,234.6', '0.00', '–')
    """
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}" if typeset else f"{value:.{digits}f}"
    if float(f"{value:.{digits}f}") == 0:
        return text.lstrip("-")
    return text.replace("-", "−") if typeset else text


def half_l1(q: Floats, p: Floats) -> Floats:
    """Total variation of shares: copies of a table, shape (..., *S), against one, shape S."""
    return np.asarray(0.5 * np.abs(q - p).sum(axis=cell_axes(p)))


def relative_rmse(q: Floats, p: Floats) -> Floats:
    """SRMSE of shares: copies of a table, shape (..., *S), against one, shape S."""
    return np.asarray(np.sqrt(np.mean((q - p) ** 2, axis=cell_axes(p))) / np.mean(p))


K = Metric(
    "K",
    half_l1,
    lambda sums, tables: 1000 * (1 - sums / tables),
    perfect=1000.0,
    better="higher",
    digits=1,
    skilled=(2, 3),
    printed=(1, 2, 3),
    main=(1, 2, 3),
    plots=(
        Plot(2, "K2: two-way tables", "1000 = perfect"),
        Plot(3, "K3: three-way tables", "1000 = perfect"),
    ),
)
SRMSE = Metric("srmse", relative_rmse, label="SRMSE", printed=(), main=())
SLOPE = Metric(
    "slope",
    recovery_sums,
    lambda sums, tables: slope(sums),
    interactions=True,
    perfect=1.0,
    better="nearer",
    plots=(Plot(2, "Strength of interactions", "two-way: slope on the true ones"),),
)
CORRELATION = Metric(
    "correlation",
    recovery_sums,
    lambda sums, tables: correlation(sums),
    interactions=True,
    perfect=1.0,
    better="higher",
    label="corr",
)
MAE = Metric(
    "mae",
    recovery_sums,
    lambda sums, tables: mae(sums),
    interactions=True,
    digits=3,
    label="MAE",
    skilled=(2, 3),
    printed=(2, 3),
    plots=(Plot(2, "Error of interactions", "two-way: mean, log units"),),
)
METRICS = (K, SRMSE, SLOPE, CORRELATION, MAE)
"""Every metric, in the order in which it is reported."""
PRIMARY = ("mae", 2)
"""The metric and order whose skill is put beside the figures, and ranks the candidates."""


def check_metrics(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Refuse what is no metric, two of one name, and none at all."""
    found = tuple(metrics)
    if strange := [given for given in found if not isinstance(given, Metric)]:
        raise PopgenError(f"{listed(strange)}: a metric is a popgen.metrics.Metric")
    names = [metric.name for metric in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PopgenError(f"two metrics are named {listed(twice)}; give each a name of its own")
    if not found:
        raise PopgenError("there is no metric to score; give at least one")
    return found


def total_variation(candidate: Table, truth: Table) -> float:
    """Give the share of people who would have to move cell: ``1/2 sum |p - q|``, in [0, 1].

    How many people each table counts does not matter, nor the order of levels or axes.

    Raises
    ------
    PopgenError
        If the tables differ in variables or levels, or one of them holds nobody.

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> total_variation(Table(sex, [60, 40]), Table(sex, [1000, 1000]))
    0.1
    """
    return float(half_l1(*_shares(candidate, truth)))


def k_score(pairs: Iterable[tuple[Table, Table]]) -> float:
    """Give the k-way marginal score of pairs (candidate, truth): ``K = 1000 (1 - mean TV)``.

    The pairs are the tables over all sets of k variables; 1000 is a perfect match [1]_.

    Raises
    ------
    PopgenError
        If there is no pair, or as `total_variation`.

    References
    ----------
    .. [1] Ridgeway, Theofanos, Manley & Task (2021), NIST Technical Note 2151,
       doi:10.6028/NIST.TN.2151

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> k_score([(Table(sex, [60, 40]), Table(sex, [50, 50]))])
    900.0
    """
    return K.of(pairs)


def srmse(candidate: Table, truth: Table) -> float:
    """Give the standardised root mean squared error of the shares.

    ``sqrt(1/B sum (q - p)^2) / (1/B sum p)`` over the B cells [1]_; 0 is a perfect match. It grows
    with B, so compare it only between candidates on the same tables.

    Raises
    ------
    PopgenError
        If the tables differ in variables or levels, or one of them holds nobody.

    References
    ----------
    .. [1] Knudsen & Fotheringham (1986), International Regional Science Review 10:127-147,
       doi:10.1177/016001768601000204

    Examples
    --------
    >>> from popgen.domain import Domain, Variable
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> round(srmse(Table(sex, [60, 40]), Table(sex, [50, 50])), 12)
    0.2
    """
    return SRMSE.of([(candidate, truth)])


def _shares(candidate: Table, truth: Table) -> tuple[Floats, Floats]:
    if extra := [name for name in candidate.names if name not in truth.domain]:
        raise PopgenError(
            f"the candidate's table has variable(s) {listed(extra)} that the truth's lacks; "
            f"project it on {listed(truth.names)} first"
        )
    return aligned(candidate, truth).shares.counts, shares_of(truth, "truth")


def _interactions(
    candidate: Table, truth: Table, *, size: float | None
) -> tuple[Floats, Floats, Floats]:
    found = recovery(candidate, truth, size=size)
    return found.candidate, found.truth, found.weights

"""Sums over all tables of one order at once: of a candidate, its jackknife, and the two yardsticks.

Every metric of a group of tables is made of sums over the tables in it, so a table is visited once,
for many copies of its counts, and groups only add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from popgen._aligned import (
    Floats,
    aligned,
    cell_axes,
    level_order,
    refuse_lacking,
    shares_of,
)
from popgen.census import Census
from popgen.effects import Lens
from popgen.errors import PopgenError
from popgen.metrics import Metric, Terms
from popgen.microdata import Microdata
from popgen.table import Projectable, Table
from popgen.tables import Tables

GROUPS = 20
"""Groups of records left out in turn by the jackknife."""
CELLS_AT_ONCE = 2_000_000


def refuse_unprojectable(given: object, what: str) -> None:
    """Refuse anything that holds no counts, such as a dataframe or the name of a place."""
    if not isinstance(given, Projectable):
        raise PopgenError(
            f"{what} is a {type(given).__name__}, which has no counts; read it first with "
            "read_microdata, read_census(...).margins or table_from_frame"
        )


def orders_of(truth: Projectable) -> list[int]:
    """Sizes of the sets of variables that a truth states together: 1, 2, 3 or fewer."""
    held = truth.margins if isinstance(truth, Census) else truth
    domains = [t.domain for t in held.values()] if isinstance(held, Tables) else [held.domain]
    return list(range(1, min(3, max(map(len, domains))) + 1))


def true_tables(truth: Projectable, order: int) -> list[Table]:
    """Give the truth's tables over every set of ``order`` variables that it states together.

    Raises
    ------
    PopgenError
        If it states none, or one of them holds nobody.
    """
    held = truth.margins if isinstance(truth, Census) else truth
    stated = [set(table.names) for table in held.values()] if isinstance(held, Tables) else None
    sets = [
        names
        for names in combinations(truth.domain.names, max(order, 0))
        if stated is None or any(table.issuperset(names) for table in stated)
    ]
    if order < 1 or not sets:
        most = len(truth.domain) if stated is None else max(map(len, stated))
        raise PopgenError(
            f"the truth states no {order}-way table: at most {most} of its {len(truth.domain)} "
            "variables are stated together; leave that order out"
        )
    tables = [held.project(*names) for names in sets]
    for table in tables:
        shares_of(table, "truth")
    return tables


@dataclass(frozen=True, eq=False)
class Tally:
    """Terms of metrics for copies of a candidate, table by table.

    Attributes
    ----------
    sums : array, shape (tables, copies, columns)
    columns : mapping
        Where the terms of each metric are.
    """

    sums: Floats
    columns: Mapping[Terms, int | slice]

    @classmethod
    def of(cls, tables: Sequence[Mapping[Terms, Floats]]) -> Tally:
        """Put the terms of all tables, each of shape (copies,) or (copies, m), in one array."""
        columns: dict[Terms, int | slice] = {}
        end = 0
        for terms, values in tables[0].items():
            start, end = end, end + (1 if values.ndim == 1 else values.shape[1])
            columns[terms] = start if values.ndim == 1 else slice(start, end)
        return cls(np.stack([np.column_stack(list(found.values())) for found in tables]), columns)

    def figure(self, metric: Metric, index: NDArray[np.intp]) -> Floats:
        """Give a metric of a group of tables, for each copy."""
        sums = self.sums[index].sum(axis=0)
        values = metric.figure(sums[..., self.columns[metric.terms]], index.size)
        if np.shape(values) != sums.shape[:1]:
            raise PopgenError(
                f"metric {metric.name!r} gave figures of shape {np.shape(values)} for "
                f"{len(sums)} copies of a candidate; its figure must give one a copy"
            )
        return values


@dataclass(frozen=True, eq=False)
class Target:
    """True tables of one order, as a sample of ``size`` people shows them (None: exactly).

    Attributes
    ----------
    tables : sequence of Table
    lenses : sequence of Lens or None
        How interactions of each table are looked at; None where it can have none.
    size : int or None
    metrics : sequence of Metric
        Those that are defined for this order.
    """

    tables: Sequence[Table]
    lenses: Sequence[Lens | None]
    size: int | None
    metrics: Sequence[Metric]

    @classmethod
    def of(cls, tables: Sequence[Table], size: int | None, metrics: Sequence[Metric]) -> Target:
        """Prepare the true tables for candidates of one size."""
        defined = [metric for metric in metrics if metric.defined(len(tables[0].domain))]
        seen = any(metric.interactions for metric in defined)
        lenses = [Lens.of(t, size) if seen and _interacts(t) else None for t in tables]
        return cls(tables, lenses, size, defined)

    def tally(self, counts: Callable[[Table], Floats]) -> Tally:
        """Sum up all tables of copies of a candidate.

        Parameters
        ----------
        counts : callable
            Gives copies of the candidate's counts for a true table, shape (copies, *table.shape).
        """
        return Tally.of([self._terms(i, counts(table)) for i, table in enumerate(self.tables)])

    def draws(self, rng: np.random.Generator, replicates: int, *, independent: bool) -> Tally:
        """Tally ``replicates`` samples from the truth, or from the product of its one-way shares.

        Each table is drawn apart: means over replicates are those of joint samples, but spreads
        are not.
        Without a size, one copy: the expected table itself.
        """

        def shares(table: Table) -> Floats:
            return product(table) if independent else table.shares.counts

        if self.size is None:
            return self.tally(lambda table: shares(table)[None])
        found = []
        for i, table in enumerate(self.tables):
            p, step = shares(table), max(CELLS_AT_ONCE // table.domain.size, 1)
            parts = []
            for start in range(0, replicates, step):
                copies = min(step, replicates - start)
                drawn = rng.multinomial(self.size, p.ravel() / p.sum(), size=copies)
                parts.append(self._terms(i, drawn.reshape(copies, *p.shape).astype(np.float64)))
            found.append({terms: np.concatenate([d[terms] for d in parts]) for terms in parts[0]})
        return Tally.of(found)

    def _terms(self, i: int, counts: Floats) -> dict[Terms, Floats]:
        """Terms of all metrics for copies of one table; metrics that share them sum them once."""
        p, lens = self.tables[i].shares.counts, self.lenses[i]
        q = counts / counts.sum(axis=cell_axes(p), keepdims=True)
        nothing = np.zeros_like(p)  # of no weight: adds nothing to any sum
        cells = (np.zeros_like(q), nothing, nothing)
        if lens is not None:
            cells = (lens.look(q), lens.truth, lens.weights)
        found: dict[Terms, Floats] = {}
        for metric in self.metrics:
            if metric.terms not in found:
                values = metric.terms(*(cells if metric.interactions else (q, p)))
                if values.ndim not in (1, 2) or len(values) != len(q):
                    raise PopgenError(
                        f"metric {metric.name!r} gave terms of shape {values.shape} for {len(q)} "
                        f"copies of a table; its terms must sum over the last {p.ndim} axes only"
                    )
                found[metric.terms] = values
        return found


def product(table: Table) -> Floats:
    """Shares of the table if its variables were independent: the product of its one-way shares."""
    shares = [table.project(name).shares.counts for name in table.names]
    return np.asarray(reduce(np.multiply.outer, shares))


def candidate_counts(candidate: Projectable, table: Table) -> Floats:
    """Give the candidate's counts in the true table's order of axes and levels, one copy.

    Raises
    ------
    PopgenError
        If it lacks a variable or level, has an unknown one, or holds nobody.
    """
    refuse_lacking(candidate.domain, table.names)
    return aligned(candidate.project(*table.names), table).counts[None]


def jackknife(records: Microdata, rng: np.random.Generator) -> Callable[[Table], Floats]:
    """Leave out one random group of records at a time; the groups differ by at most one record.

    Returns a callable for `Target.tally`; its copies are `GROUPS` or, with fewer, one a record.
    """
    n = len(records)
    copies = min(GROUPS, n)
    group = rng.permutation(n) % copies

    def counts(table: Table) -> Floats:
        columns: list[NDArray[np.intp]] = []
        for variable in table.domain:
            have = records.domain[variable.name]
            position = np.argsort(level_order(have, variable))
            columns.append(position[records.column(variable.name)])
        cells = np.ravel_multi_index((group, *columns), (copies, *table.domain.shape))
        size = copies * table.domain.size
        apart = np.bincount(cells, records.weights, minlength=size)
        apart = apart.reshape(copies, *table.domain.shape)
        return np.asarray(np.maximum(apart.sum(axis=0) - apart, 0.0))

    return counts


def _interacts(table: Table) -> bool:
    """Whether every variable has two levels or more with people, and there are two variables."""
    if len(table.domain) < 2:
        return False
    return all((table.project(name).counts > 0).sum() > 1 for name in table.names)

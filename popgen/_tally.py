"""Sums over all tables of one order at once: of a candidate, its jackknife, and the two yardsticks.

Every metric of a group of tables is made of seven sums over the tables in it, so a table is visited
once, for many copies of its counts, and groups only add up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from popgen.census import Census
from popgen.effects import Lens, correlation, mae, recovery_sums, slope, whole_size
from popgen.errors import PopgenError
from popgen.metrics import Floats, aligned, cell_axes, half_l1, level_order, relative_rmse
from popgen.microdata import Microdata
from popgen.table import Projectable, Table, Tables

SUMS = 7
GROUPS = 20
"""Groups of records left out in turn by the jackknife."""
CELLS_AT_ONCE = 2_000_000

METRICS: dict[str, Callable[[Floats, int], Floats]] = {
    "K": lambda sums, tables: 1000 * (1 - sums[..., 0] / tables),
    "srmse": lambda sums, tables: sums[..., 1] / tables,
    "slope": lambda sums, tables: slope(sums[..., 2:]),
    "correlation": lambda sums, tables: correlation(sums[..., 2:]),
    "mae": lambda sums, tables: mae(sums[..., 2:]),
}
"""Each metric from the sums of a group, shape (..., SUMS), and its number of tables."""
WITHOUT_INTERACTIONS = ("K", "srmse")
"""What is defined for single variables too."""


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
        if table.total <= 0:
            raise PopgenError(
                f"the truth's table over {table.names} holds nobody; nothing to score"
            )
    return tables


@dataclass(frozen=True, eq=False)
class Target:
    """True tables of one order, as a sample of ``size`` people shows them (None: exactly).

    Attributes
    ----------
    tables : sequence of Table
    lenses : sequence of Lens or None
        How interactions of each table are looked at; None where it can have none.
    size : int or None
    """

    tables: Sequence[Table]
    lenses: Sequence[Lens | None]
    size: int | None

    @classmethod
    def of(cls, tables: Sequence[Table], size: float | None) -> Target:
        """Prepare the true tables for candidates of one size."""
        lenses = [Lens.of(table, size) if _interacts(table) else None for table in tables]
        return cls(tables, lenses, whole_size(size))

    def tally(self, counts: Callable[[Table], Floats]) -> Floats:
        """Sum up all tables of copies of a candidate.

        Parameters
        ----------
        counts : callable
            Gives copies of the candidate's counts for a true table, shape (copies, *table.shape).

        Returns
        -------
        array, shape (tables, copies, SUMS)
        """
        return np.stack(
            [
                _sums(counts(table), table, lens)
                for table, lens in zip(self.tables, self.lenses, strict=True)
            ]
        )

    def draws(self, rng: np.random.Generator, replicates: int, *, independent: bool) -> Floats:
        """Tally ``replicates`` samples from the truth, or from the product of its one-way shares.

        Each table is drawn apart: means over replicates are those of joint samples, but spreads
        are not.
        Without a size, one copy: the expected table itself.
        """

        def one(table: Table, copies: int) -> Floats:
            p = product(table) if independent else table.counts / table.total
            if self.size is None:
                return p[None]
            drawn = rng.multinomial(self.size, p.ravel() / p.sum(), size=copies)
            return drawn.reshape(copies, *table.domain.shape).astype(np.float64)

        if self.size is None:
            return self.tally(lambda table: one(table, 1))
        sums = np.empty((len(self.tables), replicates, SUMS))
        for i, (table, lens) in enumerate(zip(self.tables, self.lenses, strict=True)):
            step = max(CELLS_AT_ONCE // table.domain.size, 1)
            for start in range(0, replicates, step):
                copies = min(step, replicates - start)
                sums[i, start : start + copies] = _sums(one(table, copies), table, lens)
        return sums


def product(table: Table) -> Floats:
    """Shares of the table if its variables were independent: the product of its one-way shares."""
    shares = [table.project(name).counts / table.total for name in table.names]
    return np.asarray(reduce(np.multiply.outer, shares))


def candidate_counts(candidate: Projectable, table: Table) -> Floats:
    """Give the candidate's counts in the true table's order of axes and levels, one copy.

    Raises
    ------
    PopgenError
        If it lacks a variable or level, has an unknown one, or holds nobody.
    """
    if missing := [name for name in table.names if name not in candidate.domain]:
        raise PopgenError(
            f"the candidate lacks variable(s) {', '.join(map(repr, missing))} of the truth; "
            f"it has {', '.join(map(repr, candidate.domain.names))}"
        )
    counts = aligned(candidate.project(*table.names), table).counts
    if counts.sum() <= 0:
        raise PopgenError(f"the candidate's table over {table.names} holds nobody: no shares exist")
    return counts[None]


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


def _sums(counts: Floats, table: Table, lens: Lens | None) -> Floats:
    p = table.counts / table.total
    q = counts / counts.sum(axis=cell_axes(p), keepdims=True)
    sums = np.zeros((len(counts), SUMS))
    sums[:, 0], sums[:, 1] = half_l1(q, p), relative_rmse(q, p)
    if lens is not None:
        sums[:, 2:] = recovery_sums(lens.look(counts), lens.truth, lens.weights)
    return sums

"""`Table`: counts of people over a domain, with standard errors where they are known.

Whatever holds counts can be projected, and projecting yields a `Table`. So one scorer, one audit
and one report serve margins, surveys, fitted models and synthetic people alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from popgen.domain import Coarsening, Domain, Variable, frozen
from popgen.errors import PopgenError, listed

Counts = NDArray[np.float64]

MOST_CELLS = 2**28
"""Cells of the largest table that records or rows are counted into (2 GB)."""


@runtime_checkable
class Projectable(Protocol):
    """Anything that holds counts: it answers with a table over the variables asked for."""

    @property
    def domain(self) -> Domain:
        """The variables there are."""
        ...

    def project(self, *names: str) -> Table:
        """Return counts over the named variables, axes in the order asked."""
        ...


@dataclass(frozen=True, eq=False)
class Table:
    """Counts of people (or households) over every cell of a domain.

    Attributes
    ----------
    domain : Domain
    counts : array, shape ``domain.shape``
        People in each cell, finite and not negative.
    se : array, shape ``domain.shape``, or None
        Standard error of each count, people; 0 or None where the figure is exact.

    Raises
    ------
    PopgenError
        If shapes differ, or a figure is negative, infinite or not a number (the cell is named).

    Examples
    --------
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> table = Table(Domain((sex, age)), [[30, 20], [10, 40]])
    >>> table.project("age").counts.tolist()
    [40.0, 60.0]
    >>> table.select(age=["old"]).total
    60.0
    """

    domain: Domain
    counts: Counts
    se: Counts | None = None

    def __post_init__(self) -> None:
        self.domain.need_axes()
        object.__setattr__(self, "counts", self._checked(self.counts, "count"))
        if self.se is not None:
            object.__setattr__(self, "se", self._checked(self.se, "standard error"))

    def _checked(self, values: ArrayLike, what: str) -> Counts:
        array = numbers(values, f"{what}s of table {self.domain.names}")
        if array.shape != self.domain.shape:
            raise PopgenError(
                f"table over {self.domain.names} needs {what}s of shape {self.domain.shape}; "
                f"got {array.shape}"
            )
        bad = ~(np.isfinite(array) & (array >= 0))
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise PopgenError(
                f"{what} {array.flat[first]:g} in cell ({self.domain.cell(first)}) of table "
                f"{self.domain.names}: {what}s must be finite and not negative "
                f"({int(bad.sum())} such cell(s)); correct or leave out the figure"
            )
        return frozen(array)

    @property
    def names(self) -> tuple[str, ...]:
        """Variable names, in axis order."""
        return self.domain.names

    @property
    def total(self) -> float:
        """People in all cells."""
        return float(self.counts.sum())

    @property
    def exact(self) -> bool:
        """Whether no cell carries a standard error above zero."""
        return self.se is None or not self.se.any()

    def scaled(self, total: float) -> Table:
        """Return the same distribution over another number of people (standard errors too)."""
        if self.total <= 0:
            raise PopgenError(f"table over {self.names} holds nobody: it cannot be rescaled")
        factor = total / self.total
        se = None if self.se is None else self.se * factor
        return Table(self.domain, self.counts * factor, se)

    def project(self, *names: str) -> Table:
        """Sum out every variable not named; standard errors add in quadrature.

        Quadrature takes the cells' errors as independent, as the Census Bureau advises for sums of
        published estimates (ACS General Handbook, 2020, chapter 8).
        """
        domain = self.domain.project(*names)
        axes = [self.domain.axis(name) for name in names]
        gone = tuple(axis for axis in range(len(self.domain)) if axis not in axes)
        order = np.argsort(np.argsort(axes))

        def summed(values: Counts) -> Counts:
            return np.transpose(values.sum(axis=gone), order)

        se = None if self.se is None else np.sqrt(summed(self.se**2))
        return Table(domain, summed(self.counts), se)

    def select(self, /, **levels: Sequence[str]) -> Table:
        """Keep only the people in some levels of some variables."""
        variables, index = list(self.domain.variables), []
        for axis, variable in enumerate(self.domain):
            kept = variable.keep(levels[variable.name]) if variable.name in levels else variable
            variables[axis] = kept
            index.append([variable.index(level) for level in kept.levels])
        if unknown := sorted(set(levels) - set(self.names)):
            raise PopgenError(f"table over {self.names} has no variable {listed(unknown)}")
        cells = np.ix_(*index)
        se = None if self.se is None else self.se[cells]
        return Table(Domain(tuple(variables)), self.counts[cells], se)

    def coarsen(self, coarsening: Coarsening) -> Table:
        """Add up the levels of a variable as a coarsening says; levels outside it are left out.

        So are coarse levels of which the table does not state every fine level: their sum would
        be too low, or a zero that nobody counted.

        Raises
        ------
        PopgenError
            If the table has a level that the coarsening does not know, or no coarse level is left.
        """
        axis = self.domain.axis(coarsening.fine.name)
        fine = self.domain.variables[axis]
        if unknown := sorted(set(fine.levels) - set(coarsening.fine.levels)):
            raise PopgenError(
                f"coarsening {fine.name!r} -> {coarsening.coarse.name!r} does not know level(s) "
                f"{listed(unknown)} of table {self.names}; add them to it"
            )
        rule = coarsening.restricted(fine, coarsening.coarse)
        stated = [level for i, level in enumerate(rule.coarse.levels) if i in rule.codes]
        if not stated:
            raise PopgenError(
                f"levels {listed(fine.levels)} of {fine.name!r} make up no level of "
                f"{rule.coarse.name!r}, which has {listed(rule.coarse.levels)}"
            )
        rule = rule.restricted(fine, rule.coarse.keep(stated))
        variables = list(self.domain.variables)
        variables[axis] = rule.coarse

        def grouped(values: Counts) -> Counts:
            return group_axis(values, axis, rule)

        se = None if self.se is None else np.sqrt(grouped(self.se**2))
        return Table(Domain(tuple(variables)), grouped(self.counts), se)

    def to_polars(self) -> pl.DataFrame:
        """One row a cell: the levels, ``count`` and, where known, ``se``."""
        if clash := {"count", "se"} & set(self.names):
            raise PopgenError(
                f"table {self.names}: a variable named {listed(clash)} leaves no name for the "
                "figures' column; rename it"
            )
        index = np.unravel_index(np.arange(self.domain.size), self.domain.shape)
        columns: dict[str, Any] = {
            variable.name: pl.Series(variable.levels).gather(codes)
            for variable, codes in zip(self.domain, index, strict=True)
        }
        columns["count"] = self.counts.ravel()
        if self.se is not None:
            columns["se"] = self.se.ravel()
        return pl.DataFrame(columns)


def group_axis(values: Counts, axis: int, rule: Coarsening) -> Counts:
    """Add up one axis of an array by the groups of a coarsening; what is outside is left out."""
    if rule.trivial:
        return values
    moved = np.moveaxis(values, axis, 0)
    out = np.zeros((len(rule.coarse), *moved.shape[1:]))
    inside = rule.codes >= 0
    np.add.at(out, rule.codes[inside], moved[inside])
    return np.moveaxis(out, 0, axis)


class Tables(Mapping[str, Table]):
    """A set of named tables which together can be projected.

    Examples
    --------
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> tables = Tables({"sex_age": Table(Domain((sex, age)), [[30, 20], [10, 40]])})
    >>> tables.project("sex").counts.tolist()
    [50.0, 50.0]
    """

    def __init__(self, tables: Table | Mapping[str, Table] | Iterable[Table]) -> None:
        named = tables if isinstance(tables, Mapping) else name_tables(tables)
        self._tables: dict[str, Table] = {name: _table(given) for name, given in named.items()}
        stated: dict[str, list[Variable]] = {}
        for table in self._tables.values():
            for variable in table.domain:
                stated.setdefault(variable.name, []).append(variable)
        self._domain = Domain(tuple(union(same) for same in stated.values()))

    def __getitem__(self, name: str) -> Table:
        try:
            return self._tables[name]
        except KeyError:
            raise PopgenError(f"no table {name!r} here; there are {listed(self._tables)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return f"Tables({listed(self._tables)})"

    def get(self, name: str, default: Any = None) -> Any:
        """Return a table, or ``default`` if there is none of that name."""
        return self._tables.get(name, default)

    @property
    def domain(self) -> Domain:
        """Every variable that some table has, with every level that some table states."""
        return self._domain

    def project(self, *names: str) -> Table:
        """Answer from the smallest of the tables that speak of the most people.

        A table that lacks levels of a variable to be summed out is never asked: it would pass off
        part of the people as all of them. One that lacks levels of a variable asked for is asked
        only if no other holds them together; its domain then shows what it lacks.

        Raises
        ------
        PopgenError
            If no table holds the variables together for everybody: their joint is not stated here.
        """
        wanted = set(names)
        holding: list[Table] = [table for table in self.values() if wanted <= set(table.names)]
        if not holding:
            raise PopgenError(
                f"no table holds {listed(names)} together; tables: "
                f"{listed(['×'.join(table.names) for table in self.values()])}"
            )
        whole = [table for table in holding if not self._lacking(table, set(table.names) - wanted)]
        if not whole:
            lacking = {str(table.names): self._lacking(table, table.names) for table in holding}
            raise PopgenError(
                f"no table holds {listed(names)} together for everybody: "
                + "; ".join(
                    f"table {where} lacks {listed(gone)}" for where, gone in lacking.items()
                )
                + "; project those variables too, or add a table without them"
            )
        most = max(table.total for table in whole)
        best = min(
            whole,
            key=lambda table: (
                len(self._lacking(table, wanted)),
                round(1 - table.total / most, 6) if most else 0,
                table.domain.size,
            ),
        )
        return best.project(*names)

    def _lacking(self, table: Table, names: Iterable[str]) -> list[str]:
        """Levels of some variables that other tables state and this one does not."""
        return [
            f"{name}={level}"
            for name in names
            for level in self._domain[name].levels
            if level not in table.domain[name].levels
        ]

    def keeping(self, *names: str) -> Tables:
        """Return only the named tables, in the order asked."""
        return Tables({name: self[name] for name in names})


def union(variables: Sequence[Variable]) -> Variable:
    """Return a variable with every level of its namesakes, each where its own neighbours are.

    >>> union([Variable("age", ("young", "old")), Variable("age", ("child", "young"))]).levels
    ('child', 'young', 'old')
    """
    ordered = sorted(variables, key=len, reverse=True)
    levels = list(ordered[0].levels)
    for variable in ordered[1:]:
        end = len(levels)
        for level in reversed(variable.levels):  # a new level goes before the next known one
            if level in levels:
                end = levels.index(level)
            else:
                levels.insert(end, level)
    return Variable(variables[0].name, tuple(levels))


def numbers(values: ArrayLike, what: str) -> Counts:
    """Copy values into an array of floats; what is not a number is refused."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PopgenError(f"{what} must be numbers: {error}") from None


def _table(given: object) -> Table:
    if isinstance(given, Table):
        return given
    raise PopgenError(
        f"{given!r} is a {type(given).__name__}, not a Table; read a file or dataframe with "
        "popgen.table_from_frame"
    )


def name_tables(tables: Table | Iterable[Table]) -> dict[str, Table]:
    """Name each table after its variables; a second one over the same variables is refused."""
    named: dict[str, Table] = {}
    for table in [tables] if isinstance(tables, Table) else tables:
        name = "_".join(_table(table).names)
        if name in named:
            raise PopgenError(
                f"two tables over {table.names}: pass a mapping that names them, or keep one"
            )
        named[name] = table
    return named

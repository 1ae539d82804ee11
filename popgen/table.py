"""`Table`: counts of people over a domain, with standard errors where they are known.

Whatever holds counts can be projected, and projecting yields a `Table`. So one scorer, one audit
and one report serve margins, surveys, fitted models and synthetic people alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from popgen.domain import Coarsening, Domain, frozen
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
    >>> from popgen import Variable
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
        factor = total / self._people("it cannot be rescaled")
        se = None if self.se is None else self.se * factor
        return Table(self.domain, self.counts * factor, se)

    @cached_property
    def shares(self) -> Table:
        """The same distribution as shares of all people (standard errors too).

        Raises
        ------
        PopgenError
            If the table holds nobody.
        """
        people = self._people("it has no shares")
        return Table(
            self.domain, self.counts / people, None if self.se is None else self.se / people
        )

    def _people(self, otherwise: str) -> float:
        total = self.total
        if total <= 0:
            raise PopgenError(f"table over {self.names} holds nobody: {otherwise}")
        return total

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


def numbers(values: ArrayLike, what: str) -> Counts:
    """Copy values into an array of floats; what is not a number is refused."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PopgenError(f"{what} must be numbers: {error}") from None


def not_positive(values: Counts) -> NDArray[np.intp]:
    """Positions of the values that are zero, negative, infinite or not a number."""
    return np.flatnonzero(~(np.isfinite(values) & (values > 0)))

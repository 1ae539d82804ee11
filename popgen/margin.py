"""`Margin`: a target table seen from the model's variables; and whether two margins agree."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from popgen.domain import OUTSIDE, Coarsening, Variable
from popgen.errors import InconsistentMarginsError
from popgen.table import Counts, Table, group_axis

TOLERANCE = 1e-9
"""Largest disagreement between margins that passes as rounding, as a share of the total."""

SIGNIFICANT = 4.0
"""How many standard errors two estimated margins may differ by before they contradict."""


@dataclass(frozen=True, eq=False)
class Margin:
    """A target table, and how the model's variables map onto its own.

    Attributes
    ----------
    name : str
    table : Table
        The figures to be met.
    maps : tuple of Coarsening
        One for each variable of ``table``: from the model's variable to the stated one. Levels
        mapped to -1 are people of whom the margin says nothing.
    """

    name: str
    table: Table
    maps: tuple[Coarsening, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the model's variables that the margin constrains."""
        return tuple(rule.fine.name for rule in self.maps)

    @property
    def complete(self) -> bool:
        """Whether everybody falls in some cell of the margin."""
        return all(rule.complete for rule in self.maps)

    def rule(self, name: str) -> Coarsening:
        """Return the mapping of one of the model's variables."""
        return self.maps[self.variables.index(name)]

    def fitted(self, table: Table) -> Counts:
        """Return a table's people in the margin's cells; the table has the margin's variables."""
        counts = table.project(*self.variables).counts
        for axis, rule in enumerate(self.maps):
            counts = group_axis(counts, axis, rule)
        return counts

    def cells_of(self, codes: Mapping[str, NDArray[np.int16]]) -> NDArray[np.intp]:
        """Flat index of the margin's cell that holds each record; -1 for those outside it."""
        stated = [rule.codes[codes[rule.fine.name]] for rule in self.maps]
        inside = [np.maximum(column, 0) for column in stated]
        cells: NDArray[np.intp] = np.ravel_multi_index(inside, self.table.domain.shape)
        cells[np.logical_or.reduce([column == OUTSIDE for column in stated])] = OUTSIDE
        return cells

    def describe(self, cell: int) -> str:
        """Name one of its cells: ``sex_age: sex=female, age=18-24``."""
        return f"{self.name}: {self.table.domain.cell(cell)}"


def shared_partition(a: Coarsening, b: Coarsening) -> Coarsening | None:
    """Coarsen one fine variable as little as possible, so that both can be added up to the result.

    Groups that touch a level outside either coarsening are left out; None if no group remains.

    Examples
    --------
    >>> from popgen import Variable
    >>> age = Variable("age", ("18-19", "20-24", "25-44", "45+"))
    >>> a = Coarsening.from_groups(age, "a", {"18-24": ["18-19", "20-24"], "25+": ["25-44", "45+"]})
    >>> b = Coarsening.from_groups(age, "b", {"20-44": ["20-24", "25-44"], "45+": ["45+"]})
    >>> c = Coarsening.from_groups(age, "c", {"18-44": ["18-19", "20-24", "25-44"], "45+": ["45+"]})
    >>> shared_partition(a, b), shared_partition(b, c).coarse.levels
    (None, ('45+',))
    """
    if a.trivial and b.trivial:
        return Coarsening(a.fine, a.fine, a.codes)
    inside = (a.codes != OUTSIDE) & (b.codes != OUTSIDE)
    offset, nodes = len(a.coarse), len(a.coarse) + len(b.coarse)
    edges = (a.codes[inside], offset + b.codes[inside])
    _, group = connected_components(
        coo_array((np.ones(len(edges[0])), edges), shape=(nodes, nodes))
    )
    spoilt = {int(group[i]) for i in a.codes[~inside] if i != OUTSIDE}
    spoilt |= {int(group[offset + i]) for i in b.codes[~inside] if i != OUTSIDE}
    codes = np.full(len(a.fine), OUTSIDE)
    codes[inside] = group[a.codes[inside]]
    codes[np.isin(codes, list(spoilt))] = OUTSIDE
    groups = list(dict.fromkeys(codes[codes != OUTSIDE].tolist()))
    if not groups:
        return None
    members = [[a.fine.levels[i] for i in np.flatnonzero(codes == group)] for group in groups]
    numbered = np.array([groups.index(code) if code != OUTSIDE else OUTSIDE for code in codes])
    return Coarsening(a.fine, Variable(a.fine.name, _names(members)), numbered)


def _names(groups: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Name groups of levels, no two alike, whatever the levels are called."""
    taken = {group[0] for group in groups if len(group) == 1}
    names = []
    for group in groups:
        name = group[0]
        if len(group) > 1:
            name += f" to {group[-1]}"
            while name in taken:
                name += " (together)"
            taken.add(name)
        names.append(name)
    return tuple(names)


def shared_maps(a: Margin, b: Margin) -> tuple[Coarsening, ...] | None:
    """How the model's variables coarsen to all that two margins both state.

    Empty if they share no variable (both then state the same total); None if they have nothing in
    common: no shared group of levels, or people left out through a variable the other lacks.
    """
    return None if leaves_out(a, b) or leaves_out(b, a) else shared_groups(a, b)


def leaves_out(a: Margin, b: Margin) -> bool:
    """Whether margin ``a`` says nothing of some people for a variable that ``b`` does not have."""
    return any(not rule.complete for rule in a.maps if rule.fine.name not in b.variables)


def shared_groups(a: Margin, b: Margin) -> tuple[Coarsening, ...] | None:
    """How the variables that two margins share coarsen to groups that both add up to."""
    shared = [name for name in a.variables if name in b.variables]
    partitions = [shared_partition(a.rule(name), b.rule(name)) for name in shared]
    found = tuple(partition for partition in partitions if partition is not None)
    return found if len(found) == len(partitions) else None


def added_up(margin: Margin, partitions: Sequence[Coarsening]) -> Table:
    """Add a margin's figures up to the groups that it shares with another."""
    rules = [onward(margin.rule(partition.fine.name), partition) for partition in partitions]
    table = margin.table.project(*(rule.fine.name for rule in rules))
    for rule in rules:
        table = table if rule.trivial and rule.fine == rule.coarse else table.coarsen(rule)
    return table


def onward(rule: Coarsening, partition: Coarsening) -> Coarsening:
    """How the levels that a rule leads to coarsen further, to groups made of them."""
    codes = np.full(len(rule.coarse), OUTSIDE)
    codes[rule.codes[rule.codes != OUTSIDE]] = partition.codes[rule.codes != OUTSIDE]
    return Coarsening(rule.coarse, partition.coarse, codes)


def check_agreement(
    margins: Sequence[Margin], *, tolerance: float = TOLERANCE, significant: float = SIGNIFICANT
) -> None:
    """Refuse margins which state different figures for the same people.

    Parameters
    ----------
    margins : sequence of Margin
    tolerance : float
        Largest difference that passes as rounding, as a share of the total.
    significant : float
        How many combined standard errors two estimates may differ by besides.

    Raises
    ------
    InconsistentMarginsError
        Naming the two margins, the cell and by how many people they differ there.
    """
    for a, b in itertools.combinations(margins, 2):
        partitions = shared_maps(a, b)
        if partitions is None:
            continue
        one, two = added_up(a, partitions), added_up(b, partitions)
        gap = np.abs(one.counts - two.counts)
        allowed = tolerance * max(one.total, two.total) + significant * combined_se(one, two)
        if (gap > allowed).any():
            worst = int(np.argmax(gap - allowed))
            where = f"in cell ({one.domain.cell(worst)})" if partitions else "on the total"
            raise InconsistentMarginsError(
                f"margins {a.name!r} {a.table.names} and {b.name!r} {b.table.names} disagree "
                f"{where}: {one.counts.flat[worst]:,.6g} against {two.counts.flat[worst]:,.6g}, by "
                f"{gap.flat[worst]:,.6g} people; reconcile them first (popgen.reconcile)"
            )


def combined_se(one: Table, two: Table) -> Counts:
    """Return the standard error of the difference of two tables, cell by cell."""
    variance = np.zeros(one.domain.shape)
    for table in (one, two):
        if table.se is not None:
            variance += table.se**2
    return np.sqrt(variance)

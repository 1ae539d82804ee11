"""A problem cut into groups of variables that something links, and what records say of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from popgen._rng import generator_of
from popgen.domain import Coarsening, Domain, Variable
from popgen.margin import Margin
from popgen.methods._cliques import Cliques, junction_tree
from popgen.methods._field import Field
from popgen.methods._scaling import Slice
from popgen.methods._shrinkage import best_strength, shrunk
from popgen.microdata import Microdata
from popgen.problem import Problem
from popgen.table import Projectable, Table

Floats = NDArray[np.float64]
Pair = tuple[str, str]

MIXED = 0.05
"""Share of independence in what pools of people are shrunk towards, since they have empty cells."""

CAUTION = 0.4
"""Part taken of the most probable strength of shrinkage where each pair has its own, in pools. A
few cells hold most of what a pair's variables have to do with each other, and one strength for all
cells, fitted to the many others, is too strong for those. Chosen on one draw of 5 % of the ACS 2019
records, among five rules, with a small pool: three-way scores 906.5 at 1, 911.6 at 0.6, 912.7 at
0.35; leave-one-out 906.5, Fienberg and Holland's rule 909.8. It holds in other draws
(docs/recovery.md). In dense tables, where all pairs share one strength, all of it is better."""


@dataclass(frozen=True)
class Shrinkage:
    """How much records counted for a pair of variables.

    Attributes
    ----------
    records : float
        Effective number of records.
    strength : float
        Records that what the margins imply is worth.
    """

    records: float
    strength: float

    @property
    def weight(self) -> float:
        """Share of the records in the result; the margins' implication has the rest."""
        return self.records / (self.records + self.strength)


Shrunk = dict[Pair, Shrinkage]


def groups(problem: Problem, seed: int) -> list[tuple[tuple[str, ...], np.random.Generator]]:
    """Cut the variables into groups that nothing links; each with a random stream of its own."""
    names = problem.domain.names
    sets = [margin.variables for margin in problem.margins]
    if problem.seed is not None:
        sets.append(problem.seed.variables)
    if problem.microdata is not None:
        sets.append(names)
    edges = [(names.index(a), names.index(b)) for some in sets for a, b in itertools.pairwise(some)]
    ends = np.array(edges, int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (ends[0], ends[1])), shape=(len(names),) * 2)
    count, group = connected_components(graph, directed=False)
    streams = generator_of(seed).spawn(count)
    return [
        (tuple(name for name, g in zip(names, group, strict=True) if g == number), streams[number])
        for number in range(count)
    ]


@dataclass(frozen=True, eq=False)
class Group:
    """The part of a problem that speaks of some variables."""

    domain: Domain
    margins: tuple[Margin, ...]
    seed: Margin | None
    microdata: Microdata | None
    total: float

    @classmethod
    def of(cls, problem: Problem, names: Sequence[str]) -> Group:
        """Take the group's part; a variable that no margin states has the records' shares."""
        margins = [m for m in problem.margins if set(m.variables) <= set(names)]
        for name in names:
            if problem.microdata is not None and not any(name in m.variables for m in margins):
                margins.append(unnamed(problem.microdata.project(name).scaled(problem.total)))
        seed = problem.seed
        if seed is not None and not set(seed.variables) <= set(names):
            seed = None
        domain = problem.domain.project(*names)
        return cls(domain, tuple(margins), seed, problem.microdata, problem.total)

    def start(self) -> Floats:
        """Return the dense table to stay near to: flat, or the seed spread evenly."""
        table = np.full(self.domain.shape, self.total / self.domain.size)
        if self.seed is not None:
            Slice.of(self.seed, self.domain).meet(table)
        return table

    def field(self, extra: Sequence[Margin] = ()) -> Field:
        """Lay out a Markov random field on the margins, and perhaps more of them."""
        return Field.of(self.domain, [*self.margins, *extra], self.seed, self.total)

    def cliques(self) -> Cliques:
        """Gather the variables into a tree; records speak of all variables together."""
        names = self.domain.names
        sets = [margin.variables for margin in self.margins]
        sets += [] if self.seed is None else [self.seed.variables]
        sets += [] if self.microdata is None else [names]
        axes = [[self.domain.axis(name) for name in some] for some in sets]
        return junction_tree([len(variable) for variable in self.domain], axes)

    def unmeasured(self, axes: Iterable[int]) -> list[Pair]:
        """Pairs of variables that records tell more of than any margin does."""
        if self.microdata is None:
            return []
        known = {
            frozenset(pair)
            for margin in self.margins
            for pair in itertools.combinations(
                [rule.fine.name for rule in margin.maps if rule.trivial and rule.complete], 2
            )
        }
        names = [self.domain.names[axis] for axis in axes]
        return [p for p in itertools.combinations(names, 2) if frozenset(p) not in known]

    def blend(self, implied: Table, pairs: Sequence[Pair]) -> tuple[Table, Shrunk]:
        """Mix the records' joint with what margins imply; one strength for all pairs."""
        assert self.microdata is not None
        records = self.microdata.effective_size
        counts = self.microdata.project(*self.domain.names).scaled(records).counts
        tables = [
            (self.microdata.project(*pair).scaled(records), implied.project(*pair).scaled(1.0))
            for pair in pairs
        ]
        strength = best_strength([(n.counts, prior.counts) for n, prior in tables])
        shares = shrunk(counts, implied.scaled(1.0).counts, strength)
        found = Shrinkage(records, strength)
        return Table(self.domain, shares * self.total), dict.fromkeys(pairs, found)

    def shrunk_pairs(
        self, implied: Projectable, pairs: Sequence[Pair]
    ) -> tuple[list[Margin], Shrunk]:
        """Shrink the records' pairs towards what margins imply; a strength for each."""
        assert self.microdata is not None
        records = self.microdata.effective_size
        margins, found = [], {}
        for pair in pairs:
            prior = implied.project(*pair).scaled(1.0)
            a, b = (prior.project(name).counts for name in pair)
            mean = (1 - MIXED) * prior.counts + MIXED * np.outer(a, b)
            counts = self.microdata.project(*pair).scaled(records).counts
            strength = CAUTION * best_strength([(counts, mean)])
            shares = _scaled(shrunk(counts, mean, strength), a, b)
            margins.append(unnamed(Table(prior.domain, shares * self.total)))
            found[pair] = Shrinkage(records, strength)
        return margins, found


def _scaled(shares: Floats, rows: Floats, columns: Floats) -> Floats:
    """Scale a two-way table to one-way shares, nearly."""
    for _ in range(30):
        for axis, wanted in ((1, rows), (0, columns)):
            held = shares.sum(axis=axis)
            ratio = np.divide(wanted, held, out=np.zeros_like(held), where=held > 0)
            shares = shares * np.expand_dims(ratio, axis)
    return shares


def unnamed(table: Table) -> Margin:
    """Take a table of the model's own variables as a margin."""
    return Margin("_".join(table.names), table, tuple(_same(v) for v in table.domain))


def _same(variable: Variable) -> Coarsening:
    return Coarsening(variable, variable, np.arange(len(variable)))

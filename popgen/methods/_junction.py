"""Maximum entropy on a junction tree: exact, where the joint is too large for a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from popgen.domain import Domain
from popgen.integerise import integerise, whole_people
from popgen.margin import Margin
from popgen.methods._axes import Axes
from popgen.methods._cliques import Cliques
from popgen.methods._dense import refuse_empty_cells
from popgen.methods._exact import SLACK, Band, into_bands, missed, refuse_missed
from popgen.methods._groups import Group
from popgen.methods._messages import CliqueTables
from popgen.methods._parts import Levels, Part, centred
from popgen.methods._scaling import (
    Part as Step,
    Slice,
    empty_structural_zeros,
    gathered,
    scale_to_margins,
)
from popgen.table import Table

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

LISTED = 60_000
"""Fewest people from whom the cube method chooses; at least twice as many as are asked for."""


@dataclass(frozen=True, eq=False)
class TreePart(Part):
    """A joint kept as tables on a junction tree.

    Attributes
    ----------
    joint : CliqueTables
        Every clique holds the people of its variables.
    """

    joint: CliqueTables

    @property
    def kept(self) -> str:
        """How the joint is kept, in words."""
        tree = self.joint.tree
        return f"a junction tree of {len(tree.members)} cliques, {tree.cells:,} cells in all"

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables."""
        domain = self.domain.project(*names)
        return Table(domain, self.joint.joint([self.domain.axis(name) for name in names]))

    def given(self, levels: Levels, rng: np.random.Generator) -> TreePart:
        """Return the part of the joint that has some levels."""
        tree = self.joint.tree
        joint = CliqueTables(tree, self.joint.store.copy())
        for name, some in levels.items():
            axis = self.domain.axis(name)
            clique = next(c for c, members in enumerate(tree.members) if axis in members)
            other = np.setdiff1d(np.arange(len(self.domain[name])), some)
            np.moveaxis(joint.tables[clique], joint.within(clique, (axis,))[0], 0)[other] = 0.0
        joint.collect()
        if joint.tables[0].sum() <= 0:
            raise self._nobody(levels)
        return replace(self, joint=joint.settled())

    def interactions(self, *names: str) -> Floats:
        """Return the centred log table of some variables, averaged over all others."""
        return centred(self.joint.mean_log([self.domain.axis(name) for name in names]))

    def draw(self, n: int, rng: np.random.Generator, how: str) -> Codes:
        """Draw n people in random order."""
        n = whole_people(n)
        if how == "cube":
            return self._drawn(*self._kinds(max(LISTED, 2 * n), rng), n, rng, how)
        return self.joint.people(
            n, rng, lambda weights, k: integerise(weights, k, method=how, rng=rng)
        )

    def _kinds(self, n: int, rng: np.random.Generator) -> tuple[Codes, Floats]:
        """Kinds of people among n, in sorted order, and how many of each."""
        codes, counts = np.unique(self.draw(n, rng, "systematic"), axis=0, return_counts=True)
        return codes, counts.astype(float)


@dataclass(frozen=True, eq=False)
class Tour:
    """One step of a sweep: a walk along the tree that scales each clique to its margins.

    On the way, each clique is told what the one before it holds, so that the one being scaled
    always holds what the joint does.

    Attributes
    ----------
    joint : CliqueTables
    steps : dict
        The margins that each clique is scaled to.

    Notes
    -----
    Jiroušek & Přeučil (1995), doi:10.1016/0167-9473(93)E0055-9.
    """

    joint: CliqueTables
    steps: Mapping[int, Sequence[Step]]

    @property
    def axes(self) -> Axes:
        """All axes."""
        return tuple(range(len(self.joint.tree.sizes)))

    def meet(self, table: Floats) -> float:
        """Scale the joint, whose store is ``table``; return the largest miss before each step."""
        self.joint.collect()
        walk, seen, miss = self.joint.tree.tour(), set(), 0.0
        for before, here in zip([walk[0], *walk], walk, strict=False):
            if before != here:
                self.joint.pass_on(before, here)
            if here not in seen:
                seen.add(here)
                steps = self.steps.get(here, ())
                miss = max([miss, *(step.meet(self.joint.tables[here]) for step in steps)])
        return miss


def fit_tree(group: Group, tree: Cliques, *, tol: float, max_iter: int) -> TreePart:
    """Find the joint nearest to a group's seed that has all its margins, on a tree.

    Parameters
    ----------
    group : Group
    tree : Cliques
        Some clique holds the variables of each margin, and of the seed.
    tol : float
        Largest miss accepted, people.
    max_iter : int
        Most sweeps.

    Raises
    ------
    InfeasibleError, InconsistentMarginsError, ConvergenceError
        As `fit_dense`.
    """
    names = group.domain.names
    domains = [group.domain.project(*(names[axis] for axis in some)) for some in tree.members]
    homes = [_home(margin, group.domain, tree) for margin in group.margins]
    exact, vague = (
        [(m, c) for m, c in zip(group.margins, homes, strict=True) if m.table.exact == wanted]
        for wanted in (True, False)
    )
    joint = _start(group, tree, domains, exact)
    part = TreePart(group.domain, group.margins, group.total, 0, 0.0, "", joint)
    steps: dict[int, list[Slice]] = {0: [Slice((), np.array(group.total), ())]}
    for margin, c in exact:
        steps.setdefault(c, []).append(Slice.of(margin, domains[c]))
    bands: dict[int, list[Band]] = {}
    for margin, c in vague:
        bands.setdefault(c, []).append(Band.of(margin, domains[c], tol / 2, group.total))
    hard = Tour(joint, {c: gathered(joint.tables[c].shape, some) for c, some in steps.items()})
    sweeps = _scaled(part, hard, Tour(joint, bands) if bands else None, tol, max_iter)
    part = replace(part, joint=joint.settled())
    miss, worst = refuse_missed(part, group.margins, sweeps, tol)
    return replace(part, sweeps=sweeps, miss=miss, worst=worst)


def _scaled(part: TreePart, hard: Tour, bands: Tour | None, tol: float, max_iter: int) -> int:
    """Scale a part's joint until it holds all margins; return the sweeps made."""
    store = part.joint.store
    if bands is None:
        return scale_to_margins(store, [hard], tol=tol / 2, max_iter=max_iter)[0]

    def held() -> bool:
        part.joint.distribute()
        return missed(part, part.margins, SLACK)[0] <= tol

    return into_bands(store, [bands], [hard], tol=tol / 2, max_iter=max_iter, held=held)


def _start(
    group: Group, tree: Cliques, domains: Sequence[Domain], exact: Sequence[tuple[Margin, int]]
) -> CliqueTables:
    """Return the joint to stay near to, empty where exact margins say that nobody is."""
    joint = CliqueTables.even(tree, group.total)
    if group.seed is not None:
        clique = _home(group.seed, group.domain, tree)
        Slice.of(group.seed, domains[clique]).meet(joint.tables[clique])
    for margin, c in exact:
        empty_structural_zeros(joint.tables[c], [Slice.of(margin, domains[c])])
    joint.collect()
    joint.distribute()
    for margin, c in exact:
        refuse_empty_cells(joint.tables[c], domains[c], [(margin, Slice.of(margin, domains[c]))])
    return joint


def _home(margin: Margin, domain: Domain, tree: Cliques) -> int:
    """Find a clique that has a margin's variables: the tree was built so that one has."""
    return tree.home([domain.axis(name) for name in margin.variables])

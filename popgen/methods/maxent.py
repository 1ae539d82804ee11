"""`MaxEnt`: the joint that assumes least, of any overlapping margins, without the full table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from popgen._rng import Rng, replayable
from popgen.errors import ConvergenceError, PopgenError, listed
from popgen.margin import Margin
from popgen.methods._exact import Dense, fit_dense, missed
from popgen.methods._field import Field
from popgen.methods._groups import Group, Shrunk, groups, unnamed
from popgen.methods._junction import fit_tree
from popgen.methods._parts import DensePart, Part, PoolPart
from popgen.methods._pcd import grown, learn
from popgen.methods._raking import rake
from popgen.methods.base import Convergence, check_numbers, refuse_controls
from popgen.methods.models import Fitted
from popgen.microdata import Population
from popgen.problem import Problem
from popgen.table import Table

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

LAST_SWEEPS = 12
"""Times that the final pool is drawn anew, so that copies of a person part."""

RAKING = 40
"""Most rounds of raking of the final pool."""


@dataclass(frozen=True)
class MaxEnt:
    """Fit the maximum-entropy joint of the margins, with any number of variables.

    Variables that no margin links are independent, and each group of linked ones is fitted on its
    own, in the first of three ways that fits. The model's ``notes`` say which, unless it is the
    first:

    1. exactly, by scaling a dense table, if its joint has at most ``max_cells`` cells;
    2. exactly, by scaling tables on a junction tree [3]_, if these have at most ``max_cells`` cells
       together: chains, trees and narrow grids of margins, of any number of variables;
    3. as a Markov random field on the margins' cells, by Gibbs sampling of a pool of people
       (contrastive divergence [1]_), whose weights are then raked to the margins. With microdata,
       which speaks of all variables together, there is no tree, and this follows on the first.

    Microdata enters as further margins: all pairs of variables that no margin states, shrunk
    towards what the margins alone imply by the strength that makes the records most probable, or in
    a pool by 0.4 of it (``model.shrinkage``). A seed table is the joint to stay near to.

    Margins with standard errors are held to within one standard error [2]_, exact ones exactly, or
    as nearly as a pool of people can.

    Attributes
    ----------
    max_cells : int
        Cells of the largest dense table made, or of all the tables of a junction tree together; a
        cell takes 8 bytes, and fitting about 3 times that.
    people : int
        People in the pool that learns. Cost and memory grow with it.
    sweeps : int
        Times that the pool is drawn anew.
    pool : int
        People in the final pool, which stands for the population.
    tol : float
        Largest miss of a margin cell accepted of an exact fit, as a share of the total.
    max_miss : float
        Largest part of the people who are in a wrong cell of a margin (total variation) that is
        accepted of a pool.
    max_iter : int
        Most sweeps over all margins, when scaling.
    rng : int
        Seed of the pool: the same int gives the same fit, however many processors there are.
    threads : int, optional
        Default: one a processor.

    References
    ----------
    .. [1] Tieleman (2008), doi:10.1145/1390156.1390290
    .. [2] Dudík, Phillips & Schapire (2004), doi:10.1007/978-3-540-27819-1_33
    .. [3] Jiroušek & Přeučil (1995), doi:10.1016/0167-9473(93)E0055-9

    Examples
    --------
    >>> from popgen import Domain, Problem, Variable
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> margins = [Table(Domain((sex,)), [60, 40]), Table(Domain((age,)), [30, 70])]
    >>> MaxEnt().fit(Problem(margins)).project("sex", "age").counts.round(6).tolist()
    [[18.0, 42.0], [12.0, 28.0]]
    """

    max_cells: int = 2_000_000
    people: int = 20_000
    sweeps: int = 100
    pool: int = 100_000
    tol: float = 1e-9
    max_miss: float = 0.1
    max_iter: int = 2000
    rng: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        check_numbers(self, "max_cells", "people", "sweeps", "pool", "threads", above=0)
        check_numbers(self, "tol", "max_miss", "max_iter", above=0)

    def fit(self, problem: Problem) -> MaxEntModel:
        """Fit a problem.

        Raises
        ------
        InfeasibleError
            If a margin cell has people but another margin's zeros leave nobody there.
        InconsistentMarginsError
            If two margins differ by more than the tolerance.
        ConvergenceError
            If some margin is missed by more than is accepted.
        """
        refuse_controls(problem, "MaxEnt")
        parts: list[Part] = []
        shrinkage: Shrunk = {}
        for names, rng in groups(problem, self.rng):
            group = Group.of(problem, names)
            part, found = self._fitted(group, rng)
            parts.append(part)
            shrinkage |= found
        worst = max(parts, key=lambda part: part.miss)
        sweeps = max(part.sweeps for part in parts)
        convergence = Convergence(True, sweeps, worst.miss, worst.worst)
        return MaxEntModel(self, problem, convergence, tuple(parts), shrinkage)

    def _fitted(self, group: Group, rng: np.random.Generator) -> tuple[Part, Shrunk]:
        """Fit a group exactly where that fits, else by sampling."""
        if group.domain.size <= self.max_cells:
            return self._dense(group)
        tree = group.cliques()
        if tree.cells <= self.max_cells:
            tol = self.tol * group.total
            return fit_tree(group, tree, tol=tol, max_iter=self.max_iter), {}
        return self._pool(group, rng)

    def _dense(self, group: Group) -> tuple[Part, Shrunk]:
        def scaled(start: Floats, margins: Sequence[Margin]) -> Dense:
            tol = self.tol * group.total
            return fit_dense(
                group.domain, margins, start, group.total, tol=tol, max_iter=self.max_iter
            )

        start = group.start()
        shrinkage: Shrunk = {}
        found = scaled(start, group.margins)
        if pairs := group.unmeasured(range(len(group.domain))):
            near, shrinkage = group.blend(found.table, pairs)
            near = scaled(near.counts, group.margins).table
            extra = [unnamed(near.project(*pair)) for pair in pairs]
            found = scaled(start, [*group.margins, *extra])
        end = (group.domain, group.margins, group.total, found.sweeps, found.miss, found.worst)
        return DensePart(*end, found.table), shrinkage

    def _pool(self, group: Group, rng: np.random.Generator) -> tuple[Part, Shrunk]:
        shrinkage: Shrunk = {}
        field = group.field()
        if pairs := group.unmeasured(field.free):
            first = self._sampled(group, field, rng, 0.25)
            extra, shrinkage = group.shrunk_pairs(first, pairs)
            field = group.field(extra)
        part = self._sampled(group, field, rng, 1.0)
        refuse_far(part, self.max_miss)
        return part, shrinkage

    def _sampled(
        self, group: Group, field: Field, rng: np.random.Generator, effort: float
    ) -> PoolPart:
        """Fit a field, draw the final pool from it and rake that to the group's margins."""
        sweeps = max(round(self.sweeps * effort), 1)
        learned = learn(field, self.people, sweeps, rng, self.threads)
        pool = grown(learned, self.pool, LAST_SWEEPS, rng, self.threads)
        even = np.full(len(pool), 1 / len(pool))
        weights = rake(pool, even, group.field().factors, RAKING, self.tol)
        end = (group.domain, group.margins, group.total, sweeps, 0.0, "")
        updates = learned.updates + pool.size * LAST_SWEEPS
        part = PoolPart(*end, field, learned.logs, pool, weights, updates)
        miss, worst = missed(part, group.margins)
        return replace(part, miss=miss, worst=worst)


def refuse_far(part: PoolPart, most: float) -> None:
    """Refuse a pool that puts too many people into a wrong cell of some margin."""
    for margin in part.margins:
        se = 0.0 if margin.table.se is None else margin.table.se
        gaps = np.abs(margin.fitted(part.project(*margin.variables)) - margin.table.counts) - se
        share = float(np.maximum(gaps, 0).sum() / 2 / part.total)
        if share > most:
            worst = int(gaps.argmax())
            raise ConvergenceError(
                f"MaxEnt's pool of {len(part.pool):,} people misses margin {margin.name!r} by "
                f"{share:.1%} of all people (max_miss {most:.1%}), most at "
                f"{margin.describe(worst)} by {gaps.flat[worst]:,.6g} people; raise pool or "
                "sweeps, coarsen the margin, or reconcile the margins (popgen.reconcile)"
            )


@dataclass(frozen=True, eq=False, repr=False)
class MaxEntModel(Fitted):
    """Groups of linked variables: each a table, a tree of tables, or a field with its people.

    Attributes
    ----------
    parts : tuple of DensePart, TreePart or PoolPart
    shrinkage : dict
        For each pair of variables that records were used for, how much they counted.
    """

    parts: tuple[Part, ...]
    shrinkage: Shrunk

    def __repr__(self) -> str:
        kept = "; ".join(f"{len(part.domain)} variables in {part.kept}" for part in self.parts)
        return f"MaxEntModel({self.method!r}, {self.problem!r}, {kept})"

    @property
    def notes(self) -> tuple[str, ...]:
        """The problem's notes, and how each group is kept that is no dense table."""
        return self.problem.notes + tuple(
            f"{len(part.domain)} linked variables ({listed(part.domain.names)}) are kept in "
            f"{part.kept}"
            for part in self.parts
            if not isinstance(part, DensePart)
        )

    def project(self, *names: str) -> Table:
        """Return expected people; groups are independent of one another."""
        domain = self.domain.project(*names)
        order: list[str] = []
        joint = np.array(self.problem.total)
        for part in self.parts:
            if mine := [name for name in names if name in part.domain]:
                share = part.project(*mine).scaled(1.0).counts
                joint, order = np.multiply.outer(joint, share), [*order, *mine]
        return Table(domain, np.transpose(joint, [order.index(name) for name in names]))

    def interactions(self, *names: str) -> Floats:
        """Return the centred log table of two or more variables: their interaction in the model.

        Log weights, averaged over all levels of all other variables, with every lower-order effect
        taken off. NaN where a margin says that nobody is, and for a variable that another
        determines. 0 for variables that nothing links.

        Examples
        --------
        >>> from popgen import Domain, Problem, Variable
        >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
        >>> model = MaxEnt().fit(Problem([Table(Domain((sex, age)), [[40, 10], [10, 40]])]))
        >>> model.interactions("sex", "age").round(3).tolist()
        [[0.693, -0.693], [-0.693, 0.693]]
        """
        domain = self.domain.project(*names)
        for part in self.parts:
            if all(name in part.domain for name in names):
                return part.interactions(*names)
        return np.zeros(domain.shape)

    def sample(
        self,
        n: int,
        *,
        rng: Rng = None,
        integerise: str = "systematic",
        given: Mapping[str, str | Sequence[str]] | None = None,
    ) -> Population:
        """Draw n whole people; parameters as in `Fitted.sample`.

        Parameters
        ----------
        n, rng, integerise
            As there.
        given : mapping of name to level or levels, optional
            Draw only people who have these levels. The people's provenance says which.

        Raises
        ------
        PopgenError
            As there, and if a variable or level is unknown.
        InfeasibleError
            If the model has nobody with these levels.
        """
        if not given:
            return super().sample(n, rng=rng, integerise=integerise)
        generator, state = replayable(rng)
        asked = {name: self._listed(name, some) for name, some in given.items()}
        codes = {n: [self.domain[n].index(level) for level in some] for n, some in asked.items()}
        parts = []
        for part in self.parts:
            mine = {name: some for name, some in codes.items() if name in part.domain}
            parts.append(part.given(mine, generator) if mine else part)
        those = replace(self, parts=tuple(parts))
        people = those.sample(n, rng=generator, integerise=integerise)
        return replace(people, provenance={**people.provenance, "rng": state, "given": asked})

    def _listed(self, name: str, levels: str | Sequence[str]) -> list[str]:
        if not isinstance(levels, Iterable):
            raise PopgenError(
                f"given takes a level of {name!r} or several, as texts; got {levels!r}; it has "
                f"{listed(self.domain[name].levels)}"
            )
        return [levels] if isinstance(levels, str) else list(levels)

    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        order = [name for part in self.parts for name in part.domain.names]
        codes = np.column_stack([part.draw(n, rng, integerise) for part in self.parts])
        return codes[:, [order.index(name) for name in self.domain.names]]

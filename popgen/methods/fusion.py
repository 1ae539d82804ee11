"""`Fusion`: add a variable to a frame that was never seen with all of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popgen.errors import InfeasibleError, PopgenError, listed
from popgen.margin import Margin
from popgen.methods._axes import Floats
from popgen.methods._balanced import Balance, Totals, balanced
from popgen.methods._dense import largest_miss, meet_margins, refuse_large
from popgen.methods._donors import UNSEEN, Donors
from popgen.methods._logit import FREE, Design, Likelihood, Pooled, Term, pooled_logit
from popgen.methods._scaling import Slice
from popgen.methods._stages import Stage, codes_over, onto
from popgen.methods.base import Convergence, check_numbers, refuse_controls
from popgen.methods.models import TableModel
from popgen.problem import Problem
from popgen.table import Table

WAYS = {
    "product": "it is independent of the frame's other variables given those its margins have",
    "logit": "its log odds add up effects of {shared}, as in the records; margins are not used",
    "smooth_fix": "its odds ratios are those of a logit on {shared} where margins do not set them",
    "balanced": "its log odds add up effects of {shared}, likeliest among those with its margins",
}
"""The ways, and what each assumes of the variable that is added."""


@dataclass(frozen=True)
class Fusion:
    """Add variables to a joint, from records or margins that have only some of its variables.

    A census has B with A, a survey C with A, and nobody B with C. Whatever is done, the dependence
    of B and C within people alike in A is assumed, by one of four ways:

    - ``product``: C is independent of B given the variables of C's margins [1]_. No records.
    - ``logit``: C's log odds add up the effects of A, estimated from the records [2]_. C's margins
      are not used.
    - ``smooth_fix``: the logit's joint is then scaled to C's margins (IPF) [3]_. Margins may have
      variables that the records lack.
    - ``balanced``: the logit is estimated among those whose totals are C's margins [4]_.

    In all of them C is independent, given A, of what neither records nor margins have with it. The
    logit's effects are pooled: normal about 0, with a variance for each term that the records say
    (`docs/fusion.md`). Design weights count; n records count as their effective number.

    The problem's margins state the frame and what is known of the variables added; its microdata,
    if any, are the records: `MISSING` wherever they lack a variable (`popgen.fuse` poses it so).
    Estimated margins are met at their figures, as by `IPF`. A seed table is not used.

    Attributes
    ----------
    variables : tuple of str
        To be added, in this order: each may depend on those before it.
    way : {'balanced', 'smooth_fix', 'logit', 'product'}
    effects : int
        Most variables of a term of the logit: 1, each variable's effects; 2, also each pair's.
    unseen : {'refuse', 'average'}
        What to do where the frame has people of a level that no record has.
    tol, max_iter, max_cells
        As for `IPF`.

    Raises
    ------
    PopgenError
        If a parameter is not as described.

    References
    ----------
    .. [1] Leemann & Wasserfallen (2017), AJPS 61:1003-1022, doi:10.1111/ajps.12319
    .. [2] Kastellec, Lax, Malecki & Phillips (2015), J. Politics 77:787-804, doi:10.1086/681261
    .. [3] Ghitza & Steitz (2020), DEEP-MAPS Model of the Labor Force, Catalist working paper
    .. [4] Yamauchi & Kuriwaki, bmlogit: balanced multinomial logit, R package

    Examples
    --------
    >>> from popgen import Domain, Variable
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> votes = Table(Domain((age, vote)), [[40, 10], [25, 25]])
    >>> model = Fusion("vote", way="product").fit(Problem([frame, votes]))
    >>> model.project("degree", "vote").counts.round(6).tolist()
    [[44.0, 26.0], [21.0, 9.0]]
    """

    variables: Sequence[str]
    way: str = "balanced"
    effects: int = 1
    unseen: str = "refuse"
    tol: float = 1e-9
    max_iter: int = 2000
    max_cells: int = 20_000_000

    def __post_init__(self) -> None:
        given = (self.variables,) if isinstance(self.variables, str) else tuple(self.variables)
        object.__setattr__(self, "variables", given)
        if not given or len(set(given)) < len(given):
            raise PopgenError(f"name the variables to add, each once; got {listed(given)}")
        if self.way not in WAYS:
            raise PopgenError(f"no way {self.way!r} to fuse; there are {listed(WAYS)}")
        if self.unseen not in UNSEEN:
            raise PopgenError(f"unseen must be one of {listed(UNSEEN)}; got {self.unseen!r}")
        if self.effects not in (1, 2):
            raise PopgenError(f"effects must be 1 or 2 variables; got {self.effects!r}")
        check_numbers(self, "tol", "max_iter", "max_cells", above=0)

    def fit(self, problem: Problem) -> FusionModel:
        """Fit a problem.

        Raises
        ------
        InfeasibleError
            If the frame has people of a level that no record has, or zeros leave nobody for a
            margin.
        ConvergenceError
            If margins are not met, or the logit's effects are not found.
        PopgenError
            If a variable is unknown, the frame has none but those added, a way lacks what it
            needs (records, or a margin), or the joint has more than ``max_cells`` cells.
        """
        refuse_controls(problem, "Fusion")
        refuse_large(problem, self.max_cells)
        frame = self._frame(problem)
        parts = []
        for name in self.variables:
            stage = Stage.of(problem, (*frame.names, name)).extending(frame, name)
            frame, part = self._added(problem, stage, name)
            parts.append(part)
        table = frame.project(*problem.domain.names)
        held = Stage.of(problem, problem.domain.names)
        if self.way == "logit":  # nothing but the frame is promised
            kept = [name for name in problem.domain.names if name not in self.variables]
            held = Stage.of(problem, kept)
        slices = [Slice.of(margin, held.domain) for margin in held.margins]
        worst, miss = largest_miss(table.project(*held.domain.names).counts.copy(), held, slices)
        convergence = Convergence(True, sum(part.rounds for part in parts), miss, worst)
        return FusionModel(self, problem, convergence, table, tuple(parts))

    def _frame(self, problem: Problem) -> Table:
        """Fit the joint of the variables that are there already."""
        for name in self.variables:
            problem.domain.axis(name)  # or it says which variables there are
        names = [name for name in problem.domain.names if name not in self.variables]
        stage = Stage.of(problem, names)
        stated = {name for margin in stage.margins for name in margin.variables}
        if lacking := [name for name in names if name not in stated]:
            raise PopgenError(
                f"no margin of the frame has {listed(lacking)}: add one, or leave the variable out "
                "of the records"
            )
        if not names:
            raise PopgenError("the frame has no variable but those to be added; give its margins")
        table = np.full(stage.domain.shape, problem.total / stage.domain.size)
        meet_margins(table, stage, tol=self.tol, max_iter=self.max_iter)
        return Table(stage.domain, table)

    def _added(self, problem: Problem, stage: Stage, name: str) -> tuple[Table, Added]:
        """Add one variable to a joint, which is the stage's first margin."""
        frame, said = stage.margins[0].table, stage.margins[1:]
        if self.way == "product":
            return self._product(stage, name)
        if problem.microdata is None:
            raise PopgenError(
                f"way {self.way!r} learns {name!r} from records and this problem has no microdata: "
                "pass a survey, or use way='product' with margins"
            )
        if self.way != "logit" and not said:
            raise PopgenError(
                f"way {self.way!r} needs a margin of {name!r}, and none is given: give one, or use "
                "way='logit'"
            )
        donors = Donors.of(problem.microdata, name, frame.names)
        notes = donors.noted(frame, self.unseen)
        shape = frame.domain.project(*donors.names).shape
        terms = self._terms(donors.names, said if self.way == "balanced" else ())
        pooled = pooled_logit(Design.of(shape, terms), donors.counts)
        shares = pooled.shares
        if self.way == "balanced":
            shares = _held(pooled, donors, frame, said, name)
        table = frame.counts[..., None] * onto(shares, donors.names, frame.domain)
        rounds = 1
        if self.way == "smooth_fix":
            rounds, _, _ = meet_margins(table, stage, tol=self.tol, max_iter=self.max_iter)
        spreads = _spreads(pooled, donors.names)
        ties = self._ties(said, name)
        part = Added(name, self.way, donors.names, ties, donors.records, spreads, rounds, notes)
        return Table(stage.domain, table), part

    def _product(self, stage: Stage, name: str) -> tuple[Table, Added]:
        frame, said = stage.margins[0].table, stage.margins[1:]
        if not said:
            raise PopgenError(
                f"way 'product' needs a margin of {name!r}, and none is given: give one, or a "
                "survey and way='logit'"
            )
        levels = len(stage.domain[name])
        table = np.repeat(frame.counts[..., None] / levels, levels, axis=-1)
        rounds, _, _ = meet_margins(table, stage, tol=self.tol, max_iter=self.max_iter)
        part = Added(name, self.way, (), self._ties(said, name), 0, {}, rounds, ())
        return Table(stage.domain, table), part

    def _ties(self, said: tuple[Margin, ...], name: str) -> tuple[tuple[str, ...], ...]:
        if self.way == "logit":
            return ()
        return tuple(tuple(n for n in margin.variables if n != name) for margin in said)

    def _terms(self, names: tuple[str, ...], said: tuple[Margin, ...]) -> list[Term]:
        """List the logit's terms, those of the margins to be held among them."""
        axes = range(len(names))
        terms = [t for k in range(1, self.effects + 1) for t in itertools.combinations(axes, k)]
        for margin in said:
            others = [n for n in margin.variables if n in names]
            terms.append(tuple(sorted(names.index(n) for n in others)))
        return [term for term in dict.fromkeys(terms) if term]


def _spreads(pooled: Pooled, names: tuple[str, ...]) -> dict[str, float]:
    """Give the standard deviation of each term's effects, by the term's name."""
    return {
        " × ".join(names[axis] for axis in term): float(1 / np.sqrt(found))
        for term, found in zip(pooled.design.terms[1:], pooled.precision[1:], strict=True)
    }


def _held(
    pooled: Pooled, donors: Donors, frame: Table, said: tuple[Margin, ...], name: str
) -> Floats:
    """Estimate the logit again, among those whose totals are the margins'."""
    people = frame.project(*donors.names).counts.ravel()
    totals = [_totals(margin, donors.names, name) for margin in said]
    balance = Balance.of(pooled.design, people, donors.counts.shape[1], totals)
    barred = np.asarray(balance.design.offset) < 0
    if (against := float(donors.counts[barred].sum())) > 0:
        raise InfeasibleError(
            f"records worth {against:,.6g} people have {name!r} at levels where a margin says "
            "nobody is: correct the margin's zeros or the records, or use way='smooth_fix'"
        )
    tied = [pooled.design.terms.index(total.term) for total in totals]
    precision = pooled.precision.copy()
    precision[tied] = FREE  # margins set these effects: records need not hold them near 0
    likelihood = Likelihood(balance.design, donors.counts, balance.design.spread(precision))
    return balanced(likelihood, balance, pooled.theta)[1]


def _totals(margin: Margin, names: tuple[str, ...], name: str) -> Totals:
    others = [n for n in names if n in margin.variables]
    if lacking := [n for n in margin.variables if n != name and n not in names]:
        raise PopgenError(
            f"way 'balanced' cannot hold margin {margin.name!r}: the survey has no "
            f"{listed(lacking)}, so no effect of it can be estimated; use way='smooth_fix'"
        )
    stated = [margin.rule(n).coarse.name for n in others]
    table = margin.table.project(*stated, margin.rule(name).coarse.name)
    people = table.counts.reshape(-1, table.domain.shape[-1])
    term = tuple(names.index(n) for n in others)
    return Totals(term, codes_over(margin, others), margin.rule(name).codes, people)


@dataclass(frozen=True)
class Added:
    """What one added variable rests on.

    Attributes
    ----------
    name, way : str
    shared : tuple of str
        The frame's variables that the records have.
    tied : tuple of tuples of str
        The frame's variables of each of its margins that was used.
    records : int
    spreads : dict of str to float
        Standard deviation of each term's effects on the log odds, as estimated; the least, 0.03,
        means that the records show none.
    rounds : int
        Sweeps of IPF.
    remarks : tuple of str
    """

    name: str
    way: str
    shared: tuple[str, ...]
    tied: tuple[tuple[str, ...], ...]
    records: int
    spreads: dict[str, float]
    rounds: int
    remarks: tuple[str, ...]

    @property
    def seen_with(self) -> tuple[str, ...]:
        """The frame's variables that it was seen with, in records or margins."""
        return tuple(dict.fromkeys([*self.shared, *itertools.chain(*self.tied)]))

    @property
    def notes(self) -> tuple[str, ...]:
        """Say in words what was assumed, and how much the records were pooled."""
        assumed = WAYS[self.way].format(shared=", ".join(self.shared))
        told = [f"{self.name!r} fused, way {self.way!r}: assumes that {assumed}"]
        if self.spreads:
            found = ", ".join(f"{term} {sd:.2f}" for term, sd in self.spreads.items())
            told.append(f"{self.name!r}: {self.records:,} records; sd of pooled effects: {found}")
        return (*told, *self.remarks)


@dataclass(frozen=True, eq=False, repr=False)
class FusionModel(TableModel):
    """A joint to which variables were added.

    Attributes
    ----------
    method : Fusion
    parts : tuple of Added
        What each of them rests on.
    """

    method: Fusion
    parts: tuple[Added, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the problem or the fit did, and what was assumed, in words."""
        told = [note for part in self.parts for note in part.notes]
        return (*self.problem.notes, *told)

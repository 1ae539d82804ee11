"""`BayesNet`: each variable depends on one other, along the strongest tree of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from popgen.errors import PopgenError, listed
from popgen.margin import Margin
from popgen.methods._chowliu import chow_liu
from popgen.methods._generator import NO_MARGINS, GeneratorModel, complete_records
from popgen.methods._tree import Floats, Tree
from popgen.methods.base import check_numbers, refuse_controls
from popgen.methods.models import Codes
from popgen.problem import Problem
from popgen.table import Table


@dataclass(frozen=True)
class BayesNet:
    """Learn the Chow-Liu tree of the problem's records: the nearest joint with d - 1 pairs.

    Of all joints in which every variable depends on one other it is the likeliest. It takes few
    records to learn, has every interaction of its d - 1 pairs, and weakens all others with each
    step along the tree. Variables are tied by the mutual information of their weighted two-way
    tables, less what chance would show in so many records.

    Without microdata, the two-way tables are the margins', which must then state every pair of
    variables on the model's levels. Otherwise margins are not looked at: follow it by calibration
    (`CalibratedPool`) to meet them.

    Attributes
    ----------
    prior : float
        Records' worth of independence that each level of a parent is given, at least 0: with 1, a
        level that 10 (effective) records have keeps 10/11 of what they say. Exact margins need
        none and get none.

    References
    ----------
    .. [1] Chow & Liu (1968), IEEE Trans. Inf. Theory 14:462-467, doi:10.1109/TIT.1968.1054142

    Examples
    --------
    >>> from popgen import Domain, Microdata, Variable
    >>> sex, vote = Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))
    >>> survey = Microdata(Domain((sex, vote)), [[0, 0], [1, 1]], [30, 10])
    >>> problem = Problem([Table(Domain((sex,)), [50, 50])], survey)
    >>> BayesNet(prior=0).fit(problem).project("sex", "vote").counts.tolist()
    [[75.0, 0.0], [0.0, 25.0]]
    """

    prior: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(self, "prior", least=0)

    def fit(self, problem: Problem) -> TreeModel:
        """Fit a problem.

        Raises
        ------
        PopgenError
            If records lack values; or there are none and margins do not state every pair.
        """
        refuse_controls(problem, "BayesNet")
        if problem.microdata is None:
            return TreeModel(self, problem, NO_MARGINS, from_margins(problem))
        survey = complete_records(problem, "BayesNet")
        names = survey.domain.names
        tree = chow_liu(
            survey.domain.shape,
            lambda a, b: survey.project(names[a], names[b]).counts,
            lambda a: survey.project(names[a]).counts,
            records=survey.effective_size,
            prior=self.prior,
        )
        return TreeModel(self, problem, NO_MARGINS, tree)


@dataclass(frozen=True, eq=False)
class TreeModel(GeneratorModel):
    """A tree of variables; expected counts over any few of them are exact.

    Attributes
    ----------
    tree : Tree
    """

    tree: Tree

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of variables tied to one another: (parent, child), from the root down."""
        names, tree = self.domain.names, self.tree
        return tuple((names[tree.parent[v]], names[v]) for v in tree.order[1:])

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables, axes in the order asked."""
        domain = self.domain.project(*names)
        shares = self.tree.joint([self.domain.axis(name) for name in names])
        return Table(domain, shares * self.problem.total)

    def _people(self, uniform: Floats) -> Codes:
        return self.tree.people(uniform)


def from_margins(problem: Problem) -> Tree:
    """Find the tree of a problem whose margins state every pair of variables."""
    names = problem.domain.names
    wanted: list[tuple[str, ...]] = [*((name,) for name in names), *combinations(names, 2)]
    found = {key: stated(problem.margins, *key) for key in wanted}
    if absent := [" × ".join(key) for key in wanted if found[key] is None]:
        raise PopgenError(
            f"BayesNet was given no microdata, and no margin states {listed(absent)} for everybody "
            "on the model's levels: pass records, add these tables, or use IPF"
        )

    def pair(a: int, b: int) -> Floats:
        counts = found[names[min(a, b)], names[max(a, b)]]
        assert counts is not None
        return counts if a < b else counts.T

    def one_way(a: int) -> Floats:
        counts = found[(names[a],)]
        assert counts is not None
        return counts

    return chow_liu(problem.domain.shape, pair, one_way)


def stated(margins: Sequence[Margin], *names: str) -> Floats | None:
    """Return the counts over some variables that a margin states for everybody, or None."""
    for margin in margins:
        inside = set(names) <= set(margin.variables)
        if inside and margin.complete and all(margin.rule(name).trivial for name in names):
            return margin.table.project(*(margin.rule(name).coarse.name for name in names)).counts
    return None

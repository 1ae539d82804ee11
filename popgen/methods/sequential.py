"""`Sequential`: one variable after the other, each from a decision tree on those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from popgen._hotdeck import dealt
from popgen._values import Values
from popgen.errors import PopgenError, listed
from popgen.methods._chowliu import mutual_information
from popgen.methods._generator import NO_MARGINS, GeneratorModel, complete_records, levels_drawn
from popgen.methods.base import check_numbers, refuse_controls
from popgen.methods.models import Codes, Floats, Index
from popgen.microdata import Microdata
from popgen.problem import Problem


@dataclass(frozen=True)
class Sequential:
    """Learn each variable from those before it by a classification tree, and draw from its leaves.

    The way of the R package synthpop: the first variable has the records' shares, every later one
    a tree grown on all before it, down to leaves of few records; a person gets a level of the leaf
    that holds them, and if the level is a band, the number of a record there. It finds interactions
    of any order without being told which, and copies the records' noise with them where leaves are
    small. Trees count by the records' weights.

    Margins are not looked at: follow it by calibration (`CalibratedPool`) to meet them. Needs
    scikit-learn: ``pip install 'popgen-joint[trees]'``.

    Attributes
    ----------
    order : tuple of str
        The variables' order; every variable once. Default: first the variable that shares most
        information with all others, then always the one that those before it tell most about
        (sums of mutual information over pairs).
    ordinal : tuple of str
        Variables whose levels are in order, so that a tree may split them between two levels. Of
        the others it splits one level from the rest.
    min_leaf : int
        Fewest records in a leaf. (synthpop has 5; popgen's benchmark is better with 20.)
    prior : float
        Records' worth of the variable's overall shares added to each leaf, at least 0.

    References
    ----------
    .. [1] Nowok, Raab & Dibben (2016), J. Stat. Softw. 74(11), doi:10.18637/jss.v074.i11

    Examples
    --------
    >>> from popgen import Domain, Table, Variable
    >>> sex, vote = Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))
    >>> survey = Microdata(Domain((sex, vote)), [[0, 0], [0, 0], [0, 1], [1, 1]] * 10)
    >>> problem = Problem([Table(Domain((sex,)), [60, 20])], survey)
    >>> Sequential(min_leaf=5, prior=0).fit(problem).project("sex", "vote").counts.round(1).tolist()
    [[40.0, 20.0], [0.0, 20.0]]
    """

    order: tuple[str, ...] = ()
    ordinal: tuple[str, ...] = ()
    min_leaf: int = 20
    prior: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", tuple(self.order))
        object.__setattr__(self, "ordinal", tuple(self.ordinal))
        check_numbers(self, "min_leaf", least=1)
        check_numbers(self, "prior", least=0)

    def fit(self, problem: Problem) -> SequentialModel:
        """Fit a problem.

        Raises
        ------
        PopgenError
            If there are no records, or some lack values; if ``order`` or ``ordinal`` name a
            variable that there is not; if scikit-learn is not installed.
        """
        refuse_controls(problem, "Sequential")
        survey = complete_records(problem, "Sequential")
        for name in self.ordinal:
            survey.domain.axis(name)  # or it says which variables there are
        order = self._ordered(survey)
        ordinal = tuple(name in self.ordinal for name in survey.domain.names)
        steps = [
            self._step(survey, before, axis, ordinal)
            for before, axis in ((order[:i], axis) for i, axis in enumerate(order))
        ]
        return SequentialModel(self, problem, NO_MARGINS, tuple(steps))

    def _ordered(self, survey: Microdata) -> tuple[int, ...]:
        names = survey.domain.names
        if not self.order:
            return chosen_order(survey)
        if sorted(self.order) != sorted(names):
            raise PopgenError(
                f"order must name every variable once: {listed(names)}; got {listed(self.order)}"
            )
        return tuple(names.index(name) for name in self.order)

    def _step(
        self, survey: Microdata, before: tuple[int, ...], axis: int, ordinal: tuple[bool, ...]
    ) -> Step:
        levels, target = survey.domain.shape[axis], survey.codes[:, axis]
        columns = Columns(before, survey.domain.shape, ordinal)
        tree, leaves = None, np.zeros(len(survey), dtype=np.intp)
        if before:
            tree = _tree_class()(min_samples_leaf=self.min_leaf, random_state=0)
            tree.fit(columns.of(survey.codes), target, sample_weight=survey.weights)
            leaves = tree.apply(columns.of(survey.codes)).astype(np.intp)
        records = survey.weights * (survey.effective_size / survey.weights.sum())
        nodes = int(leaves.max()) + 1
        counts = np.bincount(leaves * levels + target, records, minlength=nodes * levels)
        counts = counts.reshape(nodes, levels)
        overall = counts.sum(axis=0) / counts.sum()
        counts += (self.prior if before else 0.0) * overall
        held = counts.sum(axis=1, keepdims=True)  # 0 for nodes that are not leaves
        shares = np.where(held > 0, counts / np.where(held > 0, held, 1.0), overall)
        return Step(axis, columns, tree, shares)


@dataclass(frozen=True)
class Columns:
    """How variables become a tree's columns.

    Attributes
    ----------
    axes : tuple of int
        The variables to use.
    shape : tuple of int
        Levels of every variable.
    ordinal : tuple of bool
        Which variables are one number; the others are one column a level (two levels: one).
    """

    axes: tuple[int, ...]
    shape: tuple[int, ...]
    ordinal: tuple[bool, ...]

    def of(self, codes: Codes) -> Any:
        """Columns of coded people, shape (n, columns), in the precision that trees use."""
        parts = []
        for axis in self.axes:
            column = codes[:, axis]
            if self.ordinal[axis] or self.shape[axis] <= 2:
                parts.append(column[:, None])
            else:
                parts.append(column[:, None] == np.arange(self.shape[axis]))
        return np.hstack(parts).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Step:
    """How one variable is drawn.

    Attributes
    ----------
    axis : int
        The variable.
    columns : Columns
        Those before it, as the tree reads them.
    tree : DecisionTreeClassifier or None
        None for the first variable.
    shares : array, shape (nodes, levels)
        Shares of the levels in each leaf.
    """

    axis: int
    columns: Columns
    tree: Any
    shares: Floats

    def leaves(self, codes: Codes) -> Index:
        """Find the leaf that holds each person, by number."""
        if self.tree is None:
            return np.zeros(len(codes), dtype=np.intp)
        return np.asarray(self.tree.apply(self.columns.of(codes)), dtype=np.intp)


@dataclass(frozen=True, eq=False)
class SequentialModel(GeneratorModel):
    """A chain of decision trees.

    Attributes
    ----------
    steps : tuple of Step
    """

    steps: tuple[Step, ...]

    numbers_from: ClassVar[str] = "a record of the same leaf and band"

    @property
    def order(self) -> tuple[str, ...]:
        """The order in which variables are drawn."""
        return tuple(self.domain.names[step.axis] for step in self.steps)

    def _people(self, uniform: Floats) -> Codes:
        codes = np.zeros(uniform.shape, dtype=np.int16, order="F")
        for step in self.steps:
            leaves = step.leaves(codes)
            codes[:, step.axis] = levels_drawn(step.shares, leaves, uniform[:, step.axis])
        return codes

    def _numbers(self, people: Microdata, records: Microdata, rng: np.random.Generator) -> Values:
        names = self.domain.names
        cells = {
            names[step.axis]: (step.leaves(records.codes), step.leaves(people.codes))
            for step in self.steps
            if names[step.axis] in records.values
        }
        return dealt(people, records, rng=rng, cells=cells)


def chosen_order(survey: Microdata) -> tuple[int, ...]:
    """Order variables so that each is told as much as can be by those before it."""
    names, size = survey.domain.names, survey.effective_size
    d = len(names)
    shared = np.zeros((d, d))
    for a in range(d):
        for b in range(a):
            counts = survey.project(names[a], names[b]).counts
            shared[a, b] = shared[b, a] = mutual_information(counts, size)
    order = [int(shared.sum(axis=1).argmax())]
    while len(order) < d:
        told = shared[order].sum(axis=0)
        told[order] = -np.inf
        order.append(int(told.argmax()))
    return tuple(order)


def _tree_class() -> Any:
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ImportError:
        raise PopgenError(
            "Sequential grows its trees with scikit-learn, which is not installed: "
            "pip install 'popgen-joint[trees]'; or use BayesNet, which needs nothing more"
        ) from None
    return DecisionTreeClassifier

"""`GaussianCopula`: ordered variables as bands of correlated normal ones, given the others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from popgen.errors import PopgenError
from popgen.methods._chowliu import Tree, chow_liu
from popgen.methods._generator import NO_MARGINS, GeneratorModel, complete_records
from popgen.methods._polychoric import nearest_correlation, ordered_probit, polychoric
from popgen.methods.base import refuse_controls
from popgen.methods.models import Codes, Floats, Index
from popgen.microdata import Microdata
from popgen.problem import Problem

EDGE = 1e-12  # uniform numbers keep this far from 0 and 1, whose quantiles are infinite


@dataclass(frozen=True)
class GaussianCopula:
    """Learn one correlation a pair of ordered variables: each is a normal variable cut into levels.

    A pair of ordered variables has one parameter however many levels it has, so few records
    suffice; an interaction that is not a steady rise or fall (young and old alike, the middle
    different) cannot be had, nor one of three variables. Correlations are polychoric: most likely
    given the variables' own cuts (two steps, pair by pair).

    Variables with two levels count as ordered. Others that are not in ``ordinal`` have no order to
    use, and a Gaussian copula is unsuited to them. They are drawn first, from a tree of their own
    (as in `BayesNet`), and each combination of their levels cuts the normal variables in its own
    places: the records' shares there, pulled towards those of an ordered probit regression with one
    shift a level. So they keep their interactions with every ordered variable, but correlations are
    the same in all combinations.

    Margins are not looked at: follow it by calibration (`CalibratedPool`) to meet them.

    Attributes
    ----------
    ordinal : tuple of str
        Variables whose levels are in order, besides those with two levels.
    prior : float
        As in `BayesNet`, for the tree of variables without an order.
    pull : float
        Records' worth of the probit regression in the shares of each combination, more than 0.

    References
    ----------
    .. [1] Olsson (1979), Psychometrika 44:443-460, doi:10.1007/BF02296207

    Examples
    --------
    >>> from popgen import Domain, Microdata, Table, Variable
    >>> a, b = Variable("a", ("low", "high")), Variable("b", ("low", "high"))
    >>> survey = Microdata(Domain((a, b)), [[0, 0], [1, 1], [0, 1], [1, 0]], [2, 2, 1, 1])
    >>> model = GaussianCopula().fit(Problem([Table(Domain((a,)), [5, 5])], survey))
    >>> model.correlations.round(3).tolist()  # 2/6 = 1/4 + asin(0.5) / 2 pi
    [[1.0, 0.5], [0.5, 1.0]]
    """

    ordinal: tuple[str, ...] = ()
    prior: float = 1.0
    pull: float = 200.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "ordinal", tuple(self.ordinal))
        if not (self.prior >= 0 and self.pull > 0 and math.isfinite(self.prior + self.pull)):
            raise PopgenError(
                "prior and pull are numbers of records, at least 0 and more than 0; got "
                f"prior={self.prior}, pull={self.pull}"
            )

    def fit(self, problem: Problem) -> CopulaModel:
        """Fit a problem.

        Raises
        ------
        PopgenError
            If there are no records, or some lack values, or ``ordinal`` names a variable that
            there is not.
        """
        refuse_controls(problem, "GaussianCopula")
        survey = complete_records(problem, "GaussianCopula")
        ranked = {survey.domain.axis(name) for name in self.ordinal}
        ranked |= {axis for axis, levels in enumerate(survey.domain.shape) if levels <= 2}
        ordered = tuple(sorted(ranked))
        others = Others.of(
            survey, tuple(a for a in range(len(survey.domain)) if a not in ranked), self.prior
        )
        bands, pairwise = self._latent(survey, ordered, others)
        near = nearest_correlation(pairwise)
        return CopulaModel(self, problem, NO_MARGINS, ordered, others, bands, pairwise, near)

    def _latent(
        self, survey: Microdata, ordered: tuple[int, ...], others: Others
    ) -> tuple[tuple[Bands, ...], Floats]:
        """Cuts and pairwise correlations of the variables behind the ordered ones."""
        group, records = others.group(survey.codes), survey.effective_size
        bands = tuple(
            Bands.of(_counted(survey, group, axis), others, records, self.pull) for axis in ordered
        )
        found = np.eye(len(ordered))
        for i, a in enumerate(ordered):
            for j, b in enumerate(ordered[:i]):
                counts = _counted(survey, group, a, b)
                found[i, j] = found[j, i] = polychoric(counts, bands[i].cuts, bands[j].cuts)
        return bands, found


@dataclass(frozen=True, eq=False)
class Others:
    """The variables without an order: their joint, and the groups that the records have of them.

    Attributes
    ----------
    axes : tuple of int
        The variables, by number; there may be none.
    tree : Tree or None
        Their joint.
    kinds : array of int, shape (groups, len(axes))
        The combinations of their levels that records have.
    """

    axes: tuple[int, ...]
    tree: Tree | None
    kinds: Codes

    @classmethod
    def of(cls, survey: Microdata, axes: tuple[int, ...], prior: float) -> Others:
        """Learn their joint from records."""
        names = [survey.domain.names[axis] for axis in axes]
        if not axes:
            return cls(axes, None, np.zeros((1, 0), dtype=np.int16))
        tree = chow_liu(
            [survey.domain.shape[axis] for axis in axes],
            lambda a, b: survey.project(names[a], names[b]).counts,
            lambda a: survey.project(names[a]).counts,
            records=survey.effective_size,
            prior=prior,
        )
        return cls(axes, tree, np.unique(survey.codes[:, list(axes)], axis=0))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of each variable."""
        return () if self.tree is None else tuple(s.shape[1] for s in self.tree.shares)

    def columns(self) -> Floats:
        """Write the groups as columns of a regression: one a level, each one's first left out."""
        parts = [self.kinds[:, i, None] == np.arange(1, k) for i, k in enumerate(self.sizes)]
        return np.hstack([np.zeros((len(self.kinds), 0)), *parts]).astype(np.float64)

    def group(self, codes: Codes) -> Index:
        """Find the group that each person is in; -1 for a combination that no record had."""
        if not self.axes:
            return np.zeros(len(codes), dtype=np.intp)
        rows = self._numbered(codes[:, list(self.axes)])
        known = self._numbered(self.kinds)  # rising, since kinds are sorted
        place = np.minimum(np.searchsorted(known, rows), len(known) - 1)
        return np.where(known[place] == rows, place, -1)

    def _numbered(self, codes: Codes) -> Index:
        """Give each combination of levels a number of its own."""
        return np.asarray(np.ravel_multi_index(list(codes.T), self.sizes))


@dataclass(frozen=True, eq=False)
class Bands:
    """How an ordered variable's normal variable is cut into levels, in each group.

    A group is one combination of levels of the variables without an order.

    Attributes
    ----------
    cuts : array, shape (groups, levels - 1)
        In each group that the records have.
    usual : array, shape (levels - 1,)
        In a group that they lack: cuts for the first level of each variable.
    shifts : tuple of array
        And how far each level of each variable moves these.
    """

    cuts: Floats
    usual: Floats
    shifts: tuple[Floats, ...]

    @classmethod
    def of(cls, counts: Floats, others: Others, records: float, pull: float) -> Bands:
        """Learn from counts, shape (groups, levels)."""
        X, sizes = others.columns(), others.sizes
        usual, slopes = ordered_probit(counts, X, records)
        parts = np.split(slopes, np.cumsum([size - 1 for size in sizes])[:-1]) if sizes else ()
        shifts = tuple(np.concatenate([[0.0], part]) for part in parts)
        cuts = usual - (X @ slopes)[:, None]
        if sizes:
            rows = counts / counts.sum() * records
            below = np.cumsum(rows, axis=1)[:, :-1] + pull * ndtr(cuts)
            cuts = ndtri(np.clip(below / (rows.sum(axis=1, keepdims=True) + pull), 0.0, 1.0))
        return cls(cuts, usual, shifts)

    def levels(self, latent: Floats, group: Index, plain: Codes) -> Codes:
        """Levels of people, by their normal variable, their group (-1: new) and its levels."""
        cuts = self.cuts[group]
        if (new := np.flatnonzero(group < 0)).size:
            shift = sum(s[plain[new, i]] for i, s in enumerate(self.shifts))
            cuts[new] = self.usual - np.reshape(shift, (-1, 1))
        return np.asarray((latent[:, None] > cuts).sum(axis=1), dtype=np.int16)


@dataclass(frozen=True, eq=False)
class CopulaModel(GeneratorModel):
    """Correlated normal variables cut into levels, their means shifted by unordered variables.

    Attributes
    ----------
    ordered : tuple of int
        The variables with a normal variable behind them, by number.
    others : Others
        The rest.
    bands : tuple of Bands
        Of each ordered variable.
    pairwise : array, shape (len(ordered), len(ordered))
        Correlations as estimated pair by pair.
    correlations : array, of the same shape
        The nearest ones that are possible together: the same, unless ``notes`` says so.
    """

    ordered: tuple[int, ...]
    others: Others
    bands: tuple[Bands, ...]
    pairwise: Floats
    correlations: Floats

    @property
    def notes(self) -> tuple[str, ...]:
        """What the problem or the fit did that a user should know of, in words."""
        moved = np.abs(self.correlations - self.pairwise)
        if not moved.any():
            return self.problem.notes
        i, j = np.unravel_index(int(moved.argmax()), moved.shape)
        a, b = (self.domain.names[self.ordered[k]] for k in (i, j))
        said = (
            "correlations estimated pair by pair are not possible together; the nearest that are "
            f"differ by up to {moved[i, j]:.2g}: {a} × {b} from {self.pairwise[i, j]:.3f} to "
            f"{self.correlations[i, j]:.3f}"
        )
        return (*self.problem.notes, said)

    def _people(self, uniform: Floats) -> Codes:
        codes = np.zeros(uniform.shape, dtype=np.int16, order="F")
        axes = list(self.others.axes)
        if self.others.tree is not None:
            codes[:, axes] = self.others.tree.people(uniform[:, axes])
        if not self.ordered:
            return codes
        group = self.others.group(codes)
        normal = ndtri(np.clip(uniform[:, list(self.ordered)], EDGE, 1 - EDGE))
        latent = normal @ np.linalg.cholesky(self.correlations).T
        for axis, bands, column in zip(self.ordered, self.bands, latent.T, strict=True):
            codes[:, axis] = bands.levels(column, group, codes[:, axes])
        return codes


def _counted(survey: Microdata, group: Index, *axes: int) -> Floats:
    """Weighted records in each group and each level of some variables."""
    shape = (int(group.max()) + 1, *(survey.domain.shape[axis] for axis in axes))
    cells = np.ravel_multi_index([group, *(survey.codes[:, axis] for axis in axes)], shape)
    found = np.bincount(cells, survey.weights, minlength=math.prod(shape))
    return found.astype(np.float64).reshape(shape)

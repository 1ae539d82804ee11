"""`GaussianCopula`: ordered variables as bands of correlated normal ones, given the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from popgen.methods._generator import NO_MARGINS, complete_records
from popgen.methods._latent import LatentModel, counted, cuts_of
from popgen.methods._nearest import nearest_correlation
from popgen.methods._polychoric import polychoric
from popgen.methods.base import check_numbers, refuse_controls
from popgen.methods.models import Floats
from popgen.problem import Problem


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
        check_numbers(self, "prior", least=0)
        check_numbers(self, "pull", above=0)

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
        ordered, others, cuts = cuts_of(survey, self.ordinal, prior=self.prior, pull=self.pull)
        group = others.group(survey.codes)
        pairwise = np.eye(len(ordered))
        for i, a in enumerate(ordered):
            for j, b in enumerate(ordered[:i]):
                counts = counted(survey, group, a, b)
                found = polychoric(counts, cuts[i].own, cuts[j].own)
                pairwise[i, j] = pairwise[j, i] = found
        near = nearest_correlation(pairwise)
        return CopulaModel(self, problem, NO_MARGINS, ordered, others, cuts, pairwise, near)


@dataclass(frozen=True, eq=False)
class CopulaModel(LatentModel):
    """Correlated normal variables cut into levels, their means shifted by unordered variables.

    Attributes
    ----------
    pairwise : array, shape (len(ordered), len(ordered))
        Correlations as estimated pair by pair.
    correlations : array, of the same shape
        The nearest ones that are possible together: the same, unless ``notes`` says so.
    """

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

    def _joined(self, uniform: Floats) -> Floats:
        return np.asarray(ndtri(uniform) @ np.linalg.cholesky(self.correlations).T)

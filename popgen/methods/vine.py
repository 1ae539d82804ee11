"""`VineCopula`: ordered variables joined pair by pair, each pair by a copula of its own shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from popgen.errors import PopgenError, listed
from popgen.methods._generator import NO_MARGINS, complete_records
from popgen.methods._latent import EDGE, Cuts, LatentModel, cuts_of
from popgen.methods.base import check_numbers, refuse_controls
from popgen.methods.models import Floats, Index
from popgen.microdata import Microdata
from popgen.problem import Problem

ONE_PARAMETER = ("indep", "gaussian", "clayton", "gumbel", "frank", "joe")


@dataclass(frozen=True)
class VineCopula:
    """Learn one bivariate copula a pair of ordered variables, given those that join the pair.

    Like `GaussianCopula`, but a pair may hold together more at one end than at the other: its
    family is chosen among ``families`` by BIC, and the tree of pairs by Kendall's tau (Dissmann's
    way). Fitting is pyvinecopulib's: ``pip install 'popgen-joint[vine]'``.

    Levels are discrete: a record is known to be somewhere in its level's band, so the likelihood
    is of both ends of it. A variable in ``continuous`` has so many levels (single years of age)
    that the middle of the band is taken for its place, which is several times faster.

    A vine is unsuited to variables without an order. Those are drawn first, and each combination
    of their levels moves the bands of the ordered ones: exactly as in `GaussianCopula`. The copulas
    are the same in all combinations.

    Margins are not looked at: follow it by calibration (`CalibratedPool`) to meet them. Design
    weights weigh the likelihood; BIC takes as many independent records as there are rows.

    Attributes
    ----------
    ordinal : tuple of str
        Variables whose levels are in order, besides those with two levels.
    continuous : tuple of str
        Ordered variables with many levels, whether named in ``ordinal`` or not.
    families : tuple of str
        Families to choose from, as pyvinecopulib names them; 'tll' is not parametric.
    trees : int or None
        Trees of the vine, beyond which pairs are independent given the others. Default: all.
    prior, pull : float
        As in `GaussianCopula`.

    References
    ----------
    .. [1] Dissmann, Brechmann, Czado & Kurowicka (2013), Comput. Stat. Data Anal. 59:52-69,
       doi:10.1016/j.csda.2012.08.010
    .. [2] Panagiotelis, Czado & Joe (2012), J. Am. Stat. Assoc. 107:1063-1072,
       doi:10.1080/01621459.2012.682850 (discrete vines)

    Examples
    --------
    >>> from popgen import Domain, Table, Variable
    >>> a, b = Variable("a", ("low", "high")), Variable("b", ("low", "high"))
    >>> survey = Microdata(
    ...     Domain((a, b)), [[0, 0], [1, 1], [0, 1], [1, 0]] * 100, [2, 2, 1, 1] * 100
    ... )
    >>> model = VineCopula().fit(Problem([Table(Domain((a,)), [5, 5])], survey))
    >>> model.project("a", "b").scaled(6).counts.round(1).tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """

    ordinal: tuple[str, ...] = ()
    continuous: tuple[str, ...] = ()
    families: tuple[str, ...] = ONE_PARAMETER
    trees: int | None = None
    prior: float = 1.0
    pull: float = 200.0

    def __post_init__(self) -> None:
        for field in ("ordinal", "continuous", "families"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        check_numbers(self, "prior", least=0)
        check_numbers(self, "pull", above=0)
        if self.trees is not None and not (isinstance(self.trees, int) and self.trees > 0):
            raise PopgenError(f"a vine has a whole number of trees, at least 1; got {self.trees!r}")

    def fit(self, problem: Problem) -> VineModel:
        """Fit a problem.

        Raises
        ------
        PopgenError
            If there are fewer than two records, or some lack values; if ``ordinal`` or
            ``continuous`` name a variable that there is not, or ``families`` a family; if
            pyvinecopulib is absent.
        """
        refuse_controls(problem, "VineCopula")
        controls = self._controls(_pyvinecopulib())
        survey = _sorted(complete_records(problem, "VineCopula"))
        if len(survey) < 2:
            raise PopgenError("VineCopula learns how variables go together: give 2 records or more")
        ordered, others, cuts = cuts_of(
            survey, (*self.ordinal, *self.continuous), prior=self.prior, pull=self.pull
        )
        smooth = [survey.domain.axis(name) for name in self.continuous]
        vine = None
        if ordered:
            kinds = ["c" if axis in smooth else "d" for axis in ordered]
            ends = _ends(survey, ordered, cuts, others.group(survey.codes))
            controls.weights = survey.weights
            vine = _pyvinecopulib().Vinecop.from_data(
                _observations(*ends, kinds), controls, var_types=kinds
            )
        return VineModel(self, problem, NO_MARGINS, ordered, others, cuts, vine)

    def _controls(self, pv: Any) -> Any:
        known = pv.BicopFamily.__members__
        if unknown := [name for name in self.families if name not in known]:
            raise PopgenError(
                f"pyvinecopulib has no family {listed(unknown)}; it has {listed(known)}"
            )
        if not self.families:
            raise PopgenError(f"name at least one family of copulas: {listed(known)}")
        limit = {} if self.trees is None else {"trunc_lvl": self.trees}
        return pv.FitControlsVinecop(
            family_set=[known[name] for name in self.families],
            selection_criterion="bic",
            preselect_families=False,  # by a symmetry that turns with the weights' last digit
            num_threads=1,
            **limit,
        )


@dataclass(frozen=True, eq=False)
class VineModel(LatentModel):
    """A vine of bivariate copulas, its variables cut into levels.

    Attributes
    ----------
    vine : pyvinecopulib.Vinecop or None
        Over the ordered variables, in their order; None if there are none.
    """

    vine: Any

    def _joined(self, uniform: Floats) -> Floats:
        joined = self.vine.inverse_rosenblatt(np.asfortranarray(uniform))
        return np.asarray(ndtri(np.clip(joined, EDGE, 1 - EDGE)))


def _sorted(survey: Microdata) -> Microdata:
    """Put records in an order of their own, so that sums do not hang on the order they came in."""
    return survey.take(np.lexsort([survey.weights, *survey.codes.T]))


def _ends(
    survey: Microdata, ordered: tuple[int, ...], cuts: tuple[Cuts, ...], group: Index
) -> tuple[Floats, Floats]:
    """Lower and upper ends of the records' bands, as shares of their group: (n, ordered) each."""
    lower, upper = np.empty((2, len(survey), len(ordered)))
    for i, (axis, some) in enumerate(zip(ordered, cuts, strict=True)):
        below = np.pad(ndtr(some.own), ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0)))
        codes = survey.codes[:, axis]
        lower[:, i], upper[:, i] = below[group, codes], below[group, codes + 1]
    return lower, upper


def _observations(lower: Floats, upper: Floats, kinds: list[str]) -> Floats:
    """Lay bands out as pyvinecopulib reads them: F(x) of all variables, then F(x-1) of all."""
    smooth = np.array(kinds) == "c"
    middle = (lower + upper) / 2
    pair = [np.where(smooth, middle, upper), np.where(smooth, middle, lower)]
    return np.asfortranarray(np.hstack(pair))


def _pyvinecopulib() -> Any:
    try:
        import pyvinecopulib
    except ImportError:
        raise PopgenError(
            "VineCopula fits its pairs with pyvinecopulib, which is not installed: "
            "pip install 'popgen-joint[vine]'; or use GaussianCopula, which needs nothing more"
        ) from None
    return pyvinecopulib

"""`CopulasModel`: the package copulas, with popgen's bands for levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from popgen.errors import PopgenError
from popgen.methods._generator import POOL, complete_records
from popgen.methods._peers import DrawnModel, apart, unweighted
from popgen.methods.base import check_numbers, refuse_controls
from popgen.methods.models import Codes, Floats
from popgen.problem import Problem


@dataclass(frozen=True)
class CopulasModel:
    """Learn and draw with `copulas.multivariate.GaussianMultivariate`.

    Each level is a band of a normal variable as wide as the records' share of it; a record's place
    in its band is drawn at random, the package fits a normal distribution to that, and what it
    draws is cut into levels again. So one-way shares come back, and correlations are weaker than
    those behind the levels: `GaussianCopula` estimates these, and needs no other package.

    Every variable is read in the order of its levels, whether they have one or not: a Gaussian
    copula is unsuited to those that have none. Design weights are followed by repeating records.
    Margins are not looked at: follow it by calibration (`CalibratedPool`) to meet them.

    Only the Gaussian copula of the package: it warns itself that its vines may be wrong, and they
    are (`VineCopula` has vines). It replaces a marginal distribution that it cannot fit by a
    normal one without a word; here all are normal from the outset, so that it cannot.

    Needs ``pip install 'popgen-joint[copulas]'``: licensed BUSL-1.1, not for every use, and not
    beside pandas 3.

    Attributes
    ----------
    pool : int
        People whom the package draws once, for all expected counts and samples.
    rng : int
        The random numbers that it is given: part of the recipe, so that the same recipe gives the
        same fit.
    """

    pool: int = POOL
    rng: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, "pool", least=1)
        check_numbers(self, "rng", least=0, most=2**32 - 1)

    def fit(self, problem: Problem) -> DrawnModel:
        """Fit a problem, and draw the pool.

        Raises
        ------
        PopgenError
            If copulas is not installed or fails; if there are no records, or some lack values.
        """
        refuse_controls(problem, "CopulasModel")
        gaussian, normal = _copulas()
        survey = complete_records(problem, "CopulasModel")
        rng = np.random.default_rng(self.rng)
        codes = unweighted(survey, rng)
        ends = [_ends(column, k) for column, k in zip(codes.T, survey.domain.shape, strict=True)]
        with apart("copulas", self.rng) as said:
            model = gaussian(distribution=normal)
            model.fit(_placed(codes, ends, rng))
            drawn = model.sample(self.pool).to_numpy()
        return DrawnModel.of(self, problem, _levels(drawn, ends), said)


def _ends(column: Codes, levels: int) -> Floats:
    """Shares below each level, and 1: shape (levels + 1,)."""
    below = np.cumsum(np.bincount(column, minlength=levels)) / len(column)
    return np.concatenate([[0.0], below])


def _placed(codes: Codes, ends: list[Floats], rng: np.random.Generator) -> Any:
    """Draw normal variables of records, each within its level's band: a pandas frame."""
    import pandas as pd

    places = {
        f"v{i}": ndtri(rng.uniform(e[column], e[column + 1]))
        for i, (column, e) in enumerate(zip(codes.T, ends, strict=True))
    }
    return pd.DataFrame(places)


def _levels(drawn: Floats, ends: list[Floats]) -> Codes:
    """Levels of the bands that drawn normal variables fall into."""
    cuts = [ndtri(np.minimum(e[1:-1], 1.0)) for e in ends]
    columns = [np.searchsorted(c, z) for c, z in zip(cuts, drawn.T, strict=True)]
    return np.column_stack(columns).astype(np.int16)


def _copulas() -> tuple[Any, Any]:
    try:
        from copulas.multivariate import GaussianMultivariate
        from copulas.univariate import GaussianUnivariate
    except ImportError:
        raise PopgenError(
            "CopulasModel runs the package copulas, which is not installed: pip install "
            "'popgen-joint[copulas]' (BUSL-1.1, pandas < 3); or use GaussianCopula, which needs "
            "nothing more"
        ) from None
    return GaussianMultivariate, GaussianUnivariate

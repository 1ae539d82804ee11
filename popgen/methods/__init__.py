"""Ways to fit a population: one file a method, every one of them `Problem -> Model`.

How to add one: see `popgen.methods.base`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from popgen.errors import PopgenError, listed

if TYPE_CHECKING:
    from popgen.methods.base import Method

METHODS = {
    "independent": "Independent",
    "ipf": "IPF",
    "calibration": "Calibration",
    "maxent": "MaxEnt",
    "prior": "PersonaPrior",
    "bayesnet": "BayesNet",
    "sequential": "Sequential",
    "copula": "GaussianCopula",
    "vine": "VineCopula",
    "copulas": "CopulasModel",
    "sdv": "SDVModel",
    "fusion": "Fusion",
    "pool": "CalibratedPool",
}
"""The methods there are: the name of the file, and the class."""

RANKING = ("sequential", "copula", "vine")
"""Those that can be told which variables' levels are in order."""

LEARNERS = ("bayesnet", *RANKING)
"""Those that learn from records, do not look at margins and need no package under another licence.
"""

NAMED = ("independent", "ipf", "calibration", "maxent", "prior", *LEARNERS)
"""Those that work with their default parameters: the command line's names."""


def method_named(name: str, *, ordinal: Sequence[str] = ()) -> Method:
    """Return a method with its default parameters; what learns from records alone, calibrated.

    Imported only now, for it needs numpy.

    Parameters
    ----------
    name : str
        One of ``NAMED``.
    ordinal : sequence of str
        Variables whose levels are in order, for a method of ``RANKING``.

    Raises
    ------
    PopgenError
        If variables are said to be ordered and the method has no use for that.

    >>> method_named("independent")
    Independent()
    """
    if ordinal and name not in RANKING:
        raise PopgenError(
            f"method {name!r} asks for no order of levels; ordinal variables are for "
            f"{listed(RANKING)}"
        )
    method: Method = _class(name)(**({"ordinal": tuple(ordinal)} if ordinal else {}))
    return _class("pool")(method) if name in LEARNERS else method


def _class(name: str) -> Any:
    return getattr(import_module(f"popgen.methods.{name}"), METHODS[name])

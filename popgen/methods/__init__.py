"""Ways to fit a population: one file a method, every one of them `Problem -> Model`.

How to add one: see `popgen.methods.base`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "pool": "CalibratedPool",
}
"""The methods there are: the name of the file, and the class."""

LEARNERS = ("bayesnet", "sequential")
"""Those that learn from records and do not look at margins."""

NAMED = ("independent", "ipf", "calibration", "maxent", "prior", *LEARNERS)
"""Those that work with their default parameters: the command line's names."""


def method_named(name: str) -> Method:
    """Return a method with its default parameters; what learns from records alone, calibrated.

    Imported only now, for it needs numpy.

    >>> method_named("independent")
    Independent()
    """
    method: Method = _class(name)()
    return _class("pool")(method) if name in LEARNERS else method


def _class(name: str) -> Any:
    return getattr(import_module(f"popgen.methods.{name}"), METHODS[name])

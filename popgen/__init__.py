"""popgen: populations whose interactions are measured, not imagined.

Names are imported when they are first used, so that ``popgen --help`` does not wait for numpy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popgen.census import Census, catalog, read_census
    from popgen.codebook import Codebook, read_codebook
    from popgen.domain import Coarsening, Domain, Variable
    from popgen.errors import (
        ConvergenceError,
        InconsistentMarginsError,
        InfeasibleError,
        PopgenError,
    )
    from popgen.folder import Source
    from popgen.frames import table_from_frame
    from popgen.generate import generate
    from popgen.integerise import integerise
    from popgen.methods.calibration import Calibration
    from popgen.methods.distances import LINEAR, RAKING, Distance, logit
    from popgen.methods.independent import Independent
    from popgen.methods.ipf import IPF
    from popgen.methods.maxent import MaxEnt
    from popgen.microdata import Microdata, Population
    from popgen.panels import read_panel
    from popgen.problem import Problem
    from popgen.reconcile import reconcile
    from popgen.score import Scores, compare, score
    from popgen.survey import read_microdata
    from popgen.table import Projectable, Table, Tables

    __version__: str

__all__ = [
    "IPF",
    "LINEAR",
    "RAKING",
    "Calibration",
    "Census",
    "Coarsening",
    "Codebook",
    "ConvergenceError",
    "Distance",
    "Domain",
    "InconsistentMarginsError",
    "Independent",
    "InfeasibleError",
    "MaxEnt",
    "Microdata",
    "PopgenError",
    "Population",
    "Problem",
    "Projectable",
    "Scores",
    "Source",
    "Table",
    "Tables",
    "Variable",
    "catalog",
    "compare",
    "generate",
    "integerise",
    "logit",
    "read_census",
    "read_codebook",
    "read_microdata",
    "read_panel",
    "reconcile",
    "score",
    "table_from_frame",
]

_HOMES = {
    "popgen.census": "Census catalog read_census",
    "popgen.codebook": "Codebook read_codebook",
    "popgen.domain": "Coarsening Domain Variable",
    "popgen.errors": "ConvergenceError InconsistentMarginsError InfeasibleError PopgenError",
    "popgen.folder": "Source",
    "popgen.frames": "table_from_frame",
    "popgen.generate": "generate",
    "popgen.integerise": "integerise",
    "popgen.methods.calibration": "Calibration",
    "popgen.methods.distances": "LINEAR RAKING Distance logit",
    "popgen.methods.independent": "Independent",
    "popgen.methods.ipf": "IPF",
    "popgen.methods.maxent": "MaxEnt",
    "popgen.microdata": "Microdata Population",
    "popgen.panels": "read_panel",
    "popgen.problem": "Problem",
    "popgen.reconcile": "reconcile",
    "popgen.score": "Scores compare score",
    "popgen.survey": "read_microdata",
    "popgen.table": "Projectable Table Tables",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


class _Front(ModuleType):
    """The package itself; ``popgen.score`` is the function, not the module that it lives in."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):  # set when a module is imported
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            value = import_module("popgen.provenance").VERSION
        elif name in _HOME:
            value = getattr(import_module(_HOME[name]), name)
        else:
            raise AttributeError(f"module 'popgen' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

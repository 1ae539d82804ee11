"""popgen: populations whose interactions are measured, not imagined.

Names are imported when they are first used, so that ``popgen --help`` does not wait for numpy. So a
public name is stated twice: where type checkers look, and in ``_HOMES``.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popgen.audit import (
        Audit as Audit,
        audit as audit,
    )
    from popgen.bands import Bands as Bands
    from popgen.bounds import (
        Bounds as Bounds,
        bounds as bounds,
    )
    from popgen.census import (
        Census as Census,
        catalog as catalog,
        read_census as read_census,
    )
    from popgen.codebook import (
        Codebook as Codebook,
        read_codebook as read_codebook,
    )
    from popgen.control_file import read_controls as read_controls
    from popgen.controls import (
        Mean as Mean,
        Median as Median,
        Quantile as Quantile,
        Total as Total,
    )
    from popgen.domain import (
        Coarsening as Coarsening,
        Domain as Domain,
        Variable as Variable,
    )
    from popgen.errors import (
        ConvergenceError as ConvergenceError,
        InconsistentMarginsError as InconsistentMarginsError,
        InfeasibleError as InfeasibleError,
        PopgenError as PopgenError,
    )
    from popgen.filling import with_values as with_values
    from popgen.findings import (
        Findings as Findings,
        findings as findings,
    )
    from popgen.folder import Source as Source
    from popgen.frames import table_from_frame as table_from_frame
    from popgen.fuse import fuse as fuse
    from popgen.fusion_set import (
        FusionBounds as FusionBounds,
        couplings as couplings,
        fusion_bounds as fusion_bounds,
    )
    from popgen.generate import generate as generate
    from popgen.households.area_tables import Amount as Amount
    from popgen.households.fit import NestedCalibration as NestedCalibration
    from popgen.households.geography import Geography as Geography
    from popgen.households.populate import (
        HouseholdPopulation as HouseholdPopulation,
        household_replicates as household_replicates,
        populate as populate,
    )
    from popgen.households.posing import pose as pose
    from popgen.households.problem import HouseholdProblem as HouseholdProblem
    from popgen.households.read import read_households as read_households
    from popgen.households.run import (
        HouseholdRun as HouseholdRun,
        write_households as write_households,
    )
    from popgen.households.units import Households as Households
    from popgen.integerise import integerise as integerise
    from popgen.methods.bayesnet import BayesNet as BayesNet
    from popgen.methods.calibration import Calibration as Calibration
    from popgen.methods.copula import GaussianCopula as GaussianCopula
    from popgen.methods.copulas import CopulasModel as CopulasModel
    from popgen.methods.distances import (
        LINEAR as LINEAR,
        RAKING as RAKING,
        Distance as Distance,
        logit as logit,
    )
    from popgen.methods.fusion import Fusion as Fusion
    from popgen.methods.independent import Independent as Independent
    from popgen.methods.ipf import IPF as IPF
    from popgen.methods.maxent import MaxEnt as MaxEnt
    from popgen.methods.pool import CalibratedPool as CalibratedPool
    from popgen.methods.prior import PersonaPrior as PersonaPrior
    from popgen.methods.sdv import SDVModel as SDVModel
    from popgen.methods.sequential import Sequential as Sequential
    from popgen.methods.vine import VineCopula as VineCopula
    from popgen.microdata import (
        Microdata as Microdata,
        Population as Population,
    )
    from popgen.panels import read_panel as read_panel
    from popgen.personas.calibrate import (
        CalibratedPersonas as CalibratedPersonas,
        calibrate_personas as calibrate_personas,
    )
    from popgen.problem import Problem as Problem
    from popgen.reconcile import reconcile as reconcile
    from popgen.replicates import (
        Combined as Combined,
        combine as combine,
        replicates as replicates,
    )
    from popgen.replication import (
        Replication as Replication,
        retest as retest,
    )
    from popgen.score import (
        Scores as Scores,
        compare as compare,
        score as score,
    )
    from popgen.survey import read_microdata as read_microdata
    from popgen.table import (
        Projectable as Projectable,
        Table as Table,
    )
    from popgen.tables import Tables as Tables
    from popgen.validate import validate as validate

    __version__: str

_HOMES = {
    "popgen.audit": "Audit audit",
    "popgen.bands": "Bands",
    "popgen.bounds": "Bounds bounds",
    "popgen.census": "Census catalog read_census",
    "popgen.codebook": "Codebook read_codebook",
    "popgen.control_file": "read_controls",
    "popgen.controls": "Mean Median Quantile Total",
    "popgen.domain": "Coarsening Domain Variable",
    "popgen.errors": "ConvergenceError InconsistentMarginsError InfeasibleError PopgenError",
    "popgen.filling": "with_values",
    "popgen.findings": "Findings findings",
    "popgen.folder": "Source",
    "popgen.frames": "table_from_frame",
    "popgen.fuse": "fuse",
    "popgen.fusion_set": "FusionBounds couplings fusion_bounds",
    "popgen.generate": "generate",
    "popgen.households.area_tables": "Amount",
    "popgen.households.fit": "NestedCalibration",
    "popgen.households.geography": "Geography",
    "popgen.households.populate": "HouseholdPopulation household_replicates populate",
    "popgen.households.posing": "pose",
    "popgen.households.problem": "HouseholdProblem",
    "popgen.households.read": "read_households",
    "popgen.households.run": "HouseholdRun write_households",
    "popgen.households.units": "Households",
    "popgen.integerise": "integerise",
    "popgen.methods.bayesnet": "BayesNet",
    "popgen.methods.calibration": "Calibration",
    "popgen.methods.copula": "GaussianCopula",
    "popgen.methods.copulas": "CopulasModel",
    "popgen.methods.distances": "LINEAR RAKING Distance logit",
    "popgen.methods.fusion": "Fusion",
    "popgen.methods.independent": "Independent",
    "popgen.methods.ipf": "IPF",
    "popgen.methods.maxent": "MaxEnt",
    "popgen.methods.pool": "CalibratedPool",
    "popgen.methods.prior": "PersonaPrior",
    "popgen.methods.sdv": "SDVModel",
    "popgen.methods.sequential": "Sequential",
    "popgen.methods.vine": "VineCopula",
    "popgen.microdata": "Microdata Population",
    "popgen.panels": "read_panel",
    "popgen.personas.calibrate": "CalibratedPersonas calibrate_personas",
    "popgen.problem": "Problem",
    "popgen.reconcile": "reconcile",
    "popgen.replicates": "Combined combine replicates",
    "popgen.replication": "Replication retest",
    "popgen.score": "Scores compare score",
    "popgen.survey": "read_microdata",
    "popgen.table": "Projectable Table",
    "popgen.tables": "Tables",
    "popgen.validate": "validate",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME)


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

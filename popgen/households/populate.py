"""`populate`: all households and persons of a fitted model at once, for what fits in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from popgen._rng import Rng, generator_of, replayable
from popgen.errors import PopgenError
from popgen.households.expand import Homes, expanded
from popgen.households.fit import HouseholdModel
from popgen.households.placing import Task, Whole, shares
from popgen.households.report import FitReport, held_by
from popgen.provenance import digest, provenance


@dataclass(frozen=True, eq=False, repr=False)
class HouseholdPopulation:
    """Synthetic households and the persons in them.

    Attributes
    ----------
    households : DataFrame
        One row a household: ``household_id``, its areas, the survey's columns.
    persons : DataFrame or None
        One row a person: ``person_id``, ``household_id``, ``per_num``, the survey's columns.
    report : FitReport
        How far the zones and areas are from their targets.
    provenance : dict
        Method, random numbers, versions, digest of what was fitted.
    """

    households: pl.DataFrame
    persons: pl.DataFrame | None
    report: FitReport
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        persons = "" if self.persons is None else f", {len(self.persons):,} persons"
        return f"HouseholdPopulation({len(self.households):,} households{persons})"


def populate(
    model: HouseholdModel, *, rng: Rng = None, integerise: str = "exchange"
) -> HouseholdPopulation:
    """Make the whole households of all zones.

    Parameters
    ----------
    model : HouseholdModel
    rng : int, Generator or None
        The same int gives the same people.
    integerise : {"exchange", "cube", "systematic", "milp"}
        How weights become whole households: rounding that carries errors along, then exchanges of
        single households, for zones and larger areas; or, for each zone's own cells alone, the
        cube method, systematic rounding of sorted records, or a bounded search by HiGHS.

    Returns
    -------
    HouseholdPopulation
        Every zone has the households of each kind that the problem says, and no record is copied a
        whole time more or less often than its weight.

    Raises
    ------
    PopgenError
        If the way is unknown, or weights are negative.
    ConvergenceError
        If the weights of a zone do not add up to its units closely enough.
    """
    generator, record = replayable(rng)
    found = place_all(model, int(generator.integers(2**63)), integerise=integerise)
    homes, persons = expanded(Homes.of(model.problem), found)
    controls = [array for one in model.problem.controls for array in (one.targets, one.se)]
    told = provenance(
        method=repr(model.method),
        integerise=integerise,
        rng=record,
        inputs=digest(model.problem.survey.weights, model.problem.households, *controls),
    )
    return HouseholdPopulation(homes, persons, FitReport.of(model, held_by(model, found)), told)


def place_all(model: HouseholdModel, entropy: int, *, integerise: str = "exchange") -> Whole:
    """Make whole households of all pools, zone by zone in the geography's order."""
    goals = shares(model)
    parts = [
        Task.of(model, number, goals[number]).filled(entropy, integerise=integerise)[1]
        for number in range(len(model.pools))
    ]
    zone = np.concatenate([part.zone for part in parts])
    record = np.concatenate([part.record for part in parts])
    order = np.argsort(zone, kind="stable")
    return Whole(zone[order], record[order])


def household_replicates(
    model: HouseholdModel, m: int = 20, *, rng: Rng = None
) -> Iterator[HouseholdModel]:
    """Refit a model to records that might as well have been drawn.

    Each replicate weighs the households anew (Bayesian bootstrap [1]_: design weights times
    independent Exp(1) draws, so no household is ever lost) and meets the same cells. What varies
    between replicates is what the sample, not the margins, decides.

    Parameters
    ----------
    model : HouseholdModel
    m : int
        How many, at least 2.
    rng : int, Generator or None
        The same int gives the same models; each replicate has random numbers of its own.

    Yields
    ------
    HouseholdModel

    Raises
    ------
    PopgenError
        If m is below 2; and whatever fitting refuses.

    References
    ----------
    .. [1] Rubin (1981), Annals of Statistics 9:130-134, doi:10.1214/aos/1176345338
    """
    if m < 2:
        raise PopgenError(f"at least 2 replicates are needed to see them differ; got {m}")
    return (_refitted(model, own) for own in generator_of(rng).spawn(m))


def _refitted(model: HouseholdModel, rng: np.random.Generator) -> HouseholdModel:
    weights = model.problem.survey.weights
    draws = np.maximum(rng.exponential(size=len(weights)), np.finfo(float).tiny)
    return model.method.fit(model.problem.weighted(weights * draws))

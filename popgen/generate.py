"""`generate`: from the margins of a place to people in one call; each zone is a job of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen._area import Area, Progress, Zone, naming, read_zones
from popgen._rng import Rng, replayable
from popgen._values import Values, joined
from popgen.census import Census
from popgen.controls import Control
from popgen.domain import Domain, Variable
from popgen.integerise import integerise as integerised, whole_people
from popgen.methods.base import Method
from popgen.methods.calibration import Calibration
from popgen.methods.ipf import IPF
from popgen.microdata import Microdata, Population
from popgen.provenance import digest, provenance

Codes = NDArray[np.int16]


def generate(
    place: str | os.PathLike[str] | Census,
    *,
    n: int,
    zone: str | None = None,
    margins: Sequence[str] | None = None,
    universe: str | None = None,
    microdata: Microdata | None = None,
    method: Method | None = None,
    controls: Sequence[Control] = (),
    reconcile: bool = False,
    rng: Rng = None,
    integerise: str = "systematic",
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Population:
    """Read a place's margins, fit their joint and draw people from it.

    Parameters
    ----------
    place : str, path or Census
        As for `read_census`; or a census already read, which is then one problem.
    n : int
        People, at least 1.
    zone : str, optional
        Draw one zone's people. Default: every zone of the place, each fitted on its own; n is
        shared out among them by their totals, and the zone is the first variable of the result.
    margins, universe
        As for `read_census`.
    microdata : Microdata, optional
        Records to weight. If they have the place's zone variable, each zone uses its own records;
        else every zone uses them all.
    method : Method, optional
        Default: `Calibration` with microdata, `IPF` without; IPF then borrows the interactions of
        the universe's seed table, if its variables are among the margins'.
    controls : sequence of Control, optional
        Means, totals and quantiles that the people are to have: see `Problem`. If every zone is
        asked for, each must name its zone in ``by``; if one is, those of other zones are left out.
    reconcile : bool
        Make margins that contradict one another agree, the first being trusted most: see
        `popgen.reconcile`. What moved is in the provenance. Default: refuse such margins.
    rng : int, Generator or None
        The same int gives the same people, whatever the executor. ``provenance["rng"]`` says what
        was used: its entropy and spawn key, and its state if it is a generator used before.
    integerise : {'systematic', 'cube', 'trs', 'multinomial'}
        How expected counts become whole people: see `popgen.integerise`.
    executor : concurrent.futures.Executor, optional
        Where to run the zones: threads, processes, or a cluster's. Default: here, one by one.
    progress : callable, optional
        Called with ('reading' or 'fitting', zones done, zones) as zones are finished.

    Returns
    -------
    Population
        Zone by zone, in random order within each; with provenance. Their numbers in bands (age in
        years) are in ``values``, if the microdata have some.

    Raises
    ------
    PopgenError
        For anything that `read_census`, `Problem`, the method or `popgen.integerise` refuses; the
        message names the zone. No zone is fitted before all have been read and found consistent.

    Examples
    --------
    >>> people = generate("us_adult_citizens_2018", n=1000, rng=0)
    >>> people.domain.names
    ('state', 'race', 'sex', 'age', 'education')
    >>> generate("us_adult_citizens_2018", zone="WI", n=1000, rng=0).provenance["people"]
    1000
    """
    n = whole_people(n)
    generator, state = replayable(rng)
    method = method or (IPF() if microdata is None else Calibration())
    tell = progress or (lambda *_: None)
    area = Area.of(place, zone, universe, margins)
    zones = read_zones(area, microdata, reconcile, tell, controls=controls)
    about = {**area.about, "people": n, "method": repr(method), "integerise": integerise}
    about |= {"rng": state, "microdata": _described(microdata)}
    jobs = _jobs(area, zones, n, generator)
    run = partial(run_job, method=method, integerise=integerise)
    parts, numbers, fits = [], [], []
    for codes, values, fit in (map if executor is None else executor.map)(run, jobs):
        parts.append(codes)
        numbers.append(values)
        fits.append(fit)
        tell("fitting", len(parts), len(jobs))
    domain, codes = _joined(area.by, jobs, parts)
    values = joined(numbers)
    return Population(domain, codes, values=values, provenance=provenance(**about, fits=fits))


@dataclass(frozen=True, eq=False)
class Job:
    """One zone's work, complete in itself: it may run in another process.

    Attributes
    ----------
    name : str or None
    zone : Zone
    n : int
        People to draw.
    rng : Generator
        The zone's own.
    """

    name: str | None
    zone: Zone
    n: int
    rng: np.random.Generator


def run_job(job: Job, method: Method, integerise: str) -> tuple[Codes, Values, dict[str, Any]]:
    """Fit one zone and draw its people: their codes and numbers, and how the fit ended."""
    problem = job.zone.problem
    with naming(job.name):
        model = method.fit(problem)
        people = model.sample(job.n, rng=job.rng, integerise=integerise)
    fit = {
        "zone": job.name,
        "people": job.n,
        "total": problem.total,
        "seed": None if problem.seed is None else list(problem.seed.variables),
        "reconciled": list(job.zone.moved),
        "iterations": model.convergence.iterations,
        "largest_residual": model.convergence.residual,
        "notes": list(model.notes),
    }
    known = people.provenance
    fit |= {key: known[key] for key in ("values", "controls") if key in known}
    return people.codes, Values(people.values), fit


def _jobs(
    area: Area, zones: Mapping[str | None, Zone], n: int, rng: np.random.Generator
) -> list[Job]:
    """Share n people out among zones by their totals; a zone that gets nobody has no job."""
    if area.by is None:
        return [Job(name, zone, n, rng) for name, zone in zones.items()]
    own = dict(zip(area.zones, rng.spawn(len(area.zones)), strict=True))
    people = integerised([zone.problem.total for zone in zones.values()], n, rng=rng)
    shared = zip(zones.items(), people.tolist(), strict=True)
    return [Job(name, zone, k, own[name]) for (name, zone), k in shared if k > 0]


def _joined(
    by: Variable | None, jobs: Sequence[Job], parts: Sequence[Codes]
) -> tuple[Domain, Codes]:
    """Put the zones' people one after the other, the zone first."""
    domain = jobs[0].zone.problem.domain
    if by is None:
        return domain, parts[0]
    zones = np.repeat([by.index(str(job.name)) for job in jobs], [len(part) for part in parts])
    return Domain((by, *domain)), np.column_stack([zones.astype(np.int16), np.concatenate(parts)])


def _described(microdata: Microdata | None) -> dict[str, Any] | None:
    if microdata is None:
        return None
    return {
        "records": len(microdata),
        "effective_size": round(microdata.effective_size, 2),
        "sha256": digest(microdata.codes, microdata.weights, *microdata.values.values()),
        "notes": list(microdata.notes),
    }

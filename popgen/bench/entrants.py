"""Who competes: popgen's methods, recorded language-model panels, and anybody's Python file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen.bench.nested import Nested
from popgen.bench.pose import Posed, real_people
from popgen.errors import PopgenError, listed
from popgen.methods.base import Method
from popgen.methods.bayesnet import BayesNet
from popgen.methods.calibration import Calibration
from popgen.methods.copula import GaussianCopula
from popgen.methods.fusion import Fusion
from popgen.methods.independent import Independent
from popgen.methods.ipf import IPF
from popgen.methods.maxent import MaxEnt
from popgen.methods.panel import PROFILE
from popgen.methods.pool import CalibratedPool
from popgen.methods.prior import PersonaPrior
from popgen.methods.sequential import Sequential
from popgen.methods.vine import VineCopula
from popgen.microdata import Microdata
from popgen.panels import read_panel
from popgen.personas.calibrate import calibrate_personas
from popgen.problem import Problem
from popgen.table import Projectable

Enter = Callable[[Posed, np.random.Generator], Projectable]

SAMPLE = "a real sample"
"""The ceiling: the one row that is not handed in by an entrant."""
RECORDED = "us_panel_2020"
"""The population that the recorded panels were asked for."""


@dataclass(frozen=True)
class Entrant:
    """One competitor.

    Attributes
    ----------
    name : str
        As in the rows.
    enter : callable
        Makes people (or tables) from what is given and a generator of random numbers.
    tracks : str
        Letters of the tracks whose budget it keeps to.
    kind : str
        ``popgen`` (whatever popgen makes, also of a language model's panel), ``LLM`` (its answers,
        at their word), ``peer`` or ``baseline``.
    parameters : str
        What tells this recipe from another of the same name.
    population : str
        The one population that it knows of; empty: any.
    tokens : int or None
        What language models took for it; None: not known.
    """

    name: str
    enter: Enter
    tracks: str
    kind: str = "popgen"
    parameters: str = ""
    population: str = ""
    tokens: int | None = 0

    def takes(self, track: str, population: str) -> bool:
        """Whether it competes there."""
        return track in self.tracks and self.population in ("", population)


@dataclass(frozen=True)
class _Recipe:
    """A popgen method, fitted to all that is given; ``ordinal`` is told to those that ask."""

    method: Method

    def __call__(self, posed: Posed, rng: np.random.Generator) -> Projectable:
        method: Any = self.method
        learner = getattr(method, "method", method)
        if hasattr(learner, "ordinal"):
            told = replace(learner, ordinal=posed.ordinal)
            method = told if learner is method else replace(method, method=told)
        records = None if posed.records is None else with_absent_cells(posed, rng)
        problem = Problem(posed.margins, records)
        people: Projectable = method.fit(problem).sample(posed.people, rng=rng)
        return people


def with_absent_cells(posed: Posed, rng: np.random.Generator) -> Microdata:
    """Give the records, and more for each cell that margins have and no record has.

    Without them a margin cannot be met by weights. Where there are areas they are the records of
    that cell in other areas, moved; else, or if there are none, one that is drawn from the one-way
    shares (those of the records where no margin states any) but for that cell. Together they count
    as the cell's expected number of records.
    """
    records = posed.records
    if records is None:
        raise PopgenError("there are no records to add to")
    stated = {name for table in posed.margins.values() for name in table.names}
    ways = [
        (posed.margins if name in stated else records).project(name).shares.counts
        for name in records.domain.names
    ]
    added, weights = [], []
    for table in posed.margins.values():
        axes = [records.domain.axis(name) for name in table.names]
        shares, have = table.shares.counts, records.project(*table.names).counts
        for cell in np.argwhere((shares > 0) & (have == 0)):
            more = _moved(posed, records, dict(zip(table.names, cell, strict=True)))
            if not len(more):
                more = np.array([[rng.choice(len(way), p=way) for way in ways]])
            more[:, axes] = cell
            added.append(more)
            weights += [shares[tuple(cell)] * len(records) / len(more)] * len(more)
    if not added:
        return records
    codes = np.concatenate([records.codes, *added])
    return Microdata(records.domain, codes, np.append(records.weights, weights))


def _moved(posed: Posed, records: Microdata, cell: Mapping[str, int]) -> NDArray[np.int64]:
    """Give the codes of the records that would be in a cell if they lived in its area."""
    if posed.homes is None:
        return np.empty((0, len(records.domain)), int)
    there = [
        records.column(name) == level for name, level in cell.items() if name != posed.homes.area
    ]
    return records.codes[np.all(there, axis=0)].astype(int)


def recipe(name: str, method: Method, tracks: str) -> Entrant:
    """Enter a popgen method."""
    return Entrant(name, _Recipe(method), tracks, "popgen", repr(method))


def households(name: str, nested: Nested) -> Entrant:
    """Enter nested calibration, which needs households."""
    return Entrant(name, nested, "G", "popgen", repr(nested))


def recorded(name: str, enter: Enter, tracks: str, parameters: str, kind: str) -> Entrant:
    """Enter what knows the recorded panels; nobody recorded what they cost."""
    return Entrant(name, enter, tracks, kind, parameters, RECORDED, None)


def llm_panel(arm: str, tracks: str, *, raked: bool = False) -> Entrant:
    """Enter a recorded panel, as it is or weighted to the margins and drawn anew."""

    def enter(posed: Posed, rng: np.random.Generator) -> Projectable:
        panel = read_panel(arm)
        if not raked:
            return panel
        model = Calibration().fit(Problem(posed.margins, panel))
        return model.sample(len(panel), rng=rng)  # more would repeat the same few personas

    name = f"LLM {arm}, raked" if raked else f"LLM {arm}"
    return recorded(name, enter, tracks, f"data/personas, arm {arm}", "LLM")


def repaired_panel(arm: str, tracks: str) -> Entrant:
    """Enter a recorded panel after `calibrate_personas`, at the size that is asked for."""

    def enter(posed: Posed, rng: np.random.Generator) -> Projectable:
        given = PROFILE if arm == "fill" else ()
        problem = posed.problem()
        return calibrate_personas(
            read_panel(arm), problem, n=posed.people, given=given, rng=rng
        ).people

    parameters = f"calibrate_personas, data/personas, arm {arm}"
    return recorded(f"LLM {arm}, repaired", enter, tracks, parameters, "popgen")


def _fused(posed: Posed, rng: np.random.Generator) -> Projectable:
    """Add to the first table's variables those it lacks, independent given the other tables."""
    frame = next(iter(posed.margins.values())).names
    added = [name for name in posed.domain.names if name not in frame]
    return Fusion(added, way="product").fit(posed.problem()).sample(posed.people, rng=rng)


def _records_again(posed: Posed, rng: np.random.Generator) -> Projectable:
    if posed.records is None:
        raise PopgenError("there are no records to draw from")
    return real_people(posed.records, posed.people, rng)


def entrants() -> tuple[Entrant, ...]:
    """Everybody who comes with popgen; to add a method, add its line.

    Examples
    --------
    >>> [entrant.name for entrant in entrants() if entrant.takes("B", "anywhere")]
    ['Independent', 'IPF', 'MaxEnt']
    """
    learners: dict[str, Method] = {
        "BayesNet": BayesNet(),
        "Sequential": Sequential(),
        "Copula": GaussianCopula(),
        "Vine": VineCopula(),
    }
    prior = PersonaPrior(panels=("direct", "conditionals"))
    elicited = PersonaPrior(panels=("conditionals",), factor=1.0)
    return (
        recipe("Independent", Independent(), "BCDEFGH"),
        Entrant("records, redrawn", _records_again, "DEG", "baseline"),
        recipe("IPF", IPF(), "BCFH"),
        recipe("IPF + seed", IPF(), "DE"),
        recipe("MaxEnt", MaxEnt(), "BCDEFGH"),
        recipe("Calibration", Calibration(), "DEG"),
        households("NestedCalibration", Nested(1.0)),
        households("NestedCalibration, a third borrowed", Nested(1 / 3)),
        *(recipe(name, learner, "DE") for name, learner in learners.items()),
        *(
            recipe(f"{name}, calibrated", CalibratedPool(learner), "DE")
            for name, learner in learners.items()
        ),
        Entrant("Fusion", _fused, "F", parameters="way product, on the first table"),
        recorded("PersonaPrior", _Recipe(prior), "BCDH", repr(prior), "popgen"),
        recorded("LLM shares, calibrated", _Recipe(elicited), "BCH", repr(elicited), "LLM"),
        *(
            llm_panel(arm, "B", raked=raked)
            for arm in ("direct", "judge")
            for raked in (False, True)
        ),
        repaired_panel("direct", "BCDH"),
        repaired_panel("judge", "BCH"),
        *(llm_panel("fill", "D", raked=raked) for raked in (False, True)),
        repaired_panel("fill", "D"),
    )


def from_file(path: str | Path) -> Entrant:
    """Read an entrant from a Python file.

    The file has a function ``enter(posed, rng)`` and ``TRACKS``, a text of track letters; perhaps
    ``NAME`` (default: the file's) and ``PARAMETERS``.

    Raises
    ------
    PopgenError
        If there is no such file, or it lacks one of the two.
    """
    file = Path(path)
    if not file.is_file():
        raise PopgenError(f"no file {file} to enter")
    spec = importlib.util.spec_from_file_location(f"entrant_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise PopgenError(f"{file} is no Python file; give a .py file with enter(posed, rng)")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if lacking := [name for name in ("enter", "TRACKS") if not hasattr(module, name)]:
        raise PopgenError(f"{file} has no {listed(lacking)}: see docs/popbench.md, How to enter")
    name = str(getattr(module, "NAME", file.stem))
    given = str(getattr(module, "PARAMETERS", ""))
    return Entrant(name, module.enter, str(module.TRACKS), "peer", given)


def chosen(names: Sequence[str] | None, among: Iterable[Entrant]) -> list[Entrant]:
    """Keep the entrants named, in their own order; refuse a name that nobody has."""
    there = list(among)
    if names is None:
        return there
    if strange := set(names) - {entrant.name for entrant in there}:
        raise PopgenError(
            f"no entrant {listed(sorted(strange))}; there are "
            f"{listed([entrant.name for entrant in there], most=40)}"
        )
    return [entrant for entrant in there if entrant.name in names]

"""Who competes: popgen's methods, recorded language-model panels, and anybody's Python file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from popgen.bench.pose import Posed, real_people
from popgen.errors import PopgenError, listed
from popgen.methods.base import Method
from popgen.methods.bayesnet import BayesNet
from popgen.methods.calibration import Calibration
from popgen.methods.copula import GaussianCopula
from popgen.methods.independent import Independent
from popgen.methods.ipf import IPF
from popgen.methods.maxent import MaxEnt
from popgen.methods.pool import CalibratedPool
from popgen.methods.prior import PersonaPrior
from popgen.methods.sequential import Sequential
from popgen.panels import read_panel
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
        ``popgen``, ``peer``, ``LLM`` or ``baseline``.
    parameters : str
        What tells this recipe from another of the same name.
    population : str
        The one population that it knows of; empty: any.
    """

    name: str
    enter: Enter
    tracks: str
    kind: str = "popgen"
    parameters: str = ""
    population: str = ""

    def takes(self, track: str, population: str) -> bool:
        """Whether it competes there."""
        return track in self.tracks and self.population in ("", population)


@dataclass(frozen=True)
class _Recipe:
    """A popgen method, fitted to all that is given; ``ordinal`` is told to those that ask."""

    method: Method
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, posed: Posed, rng: np.random.Generator) -> Projectable:
        method: Any = self.method
        learner = getattr(method, "method", method)
        if hasattr(learner, "ordinal"):
            told = replace(learner, ordinal=posed.ordinal)
            method = told if learner is method else replace(method, method=told)
        people: Projectable = method.fit(posed.problem()).sample(posed.people, rng=rng)
        return people


def recipe(name: str, method: Method, tracks: str, population: str = "") -> Entrant:
    """Enter a popgen method."""
    return Entrant(name, _Recipe(method), tracks, "popgen", repr(method), population)


def llm_panel(arm: str, tracks: str, *, calibrated: bool) -> Entrant:
    """Enter a recorded panel, as it is or weighted to the margins and drawn anew."""

    def enter(posed: Posed, rng: np.random.Generator) -> Projectable:
        panel = read_panel(arm)
        if not calibrated:
            return panel
        model = Calibration().fit(Problem(posed.margins, panel))
        return model.sample(len(panel), rng=rng)  # more would repeat the same few personas

    name = f"LLM {arm}, calibrated" if calibrated else f"LLM {arm}"
    return Entrant(name, enter, tracks, "LLM", f"data/personas, arm {arm}", RECORDED)


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
    }
    elicited = PersonaPrior(panels=("conditionals",), factor=1.0)
    return (
        recipe("Independent", Independent(), "BCDEFH"),
        Entrant("records, redrawn", _records_again, "DE", "baseline"),
        recipe("IPF", IPF(), "BCFH"),
        recipe("IPF + seed", IPF(), "DE"),
        recipe("MaxEnt", MaxEnt(), "BCDEFH"),
        recipe("Calibration", Calibration(), "DE"),
        *(recipe(name, learner, "DE") for name, learner in learners.items()),
        *(
            recipe(f"{name}, calibrated", CalibratedPool(learner), "DE")
            for name, learner in learners.items()
        ),
        recipe("PersonaPrior", PersonaPrior(panels=("direct", "conditionals")), "BCH", RECORDED),
        *(llm_panel(arm, "B", calibrated=False) for arm in ("direct", "judge")),
        *(llm_panel(arm, "BCH", calibrated=True) for arm in ("direct", "judge")),
        replace(recipe("LLM shares, calibrated", elicited, "BCH", RECORDED), kind="LLM"),
        llm_panel("fill", "D", calibrated=False),
        llm_panel("fill", "D", calibrated=True),
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

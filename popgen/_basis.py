"""On what a set of variables rests in a model: a margin, records, a prior, or an assumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from popgen._evidence import Floats, Sample, interaction_error
from popgen.errors import listed
from popgen.margin import Margin
from popgen.methods.base import Model
from popgen.methods.models import ProductModel
from popgen.microdata import Population
from popgen.problem import Problem

MEASURED, BORROWED, PRIOR, ASSUMED = "measured", "borrowed", "prior", "assumed"


class Contribution(Protocol):
    """What a model took from a prior for a pair of variables, or another set.

    A model whose mapping ``contributions`` has one for a set of names has the set reported as
    `PRIOR`, or as `BORROWED` if only respondents contributed, unless a margin measures it.
    """

    @property
    def factors(self) -> Mapping[str, float]:
        """Factor by which each panel's interaction was taken."""
        ...

    @property
    def people(self) -> float:
        """Personas behind them."""
        ...

    @property
    def error(self) -> float:
        """Root mean square error of such interactions where the truth is known; NaN: nowhere."""
        ...

    @property
    def respondents(self) -> float:
        """Effective size of the real sample blended in; 0 without one."""
        ...

    @property
    def respondents_weight(self) -> float:
        """Its weight in the blend, in [0, 1]."""
        ...


def basis(
    model: Model,
    problem: Problem,
    sample: Sample | None,
    met: Mapping[str, bool],
    names: tuple[str, ...],
) -> dict[str, Any]:
    """Find the status, its source and its precision."""
    holding = [margin for margin in problem.margins if set(names) <= set(margin.variables)]
    held = [margin for margin in holding if met[margin.name]]
    beyond = _beyond(model, problem, sample, names)
    if held:
        told = [(_shortcomings(margin, names), margin) for margin in held]
        best = min(len(short) for short, _ in told)
        kept = [margin for short, margin in told if len(short) == best]
        short = next(short for short, margin in told if margin is kept[0])
        within = "" if not short else f"; the rest {beyond['status']}"
        errors = [_margin_error(margin, names) for margin in kept]
        known = [error for error in errors if error is not None]
        return {
            "status": MEASURED,
            "detail": ", ".join(short) + within,
            "source": [margin.name for margin in kept],
            "se": min(known) if known else None,
        }
    if holding:
        stated = listed([margin.name for margin in holding], most=2)
        beyond["detail"] = f"the model does not meet {stated}, which states it"
    return beyond


def _beyond(
    model: Model, problem: Problem, sample: Sample | None, names: tuple[str, ...]
) -> dict[str, Any]:
    """Say on what a set of variables rests where no margin holds it."""
    given: Mapping[Any, Contribution] = getattr(model, "contributions", None) or {}
    for key, prior in given.items():
        if set(key) == set(names):
            return _contributed(prior)
    if isinstance(model, ProductModel) and len(names) > 1:
        return _assumed("independence")
    if isinstance(problem.microdata, Population):
        return _assumed("synthetic records")
    sample = None if sample is None else sample.holding(names)
    if sample is not None:
        return {
            "status": BORROWED,
            "detail": "",
            "source": ["microdata"],
            "n": len(sample.records),
            "effective_n": sample.records.effective_size,
            "design_effect": sample.design_effect,
            "se": sample.error(names),
        }
    if problem.seed is not None and set(names) <= set(problem.seed.variables):
        se = _margin_error(problem.seed, names)
        short = ", ".join(_shortcomings(problem.seed, names))
        return {"status": BORROWED, "detail": short, "source": ["seed table"], "se": se or None}
    return _assumed("maximum entropy")


def _contributed(prior: Contribution) -> dict[str, Any]:
    """Say what a prior gave, and what respondents besides."""
    source = [f"{name} × {factor:.2f}" for name, factor in prior.factors.items()]
    real, weight = prior.respondents, prior.respondents_weight
    return {
        "status": PRIOR if source else BORROWED,
        "detail": f"respondents (effective {real:,.0f}) weigh {weight:.0%}" if real else "",
        "source": source or ["microdata"],
        "n": round(prior.people) if source else None,
        "se": prior.error if np.isfinite(prior.error) else None,
    }


def _assumed(what: str) -> dict[str, Any]:
    return {"status": ASSUMED, "detail": "", "source": [what]}


def _shortcomings(margin: Margin, names: Sequence[str]) -> list[str]:
    """Say in words what of the variables' joint a margin does not tell."""
    inside = [margin.rule(name).codes[margin.rule(name).codes >= 0] for name in names]
    banded = [n for n, codes in zip(names, inside, strict=True) if len(set(codes)) < len(codes)]
    partial = [rule.fine.name for rule in margin.maps if not rule.complete]
    short = [f"in bands of {', '.join(banded)}"] if banded else []
    return short + ([f"in part of {', '.join(partial)}"] if partial else [])


def _margin_error(margin: Margin, names: Sequence[str]) -> float | None:
    table = margin.table.project(*(margin.rule(name).coarse.name for name in names))
    if table.exact or table.se is None:
        return 0.0
    variance: Floats = table.se**2
    return interaction_error(table.counts, variance)

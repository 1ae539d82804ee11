"""A question about shares: which levels of which variables are meant, and who states them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen._polytope import Part
from popgen.errors import PopgenError, listed
from popgen.methods.base import Model
from popgen.problem import Problem

Levels = Mapping[str, str | Iterable[str]]
"""Variables, at the model's level of detail or at one that a margin states, and their levels."""

Bools = NDArray[np.bool_]
Event = dict[str, Bools]
"""Which levels of each variable are meant."""


@dataclass(frozen=True, eq=False)
class Question:
    """What share of the people in ``group`` are in ``kind``."""

    kind: Event
    group: Event
    asked: tuple[str, ...]
    """Variables of both, in the domain's order."""
    text: str

    @classmethod
    def of(cls, problem: Problem, where: Levels, given: Levels) -> Question:
        """Find what is meant among a problem's variables and levels."""
        kind, group = _event(problem, where), _event(problem, given)
        if not kind:
            raise PopgenError("say of which kind people are to be counted: where={'vote': 'a'}")
        asked = tuple(name for name in problem.domain.names if name in kind or name in group)
        text = f"share of {_said(given) or 'everybody'} that are {_said(where)}"
        return cls(kind, group, asked, text)

    @property
    def both(self) -> Event:
        """The people of the group that are of the kind."""
        return {
            name: self.kind.get(name, meant) & self.group.get(name, meant)
            for name, meant in {**self.kind, **self.group}.items()
        }

    def estimate(self, model: Model) -> float | None:
        """Give a model's answer; None if it has nobody in the group."""
        whole = restricted(model.project(*self.asked).counts, self.asked, self.group)
        people = float(whole.sum())
        part = restricted(whole, self.asked, self.kind)
        return float(part.sum()) / people if people > 0 else None

    def merged(self, parts: Iterable[Part], name: str) -> NDArray[np.intp]:
        """One fine level for each set of levels that neither margins nor question tell apart."""
        told: list[NDArray[Any]] = [p.margin.rule(name).codes for p in parts if name in p.names]
        told += [event[name] for event in (self.kind, self.group) if name in event]
        first: NDArray[np.intp] = np.unique(np.column_stack(told), axis=0, return_index=True)[1]
        return np.sort(first)


def _said(levels: Levels) -> str:
    texts = []
    for name, asked in levels.items():
        texts.append(f"{name}={asked if isinstance(asked, str) else '|'.join(asked)}")
    return ", ".join(texts)


def _event(problem: Problem, levels: Levels) -> Event:
    """Find the model's levels that are meant, also where a margin's coarser ones are named."""
    event: Event = {}
    for name, asked in levels.items():
        wanted = [asked] if isinstance(asked, str) else list(asked)
        if name in problem.domain:
            variable = problem.domain[name]
            meant = np.isin(np.arange(len(variable)), [variable.index(w) for w in wanted])
        else:
            rules = [r for m in problem.margins for r in m.maps if r.coarse.name == name]
            if not rules:
                stated = [r.coarse.name for m in problem.margins for r in m.maps]
                there = dict.fromkeys([*problem.domain.names, *stated])
                raise PopgenError(f"no variable {name!r} here; there are {listed(there, most=30)}")
            variable = rules[0].fine
            meant = np.isin(rules[0].codes, [rules[0].coarse.index(w) for w in wanted])
        event[variable.name] = event.get(variable.name, True) & meant
    return event


def restricted(counts: NDArray[np.float64], names: tuple[str, ...], event: Event) -> Any:
    """Keep only the people of an event, in counts over the variables named."""
    for axis, name in enumerate(names):
        if name in event:
            along = [1] * len(names)
            along[axis] = -1
            counts = counts * event[name].reshape(along)
    return counts


def people_in(problem: Problem, event: Event) -> float | None:
    """People of a kind if a margin states how many there are; None if none does."""
    if not event:
        return problem.total
    for margin in problem.margins:
        part = Part.of(margin, tuple(event))
        if set(part.names) == set(event) and part.complete:
            groups = [groups_of(part, name, event[name]) for name in part.names]
            if all(group is not None for group in groups):
                counts = part.figures()[0].reshape([len(group) for group in groups])
                return float(counts[np.ix_(*groups)].sum())
    return None


def groups_of(part: Part, name: str, meant: Bools) -> Any:
    """Stated levels that make up the levels meant; None if they do not add up to them."""
    codes = part.margin.rule(name).codes
    inside = np.isin(np.arange(len(part.margin.rule(name).coarse)), codes[meant & (codes >= 0)])
    exactly = np.where(codes >= 0, inside[codes], False)
    return inside if np.array_equal(exactly, meant) else None

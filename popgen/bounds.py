"""`bounds`: what the margins alone say of a question, whatever the interactions they do not state.

A fitted model answers any question with one figure. Where no margin states the answer, the figure
rests on records or on an assumption, and every answer between the bounds is as possible.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from popgen._frechet import frechet
from popgen._polytope import Part, Polytope, useful
from popgen._question import Event, Levels, Question, groups_of, people_in, restricted
from popgen.errors import PopgenError, listed
from popgen.methods.base import Model
from popgen.problem import Problem


@dataclass(frozen=True)
class Bounds:
    """What share of some people are of some kind.

    Attributes
    ----------
    question : str
    minimum, maximum : float
        Shares, in [0, 1]: no joint that meets the margins gives less or more.
    estimate : float or None
        The model's share; None if a problem was asked, which has no estimate.
    how : str
        ``measured`` (a margin states it), ``frechet`` (Fréchet's formula) or ``linear programme``.
    variables : tuple of str
        Variables of the joint that was bounded.
    left_out : tuple of str
        Linked variables that did not fit within the limit of cells. The bounds hold, but with
        those they might be narrower. Empty: they are as narrow as the margins allow.
    """

    question: str
    minimum: float
    estimate: float | None
    maximum: float
    how: str
    variables: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write one line."""
        said = "" if self.estimate is None else f"estimate {self.estimate:.1%}, "
        text = f"{self.question}: {said}"
        if self.how == "measured":
            return f"{text}measured {self.minimum:.1%}"
        text += f"possible {self.minimum:.1%} to {self.maximum:.1%} ({self.how})"
        return text + (f"; perhaps narrower with {listed(self.left_out)}" if self.left_out else "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)


def bounds(
    known: Model | Problem,
    where: Levels,
    given: Levels | None = None,
    *,
    max_cells: int = 20_000,
) -> Bounds:
    """Bound the answer to 'what share of the people in ``given`` are in ``where``?'.

    Parameters
    ----------
    known : Model or Problem
        A fitted model (which also gives the estimate), or margins alone.
    where : mapping of variable to a level or several
        The kind of people counted, e.g. ``{"vote": "a", "age": ["18-29", "30-44"]}``.
    given : mapping of variable to a level or several, optional
        The people of whom a share is asked. Default: everybody.
    max_cells : int
        Cells of the largest joint that a linear programme is set up for.

    Returns
    -------
    Bounds

    Raises
    ------
    PopgenError
        If a variable or level is unknown, the joint of the variables asked has more than
        ``max_cells`` cells, or the margins leave nobody in ``given``.
    InconsistentMarginsError
        If no joint of the variables meets the margins.

    Notes
    -----
    Only margins bound: records and seeds say what is likely, not what is possible. Estimated
    margins are taken at their figures; where these contradict one another they are first moved by
    the fewest standard errors. Two margins linked by shared variables give Fréchet's bounds [1]_
    in closed form; anything else is a linear programme (HiGHS) over the joint of the variables
    asked and those linked to them, levels that nothing tells apart being merged.

    References
    ----------
    .. [1] Dobra & Fienberg (2000), PNAS 97:11885-11892, doi:10.1073/pnas.97.22.11885

    Examples
    --------
    >>> from popgen import Domain, Table, Variable
    >>> sex, vote = Variable("sex", ("f", "m")), Variable("vote", ("a", "b"))
    >>> problem = Problem([Table(Domain((sex,)), [60, 40]), Table(Domain((vote,)), [70, 30])])
    >>> print(bounds(problem, {"vote": "a"}, {"sex": "f"}))
    share of sex=f that are vote=a: possible 50.0% to 100.0% (frechet)
    """
    problem = known if isinstance(known, Problem) else _problem_of(known)
    question = Question.of(problem, where, given or {})
    estimate = None if isinstance(known, Problem) else question.estimate(known)
    part, whole = (people_in(problem, event) for event in (question.both, question.group))
    if part is not None and whole:
        share = part / whole
        return Bounds(question.text, share, estimate, share, "measured", question.asked)
    parts = useful(problem, question.asked)
    if whole and (ends := _closed(parts, question)) is not None:
        low, high = (float(np.clip(end / whole, 0.0, 1.0)) for end in ends)
        names = tuple(dict.fromkeys(name for part in parts for name in part.names))
        return Bounds(question.text, low, estimate, high, "frechet", names)
    names, left_out = _linked(parts, question, max_cells)
    low, high = _programme(problem, parts, names, question)
    return Bounds(question.text, low, estimate, high, "linear programme", names, left_out)


def _problem_of(model: Model) -> Problem:
    problem = getattr(model, "problem", None)
    if not isinstance(problem, Problem):
        raise PopgenError(
            f"a {type(model).__name__} does not say which problem it was fitted to; give the "
            "Problem itself"
        )
    return problem


def _closed(parts: list[Part], question: Question) -> tuple[float, float] | None:
    """People of the kind in the group by Fréchet's formula, if two margins are all there is."""
    kind, group = question.kind, question.group
    if len(parts) != 2 or not group:
        return None
    a, b = parts
    if not (set(kind) <= set(a.names) and set(group) <= set(b.names)):
        a, b = b, a
    shared = tuple(name for name in a.names if name in b.names)
    events = ((a, kind), (b, group))
    if not all(set(event) == set(part.names) - set(shared) for part, event in events):
        return None
    same = all(
        np.array_equal(a.margin.rule(n).codes, b.margin.rule(n).codes) and a.margin.rule(n).complete
        for n in shared
    )
    if not (same and a.complete and b.complete and a.margin.complete):
        return None
    counts = [_by_shared(part, event, shared) for part, event in events]
    if counts[0] is None or counts[1] is None:
        return None
    low, high = frechet(counts[0], counts[1], _by_shared(a, {}, shared))
    return float(low), float(high)


def _by_shared(part: Part, event: Event, shared: tuple[str, ...]) -> Any:
    """People of a kind in each cell of the shared variables, flat; None if it is not stated."""
    shape = [len(part.margin.rule(name).coarse) for name in part.names]
    counts = part.figures()[0].reshape(shape)
    for axis, name in enumerate(part.names):
        if name in event:
            group = groups_of(part, name, event[name])
            if group is None:
                return None
            along = [1] * len(shape)
            along[axis] = -1
            counts = counts * group.reshape(along)
    kept = [part.names.index(name) for name in shared]
    gone = tuple(axis for axis in range(len(shape)) if axis not in kept)
    order = np.argsort(np.argsort(kept))
    return np.transpose(counts.sum(axis=gone), order).reshape(-1)


def _linked(
    parts: list[Part], question: Question, max_cells: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose the variables of the joint: those asked, and as many linked ones as fit."""
    asked = question.asked
    linked = dict.fromkeys(name for part in parts for name in part.names if name not in asked)
    sizes = {name: len(question.merged(parts, name)) for name in (*asked, *linked)}
    cells = math.prod(sizes[name] for name in asked)
    if cells > max_cells:
        raise PopgenError(
            f"the joint of {listed(asked)} has {cells:,} cells that margins tell apart, more than "
            f"max_cells={max_cells:,}; ask of fewer variables, or raise max_cells (a linear "
            "programme of 300,000 cells takes a minute)"
        )
    touched = {n: {a for p in parts if n in p.names for a in p.names if a in asked} for n in linked}
    chosen, left_out = list(asked), []
    for name in sorted(linked, key=lambda n: (-len(touched[n]), sizes[n])):
        if cells * sizes[name] <= max_cells:
            cells *= sizes[name]
            chosen.append(name)
        else:
            left_out.append(name)
    return tuple(chosen), tuple(left_out)


def _programme(
    problem: Problem, parts: list[Part], names: tuple[str, ...], question: Question
) -> tuple[float, float]:
    cut = [Part.of(part.margin, names) for part in parts]
    levels = {name: question.merged(parts, name) for name in names}
    shape = [len(merged) for merged in levels.values()]
    masks = []
    for event in (question.kind, question.group):
        picked = {name: event[name][levels[name]] for name in event}
        masks.append(restricted(np.ones(shape), names, picked).ravel() > 0)
    polytope = Polytope.of([part for part in cut if part.names], levels, problem.total)
    return polytope.extremes(masks[0], masks[1])

"""What a fusion leaves open: a set of populations, not one.

What is known of a variable beside those it was never seen with has no figure: `fusion_bounds` gives
the ends of a question's answer, `couplings` joints that lie between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from popgen._question import Levels, Question
from popgen._rng import Rng, generator_of
from popgen.bounds import Bounds, bounds
from popgen.errors import PopgenError, listed
from popgen.methods.fusion import WAYS, FusionModel
from popgen.methods.models import TableModel
from popgen.problem import Problem
from popgen.table import Table


@dataclass(frozen=True)
class FusionBounds:
    """A question's answer, where a variable was never seen with all of the frame.

    Attributes
    ----------
    bounds : Bounds
        Least and greatest share of any population that has the frame and, of the new variables,
        the joints with what they were seen with; and the model's estimate.
    ways : dict of str to float
        The estimate of each way that the evidence allows.
    refused : dict of str to str
        Why the others are not there.
    """

    bounds: Bounds
    ways: dict[str, float]
    refused: dict[str, str]

    @property
    def spread(self) -> float:
        """Difference between the highest and the lowest way's estimate."""
        return max(self.ways.values()) - min(self.ways.values())

    def __str__(self) -> str:
        """Write one line."""
        ways = ", ".join(f"{way} {share:.1%}" for way, share in self.ways.items())
        return f"{self.bounds}; by way: {ways}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {**self.bounds.to_dict(), "ways": dict(self.ways), "refused": dict(self.refused)}


def fusion_bounds(
    model: FusionModel, where: Levels, given: Levels | None = None, *, max_cells: int = 20_000
) -> FusionBounds:
    """Bound a share by all that was seen together, and say what each way estimates.

    Parameters
    ----------
    model : FusionModel
    where, given, max_cells
        As for `popgen.bounds`.

    Raises
    ------
    PopgenError
        As `popgen.bounds` does.

    Notes
    -----
    What the records have together is taken as the model fits it, as if it were known: sampling
    error is not in the bounds (`popgen.replicates` has it), only what no sample could tell.

    Examples
    --------
    >>> from popgen import Domain, Variable, fuse
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> model = fuse(frame, "vote", margins=Table(Domain((age, vote)), [[40, 10], [25, 25]]))
    >>> print(fusion_bounds(model, {"vote": "a"}, {"degree": "yes"}))
    share of degree=yes that are vote=a: estimate 70.0%, possible 33.3% to 100.0% (frechet); ...
    """
    _refuse_unfused(model)
    known = _seen(model)
    question = Question.of(known, where, given or {})
    ends = replace(
        bounds(known, where, given, max_cells=max_cells), estimate=question.estimate(model)
    )
    ways: dict[str, float] = {}
    refused: dict[str, str] = {}
    for way in WAYS:
        try:
            other = (
                model
                if way == model.method.way
                else replace(model.method, way=way).fit(model.problem)
            )
        except PopgenError as error:
            refused[way] = str(error)
        else:
            share = question.estimate(other)
            ways |= {} if share is None else {way: share}
    return FusionBounds(ends, ways, refused)


def _refuse_unfused(model: object) -> None:
    if not isinstance(model, FusionModel):
        raise PopgenError(
            f"a {type(model).__name__} is no fusion: give what popgen.fuse or Fusion returns; for "
            "other models there is popgen.bounds"
        )


def _seen(model: FusionModel) -> Problem:
    """Pose the problem of what was seen together: the frame, and each variable with its company."""
    added = [part.name for part in model.parts]
    frame = [name for name in model.domain.names if name not in added]
    tables = {"frame": model.project(*frame)}
    for part in model.parts:
        for company in dict.fromkeys([part.shared, *part.tied]):
            names = (*company, part.name)
            if not any(set(names) <= set(table.names) for table in tables.values()):
                tables["_".join(names)] = model.project(*names)
    return Problem(tables)


def couplings(
    model: FusionModel,
    m: int = 20,
    *,
    where: Levels | None = None,
    given: Levels | None = None,
    rng: Rng = None,
) -> Iterator[TableModel]:
    """Give joints that fit all that was seen together, as far apart as what was not lets them be.

    Parameters
    ----------
    model : FusionModel
        With one variable added.
    m : int
        How many, at least 2.
    where, given : mapping of variable to a level or several, optional
        A question whose answer the joints are to span evenly, from the least possible to the
        greatest: ``where`` is of the new variable, ``given`` of the frame. Default: in each joint,
        levels and kinds of people are tied in an order drawn by chance.
    rng : int, Generator or None
        For those orders; not used with a question.

    Yields
    ------
    TableModel
        Each has the frame, and the new variable's joint with all that it was seen with.

    Raises
    ------
    PopgenError
        If several variables were added, m is below 2, only one of ``where`` and ``given`` is
        given, or they are of other variables.

    Notes
    -----
    Among people alike in what the variable was seen with, its levels and the rest of the frame are
    put in order and matched from the top (the upper Fréchet coupling) or from opposite ends (the
    lower); a joint is a mixture of one of these with independence. With a question the mixtures
    are m evenly spaced ones, from the lower coupling through independence to the upper. These are
    no random draws from a belief: `combine` of their figures describes the set, no sampling error.

    Examples
    --------
    >>> from popgen import Domain, Variable, fuse
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> model = fuse(frame, "vote", margins=Table(Domain((age, vote)), [[40, 10], [25, 25]]))
    >>> spanned = couplings(model, 3, where={"vote": "a"}, given={"degree": "yes"})
    >>> [float(each.project("degree", "vote").counts[1, 0].round(6)) for each in spanned]
    [10.0, 21.0, 30.0]
    """
    _refuse_unfused(model)
    if len(model.parts) != 1:
        raise PopgenError(
            f"couplings are of one added variable; this model has {len(model.parts)}: add them one "
            "by one"
        )
    if not (isinstance(m, int) and m >= 2):
        raise PopgenError(f"at least 2 joints are needed to see them differ; got {m!r}")
    if (where is None) != (given is None):
        raise PopgenError("a question needs both 'where' and 'given'; leave out both for none")
    [part] = model.parts
    rest = [n for n in model.domain.names if n != part.name and n not in part.seen_with]
    if not rest:
        raise PopgenError(
            f"{part.name!r} was seen with the whole frame: nothing is left open but sampling error "
            "(popgen.replicates)"
        )
    plan = _Coupling.of(model, part.name, part.seen_with, rest)
    if where is None or given is None:
        generator = generator_of(rng)
        return (plan.random(own) for own in generator.spawn(m))
    ranks = _ranks(model, part.name, rest, where, given)
    return (plan.joint(*ranks, float(t)) for t in np.linspace(-1, 1, m))


def _ranks(
    model: FusionModel, name: str, rest: Sequence[str], where: Levels, given: Levels
) -> tuple[Any, Any]:
    """Score levels and kinds of people by whether a question counts them."""
    question = Question.of(model.problem, where, given)
    if set(question.kind) != {name} or not set(question.group) <= set(rest):
        raise PopgenError(
            f"the question must be of {name!r} (where) among people by {listed(rest)} (given), "
            f"with which it was never seen; got {listed(question.kind)} and "
            f"{listed(question.group)}"
        )
    group: Any = np.ones(())
    for other in rest:
        inside = question.group.get(other, np.ones(len(model.domain[other]), dtype=bool))
        group = np.multiply.outer(group, inside)
    return group.ravel().astype(float), question.kind[name].astype(float)


@dataclass(frozen=True, eq=False)
class _Coupling:
    """The open part of a fusion: given each shared cell, kinds of people by levels.

    ``people`` has shape (shared cells, kinds), ``levels`` (shared cells, K).
    """

    model: FusionModel
    names: tuple[str, ...]
    people: Any
    levels: Any

    @classmethod
    def of(
        cls, model: FusionModel, name: str, shared: Sequence[str], rest: Sequence[str]
    ) -> _Coupling:
        kinds = int(np.prod(model.domain.project(*rest).shape))
        people = model.project(*shared, *rest).counts.reshape(-1, kinds)
        levels = model.project(*shared, name).counts.reshape(len(people), -1)
        return cls(model, (*shared, *rest, name), people, levels)

    def random(self, rng: np.random.Generator) -> TableModel:
        """Tie them in an order drawn by chance, so strongly as is drawn besides."""
        kinds, levels = rng.random(self.people.shape[1]), rng.random(self.levels.shape[1])
        return self.joint(kinds, levels, float(rng.uniform(-1, 1)))

    def joint(self, kinds: Any, levels: Any, t: float) -> TableModel:
        """Mix independence with the coupling in the order of two scores, t > 0, or against it."""
        totals = self.people.sum(axis=1)[:, None, None]
        even = np.divide(
            self.people[:, :, None] * self.levels[:, None, :],
            totals,
            out=np.zeros((*self.people.shape, self.levels.shape[1])),
            where=totals > 0,
        )
        tied = _matched(self.people, self.levels, kinds if t > 0 else -kinds, levels)
        counts = (1 - abs(t)) * even + abs(t) * tied
        model = self.model
        shape = model.domain.project(*self.names)
        table = Table(shape, counts.reshape(shape.shape)).project(*model.domain.names)
        return TableModel(model.method, model.problem, model.convergence, table)


def _matched(people: Any, levels: Any, kinds: Any, scores: Any) -> Any:
    """Match people and levels in each row from the top: the north-west corner rule.

    >>> _matched(np.array([[3.0, 1.0]]), np.array([[2.0, 2.0]]), [0, 1], [1, 0]).tolist()
    [[[1.0, 2.0], [1.0, 0.0]]]
    """
    first, second = (
        np.argsort(-np.asarray(kinds), kind="stable"),
        np.argsort(-np.asarray(scores), kind="stable"),
    )
    a, b = np.cumsum(people[:, first], axis=1), np.cumsum(levels[:, second], axis=1)
    low = np.maximum((a - people[:, first])[:, :, None], (b - levels[:, second])[:, None, :])
    overlap = np.maximum(np.minimum(a[:, :, None], b[:, None, :]) - low, 0.0)
    out = np.empty_like(overlap)
    out[np.ix_(np.arange(len(overlap)), first, second)] = overlap
    return out

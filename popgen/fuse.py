"""`fuse`: a frame, and a survey or margins that have one variable more, made into one joint.

What is then known of the new variable beside those it was never seen with is a set, not a figure:
`fusion_bounds` gives its ends for a question, `couplings` draws populations from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from popgen._question import Levels, Question
from popgen._rng import Rng
from popgen.bounds import Bounds, bounds
from popgen.codebook import Codebook
from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.methods.fusion import WAYS, Fusion, FusionModel
from popgen.methods.models import TableModel
from popgen.microdata import MISSING, Microdata
from popgen.problem import Problem
from popgen.table import Table
from popgen.tables import Tables

Margins = Table | Mapping[str, Table] | Iterable[Table]


def fuse(
    frame: Margins,
    variables: str | Sequence[str],
    donor: Microdata | None = None,
    *,
    margins: Margins = (),
    codebook: Codebook | None = None,
    way: str | None = None,
    effects: int = 1,
    unseen: str = "refuse",
) -> FusionModel:
    """Add variables to a poststratification frame, known only from a survey or from margins.

    Parameters
    ----------
    frame : Table, or margins
        The people by the variables that are there already, e.g. state × sex × age × education.
    variables : str, or several
        To be added, in this order; each may depend on those before it.
    donor : Microdata, optional
        Records that have the new variables and some of the frame's.
    margins : Table, or margins
        People by the new variables, perhaps with some of the frame's: party by state.
    codebook : Codebook, optional
        How finer levels map to coarser ones.
    way : {'balanced', 'smooth_fix', 'logit', 'product'}, optional
        What is assumed: see `Fusion`. Default: ``balanced`` with a donor and margins, if the donor
        has all the variables of those, else ``smooth_fix``; ``logit`` with a donor alone;
        ``product`` with margins alone.
    effects, unseen
        As for `Fusion`.

    Returns
    -------
    FusionModel
        It projects, samples and has ``notes`` that say what was assumed. Its ``problem`` can be
        fitted again: `popgen.replicates`, `CalibratedPool`.

    Raises
    ------
    PopgenError
        If the frame has a variable already, donor and frame share none or differ in levels, or
        there is neither donor nor margin; and whatever `Fusion` refuses.
    InconsistentMarginsError
        If margins contradict the frame: see `popgen.reconcile`.

    Examples
    --------
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> votes = Table(Domain((age, vote)), [[40, 10], [25, 25]])
    >>> model = fuse(frame, "vote", margins=votes)
    >>> model.project("degree", "vote").counts.round(6).tolist()
    [[44.0, 26.0], [21.0, 9.0]]
    >>> print(model.notes[0])
    'vote' fused, way 'product': assumes that it is independent of ...
    """
    added = (variables,) if isinstance(variables, str) else tuple(variables)
    book = codebook or Codebook()
    there, said = Tables(frame), Tables(margins)
    if twice := set(there) & set(said):
        raise PopgenError(f"a table of the frame and a margin are both called {listed(twice)}")
    known = Problem(there, codebook=book).domain
    if inside := [name for name in added if name in known]:
        raise PopgenError(f"the frame has {listed(inside)} already; name other variables to add")
    if donor is None and not said:
        raise PopgenError(
            f"nothing says anything of {listed(added)}: give a donor survey, margins, or both"
        )
    records = None if donor is None else _aligned(donor, known, added, book)
    problem = Problem({**there, **said}, records, codebook=book)
    method = Fusion(added, way or _way(records, said, problem), effects, unseen)
    return method.fit(problem)


def _way(records: Microdata | None, said: Tables, problem: Problem) -> str:
    """Choose the way that uses all there is."""
    if records is None:
        return "product"
    if not said:
        return "logit"
    asked = {name for m in problem.margins if m.name in said for name in m.variables}
    whole = all((records.column(name) != MISSING).any() for name in asked)
    return "balanced" if whole else "smooth_fix"


def _aligned(
    donor: Microdata, frame: Domain, added: Sequence[str], codebook: Codebook
) -> Microdata:
    """Give a survey the frame's variables, missing where it has none, and those to be added."""
    if absent := [name for name in added if name not in donor.domain]:
        raise PopgenError(
            f"the donor has no {listed(absent)} to give; it has {listed(donor.domain.names)}"
        )
    columns = [_column(donor, variable, codebook) for variable in frame]
    if all(column is None for column in columns):
        raise PopgenError(
            f"donor and frame share no variable: the one has {listed(donor.domain.names)}, the "
            f"other {listed(frame.names)}; name them alike, or give a codebook that links them"
        )
    missing = np.full(len(donor), MISSING, dtype=np.int16)
    codes = [missing if column is None else column for column in columns]
    codes += [donor.column(name) for name in added]
    domain = Domain((*frame, *(donor.domain[name] for name in added)))
    return Microdata(domain, np.column_stack(codes), donor.weights, donor.notes)


def _column(donor: Microdata, variable: Variable, codebook: Codebook) -> Any:
    """Code a variable of the frame for the donor's records; None if they do not have it."""
    if variable.name in donor.domain:
        return _recoded(donor, variable)
    if variable.name not in codebook:
        return None
    for own in donor.domain:
        if own.name in codebook and (rule := codebook.path(own.name, variable.name)) is not None:
            return _recoded(donor.with_coarse(rule), variable)
        if own.name in codebook and codebook.path(variable.name, own.name) is not None:
            raise PopgenError(
                f"the donor has {own.name!r}, coarser than the frame's {variable.name!r}: coarsen "
                "the frame first (Table.coarsen), so that both speak of the same levels"
            )
    return None


def _recoded(donor: Microdata, variable: Variable) -> Any:
    own, codes = donor.domain[variable.name], donor.column(variable.name)
    held = np.unique(codes[codes != MISSING])
    if strange := [own.levels[i] for i in held if own.levels[i] not in variable.levels]:
        raise PopgenError(
            f"the donor has levels {listed(strange)} of {variable.name!r} that the frame lacks; "
            f"the frame has {listed(variable.levels)}: recode one of them"
        )
    index = {level: i for i, level in enumerate(variable.levels)}
    place = np.array([index.get(level, MISSING) for level in own.levels], dtype=np.int16)
    return np.where(codes == MISSING, np.int16(MISSING), place[codes])


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
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> model = fuse(frame, "vote", margins=Table(Domain((age, vote)), [[40, 10], [25, 25]]))
    >>> print(fusion_bounds(model, {"vote": "a"}, {"degree": "yes"}))
    share of degree=yes that are vote=a: estimate 70.0%, possible 33.3% to 100.0% (frechet); ...
    """
    known = _seen(model)
    question = Question.of(known, where, given or {})
    ends = replace(
        bounds(known, where, given, max_cells=max_cells), estimate=question.estimate(model)
    )
    method = model.method
    assert isinstance(method, Fusion)
    ways: dict[str, float] = {}
    refused: dict[str, str] = {}
    for way in WAYS:
        try:
            other = model if way == method.way else replace(method, way=way).fit(model.problem)
        except PopgenError as error:
            refused[way] = str(error)
        else:
            share = question.estimate(other)
            ways |= {} if share is None else {way: share}
    return FusionBounds(ends, ways, refused)


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
    >>> age, degree = Variable("age", ("young", "old")), Variable("degree", ("no", "yes"))
    >>> vote = Variable("vote", ("a", "b"))
    >>> frame = Table(Domain((age, degree)), [[30, 20], [40, 10]])
    >>> model = fuse(frame, "vote", margins=Table(Domain((age, vote)), [[40, 10], [25, 25]]))
    >>> spanned = couplings(model, 3, where={"vote": "a"}, given={"degree": "yes"})
    >>> [float(each.project("degree", "vote").counts[1, 0].round(6)) for each in spanned]
    [10.0, 21.0, 30.0]
    """
    if len(model.parts) != 1:
        raise PopgenError(
            f"couplings are of one added variable; this model has {len(model.parts)}: add them one "
            "by one"
        )
    if m < 2:
        raise PopgenError(f"at least 2 joints are needed to see them differ; got {m}")
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
        generator = np.random.default_rng(rng)
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

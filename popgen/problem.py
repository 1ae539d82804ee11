"""`Problem`: margins and perhaps microdata, made to speak of the same variables, or refused.

Here margins are checked, once: in a `Problem` that exists they agree and every level is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.census import Census
from popgen.codebook import Codebook
from popgen.completion import completed
from popgen.controls import Control, checked_controls
from popgen.domain import OUTSIDE, Domain
from popgen.errors import PopgenError, listed
from popgen.margin import Margin, check_agreement
from popgen.microdata import MISSING, Microdata
from popgen.spanning import Span
from popgen.table import Counts, Table
from popgen.tables import Tables


@dataclass(frozen=True, eq=False)
class Incidence:
    """Which record is in which margin cell, and how many people each cell must hold.

    Attributes
    ----------
    X : sparse array, shape (n, m)
        1 where record i is in cell j.
    codes : array of int, shape (n, number of margins)
        Column of ``X`` that holds record i for each margin; -1 where it is in none.
    targets, se : array, shape (m,)
        People in each cell; standard error of that figure, 0 where exact.
    cells : tuple of str
        The cells' names, for messages.
    """

    X: sparse.csr_array
    codes: NDArray[np.intp]
    targets: Counts
    se: Counts
    cells: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Problem:
    """What is known of a population: margins that agree, and perhaps records and a seed.

    Parameters
    ----------
    margins : Tables, mapping of name to Table, or tables
        The targets. They may overlap, be stated on coarser or finer levels than one another and
        than the microdata (``codebook`` says how levels map), and speak of part of the people only.
    microdata : Microdata, optional
        Records that carry every variable of the margins, perhaps at other levels.
    codebook : Codebook, optional
        Coarsenings between variables.
    seed : Table, optional
        A table whose interactions are borrowed where no margin states them.
    controls : iterable of Control
        Means, totals, medians and other quantiles of the records' numbers: `Mean` and so on.

    Attributes
    ----------
    domain : Domain
        The variables that a model of this problem has. For each variable of the margins: the
        finest of them if they are nested and it covers everybody, else the fine variable that all
        coarsen (ADR 4). If all margins leave the same people out, so does the model. With
        microdata: the records' variables.
    margins : tuple of Margin
        With the people whom a partial margin leaves out where they follow by subtraction.
    stated : tuple of Margin
        The margins without such remainders.
    controls : tuple of Control
        Their groups stated on the model's variables.
    total : float
        People.
    notes : tuple of str
        What was done to the records when they were read, and to the margins to state them on the
        model's variables, in words.

    Raises
    ------
    PopgenError
        If there is no margin, a margin's variable or level has no counterpart, or the records have
        no numbers that a control is of.
    InconsistentMarginsError
        If margins state different figures for the same people.

    Examples
    --------
    >>> from popgen import Variable
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> problem = Problem([Table(Domain((sex,)), [52, 48]), Table(Domain((age,)), [30, 70])])
    >>> problem.domain.names, problem.total
    (('sex', 'age'), 100.0)
    """

    domain: Domain
    margins: tuple[Margin, ...]
    stated: tuple[Margin, ...]
    microdata: Microdata | None
    seed: Margin | None
    controls: tuple[Control, ...]
    total: float
    notes: tuple[str, ...]

    def __init__(
        self,
        margins: Table | Mapping[str, Table] | Iterable[Table],
        microdata: Microdata | None = None,
        *,
        codebook: Codebook | None = None,
        seed: Table | None = None,
        controls: Iterable[Control] = (),
    ) -> None:
        tables = margins if isinstance(margins, Tables) else Tables(margins)
        if not tables:
            raise PopgenError("a problem needs at least one margin; none was given")
        span = Span(tables, codebook or Codebook(), None if microdata is None else microdata.domain)
        stated = tuple(span.margin(name, table) for name, table in tables.items())
        found = [completed(margin, stated) for margin in stated]
        fitted = tuple(margin for margin, _ in found)
        check_agreement(fitted)
        borrowed = None if seed is None else _borrowed(seed, span)
        facts = {
            "domain": span.domain,
            "margins": fitted,
            "stated": stated,
            "microdata": microdata,
            "seed": borrowed,
            "controls": checked_controls(_spanned(controls, span), microdata),
            "total": _total(fitted),
            "notes": (
                *(microdata.notes if microdata else ()),
                *span.notes,
                *(note for _, notes in found for note in notes),
            ),
        }
        for name, fact in facts.items():
            object.__setattr__(self, name, fact)

    def with_microdata(self, microdata: Microdata) -> Problem:
        """Return the same problem with other records over the model's variables.

        Raises
        ------
        PopgenError
            If the records have other variables or levels than the model.
        """
        if microdata.domain != self.domain:
            raise PopgenError(
                f"the model has variables {self.domain.names}; records over "
                f"{microdata.domain.names}, or with other levels, cannot stand in its problem"
            )
        return self.restated(self.margins, microdata, self.seed)

    @cached_property
    def incidence(self) -> Incidence:
        """Records by margin cells.

        Raises
        ------
        PopgenError
            If the problem has no microdata, or a record lacks a value that a margin needs.
        """
        return incidence_of(self.margins, self.records)

    @property
    def records(self) -> Microdata:
        """The microdata; raises `PopgenError` if the problem has none."""
        if self.microdata is None:
            raise PopgenError("this problem has no microdata: pass records to weight, or use IPF")
        return self.microdata

    @classmethod
    def from_census(
        cls, census: Census, microdata: Microdata | None = None, *, controls: Iterable[Control] = ()
    ) -> Problem:
        """Pose the problem of a census: its margins, its codebook, its seed, perhaps records."""
        book = census.codebook
        return cls(census.margins, microdata, codebook=book, seed=census.seed, controls=controls)

    def __repr__(self) -> str:
        records = f", {len(self.microdata):,} records" if self.microdata is not None else ""
        names = " × ".join(self.domain.names)
        margins = f"{len(self.margins)} margins"
        margins += f", {len(self.controls)} controls" if self.controls else ""
        return f"Problem({margins}, {self.total:,.0f} people, {names}{records})"

    def restated(
        self,
        margins: tuple[Margin, ...],
        microdata: Microdata | None,
        seed: Margin | None,
        *,
        controls: tuple[Control, ...] | None = None,
    ) -> Problem:
        """Return the problem with other figures for the same margins, other records or seed.

        For evidence redrawn within its precision: that the margins agree is the caller's to see to.
        Other controls too, if they are given.
        """
        controls = self.controls if controls is None else controls
        other = object.__new__(Problem)
        facts = {"domain": self.domain, "margins": margins, "microdata": microdata, "seed": seed}
        facts |= {"total": _total(margins), "notes": self.notes}
        facts["controls"] = checked_controls(controls, microdata)
        facts["stated"] = tuple(map(_without_rest, self.stated, margins))
        for name, fact in facts.items():
            object.__setattr__(other, name, fact)
        return other


def _spanned(controls: Iterable[Control], span: Span) -> Iterator[Control]:
    """State the groups of controls on the model's variables."""
    if isinstance(controls, Control):
        raise PopgenError(f"controls are a list, even of one: [{controls.name!r}]")
    for control in controls:
        by = [span.levels(name, levels) for name, levels in getattr(control, "group", ())]
        if len({name for name, _ in by}) < len(by):
            raise PopgenError(
                f"control {control.name!r} states one variable twice, at two levels of detail"
            )
        yield replace(control, by=tuple(by)) if by else control


def _without_rest(stated: Margin, completed: Margin) -> Margin:
    """Give a margin as stated the figures of the completed one, whose remainders come last."""
    cells = tuple(slice(size) for size in stated.table.domain.shape)
    table = completed.table
    se = None if table.se is None else table.se[cells]
    return replace(stated, table=Table(stated.table.domain, table.counts[cells], se))


def _total(margins: Sequence[Margin]) -> float:
    """Give the number of people: an exact margin's total if one covers everybody."""
    complete = sorted((m for m in margins if m.complete), key=lambda m: not m.table.exact)
    if not complete:
        raise PopgenError(
            "no margin covers everybody: "
            + "; ".join(_left_out(margin) for margin in margins[:5])
            + ("; ..." if len(margins) > 5 else "")
            + "; add a margin over all levels, or leave the others out of the codebook "
            "(Codebook.keeping) if they are not in the population"
        )
    if complete[0].table.total <= 0:
        raise PopgenError(f"margin {complete[0].name!r} counts nobody: all its cells are 0")
    return complete[0].table.total


def _left_out(margin: Margin) -> str:
    rule = next(rule for rule in margin.maps if not rule.complete)
    levels = [rule.fine.levels[i] for i in np.flatnonzero(rule.codes == OUTSIDE)]
    through = "" if rule.coarse.name == rule.fine.name else f" (it states {rule.coarse.name!r})"
    return f"{margin.name!r} says nothing of {rule.fine.name!r} {listed(levels)}{through}"


def _borrowed(seed: Table, span: Span) -> Margin | None:
    """State the seed on the model's variables; those that no margin has are summed out."""
    names = [name for name in seed.names if span.has(name)]
    return span.margin("seed", seed.project(*names)) if names else None


def incidence_of(margins: Sequence[Margin], records: Microdata) -> Incidence:
    """Find the margin cells of coded records."""
    columns = {name: records.column(name) for name in records.domain.names}
    for name in {name for margin in margins for name in margin.variables}:
        if gone := int((columns[name] == MISSING).sum()):
            raise PopgenError(
                f"{gone} of {len(records)} records have no {name!r}, which a margin needs; read "
                "them with missing='drop' or missing='level'"
            )
    cells = np.column_stack([margin.cells_of(columns) for margin in margins])
    sizes = [margin.table.domain.size for margin in margins]
    cells = np.where(cells == OUTSIDE, OUTSIDE, cells + np.cumsum([0, *sizes[:-1]]))
    rows, which = np.nonzero(cells != OUTSIDE)
    entries = (np.ones(len(rows)), (rows, cells[rows, which]))
    return Incidence(
        sparse.csr_array(sparse.coo_array(entries, shape=(len(records), sum(sizes)))),
        cells,
        np.concatenate([margin.table.counts.ravel() for margin in margins]),
        np.concatenate([_errors(margin.table) for margin in margins]),
        tuple(m.describe(i) for m in margins for i in range(m.table.domain.size)),
    )


def _errors(table: Table) -> Counts:
    return (np.zeros(table.domain.shape) if table.se is None else table.se).ravel()

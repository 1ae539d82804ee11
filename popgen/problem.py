"""`Problem`: margins and perhaps microdata, made to speak of the same variables, or refused.

Here margins are checked, once: in a `Problem` that exists they agree and every level is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from popgen.codebook import Codebook
from popgen.completion import completed
from popgen.domain import OUTSIDE, Domain
from popgen.errors import PopgenError, listed
from popgen.margin import Margin, check_agreement
from popgen.microdata import MISSING, Microdata
from popgen.spanning import Span
from popgen.table import Counts, Table, Tables


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

    Attributes
    ----------
    domain : Domain
        The variables that a model of this problem has. For each variable of the margins: the
        finest of them if they are nested, else the fine variable that all coarsen (ADR 4). With
        microdata: the records' variables.
    margins : tuple of Margin
    total : float
        People.
    notes : tuple of str
        What was done to the margins to state them on the model's variables, in words.

    Raises
    ------
    PopgenError
        If there is no margin, or a margin's variable or level has no counterpart.
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
    microdata: Microdata | None
    seed: Margin | None
    total: float
    notes: tuple[str, ...]

    def __init__(
        self,
        margins: Tables | Mapping[str, Table] | Iterable[Table],
        microdata: Microdata | None = None,
        *,
        codebook: Codebook | None = None,
        seed: Table | None = None,
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
            "microdata": microdata,
            "seed": borrowed,
            "total": _whole(fitted),
            "notes": (*span.notes, *(note for _, notes in found for note in notes)),
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
        other = object.__new__(Problem)
        for name in ("domain", "margins", "seed", "total", "notes"):
            object.__setattr__(other, name, getattr(self, name))
        object.__setattr__(other, "microdata", microdata)
        return other

    @cached_property
    def incidence(self) -> Incidence:
        """Records by margin cells.

        Raises
        ------
        PopgenError
            If the problem has no microdata, or a record lacks a value that a margin needs.
        """
        if self.microdata is None:
            raise PopgenError("this problem has no microdata: pass records to weight, or use IPF")
        return incidence_of(self.margins, self.domain, self.microdata.codes)


def _whole(margins: Sequence[Margin]) -> float:
    """Give the number of people: an exact margin's total if one covers everybody."""
    complete = sorted((m for m in margins if m.complete), key=lambda m: not m.table.exact)
    if not complete:
        raise PopgenError(
            "no margin covers everybody: each leaves out some levels of its variables "
            f"({listed(margin.name for margin in margins)}); add one over all levels"
        )
    if complete[0].table.total <= 0:
        raise PopgenError(f"margin {complete[0].name!r} counts nobody: all its cells are 0")
    return complete[0].table.total


def _borrowed(seed: Table, span: Span) -> Margin | None:
    """State the seed on the model's variables; those that no margin has are summed out."""
    names = [name for name in seed.names if span.has(name)]
    return span.margin("seed", seed.project(*names)) if names else None


def incidence_of(margins: Sequence[Margin], domain: Domain, codes: NDArray[np.int16]) -> Incidence:
    """Find the margin cells of coded records, shape (n, len(domain))."""
    columns = {name: codes[:, axis] for axis, name in enumerate(domain.names)}
    for name in {name for margin in margins for name in margin.variables}:
        if gone := int((columns[name] == MISSING).sum()):
            raise PopgenError(
                f"{gone} of {len(codes)} records have no {name!r}, which a margin needs; read them "
                "with missing='drop' or missing='level'"
            )
    cells = np.column_stack([margin.cells_of(columns) for margin in margins])
    sizes = [margin.table.domain.size for margin in margins]
    cells = np.where(cells == OUTSIDE, OUTSIDE, cells + np.cumsum([0, *sizes[:-1]]))
    rows, which = np.nonzero(cells != OUTSIDE)
    entries = (np.ones(len(rows)), (rows, cells[rows, which]))
    return Incidence(
        sparse.csr_array(sparse.coo_array(entries, shape=(len(codes), sum(sizes)))),
        cells,
        np.concatenate([margin.table.counts.ravel() for margin in margins]),
        np.concatenate([_errors(margin.table) for margin in margins]),
        tuple(m.describe(i) for m in margins for i in range(m.table.domain.size)),
    )


def _errors(table: Table) -> Counts:
    return (np.zeros(table.domain.shape) if table.se is None else table.se).ravel()

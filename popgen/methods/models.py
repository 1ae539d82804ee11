"""The fitted models that methods return: a dense table, weighted records, independent variables."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from popgen._hotdeck import LIKE, dealt, described
from popgen._rng import Rng, replayable
from popgen._values import Values
from popgen.domain import Domain
from popgen.integerise import integerise as integerised
from popgen.margin import Margin
from popgen.methods.base import Convergence, Method
from popgen.microdata import Microdata, Population
from popgen.problem import Problem, incidence_of
from popgen.provenance import digest, provenance
from popgen.table import Table

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class Fitted(abc.ABC):
    """What every fitted model has, and how people are drawn from it.

    Attributes
    ----------
    method : Method
        The recipe that was followed.
    problem : Problem
    convergence : Convergence
    """

    method: Method
    problem: Problem
    convergence: Convergence

    numbers_from: ClassVar[str] = LIKE
    """Where people's numbers come from, for the provenance."""

    @property
    def domain(self) -> Domain:
        """The variables that the model's people have."""
        return self.problem.domain

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.method!r}, {self.problem!r})"

    @abc.abstractmethod
    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables, axes in the order asked."""

    @abc.abstractmethod
    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        """Draw n people in random order: codes of shape (n, len(domain))."""

    def sample(self, n: int, *, rng: Rng = None, integerise: str = "systematic") -> Population:
        """Draw n whole people.

        Parameters
        ----------
        n : int
            People, at least 1.
        rng : int, Generator or None
            The same int gives the same people. ``provenance["rng"]`` says what was used: its
            entropy and spawn key, and its state if it is a generator used before.
        integerise : {'systematic', 'cube', 'trs', 'multinomial'}
            How expected counts become whole: see `popgen.integerise`. Systematic over sorted
            cells is fast and unbiased; 'cube' keeps the cells of every margin, and its one-way
            sums, to within a person or two.

        Returns
        -------
        Population
            In random order, with provenance. If the problem's records have numbers in bands
            (``Microdata.values``), so have the people; ``provenance`` says where they come from.

        Raises
        ------
        PopgenError
            If n is not a whole number of at least 1, rng is not a seed, or the way to integerise
            is unknown.
        """
        generator, state = replayable(rng)
        codes, values = self._numbered(n, generator, integerise)
        return Population(
            self.domain,
            codes,
            values=values,
            provenance=provenance(
                method=repr(self.method),
                people=len(codes),
                integerise=integerise,
                rng=state,
                margins={m.name: digest(m.table.counts) for m in self.problem.margins},
                iterations=self.convergence.iterations,
                largest_residual=self.convergence.residual,
                notes=list(self.notes),
                **self._about_numbers(values),
            ),
        )

    def _about_numbers(self, values: Values) -> dict[str, Any]:
        """Say for the provenance where people's numbers come from."""
        how = dict.fromkeys(values, self.numbers_from)
        return {"values": described(values, how)} if values else {}

    def _numbered(self, n: int, rng: np.random.Generator, integerise: str) -> tuple[Codes, Values]:
        """Draw n people in random order, with numbers if the problem's records have some."""
        codes = self._draw(n, rng, integerise)
        records = self.problem.microdata
        if records is None or not records.values:
            return codes, Values()
        return codes, self._numbers(Microdata(self.domain, codes), records, rng)

    def _numbers(self, people: Microdata, records: Microdata, rng: np.random.Generator) -> Values:
        """Give people the numbers of records; it draws after all else, so people stay the same."""
        return dealt(people, records, rng=rng)

    def _drawn(
        self, codes: Codes, weights: Floats, n: int, rng: np.random.Generator, integerise: str
    ) -> Codes:
        """Draw n people from weighted records, in random order."""
        return codes[self._rows(Microdata(self.domain, codes, weights), n, rng, integerise)]

    def _rows(self, records: Microdata, n: int, rng: np.random.Generator, integerise: str) -> Index:
        """Draw n people from weighted records, in random order: which record each is.

        Records are sorted by their levels, then by their numbers, so that systematic draws are
        spread evenly over both.
        """
        order = np.lexsort([*reversed(list(records.values.values())), *records.codes.T[::-1]])
        balance = self._balance(records.codes[order]) if integerise == "cube" else None
        return order[_people(records.weights[order], n, rng, integerise, balance)]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the problem or the fit did that a user should know of, in words."""
        return self.problem.notes

    def _balance(self, codes: Codes) -> Any:
        """Return what the cube method keeps: which margin cells each kind of person is in.

        The one-way sums of larger margins are among them: of many cells, each kept to a person or
        so, the sums would not be.
        """
        margins = self.problem.margins
        sums = {
            (rule.fine.name, *rule.codes.tolist()): Margin(
                margin.name, margin.table.project(rule.coarse.name), (rule,)
            )
            for margin in margins
            for rule in margin.maps
            if len(margin.maps) > 1
        }
        return incidence_of([*margins, *sums.values()], Microdata(self.domain, codes)).X


def _people(weights: Floats, n: int, rng: np.random.Generator, how: str, balance: Any) -> Index:
    """Draw n people from kinds in the ratio of their weights: the kind of each, in random order."""
    times = integerised(weights, n, method=how, balance=balance, rng=rng)
    kinds: Index = np.repeat(np.arange(len(times)), times)
    rng.shuffle(kinds)
    return kinds


@dataclass(frozen=True, eq=False, repr=False)
class TableModel(Fitted):
    """A joint kept whole, as a dense table of expected people.

    Attributes
    ----------
    table : Table
    """

    table: Table

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables, axes in the order asked."""
        return self.table.project(*names)

    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        counts = self.table.counts.ravel()
        cells = np.flatnonzero(counts)
        balance = self._balance(self._decoded(cells)) if integerise == "cube" else None
        return self._decoded(cells[_people(counts[cells], n, rng, integerise, balance)])

    def _decoded(self, cells: Index) -> Codes:
        """Level codes of flat cells, one column a variable."""
        codes = np.empty((len(cells), len(self.domain)), dtype=np.int16, order="F")
        for axis in reversed(range(len(self.domain))):
            cells, codes[:, axis] = np.divmod(cells, self.table.domain.shape[axis])
        return codes


@dataclass(frozen=True, eq=False, repr=False)
class RecordModel(Fitted):
    """Survey records with new weights.

    Attributes
    ----------
    microdata : Microdata
        The records that stand for somebody; their ``weights`` are the calibrated ones.
    kept : array of int, shape (len(microdata),)
        Their positions among the problem's records.
    """

    microdata: Microdata
    kept: NDArray[np.intp]

    numbers_from: ClassVar[str] = "the record that the person is a copy of"

    @property
    def weights(self) -> Floats:
        """One calibrated weight, people, for each of the problem's records; 0 if left out."""
        records = self.problem.microdata
        weights = np.zeros(len(self.microdata) if records is None else len(records))
        weights[self.kept] = self.microdata.weights
        return weights

    def project(self, *names: str) -> Table:
        """Return weighted people over some of the variables, axes in the order asked."""
        return self.microdata.project(*names)

    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        return self.microdata.codes[self._rows(self.microdata, n, rng, integerise)]

    def _numbered(self, n: int, rng: np.random.Generator, integerise: str) -> tuple[Codes, Values]:
        drawn = self.microdata.take(self._rows(self.microdata, n, rng, integerise))
        return drawn.codes, Values(drawn.values)

    @property
    def figures(self) -> tuple[dict[str, Any], ...]:
        """What each of the problem's controls was to be, and what the weighted records have."""
        return tuple(
            {"control": c.said, "stated": c.aim, "model": c.reached(self.microdata)}
            for c in self.problem.controls
        )

    def _about_numbers(self, values: Values) -> dict[str, Any]:
        about = super()._about_numbers(values)
        return {**about, "controls": list(self.figures)} if self.figures else about


@dataclass(frozen=True, eq=False, repr=False)
class ProductModel(Fitted):
    """Independent variables: the joint is the product of one-way shares.

    Attributes
    ----------
    shares : tuple of Table
        Expected people on each variable, in the domain's order.
    """

    shares: tuple[Table, ...]

    def project(self, *names: str) -> Table:
        """Return expected people: the product of the variables' shares, times the total."""
        domain = self.domain.project(*names)
        domain.need_axes()
        joint: Any = np.array(self.problem.total)
        for name in names:
            share = self.shares[self.domain.axis(name)].scaled(1.0).counts
            joint = np.multiply.outer(joint, share)
        return Table(domain, joint)

    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        columns = []
        for table in self.shares:
            balance = np.eye(table.domain.size) if integerise == "cube" else None
            columns.append(_people(table.counts, n, rng, integerise, balance).astype(np.int16))
        return np.column_stack(columns)

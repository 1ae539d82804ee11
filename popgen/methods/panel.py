"""`Panel`: what a language model said of pairs of variables, its small counts smoothed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from popgen.domain import Coarsening, Domain, Variable, frozen
from popgen.errors import PopgenError, listed
from popgen.folder import Folder
from popgen.methods._elicited import elicited_joint
from popgen.panels import ARMS, read_conditionals, read_panel
from popgen.provenance import digest
from popgen.table import Projectable, Table, group_axis

Floats = NDArray[np.float64]
Pair = tuple[str, str]

RECORDED = (*ARMS, "conditionals")
PROFILE = ("gender", "age", "race", "education", "region")
"""What the recorded ``fill`` arm was given: real people's attributes, not the model's opinion."""
POPULATION = "us_panel_2020"
MOST = 3.0
"""Largest log ratio to independence that stated shares are taken to mean: twentyfold."""
RANGE = (-5.0, 8.0)
"""Logs of the least and the greatest strength of smoothing that is tried, people a cell."""


@dataclass(frozen=True, eq=False, repr=False)
class Panel:
    """Personas, or stated shares, reduced to their two-way tables.

    Attributes
    ----------
    name : str
    tables : mapping of (name, name) to Table
        Two-way tables, the names of each pair in alphabetical order.
    people : float or None
        Personas that the counts are of (Kish's effective size for weighted ones); None: shares
        that were stated as such, which have no sampling noise.
    digest : str
        Of the counts; two panels with the same name, people and digest are equal.

    Examples
    --------
    >>> recorded("direct")
    Panel('direct', 1188 people)
    """

    name: str
    tables: Mapping[Pair, Table]
    people: float | None
    digest: str = field(default="")

    def __post_init__(self) -> None:
        counts = [self.tables[pair].counts for pair in sorted(self.tables)]
        object.__setattr__(self, "digest", digest(*counts) if counts else "")

    @classmethod
    def of(cls, name: str, source: Projectable, *, given: Iterable[str] = ()) -> Panel:
        """Count the pairs of a population, a table or tables.

        Parameters
        ----------
        name : str
        source : Projectable
            Records count as a sample of their effective size; tables as shares without noise.
        given : names, optional
            Variables that the personas were given, not asked for: what their pairs say is not the
            model's opinion, and is left out.

        Raises
        ------
        PopgenError
            If the source has no two-way table.
        """
        told = set(given)
        tables = {}
        for pair in itertools.combinations(sorted(source.domain.names), 2):
            if told.issuperset(pair):
                continue
            try:
                tables[pair] = source.project(*pair)
            except PopgenError:
                if not isinstance(source, Mapping):  # tables need not state every pair
                    raise
        if not tables:
            raise PopgenError(
                f"panel {name!r} says nothing of any pair of variables: it has "
                f"{listed(source.domain.names)}; give records or tables over two or more"
            )
        return cls(name, tables, getattr(source, "effective_size", None))

    def __repr__(self) -> str:
        what = "stated shares" if self.people is None else f"{self.people:.0f} people"
        return f"Panel({self.name!r}, {what})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Panel) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, float | None, str]:
        return self.name, self.people, self.digest

    @cached_property
    def strength(self) -> float:
        """People added to each cell, as independence has them, before its ratio is taken.

        The size of a gamma-Poisson law of the counts about independence, by maximum likelihood
        over all pairs: small where interactions are strong, huge where there are none.
        """
        pairs = [_beside(self._scaled(table.counts)) for table in self.tables.values()]
        return strength_of(
            np.concatenate([counts.ravel() for counts, _ in pairs]),
            np.concatenate([expected.ravel() for _, expected in pairs]),
        )

    def log_ratios(
        self, one: Variable, two: Variable, rules: tuple[Coarsening, Coarsening] | None = None
    ) -> Floats | None:
        """Give the log ratio of a pair's counts to independence, smoothed; None if not stated.

        Parameters
        ----------
        one, two : Variable
            The variables wanted, as the axes of the result.
        rules : pair of Coarsening, optional
            Groups of their levels that are wanted instead.

        Raises
        ------
        PopgenError
            If the panel lacks a level of them.

        Notes
        -----
        ``log((n + s) / (e + s))``, n people against e under independence: the posterior mean of
        the ratio under a gamma prior about 1 that counts as s = `strength` people. So a cell
        counts for more the more people it has, and an empty one is not minus infinity.
        """
        table = self.tables.get((min(one.name, two.name), max(one.name, two.name)))
        if table is None:
            return None
        wanted = [self._levels(variable, table) for variable in (one, two)]
        counts = table.project(one.name, two.name).counts[np.ix_(*wanted)]
        for axis, rule in enumerate(rules or ()):
            counts = group_axis(counts, axis, rule)
        held, expected = _beside(self._scaled(counts))
        if self.people is not None:
            return np.asarray(np.log((held + self.strength) / (expected + self.strength)))
        ratio = np.divide(held, expected, out=np.ones_like(held), where=expected > 0)
        return np.clip(np.log(np.maximum(ratio, np.exp(-MOST))), -MOST, MOST)

    def _levels(self, variable: Variable, table: Table) -> list[int]:
        own = table.domain[variable.name]
        if lacking := sorted(set(variable.levels) - set(own.levels)):
            raise PopgenError(
                f"panel {self.name!r} has no level {listed(lacking)} of {variable.name!r}: it has "
                f"{listed(own.levels)}; recode the panel to the levels of the margins, or leave "
                "that variable out of it"
            )
        return [own.index(level) for level in variable.levels]

    def _scaled(self, counts: Floats) -> Floats:
        """Return counts as so many people as the panel has (weights of records need not be 1)."""
        total = counts.sum()
        if self.people is None or total <= 0:
            return counts
        return np.asarray(counts * (self.people / total))


def strength_of(counts: Floats, expected: Floats) -> float:
    """Find how strongly counts stick to what is expected of them, in people a cell.

    Parameters
    ----------
    counts, expected : array, shape (n,)
        People. Counts are taken as gamma-Poisson (negative binomial) about the expected.

    Returns
    -------
    float
        The size of that law, by maximum likelihood.

    References
    ----------
    .. [1] DuMouchel (1999), The American Statistician 53:177-190,
       doi:10.1080/00031305.1999.10474456

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mean = np.full(4000, 20.0)
    >>> round(strength_of(rng.poisson(mean * rng.gamma(5, 1 / 5, 4000)), mean))
    5
    """
    cells = expected > 0
    n, e = counts[cells], expected[cells]

    def surprise(log: float) -> float:
        s = np.exp(log)
        return -float(
            np.sum(gammaln(n + s) - gammaln(s) + s * log - (n + s) * np.log(e + s) + n * np.log(e))
        )

    return float(np.exp(minimize_scalar(surprise, bounds=RANGE, method="bounded").x))


def _beside(counts: Floats) -> tuple[Floats, Floats]:
    """Put a pair's counts beside what they would be if its variables were independent."""
    total = counts.sum()
    if total <= 0:
        return counts, counts
    return counts, np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total


@lru_cache(maxsize=len(RECORDED))
def recorded(name: str) -> Panel:
    """Read a panel that comes with popgen: ``direct``, ``fill``, ``judge`` or ``conditionals``.

    Raises
    ------
    PopgenError
        For an unknown name, or a recording that is absent or altered.
    """
    if name in ARMS:
        return Panel.of(name, read_panel(name), given=PROFILE if name == "fill" else ())
    if name != "conditionals":
        raise PopgenError(f"no recorded panel {name!r}; there are {listed(RECORDED)}")
    folder = Folder.open(POPULATION)
    told = folder.read("one_way", None, None)  # the prompt has them too, to 0.1 percent
    shares = [Table(Domain((v,)), told[v.name].counts) for v in folder.codebook.variables.values()]
    return Panel.of(name, elicited_joint(read_conditionals(), shares))


def pair_of(one: str, two: str) -> Pair:
    """Give the names of a pair in alphabetical order."""
    return (min(one, two), max(one, two))


def weighted_centre(values: Floats, rows: Floats, columns: Floats) -> Floats:
    """Take out of a matrix all that depends on its row or its column only, cells by their shares.

    Parameters
    ----------
    values : array, shape (k, l)
    rows, columns : array, shapes (k,) and (l,)
        Shares of the levels; each adds to 1.

    Examples
    --------
    >>> weighted_centre(np.array([[0.0, 0.0], [0.0, 4.0]]), np.full(2, 0.5), np.full(2, 0.5))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    by_row, by_column = values @ columns, rows @ values
    out = values - by_row[:, None] - by_column[None, :] + rows @ by_row
    return frozen(np.asarray(out, dtype=np.float64))

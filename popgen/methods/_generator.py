"""What methods that learn from records share: checked records, and people drawn one by one."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from popgen.errors import PopgenError
from popgen.integerise import integerise as whole
from popgen.methods.base import Convergence
from popgen.methods.models import Codes, Fitted, Floats
from popgen.microdata import MISSING, Microdata
from popgen.problem import Problem
from popgen.table import Table

POOL = 2**17
"""Expected counts that have no formula are taken from so many quasi-random people."""

SPARE = 5
"""A draw that is not multinomial chooses among this many times as many quasi-random people."""

LAST = 1 - 1e-9
"""Uniform numbers stay below it, so that a sum with a row's number never rounds to the next row."""

NO_MARGINS = Convergence(True, 0, 0.0)
"""How a fit ends that holds no margin."""


@dataclass(frozen=True, eq=False)
class GeneratorModel(Fitted):
    """A model that turns independent uniform numbers, one a variable, into a person.

    Expected counts are those of a fixed, quasi-random pool of 131,072 people (scrambled Sobol
    points), the same at every call; a subclass with a formula says so and has no such error.
    """

    @abc.abstractmethod
    def _people(self, uniform: Floats) -> Codes:
        """Level codes of people, shape (n, d), from independent uniform numbers of that shape."""

    @cached_property
    def pool(self) -> Microdata:
        """The people whose counts stand for the expected ones."""
        points = quasi_random(POOL, len(self.domain), np.random.default_rng(0))
        return Microdata(self.domain, self._people(points))

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables, axes in the order asked."""
        return self.pool.project(*names).scaled(self.problem.total)

    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        n = int(whole([1.0], n, method=integerise, balance=[[1.0]], rng=rng)[0])  # checks both
        d = len(self.domain)
        if integerise == "multinomial":
            return self._people(rng.random((n, d)))
        many = self._people(quasi_random(SPARE * n, d, rng))
        return self._drawn(many, np.ones(len(many)), n, rng, integerise)


def quasi_random(n: int, d: int, rng: np.random.Generator) -> Floats:
    """Spread n points evenly over a cube: each is uniform, together they leave few gaps.

    Scrambled Sobol points (Owen 1998, doi:10.1006/jcom.1998.0487): means over them are unbiased
    and vary less than over independent points.
    """
    points: Floats = qmc.Sobol(d, rng=rng).random_base2((n - 1).bit_length())[:n]
    return points


def levels_drawn(shares: Floats, rows: NDArray[np.integer], uniform: Floats) -> NDArray[np.int16]:
    """Draw a level for each person from one row of a table of shares: inverse distribution.

    Parameters
    ----------
    shares : array, shape (k, levels)
        Shares of the levels, each row adding up to 1.
    rows : array of int, shape (n,)
        The row of each person.
    uniform : array, shape (n,)
        Independent uniform numbers.

    Examples
    --------
    >>> shares = np.array([[0.0, 0.5, 0.5], [0.2, 0.8, 0.0]])
    >>> levels_drawn(shares, np.array([0, 0, 1, 1]), np.array([0.0, 0.6, 0.1, 0.999])).tolist()
    [1, 2, 0, 1]
    """
    levels = shares.shape[1]
    below = np.cumsum(shares, axis=1)
    below /= below[:, -1:]
    flat = (below + np.arange(len(below))[:, None]).ravel()
    found = np.searchsorted(flat, rows + np.minimum(uniform, LAST), side="right")
    return np.asarray(found - rows.astype(np.intp) * levels, dtype=np.int16)


def complete_records(problem: Problem, learner: str) -> Microdata:
    """Return the problem's records, which a learner must be able to use whole.

    Raises
    ------
    PopgenError
        If there are none, or some lack a value.
    """
    records = problem.microdata
    if records is None:
        raise PopgenError(
            f"{learner} learns from records and this problem has no microdata: pass some, or use a "
            "method for margins (IPF, Independent)"
        )
    gone = (records.codes == MISSING).sum(axis=0)
    if gone.any():
        worst = int(gone.argmax())
        raise PopgenError(
            f"{learner} needs complete records; {int(gone[worst])} of {len(records)} have no "
            f"{records.domain.names[worst]!r}; read them with missing='drop' or missing='level'"
        )
    return records

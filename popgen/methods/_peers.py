"""What adapters of other packages share: records without weights, random numbers kept apart."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from popgen.errors import PopgenError
from popgen.integerise import integerise
from popgen.methods._generator import NO_MARGINS
from popgen.methods.base import Method
from popgen.methods.models import Codes, Fitted
from popgen.microdata import Microdata
from popgen.problem import Problem
from popgen.table import Table

NOT_OURS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
"""Warnings that are for the package's authors and say nothing of the fit."""


@dataclass(frozen=True, eq=False, repr=False)
class DrawnModel(Fitted):
    """People whom another package's model drew: they stand for it, and it is needed no more.

    Attributes
    ----------
    pool : Microdata
        The kinds of people drawn, weighted by how many there are of each.
    said : tuple of str
        What the package warned of.
    """

    pool: Microdata
    said: tuple[str, ...]

    @classmethod
    def of(cls, method: Method, problem: Problem, codes: Codes, said: list[str]) -> DrawnModel:
        """Keep drawn people, codes of shape (n, d)."""
        kinds, times = np.unique(codes, axis=0, return_counts=True)
        pool = Microdata(problem.domain, kinds, times.astype(np.float64))
        return cls(method, problem, NO_MARGINS, pool, tuple(dict.fromkeys(said)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the problem or the fit did that a user should know of, in words."""
        return (*self.problem.notes, *self.said)

    def project(self, *names: str) -> Table:
        """Return expected people over some of the variables, axes in the order asked."""
        return self.pool.project(*names).scaled(self.problem.total)

    def _draw(self, n: int, rng: np.random.Generator, integerise: str) -> Codes:
        return self._drawn(self.pool.codes, self.pool.weights, n, rng, integerise)


def unweighted(survey: Microdata, rng: np.random.Generator) -> Codes:
    """Repeat records in the ratio of their weights, as many in all as there are.

    Packages that take no weights are given these. Each record is there as often as its weight
    says, rounded up or down (systematic sampling); equal weights leave the records as they are.
    They are in an order of their own, so that a fit does not hang on the order they came in.

    Examples
    --------
    >>> from popgen import Domain, Variable
    >>> sex = Domain((Variable("sex", ("f", "m")),))
    >>> survey = Microdata(sex, [[1], [0], [1], [0]], [1.5, 1.5, 0.5, 0.5])
    >>> unweighted(survey, np.random.default_rng(0)).ravel().tolist()
    [0, 0, 1, 1]
    """
    order = np.lexsort([survey.weights, *survey.codes.T])
    times = integerise(survey.weights[order], len(survey), rng=rng)
    return np.asarray(survey.codes[np.repeat(order, times)])


@contextmanager
def apart(package: str, seed: int) -> Iterator[list[str]]:
    """Run a package that draws from global random numbers: seeded here, and then as found.

    Yields
    ------
    said : list of str
        Its warnings, which become a model's notes.

    Raises
    ------
    PopgenError
        For any error of the package's own.
    """
    said: list[str] = []
    legacy, python = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield said
        kept = [w.message for w in caught if not issubclass(w.category, NOT_OURS)]
        said.extend(f"{package} warned: {message}" for message in kept)
    except PopgenError:
        raise
    except Exception as error:
        raise PopgenError(
            f"{package} could not model these records: {type(error).__name__}: {error}"
        ) from error
    finally:
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(python)

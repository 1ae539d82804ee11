"""Survey households drawn from a made-up country, and zones whose figures they can meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from popgen import Geography, HouseholdProblem, Households
from popgen.households.controls import Controls

Floats = NDArray[np.float64]

OF_HOUSEHOLDS = {
    "members": 7,
    "income": 6,
    "cars": 5,
    "tenure": 2,
    "dwelling": 4,
    "workers": 4,
    "head_age": 5,
}
OF_PERSONS = {"age": 10, "sex": 2, "occupation": 7, "education": 5, "origin": 3}
"""Variables and their numbers of levels: 33 of households and 27 of persons."""

LEVELS = OF_HOUSEHOLDS | OF_PERSONS

Margin = tuple[str, ...]
ONE_WAY: tuple[Margin, ...] = tuple((name,) for name in LEVELS)

TILT = 0.35
"""Standard deviation of what a cell adds to the log weight of its households in a zone."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Survey households: levels as numbers from 0, design weights that vary by a third."""

    households: pl.DataFrame
    persons: pl.DataFrame

    @property
    def survey(self) -> Households:
        """The two tables, joined."""
        return Households.of(self.households, self.persons, id="id", weight="weight")


@dataclass(frozen=True, eq=False)
class Zones:
    """What zones hold.

    Attributes
    ----------
    survey : Households
    names : list of str
    X : array, shape (records, cells)
        What a household of each record adds to each cell.
    targets : array, shape (zones, cells)
    households, persons : array of int, shape (zones,)
    """

    survey: Households
    names: list[str]
    X: Floats
    targets: Floats
    households: NDArray[np.int64]
    persons: NDArray[np.int64]

    def first(self, count: int) -> Zones:
        """Return the first few zones."""
        facts = (self.targets, self.households, self.persons)
        return Zones(self.survey, self.names, self.X, *(fact[:count] for fact in facts))

    def with_totals(self) -> tuple[Floats, Floats]:
        """Put households and persons, in this order, before the cells: X and targets."""
        ones = np.ones(len(self.X))
        X = np.column_stack([ones, self.survey.size, self.X])
        return X, np.column_stack([self.households, self.persons, self.targets])

    def problem(self, *, softly: bool = False) -> HouseholdProblem:
        """Pose the zones' cells, under no larger area.

        Softly means that only households and persons are exact, and that a miss of one counts
        alike in all cells: the standard error is that of a cell of the mean size, over 1000.
        """
        names, X, targets = self.names, self.X, self.targets
        se = np.zeros_like(targets)
        if softly:
            se[:] = np.sqrt(targets.mean() / 1000)
        crosswalk = pl.DataFrame({"zone": np.arange(len(targets)) + 1})
        controls = Controls("zone", names, sparse.csr_array(X), targets, se)
        geography = Geography.of(crosswalk, ("zone",))
        return HouseholdProblem(self.survey, geography, [controls], self.households, self.persons)


def sample(n: int, seed: int = 1) -> Sample:
    """Draw households whose size, age, income, cars and work hang together as in real ones."""
    rng = np.random.default_rng(seed)
    size = rng.choice(np.arange(1, 8), n, p=[0.28, 0.34, 0.16, 0.13, 0.06, 0.02, 0.01])
    head = np.clip(rng.normal(50, 17, n), 18, 90)
    mean = 10.9 + 0.1 * np.minimum(size, 4) - 0.0003 * (head - 48) ** 2
    income = rng.normal(mean, 0.8)
    owner = np.repeat(np.arange(n), size)
    first = np.concatenate([[True], owner[1:] != owner[:-1]])
    people = len(owner)
    partner = head[owner] + rng.normal(0, 5, people)
    child = head[owner] - 28 + rng.normal(0, 6, people)
    other = np.clip(np.where(rng.random(people) < 0.4, partner, child), 0, 95)
    age = np.where(first, head[owner], other)
    works = (age > 16) & (age < 75) & (rng.random(people) < 0.62)
    schooled = rng.choice([1, 2, 3, 4], people, p=[0.12, 0.3, 0.3, 0.28])
    origin = rng.choice(3, n, p=[0.62, 0.2, 0.18])
    households = pl.DataFrame(
        {
            "id": np.arange(n) + 1,
            "weight": 20 * rng.gamma(8, 1 / 8, n),
            "members": size - 1,
            "income": np.digitize(income, np.quantile(income, [0.15, 0.3, 0.5, 0.7, 0.85])),
            "cars": np.minimum(rng.poisson(1.2 + 0.3 * (size > 1)), 4),
            "tenure": (rng.random(n) < 1 / (1 + np.exp((40 - head) / 15))).astype(int),
            "dwelling": rng.choice(4, n, p=[0.6, 0.1, 0.25, 0.05]),
            "workers": np.minimum(np.bincount(owner, works, n).astype(int), 3),
            "head_age": np.digitize(head, [30, 45, 60, 75]),
        }
    )
    persons = pl.DataFrame(
        {
            "id": owner + 1,
            "age": np.digitize(age, [5, 15, 18, 25, 35, 45, 55, 65, 75]),
            "sex": rng.integers(0, 2, people),
            "occupation": np.where(works, rng.integers(1, 7, people), 0),
            "education": np.where(age < 15, 0, schooled),
            "origin": origin[owner],
        }
    )
    return Sample(households, persons)


def incidence(some: Sample, margins: Sequence[Margin]) -> tuple[list[str], Floats]:
    """Count each household, or its persons, in the cells of margins; names are those cells'."""
    n, owner = len(some.households), some.persons["id"].to_numpy() - 1
    names, columns = [], []
    for margin in margins:
        sizes = [LEVELS[name] for name in margin]
        of_persons = margin[0] in OF_PERSONS
        frame = some.persons if of_persons else some.households
        cell = np.ravel_multi_index(frame.select(margin).to_numpy().T, sizes)
        row = owner if of_persons else np.arange(n)
        held = np.zeros((n, int(np.prod(sizes))))
        np.add.at(held, (row, cell), 1)
        names += [f"{' x '.join(margin)}: {level}" for level in range(held.shape[1])]
        columns.append(held)
    return names, np.hstack(columns)


def zones(
    some: Sample,
    count: int,
    *,
    margins: Sequence[Margin] = ONE_WAY,
    seed: int = 2,
    size: float = 1500,
) -> Zones:
    """Count households drawn for each zone from weights that lean its own way.

    Sizes of zones vary by a quarter about ``size`` households.
    """
    names, X = incidence(some, margins)
    rng, survey = np.random.default_rng(seed), some.survey
    numbers, counts = np.empty(count, np.int64), np.empty((count, len(X)), np.int64)
    for zone in range(count):
        lean = survey.weights * np.exp(X @ rng.normal(0, TILT, len(names)) / np.sqrt(3))
        numbers[zone] = size * np.exp(rng.normal(0, 0.25))
        counts[zone] = rng.multinomial(numbers[zone], lean / lean.sum())
    return Zones(survey, names, X, counts @ X, numbers, counts @ survey.size)


def clashing(given: Zones, seed: int = 3) -> Zones:
    """Blur every cell by 2 % and set a tenth of the small ones to nothing: no longer to be met.

    A cell is small with fewer than a twentieth of the zone's households. The numbers of households
    and persons stay what they were.
    """
    rng = np.random.default_rng(seed)
    blurred = np.rint(given.targets * np.exp(rng.normal(0, 0.02, given.targets.shape)))
    small = given.targets < given.households[:, None] / 20
    blurred[small & (rng.random(blurred.shape) < 0.1)] = 0.0
    return replace(given, targets=blurred)

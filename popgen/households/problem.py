"""`HouseholdProblem`: survey households, nested areas and what each must hold; checked, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from popgen.domain import frozen, whole_numbers
from popgen.errors import InconsistentMarginsError, PopgenError, check_number, listed
from popgen.households.controls import Controls
from popgen.households.geography import Geography
from popgen.households.units import Households, broken

Index = NDArray[np.intp]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class HouseholdProblem:
    """What is known of the households of some zones.

    Parameters
    ----------
    survey : Households
    geography : Geography
    controls : sequence of Controls
        At most one a level of geography.
    households : array of int, shape (zones, kinds) or (zones,)
        Units of each kind in each zone: kept exactly. Numbers next to a whole one (within
        1e-9 of it), as sums of decimals are, count as that one; others are refused.
    persons : array of int, shape (zones,), optional
        Persons in each zone, kept exactly, likewise. Default: nothing says how many there are.
    region : str, optional
        Level whose areas have records of their own, or a column that the geography has beside its
        levels, as PUMAs that cross counties. Default: every zone uses all records.
    region_of : array of int, shape (n,), optional
        Position of the area of that level or column that each record belongs to; -1 for none.
    borrow : float
        Share of its design weight, 0 to 1, at which a record counts in regions not its own too, so
        that regions with few records borrow from others. Default: 0, each uses its own alone.
    kinds : sequence of str
        Kinds of unit: households, or besides them group quarters.
    kind_of : array of int, shape (n,), optional
        Kind of each record. Default: all are of the first.

    Attributes
    ----------
    controls : tuple of Controls
        Smallest areas first.
    households : array of int, shape (zones, kinds)
    region_of, kind_of : array of int, shape (n,)
        With defaults filled in.

    Raises
    ------
    PopgenError
        If shapes disagree, or a zone has units of a kind and its region no record of it; or
        something is to be borrowed, but there are no regions.
    InconsistentMarginsError
        If a zone has fewer persons than units, or an area without units has people.

    Examples
    --------
    >>> import polars as pl
    >>> from scipy import sparse
    >>> survey = Households.of(pl.DataFrame({"id": [1, 2], "size": [1, 3]}), id="id")
    >>> places = Geography.of(pl.DataFrame({"tract": ["a", "b"]}), ["tract"])
    >>> X = sparse.csr_array([[1.0, 0.0], [0.0, 1.0]])
    >>> sizes = Controls("tract", ("size: 1", "size: 3"), X, [[6, 4], [1, 9]], np.zeros((2, 2)))
    >>> HouseholdProblem(survey, places, [sizes], households=[10, 10])
    HouseholdProblem(2 records, 2 zones, 20 units; controls: 2 by tract)
    """

    survey: Households
    geography: Geography
    controls: tuple[Controls, ...]
    households: Counts
    persons: Counts | None
    region: str | None
    region_of: Index
    borrow: float
    kinds: tuple[str, ...]
    kind_of: Index

    def __init__(
        self,
        survey: Households,
        geography: Geography,
        controls: tuple[Controls, ...] | list[Controls],
        households: ArrayLike,
        persons: ArrayLike | None = None,
        *,
        region: str | None = None,
        region_of: ArrayLike | None = None,
        borrow: float = 0.0,
        kinds: tuple[str, ...] | list[str] = ("household",),
        kind_of: ArrayLike | None = None,
    ) -> None:
        zones, n = geography.zones, len(survey)
        order = sorted(controls, key=lambda one: geography.depth(one.level))
        facts = {
            "survey": survey,
            "geography": geography,
            "controls": tuple(order),
            "households": _counts(households, zones, (len(kinds),), "households of each zone"),
            "persons": None if persons is None else _counts(persons, zones, (), "persons of zones"),
            "region": region,
            "region_of": _positions(region_of, n, "region_of"),
            "borrow": _share(borrow, region),
            "kinds": tuple(kinds),
            "kind_of": _positions(kind_of, n, "kind_of"),
        }
        for name, fact in facts.items():
            object.__setattr__(self, name, fact)
        _check_controls(self)
        _check_totals(self)
        _check_records(self)

    def __repr__(self) -> str:
        levels = ", ".join(f"{len(c.names)} by {c.level}" for c in self.controls)
        return (
            f"HouseholdProblem({len(self.survey):,} records, {len(self.geography.zones):,} zones, "
            f"{int(self.households.sum()):,} units; controls: {levels})"
        )

    @property
    def region_of_zone(self) -> Index:
        """Position of the region whose records each zone is made of, shape (zones,)."""
        if self.region is None:
            return np.zeros(len(self.geography.zones), dtype=np.intp)
        return self.geography.area_of(self.region)

    def records_of(self, region: int) -> tuple[Index, NDArray[np.float64]]:
        """Return the records that a region's zones are made of, and their design weights there.

        Returns
        -------
        records : array of int, shape (r,)
        design : array, shape (r,)
        """
        own = self.region_of == region
        if not self.borrow:
            return np.flatnonzero(own), self.survey.weights[own]
        return np.arange(len(own)), self.survey.weights * np.where(own, 1.0, self.borrow)

    @property
    def units(self) -> Counts:
        """Units of all kinds in each zone, shape (zones,)."""
        total: Counts = self.households.sum(axis=1)
        return total

    def without_controls(self) -> HouseholdProblem:
        """Return the problem with nothing but numbers of units and persons to meet."""
        return replace(self, controls=())

    def weighted(self, weights: NDArray[np.float64]) -> HouseholdProblem:
        """Return the problem with other design weights of the records."""
        return replace(self, survey=replace(self.survey, weights=frozen(weights)))


def _counts(values: ArrayLike, zones: tuple[str, ...], kinds: tuple[int, ...], what: str) -> Counts:
    """Take numbers of units or persons, one row a zone, for the whole numbers that they are."""
    given, shape = np.asarray(values), (len(zones), *kinds)
    if kinds == (1,) and given.ndim == 1:
        given = given[:, None]
    if given.shape != shape:
        raise PopgenError(f"{what}: {shape} numbers are needed; got shape {given.shape}")
    if given.dtype.kind == "f" and np.isfinite(given).all():
        if (odd := broken(given)).size:
            zone = zones[np.unravel_index(odd[0], shape)[0]]
            raise PopgenError(
                f"{what}: {odd.size} of the numbers are not whole, first "
                f"{given.flat[odd[0]]:,.12g} of zone {zone!r}; round them"
            )
        given = given.round()
    counts = whole_numbers(given, what).astype(np.int64)
    if (bad := np.argwhere(counts < 0)).size:
        raise PopgenError(
            f"{what}: {len(bad)} number(s) are negative, first {counts[tuple(bad[0])]} of zone "
            f"{zones[bad[0][0]]!r}; correct or drop them"
        )
    return frozen(counts)


def _positions(values: ArrayLike | None, n: int, what: str) -> Index:
    found = np.zeros(n, np.intp) if values is None else whole_numbers(values, what).astype(np.intp)
    if found.shape != (n,):
        raise PopgenError(f"{what} needs one number for each of {n} records; got {found.shape}")
    return frozen(found)


def _share(borrow: float, region: str | None) -> float:
    check_number("borrow", borrow, least=0, most=1)
    if borrow and region is None:
        raise PopgenError(
            f"borrow is {borrow:g}, but without regions every zone uses all records alike: name "
            "the region, or leave borrow out"
        )
    return float(borrow)


def _check_controls(problem: HouseholdProblem) -> None:
    levels = [one.level for one in problem.controls]
    if len(set(levels)) < len(levels):
        raise PopgenError(f"state the controls of a level together; levels: {listed(levels)}")
    for one in problem.controls:
        if twice := [name for name, times in Counter(one.names).items() if times > 1]:
            raise PopgenError(
                f"{one.level} has cells of one name: {listed(twice)}; give each margin a name of "
                "its own"
            )
        areas = len(problem.geography.ids(one.level))
        shape = (len(problem.survey), len(one.names))
        if one.X.shape != shape or len(one.targets) != areas:
            raise PopgenError(
                f"controls of {one.level!r} need X of shape {shape} and targets for {areas} "
                f"areas; got {one.X.shape} and {len(one.targets)}"
            )


def _check_totals(problem: HouseholdProblem) -> None:
    units, persons = problem.units, problem.persons
    if persons is not None:
        least = units if problem.survey.size.min(initial=1) > 0 else np.zeros_like(units)
        wrong = np.flatnonzero((persons < least) | ((persons > 0) & (units == 0)))
        if wrong.size:
            z = int(wrong[0])
            why = "fewer persons than households" if persons[z] < least[z] else "persons, no home"
            raise InconsistentMarginsError(
                f"{wrong.size} zone(s) have {why}, first {problem.geography.levels[0]} "
                f"{problem.geography.zones[z]!r}: {persons[z]:,} persons in {units[z]:,} "
                "households; correct one of the margins"
            )
    for one in problem.controls:
        held = np.bincount(problem.geography.area_of(one.level), units, len(one.targets))
        bad = np.argwhere((held == 0)[:, None] & (one.targets > 0) & (one.se == 0))
        if len(bad):
            area, cell = bad[0]
            name = problem.geography.ids(one.level)[area]
            raise InconsistentMarginsError(
                f"{one.level} {name!r} has no household, but {one.names[cell]!r} says "
                f"{one.targets[area, cell]:,.6g}; correct one of the margins"
            )


def _check_records(problem: HouseholdProblem) -> None:
    regions = int(max(problem.region_of.max(initial=0), problem.region_of_zone.max(initial=0))) + 1
    kinds = len(problem.kinds)
    if (
        problem.region_of.min(initial=0) < -1
        or not ((problem.kind_of >= 0) & (problem.kind_of < kinds)).all()
    ):
        raise PopgenError(f"region_of must be at least -1, and kind_of lie in 0..{kinds - 1}")
    there = np.zeros((regions + 1, kinds), bool)  # the last row is of records of no region
    there[problem.region_of, problem.kind_of] = True
    if problem.borrow:
        there |= there.any(axis=0)
    missing = np.argwhere((problem.households > 0) & ~there[problem.region_of_zone])
    if not len(missing):
        return
    zone, kind = missing[0]
    where, advice = "the survey", "add records"
    if problem.region is not None and not problem.borrow:
        areas = problem.geography.ids(problem.region)
        where = f"{problem.region} {areas[problem.region_of_zone[zone]]!r}"
        advice += ", or join the region to one that has some, or borrow"
    raise PopgenError(
        f"{len({int(z) for z, _ in missing})} zone(s) have units of a kind without records, first "
        f"{problem.geography.levels[0]} {problem.geography.zones[zone]!r}: "
        f"{problem.households[zone, kind]:,} of kind {problem.kinds[kind]!r}, and {where} has no "
        f"record of it; {advice}"
    )

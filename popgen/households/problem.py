"""`HouseholdProblem`: survey households, nested areas and what each must hold; checked, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from popgen.errors import InconsistentMarginsError, PopgenError, listed
from popgen.households.controls import Controls
from popgen.households.geography import Geography
from popgen.households.units import Households
from popgen.methods.distances import Floats

Index = NDArray[np.intp]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class HouseholdProblem:
    """What is known of the households of some zones.

    Attributes
    ----------
    survey : Households
    geography : Geography
    controls : tuple of Controls
        At most one a level of geography, smallest areas first.
    households : array of int, shape (zones, kinds)
        Units of each kind in each zone: kept exactly.
    persons : array of int, shape (zones,), or None
        Persons in each zone, kept exactly; None where nothing says.
    region : str or None
        Level whose areas have records of their own. Default: every zone uses all records.
    region_of : array of int, shape (n,)
        Area of that level that each record belongs to.
    kinds : tuple of str
        Kinds of unit: households, or besides them group quarters.
    kind_of : array of int, shape (n,)
        Kind of each record.

    Raises
    ------
    PopgenError
        If shapes disagree; if a zone has units of a kind and its region no record of it; or a zone
        has fewer persons than units, or cells with people and no unit.
    InconsistentMarginsError
        If a level's controls contradict the zones' totals.
    """

    survey: Households
    geography: Geography
    controls: tuple[Controls, ...]
    households: Counts
    persons: Counts | None = None
    region: str | None = None
    region_of: Index = field(default=None)  # type: ignore[assignment]
    kinds: tuple[str, ...] = ("household",)
    kind_of: Index = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        n = len(self.survey)
        for name in ("region_of", "kind_of"):
            value = getattr(self, name)
            value = np.zeros(n, dtype=np.intp) if value is None else np.asarray(value, np.intp)
            if value.shape != (n,):
                raise PopgenError(f"{name} needs one number for each of {n} records; got {value.shape}")
            object.__setattr__(self, name, value)
        order = sorted(self.controls, key=lambda one: self.geography.depth(one.level))
        object.__setattr__(self, "controls", tuple(order))
        self._check_controls()
        self._check_totals()
        self._check_records()

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

    def _check_controls(self) -> None:
        levels = [one.level for one in self.controls]
        if len(set(levels)) < len(levels):
            raise PopgenError(f"state the controls of a level together; levels: {listed(levels)}")
        for one in self.controls:
            areas = len(self.geography.areas[self.geography.depth(one.level)])
            shape = (len(self.survey), len(one.names))
            if one.X.shape != shape or len(one.targets) != areas:
                raise PopgenError(
                    f"controls of {one.level!r} need X of shape {shape} and targets for {areas} "
                    f"areas; got {one.X.shape} and {len(one.targets)}"
                )

    def _check_totals(self) -> None:
        zones = self.geography.zones
        if self.households.shape != (len(zones), len(self.kinds)):
            raise PopgenError(
                f"households need a number for each of {len(zones)} zones and {len(self.kinds)} "
                f"kinds of unit; got shape {self.households.shape}"
            )
        if self.households.min(initial=0) < 0:
            raise PopgenError("numbers of households must not be negative")
        units = self.households.sum(axis=1)
        if self.persons is not None:
            few = np.flatnonzero(self.persons < units * (self.survey.size.min(initial=1) > 0))
            if few.size:
                z = int(few[0])
                raise InconsistentMarginsError(
                    f"{few.size} zone(s) have fewer persons than households, first "
                    f"{self.geography.levels[0]} {zones[z]!r}: {self.persons[z]:,} persons in "
                    f"{units[z]:,} households; correct one of the margins"
                )
        self._check_empty(units)

    def _check_empty(self, units: Counts) -> None:
        for one in self.controls:
            area_of = self.geography.area_of(one.level)
            held = np.bincount(area_of, units, len(one.targets))
            bad = np.argwhere((held == 0)[:, None] & (one.targets > 0) & (one.se == 0))
            if len(bad):
                area, cell = bad[0]
                name = self.geography.areas[self.geography.depth(one.level)][area]
                raise InconsistentMarginsError(
                    f"{one.level} {name!r} has no household, but {one.names[cell]!r} says "
                    f"{one.targets[area, cell]:,.6g}; correct one of the margins"
                )

    def _check_records(self) -> None:
        regions = int(max(self.region_of.max(initial=0), self.region_of_zone.max(initial=0))) + 1
        there = np.zeros((regions, len(self.kinds)), bool)
        there[self.region_of, self.kind_of] = True
        missing = np.argwhere((self.households > 0) & ~there[self.region_of_zone])
        if len(missing):
            zone, kind = missing[0]
            where = ""
            if self.region is not None:
                areas = self.geography.areas[self.geography.depth(self.region)]
                where = f" of {self.region} {areas[self.region_of_zone[zone]]!r}"
            raise PopgenError(
                f"{len({int(z) for z, _ in missing})} zone(s) have units of which the records{where} have none, "
                f"first {self.geography.levels[0]} {self.geography.zones[zone]!r}: "
                f"{self.households[zone, kind]:,} {self.kinds[kind]}(s); add records, or join the region to one that has some"
            )

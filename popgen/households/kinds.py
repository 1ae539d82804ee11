"""Kinds of unit, and how many of each every zone has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import polars as pl

from popgen.errors import InconsistentMarginsError, PopgenError, listed
from popgen.households.expressions import evaluated
from popgen.households.faults import Faults
from popgen.households.margins import Known
from popgen.households.records import Floats, Index, by_area, load_typed
from popgen.households.statements import ROUNDING, Statement, agreed_total
from popgen.households.units import HOUSEHOLDS, PERSONS


def figure(about: Mapping[str, Any], known: Known) -> Floats:
    """Read a column of figures of the zones, shape (zones,)."""
    zones = known.geography.levels[0]
    frame = load_typed(known.inputs.path(about["file"]))
    area, where = about.get("area", zones), about["file"]
    return by_area(frame, [about["column"]], known.geography, zones, area=area, where=where)[:, 0]


def kinds_of(entries: Sequence[Mapping[str, Any]], homes: pl.DataFrame, faults: Faults) -> Index:
    """Find the kind of each household, shape (n,): exactly one condition must hold.

    What is wrong with one entry goes to ``faults``.

    Raises
    ------
    PopgenError
        If a household is of no kind or of several.
    """
    names = [entry["name"] for entry in entries]
    told = []
    for number, (name, entry) in enumerate(zip(names, entries, strict=True)):
        with faults.at("kinds", number, "name"):
            if name in names[:number]:
                raise PopgenError(f"another kind is called {name!r} too; name them apart")
        with faults.at("kinds", number, "where"):
            told.append(evaluated(entry["where"], homes, table=HOUSEHOLDS, where="where"))
    if len(told) < len(names):
        return np.zeros(len(homes), np.intp)
    holds = np.column_stack(told) != 0
    if (wrong := np.flatnonzero(holds.sum(axis=1) != 1)).size:
        met = listed(compress(names, holds[wrong[0]])) or "none"
        raise PopgenError(
            f"{wrong.size} of {len(holds)} households are of no kind or of several, first row "
            f"{wrong[0] + 1} (of {met}); write conditions of which each household meets one"
        )
    kind: Index = holds.argmax(axis=1)
    return kind


@dataclass(frozen=True, eq=False)
class Totals:
    """Numbers of units and persons of the zones that files state outright.

    Attributes
    ----------
    households : array, shape (zones, kinds), or None
    persons : array, shape (zones,), or None
    """

    households: Floats | None
    persons: Floats | None

    @classmethod
    def read(cls, data: Mapping[str, Any], known: Known, faults: Faults) -> Totals:
        """Read ``[[kinds]]`` and ``[totals]``; mistakes go to ``faults``."""
        totals, columns, persons = data.get("totals", {}), [], None
        kinds = data.get("kinds", ())
        for number, entry in enumerate(kinds):
            with faults.at("kinds", number, "total"):
                columns.append(figure(entry["total"], known))
        if kinds and "households" in totals:
            faults.add(("totals", "households"), "is stated beside totals of kinds; leave one out")
        elif "households" in totals:
            with faults.at("totals", "households"):
                columns.append(figure(totals["households"], known))
        if "persons" in totals:
            with faults.at("totals", "persons"):
                persons = figure(totals["persons"], known)
        whole = columns and len(columns) == len(known.kinds)
        return cls(np.column_stack(columns) if whole else None, persons)

    def of(self, unit: str) -> Floats | None:
        """Return the number of households of all kinds, or of persons, shape (zones,)."""
        if unit == PERSONS or self.households is None:
            return self.persons if unit == PERSONS else None
        summed: Floats = self.households.sum(axis=1)
        return summed

    def agreed(self, statements: Sequence[Statement], known: Known) -> tuple[Floats, Floats | None]:
        """Find the numbers of units and persons that are kept exactly.

        Returns
        -------
        households : array, shape (zones, kinds)
        persons : array, shape (zones,), or None

        Raises
        ------
        InconsistentMarginsError
            If exact margins disagree on one of them.
        PopgenError
            If nothing says how many households there are.
        """
        survey, places = known.survey, known.geography
        units = agreed_total(statements, survey, places, HOUSEHOLDS, self.of(HOUSEHOLDS))
        if units is None:
            raise PopgenError(
                "nothing says exactly how many households each zone has: give households = { file, "
                "column } under [totals], or a margin of all households without standard errors"
            )
        persons = agreed_total(statements, survey, places, PERSONS, self.persons)
        if self.households is None:
            return units[:, None], persons
        for one in statements:
            _refuse_other_kinds(one, known, self.households)
        return self.households, persons


def _refuse_other_kinds(one: Statement, known: Known, households: Floats) -> None:
    """Refuse a margin of all units of some kinds that has other numbers than are stated of those.

    Raises
    ------
    InconsistentMarginsError
        Naming the area and both numbers.
    """
    cells, kinds = one.controls, known.kinds
    if one.unit != HOUSEHOLDS or not (one.counts and one.exact):
        return
    added = np.asarray(cells.X.sum(axis=1)).ravel()
    held = [set(np.unique(added[known.kind_of == kind])) for kind in range(len(kinds))]
    if not all(each in ({0.0}, {1.0}) for each in held):
        return
    counted = [each == {1.0} for each in held]
    area_of = known.geography.area_of(cells.level)
    stated = np.bincount(area_of, households[:, counted].sum(axis=1), len(cells.targets))
    gap = np.abs(cells.targets.sum(axis=1) - stated)
    if (wrong := gap > ROUNDING * np.maximum(stated, 1.0)).any():
        worst = int(gap.argmax())
        raise InconsistentMarginsError(
            f"the stated totals and margin {one.name!r} disagree on the units of kind "
            f"{listed(compress(kinds, counted))} of {int(wrong.sum())} {cells.level} area(s), most "
            f"in {known.geography.ids(cells.level)[worst]!r}: "
            f"{stated[worst]:,.6g} against {cells.targets[worst].sum():,.6g}; reconcile them, or "
            "give the margin standard errors"
        )


def totals_of_means(
    entry: Mapping[str, Any],
    one: Statement,
    known: Known,
    stated: Totals,
    counts: Sequence[Statement],
) -> Statement:
    """Turn a margin's means, over all units of an area, into totals by the number of units.

    Raises
    ------
    PopgenError
        If nothing says how many units there are.
    """
    cells = one.controls
    units = agreed_total(counts, known.survey, known.geography, one.unit, stated.of(one.unit))
    asked = entry.get("kinds", known.kinds)
    if set(asked) < set(known.kinds):
        units = None
        if one.unit == HOUSEHOLDS and stated.households is not None:
            wanted = [known.kinds.index(name) for name in asked]
            units = stated.households[:, wanted].sum(axis=1)
    if units is None:
        raise PopgenError(
            f"means need the number of {one.unit} that they are of in every zone; give it under "
            "[totals], or give totals of the amount"
        )
    area_of = known.geography.area_of(cells.level)
    by = np.bincount(area_of, units, len(cells.targets))[:, None]
    return replace(one, controls=replace(cells, targets=cells.targets * by, se=cells.se * by))

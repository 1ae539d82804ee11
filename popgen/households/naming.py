"""Names of the columns that are written: as they were read, or as ActivitySim has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from popgen.errors import PopgenError, listed
from popgen.households.expand import (
    HOUSEHOLD,
    NUMBER,
    PERSON,
    beside,
    made,
    moved,
    refuse_twice,
    refuse_unwritable,
)
from popgen.households.geography import Geography
from popgen.households.units import HOUSEHOLDS, PERSONS, Households

AS_READ, ACTIVITYSIM = "as read", "activitysim"

HOUSEHOLDS_NEEDED = ("income", "HHT", "auto_ownership", "num_workers")
"""Columns that ActivitySim's example models read of households, beside those made here."""

PERSONS_NEEDED = ("age", "sex")
"""The same of persons. Further ones (``pemploy``, ``pstudent``, ``ptype``) are written if named."""

ZONE, SIZE, PNUM = "home_zone_id", "hhsize", "PNUM"
"""ActivitySim's names of what is made here: the zone, the household's size, the person's number."""


@dataclass(frozen=True)
class Naming:
    """Which columns are written, and under which names.

    Attributes
    ----------
    style : str
        ``as read`` or ``activitysim``.
    households, persons : sequence of str or None
        Columns of the survey to write; None for all.
    renamed : mapping of str to mapping of str to str
        For households and persons: ActivitySim's name = the survey's column.
    household_id : str
        Name of the column of households' identifiers, where columns are written as read.
    """

    style: str = AS_READ
    households: Sequence[str] | None = None
    persons: Sequence[str] | None = None
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    household_id: str = HOUSEHOLD

    def check(self, survey: Households, geography: Geography) -> None:
        """Refuse what could not be written under these names, before anything is fitted.

        Raises
        ------
        PopgenError
            Naming columns that the survey or ActivitySim lacks, and where to write them; two
            columns of one name; zones that are one number to ActivitySim.
        """
        levels = geography.columns
        refuse_unwritable(survey, levels)
        if self.style == ACTIVITYSIM:
            _refuse_merged(geography)
        for what, frame in ((HOUSEHOLDS, survey.households), (PERSONS, survey.persons)):
            columns = () if frame is None else frame.columns
            known = (*columns, *made(what, levels))
            _need(getattr(self, what) or (), known, f"output.{what}", what)
            if self.style == ACTIVITYSIM:
                self._check_activitysim(what, columns)
            pairs = self._pairs(what, beside(what, columns, levels), levels)
            size = [SIZE] if what == HOUSEHOLDS and self._sized(survey.persons) else []
            refuse_twice([*(name for name, _ in pairs), *size], what)

    def _check_activitysim(self, what: str, columns: Sequence[str]) -> None:
        names = self.renamed.get(what, {})
        if ours := sorted(set(names) & {HOUSEHOLD, PERSON, ZONE, PNUM}):
            raise PopgenError(
                f"activitysim.{what} names {listed(ours)}, which popgen makes itself; leave it out"
            )
        _need(names.values(), columns, f"activitysim.{what}", what)
        needed = HOUSEHOLDS_NEEDED if what == HOUSEHOLDS else PERSONS_NEEDED
        if columns and (absent := [name for name in needed if name not in names]):
            raise PopgenError(
                f"ActivitySim's {what} need {listed(absent)}: say which column each is, under "
                f"[activitysim.{what}], as {absent[0]} = 'COLUMN'; the {what} have "
                f"{listed(columns, most=30)}"
            )

    def apply(
        self,
        homes: pl.DataFrame,
        persons: pl.DataFrame | None,
        levels: Sequence[str],
        *,
        numbered: bool,
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Select and rename the columns of households and persons that were written out.

        Parameters
        ----------
        homes, persons : DataFrame
            As `popgen.households.expand.expanded` gives them.
        levels : sequence of str
            Columns of geography, zones first.
        numbered : bool
            Whether all zones, those of other parts too, are `numbered`: ActivitySim joins them by
            number.
        """
        sized = self._sized(persons)
        chosen = self._chosen(HOUSEHOLDS, homes, levels)
        if self.style == ACTIVITYSIM:
            chosen = chosen.with_columns(pl.col(ZONE).cast(pl.Int64 if numbered else pl.String))
        if persons is None:
            return chosen, None
        if sized:
            counts = persons.group_by(HOUSEHOLD).len(SIZE)
            of_home = homes.select(HOUSEHOLD).join(
                counts, on=HOUSEHOLD, how="left", maintain_order="left"
            )
            chosen.insert_column(2, of_home[SIZE].fill_null(0))
        return chosen, self._chosen(PERSONS, persons, levels)

    def _sized(self, persons: pl.DataFrame | None) -> bool:
        """Whether households' sizes are counted here."""
        named = self.renamed.get(HOUSEHOLDS, {})
        return self.style == ACTIVITYSIM and persons is not None and SIZE not in named

    def _chosen(self, what: str, frame: pl.DataFrame, levels: Sequence[str]) -> pl.DataFrame:
        pairs = self._pairs(what, frame.columns, levels)
        return frame.select(pl.col(source).alias(name) for name, source in pairs)

    def _pairs(
        self, what: str, columns: Sequence[str], levels: Sequence[str]
    ) -> list[tuple[str, str]]:
        """Pair the name of every column to write with that which it has among ``columns``."""
        ours = made(what, levels)
        if self.style == ACTIVITYSIM:
            theirs = [(name, moved(own, ours)) for name, own in self.renamed.get(what, {}).items()]
            new = {NUMBER: PNUM} if what == PERSONS else {levels[0]: ZONE}
            return [*((new.get(name, name), name) for name in ours), *theirs]
        asked = getattr(self, what)
        kept = [name for name in columns if name not in ours]
        if asked is not None:
            kept = [name for name in asked if name not in ours]
        new = {HOUSEHOLD: self.household_id}
        return [(new.get(name, name), name) for name in (*ours, *kept)]


def _need(asked: object, columns: Sequence[str], key: str, what: str) -> None:
    names = list(asked)  # type: ignore[call-overload]
    if absent := [name for name in names if name not in columns]:
        raise PopgenError(
            f"{key} names {listed(absent)}, which the {what} lack; they have "
            f"{listed(dict.fromkeys(columns), most=30)}"
        )


def _refuse_merged(geography: Geography) -> None:
    """Refuse zones that ActivitySim, to which they are numbers, would take for one."""
    zones = pl.Series(geography.zones, dtype=pl.String)
    if not numbered(geography.zones):
        return
    number = zones.cast(pl.Int64)
    if (merged := number.filter(number.is_duplicated())).len():
        one = zones.filter(number == merged[0]).to_list()
        raise PopgenError(
            f"ActivitySim knows zones by number, and {merged.n_unique()} number(s) would each be "
            f"several {geography.levels[0]} areas, first {merged[0]}: {listed(one)}; give every "
            "zone a number of its own"
        )


def numbered(zones: Sequence[str]) -> bool:
    """Whether all identifiers are whole numbers.

    >>> numbered(["12", "0101"]), numbered(["12", "a"])
    (True, False)
    """
    return not pl.Series(zones, dtype=pl.String).cast(pl.Int64, strict=False).has_nulls()

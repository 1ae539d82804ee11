"""Names of the columns that are written: as they were read, or as ActivitySim has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from popgen.errors import PopgenError, listed
from popgen.households.expand import HOUSEHOLD, NUMBER, OWN, PERSON
from popgen.households.units import Households

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

    def check(self, survey: Households, levels: Sequence[str]) -> None:
        """Refuse columns that the survey does not have, and names that ActivitySim lacks.

        Raises
        ------
        PopgenError
            Naming what is missing, and where to write it.
        """
        persons = () if survey.persons is None else survey.persons.columns
        made = (HOUSEHOLD, PERSON, NUMBER, *levels)
        for what, columns in (("households", survey.households.columns), ("persons", persons)):
            asked = getattr(self, what) or ()
            _need(asked, (*columns, *made), f"output.{what}", what)
            if self.style != ACTIVITYSIM:
                continue
            names = self.renamed.get(what, {})
            if ours := sorted(set(names) & {HOUSEHOLD, PERSON, ZONE, PNUM}):
                raise PopgenError(
                    f"activitysim.{what} names {listed(ours)}, which popgen makes itself; leave it "
                    "out"
                )
            _need(names.values(), columns, f"activitysim.{what}", what)
            needed = HOUSEHOLDS_NEEDED if what == "households" else PERSONS_NEEDED
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
        own = (HOUSEHOLD, *levels)
        if self.style == ACTIVITYSIM:
            return self._activitysim(homes, persons, levels, numbered)
        if self.households is not None:
            homes = homes.select(*own, *_kept(self.households, homes, own))
        if persons is not None and self.persons is not None:
            mine = (PERSON, HOUSEHOLD, NUMBER)
            persons = persons.select(*mine, *_kept(self.persons, persons, mine))
        id = {HOUSEHOLD: self.household_id}
        return homes.rename(id), None if persons is None else persons.rename(id)

    def _activitysim(
        self,
        homes: pl.DataFrame,
        persons: pl.DataFrame | None,
        levels: Sequence[str],
        numbered: bool,
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        named = self.renamed.get("households", {})
        zone = pl.col(levels[0]).cast(pl.Int64 if numbered else pl.String)
        made = [pl.col(HOUSEHOLD), zone.alias(ZONE)]
        if persons is not None and SIZE not in named:
            sizes = persons.group_by(HOUSEHOLD).len(SIZE)
            homes = homes.join(sizes, on=HOUSEHOLD, how="left", maintain_order="left")
            made.append(pl.col(SIZE).fill_null(0))
        made += [pl.col(level) for level in levels[1:]]
        chosen = homes.select(*made, *_renamed(named, homes))
        if persons is None:
            return chosen, None
        theirs = self.renamed.get("persons", {})
        own = [pl.col(PERSON), pl.col(HOUSEHOLD), pl.col(NUMBER).alias(PNUM)]
        return chosen, persons.select(*own, *_renamed(theirs, persons))


def _need(asked: object, columns: Sequence[str], key: str, what: str) -> None:
    names = list(asked)  # type: ignore[call-overload]
    if absent := [name for name in names if name not in columns]:
        raise PopgenError(
            f"{key} names {listed(absent)}, which the {what} lack; they have "
            f"{listed(columns, most=30)}"
        )


def _source(name: str, frame: pl.DataFrame) -> str:
    """Where a column of the survey stands: moved aside if popgen has one of that name."""
    return OWN + name if OWN + name in frame.columns else name


def _kept(names: Sequence[str], frame: pl.DataFrame, made: Sequence[str]) -> list[str]:
    """Say where columns to keep stand, without those that popgen makes itself."""
    return [_source(name, frame) for name in names if name not in made]


def _renamed(named: Mapping[str, str], frame: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col(_source(column, frame)).alias(name) for name, column in named.items()]


def numbered(zones: Sequence[str]) -> bool:
    """Whether all identifiers are whole numbers.

    >>> numbered(["12", "0101"]), numbered(["12", "a"])
    (True, False)
    """
    return not pl.Series(zones, dtype=pl.String).cast(pl.Int64, strict=False).has_nulls()

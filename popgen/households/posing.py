"""`pose`: a household problem from coded records and tables over areas and variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from popgen.codebook import Codebook
from popgen.errors import PopgenError, listed
from popgen.households.area_tables import Amount, Units, amount_cells, stated_cells
from popgen.households.controls import joined
from popgen.households.geography import Geography, identifiers
from popgen.households.problem import HouseholdProblem, Index
from popgen.households.statements import Statement, agreed_total, refuse_disagreement
from popgen.households.units import HOUSEHOLDS, PERSONS, Households
from popgen.methods.distances import Floats
from popgen.microdata import Microdata
from popgen.table import Table


def pose(
    survey: Households,
    geography: Geography,
    of_households: Mapping[str, Table],
    of_persons: Mapping[str, Table] | None = None,
    *,
    homes: Microdata | None = None,
    people: Microdata | None = None,
    amounts: Mapping[str, Amount] | None = None,
    codebook: Codebook | None = None,
    region: str | None = None,
    borrow: float = 0.0,
    kind: str | None = None,
) -> HouseholdProblem:
    """Pose the problem of margins over areas: how many households and persons of each sort.

    Parameters
    ----------
    survey : Households
    geography : Geography
    of_households, of_persons : mapping of name to Table
        Margins that count households, and persons. One variable of each table is a level of
        geography, with the areas' identifiers as levels; the others are variables of the records,
        or coarser ones by the codebook. A table over a level alone states totals. Standard errors
        are kept: such cells are soft.
    homes, people : Microdata
        Codes of the survey's households, and of its persons (the rows of ``survey.persons``).
    amounts : mapping of name to Amount, optional
        Totals and means of numbers.
    codebook : Codebook, optional
        Coarsenings between variables.
    region : str, optional
        Level whose areas have records of their own, or a column beside the levels; the households'
        column of that name says which.
    borrow : float
        Share of its weight at which a household counts in other regions too: `HouseholdProblem`.
    kind : str, optional
        Variable of ``homes`` that tells kinds of unit apart, such as group quarters.

    Returns
    -------
    HouseholdProblem
        The zones' households are those of the exact household margins by zone; so are the persons,
        if an exact person margin by zone counts them all.

    Raises
    ------
    PopgenError
        If a table names no level or an unknown area, leaves one out, or has a variable that the
        records lack; or nothing says how many households each zone has.
    InconsistentMarginsError
        If exact margins state different figures for the same households or persons of an area.

    Examples
    --------
    >>> import polars as pl
    >>> from popgen.domain import Domain, Variable
    >>> survey = Households.of(pl.DataFrame({"id": [1, 2], "w": [9.0, 5.0]}), id="id", weight="w")
    >>> tenure, tract = Variable("tenure", ("own", "rent")), Variable("tract", ("b", "a"))
    >>> homes = Microdata(Domain((tenure,)), [[0], [1]])
    >>> places = Geography.of(pl.DataFrame({"tract": ["a", "b"]}), ["tract"])
    >>> table = Table(Domain((tract, tenure)), [[30, 10], [20, 5]])
    >>> pose(survey, places, {"tenure": table}, homes=homes).households.ravel().tolist()
    [25, 40]
    """
    units = _units(survey, geography, codebook or Codebook(), homes, people)
    counts = [
        stated_cells(name, table, units[unit])
        for unit, some in ((HOUSEHOLDS, of_households), (PERSONS, of_persons or {}))
        for name, table in some.items()
    ]
    refuse_disagreement(counts, geography)
    numbers, kinds = _numbers(counts, survey, geography, homes, kind)
    persons = agreed_total(counts, survey, geography, PERSONS)
    totals = {HOUSEHOLDS: numbers.sum(axis=1), PERSONS: persons}
    of_amounts = [
        amount_cells(name, each, units[each.of], totals[each.of])
        for name, each in (amounts or {}).items()
    ]
    return HouseholdProblem(
        survey,
        geography,
        joined(one.controls for one in (*counts, *of_amounts)),
        numbers,
        persons,
        region=region,
        region_of=None if region is None else _regions(survey, geography, region),
        borrow=borrow,
        kinds=kinds,
        kind_of=None if kind is None or homes is None else homes.column(kind),
    )


def _units(
    survey: Households,
    geography: Geography,
    codebook: Codebook,
    homes: Microdata | None,
    people: Microdata | None,
) -> dict[str, Units]:
    """Put the records' codes beside what is shared by those that are counted."""
    return {
        unit: Units(unit, _coded(coded, len(owner), unit), owner, survey, geography, codebook)
        for unit, coded in ((HOUSEHOLDS, homes), (PERSONS, people))
        for owner in [survey.owners(unit)]
    }


def _coded(records: Microdata | None, n: int, what: str) -> Microdata | None:
    if records is not None and len(records) != n:
        raise PopgenError(
            f"the survey has {n} {what} and their codes are of {len(records)}; code all of them, "
            "in the survey's order"
        )
    return records


def _numbers(
    counts: Sequence[Statement],
    survey: Households,
    geography: Geography,
    homes: Microdata | None,
    kind: str | None,
) -> tuple[Floats, tuple[str, ...]]:
    """Units of each kind in each zone, and the kinds."""
    zones = geography.levels[0]
    total = agreed_total(counts, survey, geography, HOUSEHOLDS)
    if total is None:
        raise PopgenError(
            f"nothing says how many households each {zones} has: add an exact household margin by "
            "it that counts them all; a total will do"
        )
    if kind is None:
        return total[:, None], ("household",)
    if homes is None or kind not in homes.domain:
        raise PopgenError(f"kinds of unit are told by {kind!r}, which the households do not have")
    for one in counts:
        margin = one.margin
        whole = one.unit == HOUSEHOLDS and one.controls.level == zones
        if whole and one.total(survey) is not None and margin and kind in margin.variables:
            rule = margin.rule(kind)
            if rule.trivial:
                table = margin.table.project(zones, rule.coarse.name)
                return table.counts, homes.domain[kind].levels
    raise PopgenError(
        f"nothing says how many units of each {kind!r} each {zones} has: add an exact household "
        "margin by both that counts them all"
    )


def _regions(survey: Households, geography: Geography, region: str) -> Index:
    """Area of each record; -1 for areas that the geography does not have."""
    if region not in survey.households.columns:
        raise PopgenError(
            f"the households have no column {region!r} that says which records a {region} is made "
            f"of; they have {listed(survey.households.columns)}"
        )
    return geography.find(region, identifiers(survey.households[region], "the households"))

"""Tables over areas and variables, made into cells: what areas hold, what a household adds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from popgen.codebook import Codebook
from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.households.controls import Controls
from popgen.households.geography import Geography
from popgen.households.problem import Index
from popgen.households.statements import Statement
from popgen.households.units import HOUSEHOLDS, Households
from popgen.margin import Margin
from popgen.methods.distances import Floats
from popgen.microdata import Microdata
from popgen.problem import incidence_of
from popgen.spanning import Span
from popgen.table import Table
from popgen.tables import Tables


@dataclass(frozen=True, eq=False)
class Amount:
    """A total or a mean of a number in every area of one level.

    Attributes
    ----------
    table : Table
        The figure of each area; its one variable is a level of geography.
    numbers : array
        One for each household of the survey, or, for ``of="persons"``, for each person.
    of : {"households", "persons"}
        Whose number it is.
    mean : bool
        Whether the figures are means over those (else sums).
    """

    table: Table
    numbers: ArrayLike = field(repr=False)
    of: str = HOUSEHOLDS
    mean: bool = False


@dataclass(frozen=True, eq=False)
class Units:
    """The units that margins count: their codes, and the household of each."""

    unit: str
    coded: Microdata | None
    owner: Index
    survey: Households
    geography: Geography
    codebook: Codebook


def stated_cells(name: str, table: Table, records: Units) -> Statement:
    """Find a margin's cells: of areas by its table, of households by their units' codes.

    Raises
    ------
    PopgenError
        If the table names no level or an unknown area, leaves one out, or has a variable that the
        records lack.
    """
    geography = records.geography
    level = _level(name, table, geography)
    table = _by_area(name, table, geography, level)
    size = table.domain.shape[0]
    known = [] if records.coded is None else list(records.coded.domain)
    domain = Domain((table.domain[level], *(v for v in known if v.name not in geography.levels)))
    margin = Span(Tables({}), records.codebook, domain).margin(name, table)
    names: tuple[str, ...]
    if records.coded is not None and len(margin.maps) > 1:
        cells = Margin(name, margin.table.project(*margin.table.names[1:]), margin.maps[1:])
        found = incidence_of((cells,), records.coded)
        X, names = found.X, found.cells
    else:
        X, names = sparse.csr_array(np.ones((len(records.owner), 1))), (f"{name}: all",)
    stated = margin.table
    se = None if stated.se is None else stated.se.reshape(size, -1)
    X, counts = records.survey.added_up(X, records.owner), stated.counts.reshape(size, -1)
    return Statement(name, records.unit, Controls(level, names, X, counts, se), margin=margin)


def _level(name: str, table: Table, geography: Geography) -> str:
    levels = [variable for variable in table.names if variable in geography.levels]
    if not levels and (aside := [name for name in table.names if name in geography.columns]):
        geography.depth(aside[0])  # it is none, and this says why
    if len(levels) != 1:
        raise PopgenError(
            f"margin {name!r} {table.names} must have one level of geography among its variables, "
            f"of {listed(geography.levels)}; it has {listed(levels) or 'none'}"
        )
    return levels[0]


def _by_area(name: str, table: Table, geography: Geography, level: str) -> Table:
    """Put the level first, and its areas in the geography's order."""
    stated = table.domain[level].levels
    spot = geography.index(level, stated, f"margin {name!r}")
    areas = geography.ids(level)
    if missing := sorted(set(areas) - set(stated)):
        raise PopgenError(
            f"margin {name!r} says nothing of {len(missing)} of {len(areas)} {level} area(s): "
            f"{listed(missing, most=5)}; state every area's figures"
        )
    table = table.project(level, *(other for other in table.names if other != level))
    order = np.argsort(spot)
    domain = Domain((Variable(level, areas), *table.domain.variables[1:]))
    return Table(domain, table.counts[order], None if table.se is None else table.se[order])


def amount_cells(name: str, amount: Amount, records: Units, total: Floats | None) -> Statement:
    """Make cells of an amount; a mean is a total over as many units as there are.

    Raises
    ------
    PopgenError
        If numbers are missing, or it is a mean and ``total`` (units of each zone) is not known.
    """
    geography, survey = records.geography, records.survey
    level = _level(name, amount.table, geography)
    table = _by_area(name, amount.table, geography, level)
    numbers = np.asarray(amount.numbers, dtype=np.float64)
    if numbers.shape != records.owner.shape or not np.isfinite(numbers).all():
        raise PopgenError(
            f"{name!r} needs a finite number for each of {len(records.owner)} {amount.of}; got "
            f"shape {numbers.shape}, {int((~np.isfinite(numbers)).sum())} not finite"
        )
    factor = np.ones(len(table.counts))
    if amount.mean:
        if total is None:
            raise PopgenError(
                f"{name!r} is a mean over {amount.of}, and no exact margin says how many each "
                f"{geography.levels[0]} has; add one"
            )
        factor = np.bincount(geography.area_of(level), total, len(factor)).astype(float)
    X = survey.added_up(numbers[:, None], records.owner)
    typical = survey.weights @ abs(X).toarray()[:, 0] / survey.weights.sum()
    se = None if table.se is None else (table.se * factor)[:, None]
    targets, worth = (table.counts * factor)[:, None], [typical or 1.0]
    label = f"{name}: {'mean' if amount.mean else 'total'}"
    return Statement(
        name, amount.of, Controls(level, (label,), X, targets, se, worth), counts=False
    )

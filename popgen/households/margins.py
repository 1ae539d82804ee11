"""One ``[[margins]]`` entry of ``popgen.toml`` made into a `Statement`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from popgen.codebook import Codebook
from popgen.domain import Variable
from popgen.errors import PopgenError, listed
from popgen.frames import as_text, need_columns, read_cells
from popgen.households.area_tables import Units, stated_cells
from popgen.households.controls import Controls, precision
from popgen.households.expressions import evaluated
from popgen.households.faults import Faults, Inputs
from popgen.households.geography import Geography, identifiers
from popgen.households.reach import refuse_uncounted
from popgen.households.records import Flags, Floats, Index, by_area, load_typed
from popgen.households.statements import Statement
from popgen.households.units import Households
from popgen.microdata import Microdata
from popgen.survey import MISSING_LEVEL, read_microdata


@dataclass(frozen=True, eq=False)
class Known:
    """What margins are read against.

    Attributes
    ----------
    inputs : Inputs
    geography : Geography
    survey : Households
    frames : mapping of str to DataFrame
        Records by what they count: households, persons.
    codebook : Codebook or None
    kinds : tuple of str
        Empty if what is written of them is wrong.
    kind_of : array of int, shape (n,)
        Kind of each household.
    """

    inputs: Inputs
    geography: Geography
    survey: Households
    frames: Mapping[str, pl.DataFrame]
    codebook: Codebook | None
    kinds: tuple[str, ...]
    kind_of: Index

    def counted(self, entry: Mapping[str, Any]) -> Flags:
        """Whether each record of a margin's unit is of the kinds that it counts."""
        owner = self.survey.owners(entry["unit"])
        if "kinds" not in entry:
            return np.ones(len(owner), bool)
        asked = entry["kinds"]
        if strange := [name for name in asked if name not in self.kinds]:
            raise PopgenError(f"there is no kind {listed(strange)}; there are {listed(self.kinds)}")
        wanted = np.array([name in asked for name in self.kinds])
        flags: Flags = wanted[self.kind_of[owner]]
        return flags


def statement(
    entry: Mapping[str, Any], known: Known, faults: Faults, key: tuple[str, int]
) -> Statement | None:
    """Read one margin; what is wrong with it goes to ``faults``, and None comes back."""
    with faults.at(*key):
        _refuse_odd(entry, known)
        frame = load_typed(known.inputs.path(entry["file"]))
        if "variables" in entry:
            return _tidy(entry, frame, known)
        return _wide(entry, frame, known, faults, key)
    return None


def _refuse_odd(entry: Mapping[str, Any], known: Known) -> None:
    """Refuse keys that do not go together."""
    known.geography.depth(entry["level"])
    if entry["unit"] not in known.frames:
        raise PopgenError("counts persons, but there is no [persons] file; name one")
    if ("variables" in entry) == ("columns" in entry):
        raise PopgenError("needs variables (one row a cell) or columns (one row an area)")
    if "amount" in entry and "variables" in entry:
        raise PopgenError("amounts are stated in columns, one row an area; not over variables")
    if "statistic" in entry and "amount" not in entry:
        raise PopgenError("has a statistic but no amount; name the column that it is of")
    if entry.get("statistic") == "mean" and len(entry["columns"]) > 1:
        raise PopgenError("a mean is over all units: name one column, or give totals of the parts")


def name_of(entry: Mapping[str, Any]) -> str:
    """Name a margin as it says, or as its file is called."""
    return str(entry.get("name", Path(entry["file"]).stem))


def _tidy(entry: Mapping[str, Any], frame: pl.DataFrame, known: Known) -> Statement:
    """Read a margin of one row an area and cell."""
    where, unit, level, name = entry["file"], entry["unit"], entry["level"], name_of(entry)
    area, count = entry.get("area", level), entry.get("count", "count")
    variables = entry["variables"]
    need_columns(frame, [area, *variables, count], where)
    if {area, level} & set(variables):
        raise PopgenError(f"{area!r} is the column of areas and cannot be a variable too")
    ids = identifiers(frame[area], where)
    frame = frame.drop(area).with_columns(ids.alias(level))
    book = known.codebook or _as_found(frame, variables, where)
    areas = Variable(level, tuple(ids.drop_nulls().unique(maintain_order=True)))
    table = read_cells(frame, [areas, *(book[v] for v in variables)], where, count=count)
    counted = known.counted(entry)
    coded = _coded(known.frames[unit].filter(pl.Series(counted)), variables, book, unit)
    owner = known.survey.owners(unit)[counted]
    stated = stated_cells(
        name, table, Units(unit, coded, owner, known.survey, known.geography, book)
    )
    if not counted.all():
        stated = replace(stated, margin=None)
    if "importance" in entry:
        if table.se is not None:
            raise PopgenError("has standard errors and an importance; give one of them")
        se = precision(stated.controls.targets, entry["importance"])
        stated = replace(stated, controls=replace(stated.controls, se=se))
    return stated


def _as_found(frame: pl.DataFrame, names: Sequence[str], where: str) -> Codebook:
    """Take a margin's own levels, as `as_text` writes them, where there is no codebook."""
    levels = {n: as_text(frame[n], where).drop_nulls().unique(maintain_order=True) for n in names}
    return Codebook.of(Variable(name, tuple(found)) for name, found in levels.items())


def _coded(frame: pl.DataFrame, variables: Sequence[str], book: Codebook, unit: str) -> Microdata:
    """Code the records that a margin counts; one without a value is refused."""
    read = read_microdata(frame, book, variables=variables, missing="level")
    for variable in read.domain:
        if MISSING_LEVEL in variable.levels and MISSING_LEVEL not in book[variable.name].levels:
            gaps = int((read.column(variable.name) == variable.index(MISSING_LEVEL)).sum())
            raise PopgenError(
                f"{gaps} of {len(frame)} {unit} have no {variable.name!r}; give them a level in "
                f"the codebook ([recode.{variable.name}] missing = ...), or name the kinds of unit "
                "that have one (kinds)"
            )
    return read


def _wide(
    entry: Mapping[str, Any], frame: pl.DataFrame, known: Known, faults: Faults, key: Any
) -> Statement | None:
    """Read a margin of one row an area; every column's mistakes are noted."""
    unit, level, name = entry["unit"], entry["level"], name_of(entry)
    records, counted = known.frames[unit], known.counted(entry)
    amounts = counted.astype(float)
    if "amount" in entry:
        amounts = _amounts(records, entry["amount"], unit, counted)
    values, figures, errors = [], [], []
    for column, rule in entry["columns"].items():
        rule = {"where": rule} if isinstance(rule, str) else rule
        with faults.at(*key, "columns", column):
            holds = evaluated(rule["where"], records, table=unit, where="where", of=counted)
            values.append(holds * amounts)
            figure, se = _figures(entry, frame, column, rule, known.geography)
            refuse_uncounted(values[-1], figure, rule["where"], level, known.geography)
            figures.append(figure)
            errors.append(se)
    if len(errors) < len(entry["columns"]):
        return None
    X = known.survey.added_up(np.column_stack(values), known.survey.owners(unit))
    scale = np.ones(len(values))
    if "amount" in entry:
        scale = known.survey.weights @ abs(X).toarray() / known.survey.weights.sum()
        scale[scale == 0] = 1.0  # of what no record has
    names = [f"{name}: {column}" for column in entry["columns"]]
    cells = Controls(level, names, X, np.column_stack(figures), np.column_stack(errors), scale)
    return Statement(name, unit, cells, counts="amount" not in entry)


def _figures(
    entry: Mapping[str, Any],
    frame: pl.DataFrame,
    column: str,
    rule: Mapping[str, Any],
    geography: Geography,
) -> tuple[Floats, Floats]:
    """Read one column's figures and their standard errors, shape (areas,) each."""
    level, where = entry["level"], entry["file"]
    columns = [column, *([rule["se"]] if "se" in rule else [])]
    found = by_area(frame, columns, geography, level, area=entry.get("area", level), where=where)
    importance = rule.get("importance", entry.get("importance"))
    if "se" in rule and importance is not None:
        raise PopgenError("has standard errors and an importance; give one of them")
    if importance is not None:
        return found[:, 0], precision(found[:, 0], importance)
    return found[:, 0], found[:, 1] if "se" in rule else np.zeros(len(found))


def _amounts(frame: pl.DataFrame, column: str, unit: str, counted: Flags) -> Floats:
    """Read amounts of the records that are counted: finite numbers, perhaps below 0; else 0."""
    need_columns(frame, [column], f"records of {unit}")
    values = frame[column].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    if (bad := np.flatnonzero(counted & ~np.isfinite(values))).size:
        raise PopgenError(
            f"amount {column!r} is not a finite number for {bad.size} of {counted.sum()} {unit}, "
            f"first {frame[column][int(bad[0])]!r} in row {bad[0] + 1}; fill such values first, or "
            "name the kinds of unit that have one (kinds)"
        )
    return np.where(counted, values, 0.0)

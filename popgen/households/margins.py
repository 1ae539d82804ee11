"""One ``[[margins]]`` entry of ``popgen.toml`` made into a `Statement`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from popgen.codebook import Codebook
from popgen.domain import Variable
from popgen.errors import PopgenError, listed
from popgen.frames import need_columns
from popgen.households.controls import precision
from popgen.households.expressions import evaluated
from popgen.households.faults import Faults, Inputs
from popgen.households.geography import Geography
from popgen.households.records import Floats, Index, by_area, load_typed
from popgen.households.statements import (
    HOUSEHOLDS,
    Flags,
    Statement,
    amounts_of,
    coded_cells,
    incidence,
    tidy_margin,
)
from popgen.households.units import Households


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

    def owner(self, unit: str) -> Index:
        """Household of each record of a unit."""
        return np.arange(len(self.survey)) if unit == HOUSEHOLDS else self.survey.owner

    def counted(self, entry: Mapping[str, Any]) -> Flags:
        """Whether each record of a margin's unit is of the kinds that it counts."""
        asked = entry.get("kinds", self.kinds)
        if strange := [name for name in asked if name not in self.kinds]:
            raise PopgenError(f"there is no kind {listed(strange)}; there are {listed(self.kinds)}")
        wanted = np.array([name in asked for name in self.kinds])
        flags: Flags = wanted[self.kind_of[self.owner(entry["unit"])]]
        return flags


def name_of(entry: Mapping[str, Any]) -> str:
    """Name a margin as it says, or as its file is called."""
    return str(entry.get("name", Path(entry["file"]).stem))


def statement(
    entry: Mapping[str, Any], known: Known, faults: Faults, key: tuple[str, int]
) -> Statement | None:
    """Read one margin; what is wrong with it goes to ``faults``, and None comes back."""
    before = len(faults.found)
    made: Statement | None = None
    with faults.at(*key):
        unit, level = entry["unit"], entry["level"]
        known.geography.depth(level)
        if unit not in known.frames:
            raise PopgenError("counts persons, but there is no [persons] file; name one")
        if ("variables" in entry) == ("columns" in entry):
            raise PopgenError(
                "needs either variables (one row a cell) or columns (one row an area)"
            )
        frame = load_typed(known.inputs.path(entry["file"]))
        read = _tidy if "variables" in entry else _wide
        names, X, targets, se = read(entry, frame, known, faults, key)
        if len(faults.found) > before:
            return None
        if "importance" in entry:
            if se.any():
                raise PopgenError("has standard errors and an importance; give one of them")
            se = precision(targets, entry["importance"])
        scale = 1.0
        if "amount" in entry:
            weights = known.survey.weights
            scale = float(np.average(abs(X).sum(axis=1), weights=weights)) or 1.0
        label = tuple(f"{name_of(entry)}: {name}" for name in names)
        made = Statement(name_of(entry), level, unit, label, X, targets, se, scale)
    return made


Read = tuple[list[str], sparse.csr_array, Floats, Floats]


def _tidy(
    entry: Mapping[str, Any], frame: pl.DataFrame, known: Known, faults: Faults, key: Any
) -> Read:
    where, area = entry["file"], entry.get("area", entry["level"])
    count = entry.get("count", "count")
    names = entry["variables"]
    need_columns(frame, [area, *names, count], where)
    book = known.codebook or _as_found(frame, names)
    variables = [book[name] for name in names]
    table, targets, se = tidy_margin(
        frame, variables, known.geography, entry["level"], area=area, count=count, where=where
    )
    unit = entry["unit"]
    records, where = known.frames[unit], f"records of {unit}"
    cells = coded_cells(table, records, book, known.counted(entry), where)
    X = incidence(
        cells,
        _amounts(entry, known),
        known.owner(unit),
        (len(known.survey), table.domain.size),
    )
    return [table.domain.cell(i) for i in range(table.domain.size)], X, targets, se


def _as_found(frame: pl.DataFrame, names: list[str]) -> Codebook:
    """Take a margin's own levels where there is no codebook."""
    levels = {n: frame[n].drop_nulls().cast(pl.String).unique(maintain_order=True) for n in names}
    return Codebook.of(Variable(name, tuple(found)) for name, found in levels.items())


def _wide(
    entry: Mapping[str, Any], frame: pl.DataFrame, known: Known, faults: Faults, key: Any
) -> Read:
    columns = {
        name: {"where": rule} if isinstance(rule, str) else rule
        for name, rule in entry["columns"].items()
    }
    level, unit = entry["level"], entry["unit"]
    area, where = entry.get("area", level), entry["file"]
    amounts = _amounts(entry, known) * known.counted(entry)
    matrix = []
    for name, rule in columns.items():
        with faults.at(*key, "columns", name):
            counts = evaluated(rule["where"], known.frames[unit], table=unit, where="where")
            if not counts.any():
                raise PopgenError(f"no record of the {unit} is counted by {rule['where']!r}")
            matrix.append(counts * amounts)
    figures, errors = [], []
    for name, rule in columns.items():
        with faults.at(*key, "columns", name):
            two = by_area(
                frame,
                [name, *([rule["se"]] if "se" in rule else [])],
                known.geography,
                level,
                area=area,
                where=where,
            )
            figures.append(two[:, 0])
            spread = two[:, 1] if "se" in rule else np.zeros(len(two))
            if "importance" in rule:
                spread = precision(two[:, 0], rule["importance"])
            errors.append(spread)
    if len(matrix) < len(columns) or len(figures) < len(columns):
        return [], sparse.csr_array((0, 0)), np.zeros((0, 0)), np.zeros((0, 0))
    owner = sparse.csr_array(
        (np.ones(len(amounts)), (known.owner(unit), np.arange(len(amounts)))),
        (len(known.survey), len(amounts)),
    )
    X = sparse.csr_array(owner @ sparse.csr_array(np.column_stack(matrix)))
    return list(columns), X, np.column_stack(figures), np.column_stack(errors)


def _amounts(entry: Mapping[str, Any], known: Known) -> Floats:
    frame = known.frames[entry["unit"]]
    if "amount" not in entry:
        if entry.get("statistic", "total") != "total":
            raise PopgenError("has a statistic but no amount; name the column that it is of")
        return np.ones(len(frame))
    return amounts_of(frame, entry["amount"], f"records of {entry['unit']}")

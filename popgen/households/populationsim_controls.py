"""Controls as PopulationSim has them: one row a target, with a condition on the seed records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from popgen.errors import PopgenError, listed
from popgen.households.controls import Controls, precision
from popgen.households.expressions import evaluated
from popgen.households.geography import Geography
from popgen.households.reach import refuse_uncounted
from popgen.households.records import by_area
from popgen.households.statements import Statement
from popgen.households.units import HOUSEHOLDS, PERSONS, Households

COLUMNS = ("target", "geography", "seed_table", "importance", "control_field", "expression")
"""Columns of the file of controls."""


@dataclass(frozen=True)
class Control:
    """One row of the file of controls.

    Attributes
    ----------
    row : int
        Its number in the file, from 0.
    target, level, unit : str
        Name; geography; seed table, households or persons.
    importance : float
    column : str
        Column of the geography's control totals.
    expression : str
        Condition on the seed records, or a number to add up.
    """

    row: int
    target: str
    level: str
    unit: str
    importance: float
    column: str
    expression: str

    @classmethod
    def read(cls, row: int, entry: Mapping[str, Any]) -> Control:
        """Check one row.

        Raises
        ------
        PopgenError
            If a column is empty, the seed table unknown, or the importance no number.
        """
        if empty := [name for name in COLUMNS if entry[name] is None]:
            raise PopgenError(f"{listed(empty)} left empty; fill in every column")
        words = {name: str(entry[name]).strip() for name in COLUMNS}
        if (unit := words["seed_table"]) not in (HOUSEHOLDS, PERSONS):
            raise PopgenError(f"seed_table {unit!r} is neither 'households' nor 'persons'")
        try:
            importance = float(words["importance"])
        except ValueError:
            raise PopgenError(f"importance {words['importance']!r} is not a number") from None
        target, level = words["target"], words["geography"]
        column, expression = words["control_field"], words["expression"]
        return cls(row, target, level, unit, importance, column, expression)

    def statement(
        self, totals: pl.DataFrame, geography: Geography, survey: Households
    ) -> Statement:
        """Make the cells of a control, of its geography's control totals and the seed records.

        Raises
        ------
        PopgenError
            If there are no persons to count, the expression is not understood or counts nobody, or
            a figure is missing or no number.
        """
        records = survey.households if self.unit == HOUSEHOLDS else survey.persons
        if records is None:
            raise PopgenError("counts persons, but input_table_list has no table 'persons'; add it")
        values = evaluated(self.expression, records, table=self.unit, where="expression")
        X = survey.added_up(values[:, None], survey.owners(self.unit))
        where = f"{self.level}_control_data"
        targets = by_area(
            totals, [self.column], geography, self.level, area=self.level, where=where
        )
        refuse_uncounted(values, targets[:, 0], self.expression, self.level, geography)
        label = [f"{self.target}: {self.expression}"]
        se = precision(targets, self.importance)
        return Statement(self.target, self.unit, Controls(self.level, label, X, targets, se))

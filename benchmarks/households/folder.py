"""A folder as PopulationSim reads it, which popgen reads as well: both get the same files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CAP = 30
"""Largest expansion of a seed household, beside the average one: PopulationSim's example."""

ID, WEIGHT, TOTAL = "hh_id", "seed_weight", "num_hh"

CONTROLS = ["target", "geography", "seed_table", "importance", "control_field", "expression"]
"""Columns of PopulationSim's ``controls.csv``."""

SETTINGS = """\
INTEGERIZE_WITH_BACKSTOPPED_CONTROLS: True
SUB_BALANCE_WITH_FLOAT_SEED_WEIGHTS: False
GROUP_BY_INCIDENCE_SIGNATURE: True
USE_SIMUL_INTEGERIZER: True
USE_CVXPY: False
USE_NUMBA: True
NUMBA_PRECISION: float32
max_expansion_factor: {cap}
geographies: [{geographies}]
seed_geography: {seed}
data_dir: data
input_table_list:
  - {{tablename: households, filename: households.csv, index_col: {id}}}
  - {{tablename: persons, filename: persons.csv}}
  - {{tablename: geo_cross_walk, filename: crosswalk.csv}}
{tables}
household_weight_col: {weight}
household_id_col: {id}
total_hh_control: {total}
control_file_name: controls.csv
output_tables: {{action: include, tables: [expanded_household_ids]}}
output_synthetic_population:
  household_id: household_id
  households: {{filename: synthetic_households.csv, columns: [{id}, {households}]}}
  persons: {{filename: synthetic_persons.csv, columns: [{persons}]}}
models:
  - input_pre_processor
  - setup_data_structures
  - initial_seed_balancing
  - meta_control_factoring
  - final_seed_balancing
  - integerize_final_seed_weights
{balancing}
  - expand_households
  - write_tables
  - write_synthetic_population
"""


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of the seed households.

    Attributes
    ----------
    households, persons : DataFrame
        Both with `ID`, the first with `WEIGHT` and the seed's geography.
    written : pair of list of str
        Columns of households and of persons that the populations shall have.
    """

    households: pl.DataFrame
    persons: pl.DataFrame
    written: tuple[Sequence[str], Sequence[str]]


def by_zone(
    names: Sequence[str], of_persons: Collection[str], households: Counts, targets: Floats
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """State one-way margins of zones: controls (`TOTAL` first) and the table of their figures.

    Parameters
    ----------
    names : sequence of str
        Of the cells: the column, a colon, the number that it holds.
    of_persons : collection of str
        Columns of persons.
    households : array of int, shape (zones,)
    targets : array, shape (zones, cells)
    """
    rows = [(TOTAL, "ZONE", "households", 10**9, TOTAL, f"households.{WEIGHT} > 0")]
    for name in names:
        margin, level = name.split(": ")
        table = "persons" if margin in of_persons else "households"
        cell = f"{margin}_{level}"
        rows.append((cell, "ZONE", table, 1000, cell, f"{table}.{margin} == {level}"))
    figures = np.column_stack([np.arange(len(targets)) + 1, households, targets]).astype(int)
    return (
        pl.DataFrame(rows, schema=CONTROLS, orient="row"),
        pl.DataFrame(figures, schema=["ZONE", *(row[0] for row in rows)]),
    )


def write_folder(
    folder: Path,
    survey: Survey,
    crosswalk: pl.DataFrame,
    controls: pl.DataFrame,
    totals: Mapping[str, pl.DataFrame],
    *,
    seed: str,
) -> None:
    """Write ``configs`` and ``data``.

    Parameters
    ----------
    folder : path
    survey : Survey
    crosswalk : DataFrame
        One column a geography, largest first.
    controls : DataFrame
        As PopulationSim's ``controls.csv``; `TOTAL` counts all households.
    totals : mapping of str to DataFrame
        By geography.
    seed : str
        The geography whose areas have seed households of their own.
    """
    levels = crosswalk.columns
    below = levels[levels.index(seed) + 1 :]
    settings = SETTINGS.format(
        cap=CAP,
        geographies=", ".join(levels),
        seed=seed,
        id=ID,
        weight=WEIGHT,
        total=TOTAL,
        tables="\n".join(
            f"  - {{tablename: {level}_control_data, filename: {level}.csv}}" for level in totals
        ),
        balancing="\n".join(f"  - sub_balancing.geography={level}" for level in below),
        households=", ".join(survey.written[0]),
        persons=", ".join(survey.written[1]),
    )
    for part in ("configs", "data", "output"):
        (folder / part).mkdir(parents=True)
    (folder / "configs" / "settings.yaml").write_text(settings, encoding="utf-8")
    controls.write_csv(folder / "configs" / "controls.csv")
    survey.households.write_csv(folder / "data" / "households.csv")
    survey.persons.write_csv(folder / "data" / "persons.csv")
    crosswalk.write_csv(folder / "data" / "crosswalk.csv")
    for level, frame in totals.items():
        frame.write_csv(folder / "data" / f"{level}.csv")

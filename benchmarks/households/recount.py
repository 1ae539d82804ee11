"""Recount a population from the household ids that a program wrote: what areas hold, who is used.

Nothing here is popgen's or PopulationSim's: both are held to the same figures in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from households.folder import ID, WEIGHT

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Level:
    """The cells of one geography.

    Attributes
    ----------
    name : str
    areas : list of str
    controls : list of str
    X : array, shape (seed households, controls)
        What a household of each record adds.
    targets : array, shape (areas, controls)
    """

    name: str
    areas: list[str]
    controls: list[str]
    X: Floats
    targets: Floats


@dataclass(frozen=True, eq=False)
class Given:
    """The figures of a folder written by `households.folder`."""

    ids: list[str]
    weights: Floats
    levels: list[Level]
    crosswalk: pl.DataFrame

    @classmethod
    def of(cls, folder: Path) -> Given:
        """Read a folder."""
        data = folder / "data"
        homes = pl.read_csv(data / "households.csv", infer_schema_length=None)
        persons = pl.read_csv(data / "persons.csv", infer_schema_length=None)
        homes = homes.filter(pl.col(WEIGHT) > 0)
        position = {one: i for i, one in enumerate(homes[ID])}
        persons = persons.filter(pl.col(ID).is_in(homes[ID].implode()))
        owner = persons[ID].replace_strict(position).to_numpy()
        seen = {
            name: SimpleNamespace(**{c: frame[c].to_numpy() for c in frame.columns})
            for name, frame in (("households", homes), ("persons", persons))
        }
        controls = pl.read_csv(folder / "configs" / "controls.csv")
        levels = []
        for (level,), some in controls.group_by("geography", maintain_order=True):
            columns = []
            for table, expression in some.select("seed_table", "expression").iter_rows():
                hit = eval(expression, {"np": np, **seen}).astype(float)
                if table == "persons":
                    hit = np.bincount(owner, hit, len(homes))
                columns.append(hit)
            totals = pl.read_csv(data / f"{level}.csv", comment_prefix="#")
            levels.append(
                Level(
                    str(level),
                    totals[level].cast(pl.String).to_list(),
                    some["target"].to_list(),
                    np.column_stack(columns),
                    totals.select(some["control_field"].to_list()).to_numpy().astype(float),
                )
            )
        weights = homes[WEIGHT].to_numpy().astype(float)
        crosswalk = pl.read_csv(data / "crosswalk.csv", infer_schema=False)
        return cls(homes[ID].cast(pl.String).to_list(), weights, levels, crosswalk)


@dataclass(frozen=True, eq=False)
class Counted:
    """What a population holds.

    Attributes
    ----------
    households, persons : int
    error : dict of str to float
        By geography, the sum of absolute misses over areas and controls.
    target : dict of str to float
        By geography, the sum of the targets.
    divergence : float
        Kullback-Leibler, of the shares of the seed households from those of their weights, nats.
    used : int
        Seed households that live somewhere.
    expansion : float
        Largest share of a seed household beside that of its weight.
    """

    households: int
    persons: int
    error: dict[str, float]
    target: dict[str, float]
    divergence: float
    used: int
    expansion: float

    @classmethod
    def of(cls, given: Given, out: Path) -> Counted:
        """Recount what is written in a folder."""
        zone = given.crosswalk.columns[-1]
        homes = pl.read_csv(out / "synthetic_households.csv", infer_schema=False)
        homes = homes.select(ID, zone).join(given.crosswalk, on=zone, maintain_order="left")
        persons = pl.scan_csv(out / "synthetic_persons.csv").select(pl.len()).collect().item()
        record = _positions(homes[ID], given.ids)
        error, target = {}, {}
        for level in given.levels:
            area = _positions(homes[level.name], level.areas)
            held = np.zeros_like(level.targets)
            np.add.at(held, area, level.X[record])
            error[level.name] = float(np.abs(held - level.targets).sum())
            target[level.name] = float(level.targets.sum())
        share = np.bincount(record, minlength=len(given.ids)) / len(record)
        seed = given.weights / given.weights.sum()
        some = share > 0
        divergence = float((share[some] * np.log(share[some] / seed[some])).sum())
        largest = float((share / seed).max())
        return cls(len(homes), persons, error, target, divergence, int(some.sum()), largest)

    def __str__(self) -> str:
        errors = ", ".join(
            f"{level} {error:,.0f} of {self.target[level]:,.0f}"
            for level, error in self.error.items()
        )
        return (
            f"{self.households:,} households, {self.persons:,} persons; total absolute error: "
            f"{errors}; KL from the seed {self.divergence:.3f}, largest expansion "
            f"{self.expansion:.1f}, {self.used:,} seed households used"
        )


def _positions(column: pl.Series, known: list[str]) -> NDArray[np.intp]:
    place = {name: i for i, name in enumerate(known)}
    found: NDArray[np.intp] = column.replace_strict(place, return_dtype=pl.Int64).to_numpy()
    return found

"""One region's work in a run: make its households whole, write them out; it may run anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from popgen.errors import PopgenError
from popgen.households.expand import Homes, expanded
from popgen.households.fit import HouseholdModel
from popgen.households.naming import Naming, numbered
from popgen.households.placing import Task, Whole, shares
from popgen.households.problem import HouseholdProblem, Index
from popgen.methods.distances import Floats
from popgen.writing import Writer, make_folder, write_together

KINDS = ("households", "persons", "fit")
"""Folders of a run; each region has a part in each."""

Columns = Mapping[str, str]
"""Types of the columns of a frame, in words."""

LEVEL = 3
"""Of zstd: beyond it files shrink little and take longer."""

_makers: set[int] = set()
"""Processes that have made jobs, and so used polars: a fork of one inherits this and no threads."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The names of what a region's areas must hold, for its part of the fit.

    Attributes
    ----------
    level : str
    areas : Series
        Names of the areas that the region's zones lie in.
    names : Series
    worth : array, shape (cells,)
    """

    level: str
    areas: pl.Series
    names: pl.Series
    worth: Floats


@dataclass(frozen=True, eq=False)
class Job:
    """One region of a run.

    Attributes
    ----------
    task : Task
        Its records and zones count from 0, as those of ``homes`` do.
    homes : Homes
    cells : tuple of Cells
        By level.
    files : tuple of path
        Parts to write: households, persons (if the survey has any), fit.
    entropy : int
    integerise : str
    naming : Naming
    numbered : bool
        Whether all zones of the problem are numbers.
    """

    task: Task
    homes: Homes
    cells: tuple[Cells, ...]
    files: tuple[Path, ...]
    entropy: int
    integerise: str
    naming: Naming
    numbered: bool


def files_of(folder: Path, name: str, note: Mapping[str, Any]) -> tuple[Path, ...]:
    """Name the parts of a region of a problem that the note tells of."""
    kinds = [kind for kind in KINDS if note["persons"] or kind != "persons"]
    return tuple(folder / kind / f"{name}.parquet" for kind in kinds)


def jobs(
    model: HouseholdModel,
    homes: Homes,
    files: list[tuple[Path, ...]],
    *,
    entropy: int,
    integerise: str,
    naming: Naming,
) -> Iterator[Job]:
    """Make the job of every pool whose parts are not all there, one at a time.

    Parameters
    ----------
    model : HouseholdModel
    homes : Homes
        Of the model's problem.
    files : list of tuple of path
        Parts of each pool.
    entropy : int
    integerise : str
    naming : Naming
    """
    _makers.add(os.getpid())
    goals, numbers = shares(model), numbered(model.problem.geography.zones)
    for number, (pool, parts) in enumerate(zip(model.pools, files, strict=True)):
        if all(part.exists() for part in parts):
            continue
        task = Task.of(model, number, goals[number])
        own = replace(
            task.pool, records=np.arange(len(pool.records)), zones=np.arange(len(pool.zones))
        )
        yield Job(
            replace(task, pool=own),
            homes.only(pool.zones, pool.records),
            _cells(model, pool.zones),
            parts,
            entropy,
            integerise,
            naming,
            numbers,
        )


def _cells(model: HouseholdModel, zones: Index) -> tuple[Cells, ...]:
    geography = model.problem.geography
    out = []
    for level in model.stack.levels:
        areas = geography.ids(level.level)
        here = pl.Series([areas[area] for area in np.unique(level.area_of[zones])])
        out.append(Cells(level.level, here, pl.Series(level.names), level.worth))
    return tuple(out)


def work(job: Job) -> int:
    """Do a job: write all its parts or none, and return the number of its zones.

    Raises
    ------
    PopgenError
        If a part cannot be written, or in a process forked from one that had used polars, whose
        threads a fork does not survive.
    """
    if _makers and os.getpid() not in _makers:
        raise PopgenError(
            "this worker is a fork of a process with threads, in which polars would wait for ever; "
            "make the executor as ProcessPoolExecutor(mp_context=get_context('spawn'))"
        )
    counts, found = job.task.filled(job.entropy, integerise=job.integerise)
    frames = [*written(job.homes, found, job.naming, job.numbered), _fit(job, counts)]
    there = [frame for frame in frames if frame is not None]
    for part in job.files:
        make_folder(part.parent)
    write_together(dict(zip(job.files, map(_parquet, there), strict=True)))
    return len(job.task.names)


def written(
    homes: Homes, found: Whole, naming: Naming, numbers: bool
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Make the frames of households and persons, under the names asked for."""
    return naming.apply(*expanded(homes, found), homes.places.columns, numbered=numbers)


def columns_of(problem: HouseholdProblem, homes: Homes, naming: Naming) -> dict[str, Columns]:
    """Name the columns that a problem's households and persons will have, and their types."""
    nobody = np.zeros(0, np.intp)
    frames = written(homes, Whole(nobody, nobody), naming, numbered(problem.geography.zones))
    return {
        what: {name: str(kind) for name, kind in frame.schema.items()}
        for what, frame in zip(KINDS, frames, strict=False)
        if frame is not None
    }


def _parquet(frame: pl.DataFrame) -> Writer:
    return lambda part: frame.write_parquet(part, compression="zstd", compression_level=LEVEL)


def _fit(job: Job, counts: np.ndarray) -> pl.DataFrame:
    """One row an area and cell: what the region was to hold, and what its households do hold."""
    X = job.task.pool.X
    held = (sparse.csr_array(counts) @ X).toarray()
    frames, start = [], 0
    for cells, goals in zip(job.cells, job.task.levels, strict=True):
        own = np.zeros((len(cells.areas), len(cells.names)))
        np.add.at(own, goals.area_of, held[:, start : start + len(cells.names)])
        areas, m = own.shape
        start += m
        frames.append(
            pl.DataFrame(
                {
                    "level": pl.repeat(cells.level, areas * m, eager=True),
                    "area": cells.areas.gather(np.repeat(np.arange(areas), m)),
                    "cell": cells.names.gather(np.tile(np.arange(m), areas)),
                    "target": (goals.totals * cells.worth).ravel(),
                    "held": (own * cells.worth).ravel(),
                }
            )
        )
    return pl.concat(frames)

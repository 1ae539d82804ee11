"""A task posed: the truth that people are scored against, and what an entrant is handed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import polars as pl

from popgen.bench.found import find
from popgen.bench.homes import Homes, Index, heads, home_of, sampled
from popgen.bench.task import ELSEWHERE, Data, Task
from popgen.census import read_census
from popgen.codebook import Codebook, codebook_of
from popgen.domain import Domain
from popgen.errors import PopgenError, listed
from popgen.folder import Folder
from popgen.frames import load_frame, table_from_frame
from popgen.microdata import Microdata, Population
from popgen.problem import Problem
from popgen.survey import Missing, read_microdata
from popgen.table import Table
from popgen.tables import Tables

Truth = Table | Tables | Microdata


class NeedsDataError(PopgenError):
    """The task's data are not on this machine."""


@dataclass(frozen=True, eq=False)
class Posed:
    """What an entrant is handed.

    Attributes
    ----------
    domain : Domain
        The variables that its people must have.
    margins : Tables
        True tables of people, exact.
    records : Microdata or None
        A sample of real people.
    people : int
        How many to make.
    population : str
        Name of the population: a recorded panel speaks of one only.
    ordinal : tuple of str
        Variables whose levels have an order.
    outcomes : mapping of variables to str
        See `Task`.
    homes : Homes or None
        In track G: who of the records lives together, and tables that count households.
    """

    domain: Domain
    margins: Tables
    records: Microdata | None
    people: int
    population: str
    ordinal: tuple[str, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    homes: Homes | None = None

    @property
    def given(self) -> list[tuple[str, ...]]:
        """The variables of each table given, of people or of households."""
        of_homes = () if self.homes is None else self.homes.margins.values()
        return [table.names for table in (*self.margins.values(), *of_homes)]

    def problem(self) -> Problem:
        """State all that is given of people as a problem."""
        return Problem(self.margins, self.records)


def generator(task: Task, seed: int, what: str) -> np.random.Generator:
    """Random numbers of one use in one run: the same wherever and in whatever order it runs."""
    return np.random.default_rng([zlib.crc32(f"{task.name}:{what}".encode()), seed])


def pose(task: Task, seed: int) -> tuple[Posed, Truth]:
    """Pose a task for one seed.

    Raises
    ------
    NeedsDataError
        If the data do not come with popgen and are not found.
    PopgenError
        If the data are not those stated, or lack what the task names.
    """
    truth = truth_of(task)
    rng = generator(task, seed, "records")
    records: Microdata | None = None
    homes = None
    asked = task.given.margins
    if task.data.household:
        everybody = _need_microdata(task)
        records, homes = _with_homes(task, everybody, rng)
        asked = tuple(names for names in asked if not _of_homes(task, names))
    elif task.given.records:
        whom = _others(task) if task.given.source == ELSEWHERE else truth
        records = real_people(whom, task.given.records, rng)
    posed = Posed(
        truth.domain,
        _tables(truth, asked),
        records,
        task.people,
        task.population,
        task.ordinal,
        task.outcomes,
        homes,
    )
    return posed, truth


def _tables(truth: Truth, asked: Iterable[tuple[str, ...]]) -> Tables:
    return Tables({"_".join(names): truth.project(*names) for names in asked})


def _of_homes(task: Task, names: tuple[str, ...]) -> bool:
    return set(names) <= set(task.data.of_households)


def _with_homes(task: Task, people: Microdata, rng: np.random.Generator) -> tuple[Microdata, Homes]:
    """Sample households with everybody in them, and count all that there are."""
    data = task.data
    home = _homes(_found(task), data)
    records, of = sampled(people, home, task.given.records, rng)
    asked = [names for names in task.given.margins if _of_homes(task, names)]
    tables = _tables(heads(people, home), asked)
    return records, Homes(of, data.of_households, data.area, tables)


@lru_cache(maxsize=4)
def _everybody(place: str, margins: tuple[str, ...], zone: str | None) -> Tables:
    return read_census(place, zone=zone, margins=margins).margins


def truth_of(task: Task) -> Truth:
    """Give the true population of a task's zone."""
    if not task.data.file:
        return _checked_place(task, task.zone or None)
    records = _records(task)
    return records if isinstance(records, Table) else _zoned(task, records, here=True)


def _checked_place(task: Task, zone: str | None) -> Truth:
    data = task.data
    sources = Folder.open(data.place).sources.values()
    stated = {source.file: source.details.get("sha256") for source in sources}
    for file, digest in data.sha256.items():
        if stated.get(file) != digest:
            raise PopgenError(
                f"task {task.name!r} was made with another {file} of {data.place} (sha256 "
                f"{digest}); restate the task under a new name, and this one's superseded_by"
            )
    tables = _everybody(data.place, data.margins, zone)
    return next(iter(tables.values())) if len(tables) == 1 else tables


def _others(task: Task) -> Truth:
    """Give everybody but the people of the task's zone."""
    if task.data.file:
        return _zoned(task, _need_microdata(task), here=False)
    here, everywhere = _checked_place(task, task.zone), _checked_place(task, None)
    everybody = everywhere.project(*here.domain.names)
    if not isinstance(here, Table):
        raise PopgenError(f"task {task.name!r}: records need one joint table to be drawn from")
    return Table(everybody.domain, np.maximum(everybody.counts - here.counts, 0.0))


def _need_microdata(task: Task) -> Microdata:
    records = _records(task)
    if isinstance(records, Table):
        raise PopgenError(f"task {task.name!r}: a table of cells has no zones to borrow from")
    return records


def _zoned(task: Task, records: Microdata, *, here: bool) -> Microdata:
    column = task.data.zone
    if not column:
        return records
    inside = records.column(column) == records.domain[column].index(task.zone)
    kept = records.take(inside if here else ~inside)
    axes = [records.domain.axis(name) for name in records.domain.names if name != column]
    return Microdata(Domain(tuple(records.domain.variables[i] for i in axes)), kept.codes[:, axes])


def _records(task: Task) -> Microdata | Table:
    """Read the task's file, wherever it is registered."""
    return _read(_found(task), task.data)


def _found(task: Task) -> str:
    data = task.data
    path = find(data.file, data.sha256.get(data.file, ""))
    if path is None:
        how = f"popgen data get {task.definition}" if data.url else "popgen data add"
        raise NeedsDataError(f"task {task.name!r} needs {data.file}: {how}")
    return str(path)


@lru_cache(maxsize=2)
def _read(path: str, data: Data) -> Microdata | Table:
    names = [*data.variables, *([data.zone] if data.zone else [])]
    if data.count:
        return table_from_frame(path, names, count=data.count)
    book = codebook_of(data.codebook) if data.codebook else None
    if data.place:
        book = Folder.open(data.place).codebook
        book = Codebook(book.variables, recodes=book.recodes)
    missing: Missing = "error" if data.household else "drop"  # or households would lose members
    return read_microdata(_source(path), book, variables=names or None, missing=missing)


@lru_cache(maxsize=2)
def _homes(path: str, data: Data) -> Index:
    people = _read(path, data)
    assert isinstance(people, Microdata)
    return home_of(load_frame(_source(path), text=True)[0], data, people)


def _source(path: str) -> str | pl.DataFrame:
    packed = path.endswith(".csv.gz")
    return pl.read_csv(path, infer_schema_length=0) if packed else path


def real_people(truth: Truth, n: int, rng: np.random.Generator) -> Population:
    """Draw n real people: independent draws from the true joint.

    Raises
    ------
    PopgenError
        If the truth is separate tables, of which nobody's whole record can be drawn.
    """
    if isinstance(truth, Microdata):
        return Population(truth.domain, truth.codes[rng.integers(len(truth), size=n)])
    if not isinstance(truth, Table):
        raise PopgenError(f"no person can be drawn from separate tables: {listed(truth)}")
    cells = rng.choice(truth.domain.size, n, p=truth.shares.counts.ravel())
    codes = np.column_stack(np.unravel_index(cells, truth.domain.shape))
    return Population(truth.domain, codes.astype(np.int16))


class Replicate(Tables):
    """A real sample where only tables are known: each table drawn apart.

    Attributes
    ----------
    effective_size : float
        People.
    """

    def __init__(self, truth: Tables, n: int, rng: np.random.Generator) -> None:
        drawn = {}
        for name, table in truth.items():
            counts = rng.multinomial(n, table.shares.counts.ravel()).astype(np.float64)
            drawn[name] = Table(table.domain, counts.reshape(table.domain.shape))
        super().__init__(drawn)
        self.effective_size = float(n)


def real_sample(truth: Truth, n: int, rng: np.random.Generator) -> Population | Replicate:
    """Draw a real sample: whole people where there are any, else table by table."""
    if isinstance(truth, Tables):
        return Replicate(truth, n, rng)
    return real_people(truth, n, rng)

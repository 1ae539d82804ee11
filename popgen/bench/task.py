"""`Task`: a known population, what of it an entrant is given, and how many people it must make."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from popgen.codebook import read_toml
from popgen.errors import PopgenError, listed

TRACKS = {
    "A": "description only",
    "B": "one-way margins",
    "C": "margins and some two-way tables",
    "D": "margins and a small random sample",
    "E": "margins and a sample from elsewhere, or of another time",
    "F": "overlapping tables to fuse",
    "G": "households",
    "H": "an outcome attached: a vote, an attitude",
}
"""What entrants are given. Entrants are compared within a track only."""

ELSEWHERE = "elsewhere"
SPLITS = ("dev", "test")
LATER = ("codebook", "household", "of_households", "area")
"""Fields of `Data` younger than stored rows: unstated, they leave a revision as it was."""


@dataclass(frozen=True)
class Data:
    """Where the true population is.

    Attributes
    ----------
    place : str
        A place of margin tables whose ``margins`` are the truth; or, with ``file``, the place
        whose codebook the file follows.
    margins : tuple of str
        The place's tables that are the truth.
    file : str
        A file of records, found by name in a registered folder; empty: the truth is the place's.
    variables : tuple of str
        The file's columns that are variables. Default: all that the codebook knows.
    zone : str
        The file's column by which its records are split into zones.
    count : str
        A column of people, if the file has one row a cell: the truth is then that table.
    url : str
        Official download of the file, if there is one.
    sha256 : mapping of file names to str
        Digest of every file read.
    codebook : mapping
        ``variables`` and ``recode`` of a codebook that the file follows, if it is no place's.
    household : str
        The file's column that says who lives together; empty: nothing is known of households.
    of_households : tuple of str
        Variables that are alike for all of a household; margins over no other count households.
    area : str
        The one of those for whose levels every margin is stated.
    """

    place: str = ""
    margins: tuple[str, ...] = ()
    file: str = ""
    variables: tuple[str, ...] = ()
    zone: str = ""
    count: str = ""
    url: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict, hash=False)
    codebook: Mapping[str, Any] = field(default_factory=dict, hash=False)
    household: str = ""
    of_households: tuple[str, ...] = ()
    area: str = ""


@dataclass(frozen=True)
class Given:
    """What an entrant is told.

    Attributes
    ----------
    margins : tuple of tuples of names
        The true tables that are given, exactly.
    records : int
        Size of a random sample of real records; 0: none. Where there are households: how many of
        them, each with everybody in it.
    source : str
        Whom the records are drawn from: ``here``, or ``elsewhere`` (all other zones).
    """

    margins: tuple[tuple[str, ...], ...]
    records: int = 0
    source: str = "here"


@dataclass(frozen=True)
class Task:
    """One population to recover from one budget of information.

    Attributes
    ----------
    name : str
        The definition's name and, after a slash, the zone.
    title, population, licence, card : str
        What it is; whose people; under which terms; the data card.
    track : str
        A letter of `TRACKS`.
    data : Data
    given : Given
    zone : str
        Zone of the data, or "".
    split : 'dev' or 'test'
        Methods may be tuned on dev tasks only.
    people : int
        How many people an entrant makes.
    seeds : int
        Runs of each entrant; each has its own records and random numbers.
    ordinal : tuple of str
        Variables whose levels have an order.
    outcomes : mapping of variables to str
        The level of each that studies explain: effects on it are found in the truth, and tested
        again among the people. Scored, and no part of what is asked.
    superseded_by : str
        Name of the definition that replaces this one; it is then no longer run or ranked.
    """

    name: str
    title: str
    population: str
    licence: str
    card: str
    track: str
    data: Data
    given: Given
    zone: str = ""
    split: str = "test"
    people: int = 10_000
    seeds: int = 3
    ordinal: tuple[str, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    superseded_by: str = ""

    def __post_init__(self) -> None:
        if self.track not in TRACKS:
            raise PopgenError(
                f"task {self.name!r}: no track {self.track!r}; there are {listed(TRACKS)}"
            )
        if not self.data.sha256:
            raise PopgenError(f"task {self.name!r} states no sha256 of its data; state each file's")
        if self.split not in SPLITS:
            raise PopgenError(f"task {self.name!r}: split is one of {listed(SPLITS)}")
        if self.people < 1 or self.seeds < 1 or self.given.records < 0:
            raise PopgenError(f"task {self.name!r}: people and seeds must be at least 1, records 0")
        if self.data.place and self.data.codebook:
            raise PopgenError(
                f"task {self.name!r}: the file follows the codebook of {self.data.place!r} or one "
                "of its own, [data.codebook]; state one of them"
            )
        self._check_households()

    def _check_households(self) -> None:
        data, given = self.data, self.given
        if (self.track == "G") != bool(data.household):
            raise PopgenError(
                f"task {self.name!r}: track G, and it alone, is of households; state the column "
                "that says who lives together, [data] household, there and nowhere else"
            )
        if not data.household:
            return
        if data.area not in data.of_households:
            raise PopgenError(
                f"task {self.name!r}: [data] area is one of of_households, "
                f"{listed(data.of_households)}; it is {data.area!r}"
            )
        if lost := [names for names in given.margins if data.area not in names or len(names) < 2]:
            raise PopgenError(
                f"task {self.name!r}: margins of households are by {data.area!r} and of something; "
                f"{listed(['_'.join(names) for names in lost])} is not"
            )
        if data.zone or data.count or given.source == ELSEWHERE or not given.records:
            raise PopgenError(
                f"task {self.name!r}: households are given as a sample of the file's own "
                "(records above 0), without zone, count or records from elsewhere"
            )

    @property
    def definition(self) -> str:
        """Name of the TOML definition, which all its zones share."""
        return self.name.partition("/")[0]

    @property
    def board(self) -> str:
        """Tasks of one board are averaged: the same track and population."""
        return f"{self.track} {self.population}"

    @property
    def revision(self) -> str:
        """Digest of the data and of all that decides what is given and asked."""
        told = asdict(self)
        asked = {key: told[key] for key in ("data", "given", "zone", "people", "ordinal")}
        asked["data"] = {k: v for k, v in told["data"].items() if v or k not in LATER}
        text = json.dumps(asked, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def ranked(tasks: Iterable[Task]) -> list[Task]:
    """Keep the tasks that count: current ones, of the test split where their board has any."""
    current = [task for task in tasks if not task.superseded_by]
    tested = {task.board for task in current if task.split == "test"}
    return [task for task in current if task.split == "test" or task.board not in tested]


def read_tasks(folder: str | os.PathLike[str]) -> list[Task]:
    """Read every task definition of a folder; one with zones gives a task a zone.

    Raises
    ------
    PopgenError
        If there is none, two share a name, or a definition has a key that is unknown or lacks one
        that is needed; the file is named.
    """
    files = sorted(Path(folder).glob("*.toml"))
    if not files:
        raise PopgenError(f"no task definitions (*.toml) in {folder}; name the folder that has any")
    tasks = [task for file in files for task in _tasks(file)]
    names = [task.name for task in tasks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PopgenError(f"{folder}: two tasks are called {listed(twice)}; rename one")
    return tasks


def _tasks(file: Path) -> list[Task]:
    stated = read_toml(file)
    zones = stated.pop("zones", None)
    data = _made(Data, stated.pop("data", {}), file)
    given = _made(Given, stated.pop("given", {}), file)
    task = _made(Task, stated | {"data": data, "given": given}, file)
    if zones is None:
        return [task]
    if strange := set(zones) - set(SPLITS):
        raise PopgenError(f"{file}: [zones] has {listed(strange)}; its splits are {listed(SPLITS)}")
    kept = {item.name: getattr(task, item.name) for item in fields(task)}
    return [
        Task(**kept | {"name": f"{task.name}/{zone}", "zone": zone, "split": split})
        for split, some in zones.items()
        for zone in some
    ]


def _made(kind: Any, stated: Mapping[str, Any], file: Path) -> Any:
    """Build one of the dataclasses above from a TOML table; lists become tuples."""
    known = {item.name for item in fields(kind)}
    if strange := set(stated) - known:
        raise PopgenError(f"{file}: no key {listed(sorted(strange))}; it may have {listed(known)}")
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    if lacking := sorted(needed - set(stated)):
        raise PopgenError(f"{file} lacks {listed(lacking)}; see docs/popbench.md, Tasks")
    return kind(**{key: _tuples(value) for key, value in stated.items()})


def _tuples(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(_tuples, value))
    return value

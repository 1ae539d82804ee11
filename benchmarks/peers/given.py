"""What a peer is given, and what it gives back: arrays and names, so that any package can read it.

Needs numpy and nothing else; nothing of popgen's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class CannotUse(Exception):  # noqa: N818 - it is an answer, not a mistake
    """A package is not made for what it is given; the message says why."""


@dataclass(frozen=True, eq=False)
class Margin:
    """A table of people over some of the variables, axes in the order of its names."""

    names: tuple[str, ...]
    counts: Array
    se: Array | None = None
    """Standard errors of the counts, people; none for exact figures."""


@dataclass(frozen=True, eq=False)
class People:
    """People as level numbers, shape (n, variables), and how many each stands for."""

    codes: Array
    weights: Array | None = None

    @property
    def effective(self) -> float:
        """Effective number of people, Kish's: as many as there are, where weights are equal."""
        if self.weights is None:
            return float(len(self.codes))
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def save(self, file: Path) -> None:
        """Write to a file that `load` reads."""
        weights = {} if self.weights is None else {"weights": self.weights}
        np.savez(file, codes=self.codes, **weights)

    @classmethod
    def load(cls, file: Path) -> People:
        """Read what `save` wrote."""
        with np.load(file) as found:
            return cls(found["codes"], found.get("weights"))


@dataclass(frozen=True, eq=False)
class Homes:
    """Who of the records lives together, and tables that count households.

    Attributes
    ----------
    of : array of int, shape (records,)
        Number of each record's household, from 0.
    variables : tuple of str
        What is alike for all of a household.
    area : str
        The one of these that every margin has.
    margins : tuple of Margin
        They count households.
    """

    of: Array
    variables: tuple[str, ...]
    area: str
    margins: tuple[Margin, ...]


@dataclass(frozen=True, eq=False)
class Given:
    """All that an entrant may know.

    Attributes
    ----------
    levels : mapping of name to tuple of str
        The variables in order, and their levels.
    margins : tuple of Margin
    records : People, optional
        Survey records over all the variables.
    people : int
        How many people to return, where a package draws whole ones.
    rng : int
        Seed of whatever is random.
    homes : Homes, optional
        Where records are households with everybody in them.
    """

    levels: Mapping[str, tuple[str, ...]]
    margins: tuple[Margin, ...]
    records: People | None
    people: int
    rng: int
    homes: Homes | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(self.levels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels of each variable."""
        return tuple(len(some) for some in self.levels.values())

    @property
    def total(self) -> float:
        """People in the population, by the margins; 1 a record where there are none."""
        if self.margins:
            return float(self.margins[0].counts.sum())
        return float(len(self.sample.codes))

    @property
    def sample(self) -> People:
        """The records, which a peer that needs them has."""
        if self.records is None:
            raise CannotUse("there are no records")
        return self.records

    def axes(self, margin: Margin) -> tuple[int, ...]:
        """Positions of a margin's variables."""
        return tuple(self.names.index(name) for name in margin.names)

    def counted(self, names: Sequence[str]) -> Array:
        """Count the records over some variables, scaled to the effective number of records."""
        axes = [self.names.index(name) for name in names]
        shape = tuple(self.shape[axis] for axis in axes)
        cells = np.ravel_multi_index(self.sample.codes[:, axes].T, shape)
        held = np.bincount(cells, self.sample.weights, int(np.prod(shape))).astype(float)
        return held.reshape(shape) * (self.sample.effective / held.sum())

    def shares(self, name: str) -> Array:
        """One-way shares of a variable: a margin's where one states it, else the records'."""
        for margin in self.margins:
            if name in margin.names:
                rest = tuple(i for i, other in enumerate(margin.names) if other != name)
                counts = margin.counts.sum(axis=rest)
                return counts / counts.sum()
        return self.counted((name,)) / self.sample.effective

    def intervals(self) -> tuple[Array, Array]:
        """Low and high end of each record's level, as an interval of [0, 1], for copulas."""
        ends = [np.append(0.0, np.cumsum(self.shares(name))) for name in self.names]
        codes = self.sample.codes.T
        low = np.column_stack([end[column] for end, column in zip(ends, codes, strict=True)])
        high = np.column_stack([end[column + 1] for end, column in zip(ends, codes, strict=True)])
        return low, np.minimum(high, 1.0)

    def levels_at(self, points: Array) -> Array:
        """Levels whose intervals hold points of [0, 1], shape (n, variables)."""
        found = [
            np.minimum(np.searchsorted(np.cumsum(self.shares(name)), column), size - 1)
            for name, size, column in zip(self.names, self.shape, points.T, strict=True)
        ]
        return np.column_stack(found)

    def save(self, folder: Path) -> None:
        """Write to a folder that `load` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {
            "levels": {name: list(some) for name, some in self.levels.items()},
            "margins": [list(margin.names) for margin in self.margins],
            "people": self.people,
            "rng": self.rng,
        }
        if self.homes is not None:
            head["homes"] = {
                "variables": list(self.homes.variables),
                "area": self.homes.area,
                "margins": [list(margin.names) for margin in self.homes.margins],
            }
            np.save(folder / "homes.npy", self.homes.of)
            _save_margins(self.homes.margins, folder / "homes.npz")
        (folder / "given.json").write_text(json.dumps(head))
        _save_margins(self.margins, folder / "margins.npz")
        if self.records is not None:
            self.records.save(folder / "records.npz")

    @classmethod
    def load(cls, folder: Path) -> Given:
        """Read what `save` wrote."""
        head = json.loads((folder / "given.json").read_text())
        records, homes = folder / "records.npz", None
        if told := head.get("homes"):
            of_homes = _load_margins(told["margins"], folder / "homes.npz")
            of = np.load(folder / "homes.npy")
            homes = Homes(of, tuple(told["variables"]), told["area"], of_homes)
        return cls(
            {name: tuple(some) for name, some in head["levels"].items()},
            _load_margins(head["margins"], folder / "margins.npz"),
            People.load(records) if records.exists() else None,
            head["people"],
            head["rng"],
            homes,
        )


def _save_margins(margins: Sequence[Margin], file: Path) -> None:
    tables = {f"counts{i}": margin.counts for i, margin in enumerate(margins)}
    tables |= {f"se{i}": m.se for i, m in enumerate(margins) if m.se is not None}
    np.savez(file, **tables)


def _load_margins(names: Sequence[Sequence[str]], file: Path) -> tuple[Margin, ...]:
    with np.load(file) as tables:
        return tuple(
            Margin(tuple(some), tables[f"counts{i}"], tables.get(f"se{i}"))
            for i, some in enumerate(names)
        )

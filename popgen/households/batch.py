"""One problem of a run: fitted when its turn comes, or found to be finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scipy import sparse

from popgen.errors import PopgenError
from popgen.households.expand import Homes
from popgen.households.fit import HouseholdModel, NestedCalibration
from popgen.households.job import Columns, Job, columns_of, files_of, jobs
from popgen.households.manifest import digest_of
from popgen.households.naming import Naming
from popgen.households.problem import HouseholdProblem
from popgen.writing import as_json, make_folder, of_text, write_atomically

Load = Callable[[], HouseholdProblem]

LONGEST = 60
"""Most letters of an identifier in the name of a file."""

EVERYWHERE = "all"
"""Name of the region, and of the problem, where there is just one."""


@dataclass(frozen=True)
class Batch:
    """Where a problem stands in a run, and how it is made, fitted and made whole.

    Attributes
    ----------
    folder : path
        Of the run.
    number : int
    name : str
    load : callable
    method : NestedCalibration
    integerise : str
    entropy : int
    naming : Naming
    """

    folder: Path
    number: int
    name: str
    load: Load
    method: NestedCalibration
    integerise: str
    entropy: int
    naming: Naming

    @property
    def stem(self) -> str:
        """Name of its folders and of its note."""
        return file_name(self.number, self.name)

    def ready(self, first: int, before: Mapping[str, Columns]) -> Ready:
        """Make and fit the problem, unless all its parts are there.

        Parameters
        ----------
        first : int
            Number of its first household.
        before : mapping
            Columns of households and of persons of the problems before it.

        Raises
        ------
        PopgenError
            If the run was begun with another problem of this name, or with other columns; and
            whatever fitting refuses.
        """
        path = self.folder / "problems" / f"{self.stem}.json"
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        if known and not Ready(self, known, None, first).missing():
            return Ready(self, known, None, first)
        problem = self.load()
        inputs = digest_of(problem)
        if known and known["inputs"] != inputs:
            raise PopgenError(
                f"problem {self.name!r} is not the one that {self.folder} was begun with: its "
                "survey, geography or controls differ; give another folder"
            )
        self.naming.check(problem.survey, problem.geography)
        homes = Homes.of(problem, first=first)
        columns = columns_of(problem, homes, self.naming)
        for what in columns.keys() & before.keys():
            _refuse_other(self.name, what, columns[what], before[what])
        model = self.method.fit(problem)
        if not known:
            known = {"name": self.name, "inputs": inputs, "columns": columns, **_note(model)}
            make_folder(path.parent)
            write_atomically(path, of_text(as_json(known)))
        return Ready(self, known, (_settled(model), homes), first)


def _refuse_other(name: str, what: str, own: Columns, before: Columns) -> None:
    """Refuse columns that cannot stand below those of the problems before."""
    told = [
        f"{column!r} ({own.get(column, 'none')}, before {before.get(column, 'none')})"
        for column in {**own, **before}
        if own.get(column) != before.get(column)
    ]
    if told:
        more = f" and {len(told) - 5} more" if len(told) > 5 else ""
        raise PopgenError(
            f"problem {name!r} has other columns of {what} than the problems before it: "
            f"{', '.join(told[:5])}{more}; give all surveys the same columns of the same types, or "
            "write only those that they share (naming=)"
        )


def _settled(model: HouseholdModel) -> HouseholdModel:
    """Drop what only fitting takes: the pools have the records' cells, and jobs are made of them.

    A problem's controls and its stack are as large each as all of its pools.
    """
    samples = tuple(replace(one, X=one.all[:, :0]) for one in model.nest.samples)
    return replace(
        model,
        problem=model.problem.without_controls(),
        stack=replace(model.stack, X=sparse.csr_array((0, model.stack.X.shape[1]))),
        nest=replace(model.nest, samples=samples),
    )


def _note(model: HouseholdModel) -> dict[str, Any]:
    problem = model.problem
    names: tuple[str, ...] = (EVERYWHERE,)
    if problem.region is not None:
        names = problem.geography.ids(problem.region)
    return {
        "zones": len(problem.geography.zones),
        "households": int(problem.units.sum()),
        "persons": problem.survey.persons is not None,
        "regions": {
            names[problem.region_of_zone[pool.zones[0]]]: len(pool.zones) for pool in model.pools
        },
        "softened": model.softened_areas(),
        "borrowed": model.borrowed * float(problem.units.sum()),
    }


@dataclass(frozen=True)
class Ready:
    """A problem that was fitted, or is finished: then there is no model.

    Attributes
    ----------
    batch : Batch
    note : dict
        What the run's folder says of it.
    fitted : (HouseholdModel, Homes) or None
    first : int
        Number of its first household.
    """

    batch: Batch
    note: Mapping[str, Any]
    fitted: tuple[HouseholdModel, Homes] | None
    first: int

    @property
    def next(self) -> int:
        """Number of the first household of the problem after it."""
        return self.first + int(self.note["households"])

    def files(self) -> list[tuple[Path, ...]]:
        """Parts of each region."""
        batch = self.batch
        return [
            files_of(batch.folder, f"{batch.stem}/{file_name(number, region)}", self.note)
            for number, region in enumerate(self.note["regions"])
        ]

    def missing(self) -> int:
        """Zones of the regions whose parts are not all there."""
        zones = self.note["regions"].values()
        pairs = zip(self.files(), zones, strict=True)
        return sum(own for parts, own in pairs if not all(part.exists() for part in parts))

    def jobs(self) -> Iterator[Job]:
        """Make the jobs still to be done, one at a time."""
        if self.fitted is None:
            return iter(())
        batch = self.batch
        return jobs(
            *self.fitted,
            self.files(),
            entropy=batch.entropy,
            integerise=batch.integerise,
            naming=batch.naming,
        )


def file_name(number: int, name: str) -> str:
    """Name a file, its number first: files sort as problems and regions do.

    >>> file_name(7, "St. John's/North")
    '0007-St.%20John%27s%2FNorth'
    """
    return f"{number:04d}-{quote(name, safe='')[:LONGEST]}"

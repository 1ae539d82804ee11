"""A submission: a panel that is scored as it is, or a Python file that is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from popgen.bench.entrants import SAMPLE, Entrant, entrants, from_file
from popgen.bench.pose import Posed
from popgen.bench.rows import Row, append
from popgen.bench.run import Tell, result_file, scored
from popgen.bench.task import Task
from popgen.codebook import Codebook
from popgen.errors import PopgenError
from popgen.survey import read_microdata
from popgen.table import Projectable
from popgen.writing import sha256


def from_panel(file: Path, task: Task) -> Entrant:
    """Enter people that somebody made: their file is read anew and scored."""
    if not file.is_file():
        raise PopgenError(f"no file {file} to submit")

    def enter(posed: Posed, rng: np.random.Generator) -> Projectable:
        return read_microdata(file, Codebook.of(posed.domain), variables=list(posed.domain.names))

    return Entrant(file.stem, enter, task.track, "submitted", f"sha256 {sha256(file)}")


def submitted(
    file: Path,
    tasks: Sequence[Task],
    *,
    name: str | None = None,
    seed: int | None = None,
    results: Path | None = None,
    tell: Tell = lambda what, done, steps: None,
) -> list[Row]:
    """Score a submission on tasks.

    Parameters
    ----------
    file : Path
        A panel of one task, or a Python file: see `popgen.bench.entrants.from_file`.
    tasks : sequence of Task
    name : str, optional
        What it is called. Default: the file's name, or what the Python file says.
    seed : int, optional
        Only this seed of each task. Default: all.
    results : Path, optional
        Folder to append the rows to. Default: they are only returned.
    tell : callable
        As in `popgen.bench.run.run`.

    Raises
    ------
    PopgenError
        If there is no such file, it is no entrant, its name is taken, or it competes on none of
        the tasks.
    """
    entrant = from_file(file) if file.suffix == ".py" else from_panel(file, tasks[0])
    if name is not None:
        entrant = replace(entrant, name=name)
    if entrant.name in {SAMPLE, *(other.name for other in entrants())}:
        raise PopgenError(f"the name {entrant.name!r} is taken; choose another with --name")
    taken = [task for task in tasks if entrant.takes(task.track, task.population)]
    if not taken:
        raise PopgenError(f"{entrant.name!r} competes in tracks {entrant.tracks!r}, not in these")
    rows: list[Row] = []
    for task in taken:
        seeds = range(task.seeds) if seed is None else [seed]
        for one in seeds:
            tell(f"{task.name} {one}", len(rows), len(taken) * len(seeds))
            rows.append(scored(task, one, entrant))
            if results is not None:
                append(result_file(results, task), rows[-1])
    return rows

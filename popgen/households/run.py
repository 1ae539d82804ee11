"""`write_households`: zones in any number, from problems to files, region by region."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from popgen._rng import Rng, replayable, replayed
from popgen.errors import PopgenError
from popgen.households.batch import EVERYWHERE, Batch, Load, Ready
from popgen.households.fit import NestedCalibration
from popgen.households.job import Columns, Job, work
from popgen.households.manifest import begin, read, remove_leftovers
from popgen.households.naming import Naming
from popgen.households.placing import refuse_unknown
from popgen.households.problem import HouseholdProblem
from popgen.households.report import lent, told
from popgen.writing import as_json, of_text, write_atomically

Tell = Callable[[str, int, int], None]

SUMMARY = "summary.json"


@dataclass(frozen=True)
class HouseholdRun:
    """A finished run: a folder of households and persons.

    Attributes
    ----------
    folder : path
    summary : dict
        As in the folder's ``summary.json``: how many ``zones``, ``households`` and ``persons``;
        for each of the ``levels`` the sums of targets and of absolute misses (``error``), and the
        largest miss (``max``); ``softened``, the areas whose exact cells were held softly;
        ``borrowed``, the share of households that are weighted from records of other regions.
    """

    folder: Path
    summary: dict[str, Any]

    def __str__(self) -> str:
        levels = [tuple(level.values()) for level in self.summary["levels"]]
        lines = told(levels, [tuple(area) for area in self.summary["softened"]])
        share = self.summary["borrowed"]
        return f"{lines}\n{lent(share)}" if share else lines

    def scan(self, what: str) -> pl.LazyFrame:
        """Read ``"households"``, ``"persons"`` or ``"fit"`` without loading all of it."""
        return pl.scan_parquet(self.folder / what / "*" / "*.parquet")


def write_households(
    problems: HouseholdProblem | Mapping[str, Load],
    folder: str | os.PathLike[str],
    *,
    method: NestedCalibration | None = None,
    rng: Rng = None,
    integerise: str = "exchange",
    executor: Executor | None = None,
    in_flight: int | None = None,
    resume: bool = False,
    naming: Naming | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Tell | None = None,
) -> HouseholdRun:
    """Fit problems and write their households and persons, one Parquet part a region.

    Zones under the same larger areas are fitted together, in this process; then each region (the
    zones that share records) is a job of its own, complete in itself, for any executor. Its parts
    are written under temporary names, and renamed when they are whole.

    Parameters
    ----------
    problems : HouseholdProblem, or mapping of names to functions that return one
        What is too large to be held at once is stated in several problems, say one a state. They
        are made when their turn comes, and at most two are held.
    folder : path
        New or empty, or that of the run to be resumed. It will have ``manifest.json`` (how the run
        is made), ``problems``, ``households``, ``persons``, ``fit`` and, last, ``summary.json``.
    method : NestedCalibration, optional
    rng : int, Generator or None
        The same int gives the same people and the same bytes, whatever the executor, the number of
        workers and the order in which they finish. None: drawn afresh; when resuming, that of the
        manifest.
    integerise : str
        See `popgen.populate`.
    executor : concurrent.futures.Executor, optional
        Threads, spawned processes, loky's, Dask's (``Client.get_executor()``). Default: one region
        after another, here.
    in_flight : int, optional
        Jobs handed to the executor at a time, which bounds memory. Default: twice the processors
        of this machine.
    resume : bool
        Whether to go on with the run in ``folder``, however it ended: parts that are there stay,
        the others are made as they would have been.
    naming : Naming, optional
        Which columns are written, and under which names. Default: all, as read.
    about : mapping, optional
        What else ``manifest.json`` shall say of the run. It is not resumed under other words.
    progress : callable, optional
        Told what is done: a word, zones done, zones in all (of problems not yet made, a guess).

    Returns
    -------
    HouseholdRun

    Raises
    ------
    PopgenError
        If the folder holds something else, a part cannot be written (disk full) or a worker dies;
        the run can be resumed then. If a problem's records have other columns than those before
        it. And whatever fitting refuses.
    """
    refuse_unknown(integerise)
    most = _at_a_time(in_flight)
    loads = _loads(problems)
    folder, naming = Path(folder).absolute(), naming or Naming()
    method = method or NestedCalibration()
    known = read(folder) if resume and rng is None else None
    generator, state = replayable(replayed(known["rng"]) if known else rng)
    plan = {
        **(about or {}),
        "method": repr(method),
        "integerise": integerise,
        "rng": state,
        "problems": [*loads],
        "naming": vars(naming),
    }
    begin(folder, plan, resume=resume)
    batches = [
        Batch(folder, number, name, load, method, integerise, int(entropy), naming)
        for number, ((name, load), entropy) in enumerate(
            zip(loads.items(), generator.integers(2**63, size=len(loads)), strict=True)
        )
    ]
    notes = _written(batches, executor, most, progress or (lambda *_: None))
    remove_leftovers(folder)  # of workers that were lost
    return HouseholdRun(folder, _summarised(folder, notes))


def _at_a_time(in_flight: int | None) -> int:
    most = 2 * (os.cpu_count() or 1) if in_flight is None else in_flight
    if most < 1:
        raise PopgenError(f"in_flight must be at least 1 job; got {most}")
    return most


def _loads(problems: HouseholdProblem | Mapping[str, Load]) -> Mapping[str, Load]:
    if isinstance(problems, HouseholdProblem):
        return {EVERYWHERE: lambda: problems}
    if not problems:
        raise PopgenError("there is no problem to write households of; name at least one")
    return problems


def _written(
    batches: list[Batch], executor: Executor | None, most: int, tell: Tell
) -> Mapping[str, Mapping[str, Any]]:
    """Do all that is still to be done; return what there is to say of each problem."""
    count = _Count(len(batches), tell)
    with closing(_jobs(batches, count, ahead=executor is not None)) as jobs:
        for zones in _spread(jobs, executor, most):
            count.done(zones)
    return count.notes


class _Count:
    """Zones done, and in all: of problems still to be made, as many as of those that are."""

    def __init__(self, problems: int, tell: Tell) -> None:
        self.problems, self.tell = problems, tell
        self.notes: dict[str, Mapping[str, Any]] = {}
        self.finished = 0

    def begun(self, ready: Ready) -> None:
        self.notes[ready.batch.stem] = ready.note
        self.done(int(ready.note["zones"]) - ready.missing())

    def done(self, zones: int) -> None:
        self.finished += zones
        known = sum(int(note["zones"]) for note in self.notes.values())
        self.tell("zones", self.finished, round(known * self.problems / len(self.notes)))


def _jobs(batches: list[Batch], count: _Count, *, ahead: bool) -> Generator[Job, None, None]:
    """Go through the jobs of all problems; ``ahead``: fit the next while one is worked on."""
    with ExitStack() as stack:
        fitter = stack.enter_context(ThreadPoolExecutor(1)) if ahead else None
        coming: Future[Ready] | None = None
        first, columns = 1, dict[str, Columns]()
        for number, batch in enumerate(batches):
            ready = coming.result() if coming else batch.ready(first, columns)
            _give_back()
            first, columns = ready.next, {**ready.note["columns"], **columns}
            if fitter and number + 1 < len(batches):
                coming = fitter.submit(batches[number + 1].ready, first, columns)
            count.begun(ready)
            yield from ready.jobs()
            del ready  # before the next but one is made: two problems are held, not three


def _give_back() -> None:
    """Have the C library return what was freed, of the problem before and of this one's fit.

    Left to itself glibc keeps it, in holes that the next problem's arrays do not fit.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def _spread(jobs: Iterator[Job], executor: Executor | None, most: int) -> Iterator[int]:
    """Do jobs, at most so many at a time; yield each one's zones when it is done."""
    if executor is None:
        yield from map(work, jobs)
        return
    waiting: set[Future[int]] = set()
    try:
        for job in jobs:
            waiting.add(executor.submit(work, job))
            if len(waiting) >= most:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        yield from (one.result() for one in as_completed(waiting))
    except BrokenExecutor as error:
        raise PopgenError(
            f"a worker died ({error}); what it had not finished is not written: run again with "
            "resume=True (--resume), and fewer workers or jobs in flight if memory ran out"
        ) from error
    finally:
        for one in waiting:
            one.cancel()
        wait(waiting)


def _summarised(folder: Path, notes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Add up what was written, and write it beside it."""
    levels = pl.concat([_errors(folder, stem) for stem in notes])
    total = levels.group_by("level", maintain_order=True).agg(
        pl.col("target", "error").sum(), pl.col("max").max()
    )
    persons = any(note["persons"] for note in notes.values())
    softened = [list(area) for note in notes.values() for area in note["softened"]]
    households = _rows(folder / "households")
    borrowed = sum(float(note["borrowed"]) for note in notes.values())
    summary = {
        "zones": sum(int(note["zones"]) for note in notes.values()),
        "households": households,
        "persons": _rows(folder / "persons") if persons else 0,
        "levels": total.to_dicts(),
        "softened": softened,
        "borrowed": borrowed / max(households, 1),
    }
    write_atomically(folder / SUMMARY, of_text(as_json(summary)))
    return summary


def _rows(folder: Path) -> int:
    parts = pl.scan_parquet(folder / "*" / "*.parquet")
    return int(parts.select(pl.len()).collect().item())


def _errors(folder: Path, stem: str) -> pl.DataFrame:
    """By level of a problem: targets, misses and the largest; an area's regions added up."""
    cells = pl.scan_parquet(folder / "fit" / stem / "*.parquet").group_by(
        "level", "area", "cell", maintain_order=True
    )
    summed = cells.agg(pl.col("target", "held").sum())
    miss = (pl.col("held") - pl.col("target")).abs()
    return (
        summed.group_by("level", maintain_order=True)
        .agg(pl.col("target").sum(), miss.sum().alias("error"), miss.max().alias("max"))
        .collect()
    )

"""Run entrants on tasks and append what they scored."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popgen.bench.entrants import SAMPLE, Entrant
from popgen.bench.figures import DEFINITIONS, figures_of
from popgen.bench.pose import NeedsDataError, Posed, Truth, generator, pose, real_sample
from popgen.bench.rows import YARDSTICK, Row, append, read_file
from popgen.bench.task import Task
from popgen.effects import size_of
from popgen.errors import PopgenError
from popgen.microdata import Microdata, Population
from popgen.provenance import VERSION, digest, provenance
from popgen.table import Projectable

USED = {"scipy": "scipy", "scikit-learn": "sklearn"}
"""Packages whose versions a row states, and what they are imported as."""

SPARE = 0.05
"""Part of the people asked for by which those handed in may be more or fewer."""

Tell = Callable[[str, int, int], None]


def run(
    tasks: Sequence[Task],
    entrants: Sequence[Entrant],
    results: Path,
    *,
    tell: Tell = lambda what, done, steps: None,
) -> dict[str, int]:
    """Run every entrant on every task of its tracks, and the ceiling; append the rows.

    Parameters
    ----------
    tasks : sequence of Task
        Those whose data are not here are left out.
    entrants : sequence of Entrant
    results : Path
        Folder of ``*.jsonl`` files, one a task definition. A run that is stored there already
        (same task and data, entrant, parameters, seed and version) is skipped, so that an
        interrupted run is resumed.
    tell : callable
        Told what is done next, how many runs are done, and of how many.

    Returns
    -------
    dict
        How many runs were ``run``, ``stored`` already, ``failed``, and how many tasks
        ``need data``.
    """
    ceiling = Entrant(SAMPLE, _nothing, "", YARDSTICK)
    plan = [
        (task, seed, entrant)
        for task in tasks
        for seed in range(task.seeds)
        for entrant in (ceiling, *entrants)
        if entrant is ceiling or entrant.takes(task.track, task.population)
    ]
    done = {"run": 0, "stored": 0, "failed": 0, "need data": 0}
    stored = {
        row.key
        for file in {result_file(results, task) for task in tasks}
        for row in read_file(file)
    }
    absent: set[str] = set()
    posed: tuple[tuple[str, int], tuple[Posed, Truth]] | None = None
    for step, (task, seed, entrant) in enumerate(plan):
        tell(f"{task.name} {seed}: {entrant.name}", step, len(plan))
        blank = _blank(task, seed, entrant)
        if task.name in absent or blank.key in stored:
            done["stored"] += task.name not in absent
            continue
        if posed is None or posed[0] != (task.name, seed):
            try:
                posed = (task.name, seed), pose(task, seed)
            except NeedsDataError:
                absent.add(task.name)
                continue
        row = _one(blank, task, entrant, *posed[1])
        append(result_file(results, task), row)
        done["failed" if row.failure else "run"] += 1
    return done | {"need data": len(absent)}


def scored(task: Task, seed: int, entrant: Entrant) -> Row:
    """Pose a task, let an entrant answer, and score it; a failure is a row too."""
    return _one(_blank(task, seed, entrant), task, entrant, *pose(task, seed))


def result_file(results: Path, task: Task) -> Path:
    """Name the file of a task's rows: one for all zones of a definition."""
    return results / f"{task.definition}.jsonl"


def _blank(task: Task, seed: int, entrant: Entrant) -> Row:
    return Row(
        task.name,
        task.revision,
        task.board,
        task.split,
        entrant.name,
        entrant.kind,
        entrant.parameters,
        seed,
        VERSION,
        DEFINITIONS,
    )


def _one(blank: Row, task: Task, entrant: Entrant, posed: Posed, truth: Truth) -> Row:
    """Let an entrant answer; whatever it raises is its result."""
    rng = generator(task, blank.seed, entrant.name)
    facts: dict[str, Any] = {"made": _made()}
    _reset_peak()
    before, begun = _memory("VmRSS"), time.perf_counter()
    try:
        if entrant.kind == YARDSTICK:
            panel: Projectable = real_sample(truth, posed.people, rng)
        else:
            panel = entrant.enter(posed, rng)
            _refuse_size(panel, task, entrant)
        seconds, peak = time.perf_counter() - begun, _memory("VmHWM")
        grown = None if peak is None or before is None else round(max(peak - before, 0.0), 1)
        facts["cost"] = {"seconds": round(seconds, 3), "mib": grown, "tokens": entrant.tokens}
        if isinstance(panel, Population):  # made in another process, which measured itself
            facts["cost"] |= panel.provenance.get("cost", {})
        scoring = generator(task, blank.seed, "scoring")
        facts["figures"] = figures_of(panel, truth, posed, scoring)
        facts |= {"panel": digest(*_arrays(panel)), "size": size_of(panel)}
    except Exception as error:  # an entrant's code may raise anything
        facts["failure"] = f"{type(error).__name__}: {error}"
    return Row(**vars(blank) | facts)


def _refuse_size(panel: Projectable, task: Task, entrant: Entrant) -> None:
    """Refuse fewer or more people than were asked for, where real records are given.

    A panel is compared with a real sample of as many people, and the records are one: few people
    could be just those. Recorded panels are as large as they were recorded.
    """
    if not task.given.records or entrant.population or not isinstance(panel, Microdata):
        return
    if abs(len(panel) - task.people) > SPARE * task.people:
        raise PopgenError(
            f"{len(panel):,} people were handed in where {task.people:,} were asked for: they may "
            f"be {SPARE:.0%} more or less, where records are given"
        )


def _nothing(posed: Posed, rng: np.random.Generator) -> Projectable:
    raise PopgenError("a real sample is drawn from the truth, which no entrant has")


def _arrays(panel: Projectable) -> list[NDArray[Any]]:
    if isinstance(panel, Microdata):
        return [panel.codes, panel.weights]
    return [panel.project(name).counts for name in panel.domain.names]


def _made() -> dict[str, Any]:
    told = provenance(platform=platform.platform(terse=True))
    told["software"] |= {name: version(name) for name, at in USED.items() if find_spec(at)}
    return told | {"commit": _commit()}


@cache
def _commit() -> str | None:
    """Give the commit of this checkout, with a plus if files differ; None outside of one."""
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None


def _memory(what: str) -> float | None:
    """Give this process's resident memory, or its peak, MiB; None where Linux does not say."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return

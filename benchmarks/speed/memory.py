"""Memory of this process and all that it has started, watched (Linux); of a run, foreseen.

The system's own account of children that have ended (``RUSAGE_CHILDREN``) will not do: a process
that was spawned is charged there with what the one that spawned it had at that moment.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from popgen import HouseholdProblem

INTERVAL = 0.5
"""Seconds from one look to the next."""

BASE = 400
"""MiB of Python and the packages that a run uses."""


class Watch:
    """Look at the memory of all processes time and again, until the end of the block.

    Attributes
    ----------
    together : float
        Most at one time, in MiB: sum of all processes' PSS (pages that several share count once).
        NaN where the system does not tell.
    peaks : dict
        By process: most of its own at any time, in MiB (VmHWM, shared pages included).

    Examples
    --------
    >>> with Watch() as watch:
    ...     kept = bytearray(50 << 20)
    >>> watch.together > 50 and watch.peaks[os.getpid()] > 50
    True
    """

    def __init__(self) -> None:
        self.together = math.nan
        self.peaks: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    def _go_on(self) -> None:
        while not self._over.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        """Add up what all processes have now."""
        total = 0.0
        for process in family(os.getpid()):
            total += _figure(process, "smaps_rollup", "Pss")
            peak = _figure(process, "status", "VmHWM")
            self.peaks[process] = max(self.peaks.get(process, 0.0), peak)
        if total:
            self.together = max(total, 0.0 if math.isnan(self.together) else self.together)


def family(process: int) -> list[int]:
    """Find a process and all that come of it."""
    parent = {}
    for entry in Path("/proc").glob("[0-9]*"):
        stat = _read(entry / "stat")
        if stat:  # the name before it may hold anything, a bracket too
            parent[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [process]
    for one in found:  # which grows meanwhile
        found += [child for child, of in parent.items() if of == one]
    return found


def _figure(process: int, file: str, name: str) -> float:
    """Read an entry of a file of a process, in MiB; 0 if it has ended."""
    for line in _read(Path("/proc") / str(process) / file).splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended meanwhile, or the system has no such file
        return ""


@dataclass
class Foreseen:
    """Bytes that problems take in the main process, by the formula in docs/household_runs.md."""

    fitted: list[int] = field(default_factory=list)
    placed: list[int] = field(default_factory=list)

    def made(self, load: Callable[[], HouseholdProblem]) -> HouseholdProblem:
        """Make a problem and note what it takes while it is fitted, and while it is placed."""
        problem = load()
        survey, controls = problem.survey, problem.controls
        entries = sum(one.X.nnz for one in controls) + len(survey)
        cells = sum(one.targets.size for one in controls)
        tables = [one for one in (survey.households, survey.persons) if one is not None]
        size = sum(int(one.estimated_size()) for one in tables)
        self.fitted.append(50 * entries + size + 100 * (len(survey) + cells))
        self.placed.append(25 * entries + size + 100 * len(survey))
        return problem

    @property
    def mib(self) -> float:
        """Most that the main process takes: one problem is placed while the next is fitted."""
        pairs = zip([0, *self.placed], [*self.fitted, 0], strict=True)
        return BASE + max(placed + fitted for placed, fitted in pairs) / 2**20

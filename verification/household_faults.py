"""Faults while households are written: kill -9, a full disk, a lost worker, at random moments.

A run of 500 zones (5 problems of 10 regions of 10 zones) is struck again and again, resumed each
time and, once it has come to its end, compared byte by byte with one that nothing happened to;
then the next run is begun, until there have been 200 faults. Prints how many of each kind there
were, and exits 1 if a file is missing, doubled or different. Some ten minutes.

    python verification/household_faults.py [faults]
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from popgen import Geography, HouseholdProblem, Households, PopgenError, write_households
from popgen.households.controls import Controls

PROBLEMS, REGIONS, ZONES, RECORDS, HOMES = 5, 10, 10, 120, 40
STARTED = get_context("forkserver")
Tell = Callable[[str, int, int], None]


def posed(number: int) -> HouseholdProblem:
    """Households by size and tenure and persons by age in zones; ages again in the state."""
    rng = np.random.default_rng(number)
    n, zones = REGIONS * RECORDS, REGIONS * ZONES
    size = rng.integers(1, 5, n)
    owner = np.repeat(np.arange(n), size)
    homes = pl.DataFrame({"id": np.arange(n), "tenure": rng.integers(0, 2, n)})
    persons = pl.DataFrame({"id": owner, "age": rng.integers(0, 4, len(owner))})
    X = np.zeros((n, 4 + 2 + 4))
    X[np.arange(n), size - 1] = 1
    X[np.arange(n), 4 + homes["tenure"].to_numpy()] = 1
    np.add.at(X, (owner, 6 + persons["age"].to_numpy()), 1)
    region = np.repeat(np.arange(REGIONS), ZONES)
    held = np.zeros((zones, X.shape[1]))
    for zone in range(zones):
        own = region[zone] * RECORDS + rng.integers(0, RECORDS, HOMES)
        held[zone] = X[own].sum(axis=0)
    crosswalk = pl.DataFrame({"zone": np.arange(zones), "region": region, "state": [0] * zones})
    names = [f"cell: {cell}" for cell in range(X.shape[1])]
    return HouseholdProblem(
        Households.of(homes, persons, id="id"),
        Geography.of(crosswalk, ("zone", "region", "state")),
        [
            Controls("zone", names[:6], sparse.csr_array(X[:, :6]), held[:, :6]),
            Controls("state", names[6:], sparse.csr_array(X[:, 6:]), [held[:, 6:].sum(axis=0)]),
        ],
        [HOMES] * zones,
        held[:, 6:].sum(axis=1),
        region="region",
        region_of=np.repeat(np.arange(REGIONS), RECORDS),
    )


LOADS = {f"state {number}": partial(posed, number) for number in range(PROBLEMS)}


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def moments(folder: Path) -> int:
    """How often a run of this folder will still tell of its progress, about."""
    return PROBLEMS * (1 + REGIONS) - len(list(folder.glob("fit/*/*.parquet")))


def at(moment: int, act: Callable[[], object]) -> Tell:
    """Act when progress is told of for the so-manieth time."""
    told = count()

    def tell(*_: object) -> None:
        if next(told) == moment:
            act()

    return tell


def child(folder: Path, channel: Connection) -> None:
    """Go on with a run, telling of its progress through a pipe."""
    write_households(LOADS, folder, rng=0, resume=True, progress=lambda *told: channel.send(told))


def killed(folder: Path, rng: np.random.Generator) -> bool:
    """Kill a run, with signal 9, at a random moment; return whether it had not ended."""
    receiver, sender = STARTED.Pipe(duplex=False)
    process = STARTED.Process(target=child, args=(folder, sender))
    process.start()
    sender.close()
    try:
        for _ in range(rng.integers(moments(folder) + 1)):
            receiver.recv()
        time.sleep(rng.exponential(0.01))
    except EOFError:
        pass
    process.kill()
    process.join()
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"the run failed by itself, with exit code {process.exitcode}")
    return process.exitcode == -signal.SIGKILL


def filled(folder: Path, rng: np.random.Generator) -> bool:
    """Let the disk be full from a random moment on: no file may grow beyond some bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (int(rng.integers(5_000)), old[1])
    fill = at(
        int(rng.integers(moments(folder))), lambda: resource.setrlimit(resource.RLIMIT_FSIZE, room)
    )
    try:
        write_households(LOADS, folder, rng=0, resume=True, progress=fill)
    except PopgenError as error:
        return "File too large" in str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    return False


def lost(folder: Path, rng: np.random.Generator) -> bool:
    """Kill one of two workers at a random moment."""
    with ProcessPoolExecutor(2, STARTED) as pool:
        strike = at(
            int(rng.integers(moments(folder))),
            lambda: [os.kill(pid, signal.SIGKILL) for pid in [*pool._processes][:1]],
        )
        try:
            write_households(LOADS, folder, rng=0, resume=True, executor=pool, progress=strike)
        except PopgenError as error:
            return "a worker died" in str(error)
    return False


FAULTS = {"kill -9": killed, "disk full": filled, "worker lost": lost}


def main(faults: int) -> int:
    """Strike runs until there have been enough faults."""
    STARTED.set_forkserver_preload(["popgen.households.run"])
    rng, counts, runs, wrong = np.random.default_rng(0), Counter[str](), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        write_households(LOADS, Path(scratch) / "calm", rng=0)
        expected = contents(Path(scratch) / "calm")
        while counts.total() < faults:
            folder, runs = Path(scratch) / f"run {runs}", runs + 1
            while counts.total() < faults and not (folder / "summary.json").exists():
                kind = rng.choice(list(FAULTS), p=[0.5, 0.3, 0.2])
                counts[kind] += FAULTS[kind](folder, rng)
            write_households(LOADS, folder, rng=0, resume=True)
            found = contents(folder)
            wrong += len({*expected} ^ {*found})
            wrong += sum(found[path] != expected[path] for path in {*expected} & {*found})
    told = ", ".join(f"{counts[kind]} {kind}" for kind in FAULTS)
    print(f"{counts.total()} faults ({told}) in {runs} runs of {PROBLEMS * REGIONS * ZONES} zones")
    print(f"files lost, doubled or different at the end: {wrong} of {runs * len(expected)}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))

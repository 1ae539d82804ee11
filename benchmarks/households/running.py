"""Run a program to its end and say what it cost; get PopulationSim an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peers.run import install, peers

MIB = 2**20 if sys.platform == "darwin" else 2**10
"""Units of ``ru_maxrss`` in a MiB."""


@dataclass(frozen=True)
class Cost:
    """What a whole process took, start of the interpreter and reading of the files included.

    Attributes
    ----------
    seconds, cpu_seconds : float
    peak_mib : float
        Largest resident memory.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} CPU s, {self.peak_mib:,.0f} MiB at most"
        )


def run(command: Sequence[str | Path], log: Path) -> Cost:
    """Run a program with one thread of linear algebra; what it prints goes to a file.

    Raises
    ------
    SystemExit
        If it fails, with the end of what it said.
    """
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    start = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | one)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        said = "\n".join(log.read_text().splitlines()[-12:])
        raise SystemExit(f"{command[0]} ended with code {process.returncode}:\n{said}")
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / MIB)


def populationsim() -> Path:
    """Install PopulationSim unless it is there; return its interpreter."""
    peer = peers()["populationsim"]
    if reason := install(peer):
        raise SystemExit(f"PopulationSim is not installed: {reason}")
    return peer.python

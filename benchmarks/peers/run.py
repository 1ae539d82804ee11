"""Install and run peers; popgen itself is not needed.

    python benchmarks/peers/run.py list
    python benchmarks/peers/run.py install [NAME ...]
    python benchmarks/peers/run.py try [NAME ...]

A peer's packages go into ``.venv-peers/``, one environment for each set of requirements. What
fails, or takes too long, comes back as an outcome with a reason: tables have a row for it.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from peers.given import Given, Homes as Homes, Margin, People

HERE = Path(__file__).resolve().parent
VENVS = HERE.parents[1] / ".venv-peers"
OURS = {"__init__", "given", "homes", "run", "worker"}
INSTALL_SECONDS = 1800


@dataclass(frozen=True)
class Peer:
    """What a peer's file says of itself, read without running it."""

    name: str
    title: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...]

    @classmethod
    def read(cls, file: Path) -> Peer:
        """Read it from its file."""
        tree = ast.parse(file.read_text(encoding="utf-8"))
        said = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("REQUIREMENTS", "NEEDS")
        }
        title = (ast.get_docstring(tree) or file.stem).splitlines()[0].rstrip(".")
        return cls(file.stem, title, said["REQUIREMENTS"], said["NEEDS"])

    @property
    def venv(self) -> Path:
        """Where its packages are: one folder for each set of requirements."""
        wanted = "\n".join((*sorted(self.requirements), ".".join(map(str, sys.version_info[:2]))))
        key = hashlib.sha256(wanted.encode()).hexdigest()[:8]
        return VENVS / f"{self.requirements[0].split('==')[0]}-{key}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def ready(self) -> Path:
        """A file that is there once all is installed."""
        return self.venv / ".ready"

    def lacks(self, given: Given) -> str:
        """Say what it needs that is not given; nothing if it has all."""
        have = {
            "margins": bool(given.margins),
            "records": given.records is not None,
            "homes": given.homes is not None,
        }
        missing = [need for need in self.needs if not have[need]]
        return f"needs {' and '.join(missing)}" if missing else ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a run: people, or the reason why there are none; and what it cost."""

    peer: Peer
    people: People | None
    reason: str
    seconds: float = float("nan")
    cpu_seconds: float = float("nan")
    peak_mib: float = float("nan")


def peers() -> dict[str, Peer]:
    """Return all peers by name."""
    files = sorted(HERE.glob("*.py"))
    return {file.stem: Peer.read(file) for file in files if file.stem not in OURS}


def install(peer: Peer) -> str:
    """Make a peer's environment unless it is there; return why that failed, or nothing."""
    VENVS.mkdir(exist_ok=True)
    with (VENVS / f"{peer.venv.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be at it
        return "" if peer.ready.exists() else _installed(peer)


def _installed(peer: Peer) -> str:
    try:
        venv.create(peer.venv, with_pip=True, clear=True)
        command = [str(peer.python), "-m", "pip", "install", "--quiet", *peer.requirements]
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"not installed in {INSTALL_SECONDS} s"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no environment: {error}"
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        return "pip: " + (said or ["failed"])[-1].strip()[:300]
    peer.ready.touch()
    return ""


def run(peer: Peer, given: Given, timeout: float = 600.0) -> Outcome:
    """Run a peer on what is given, within a number of seconds; never raises for what it does."""
    if reason := peer.lacks(given):
        return Outcome(peer, None, f"does not apply: {reason}")
    if reason := install(peer):
        return Outcome(peer, None, f"not installed: {reason}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given.save(folder)
        reason = _finished(peer, folder, timeout)
        if reason:
            return Outcome(peer, None, reason, seconds=timeout)
        cost = json.loads((folder / "cost.json").read_text())
        found = None if cost["reason"] else People.load(folder / "people.npz")
        reason = cost.pop("reason") or unusable(found, given)
        return Outcome(peer, None if reason else found, reason, **cost)


def _finished(peer: Peer, folder: Path, timeout: float) -> str:
    """Run the worker; return why it left nothing behind."""
    command = [str(peer.python), "-m", "peers.worker", peer.name, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent), "TQDM_DISABLE": "1"}
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"not finished in {timeout:,.0f} s"
    if not (folder / "cost.json").exists():
        last = (log.read_text().strip().splitlines() or ["no message"])[-1]
        return f"ended with code {process.returncode}: {last[:300]}"
    return ""


def unusable(found: People, given: Given) -> str:
    """Say what is wrong with people that came back; nothing if they can be scored."""
    codes, weights = found.codes, found.weights
    if codes.ndim != 2 or codes.shape[1] != len(given.names) or not len(codes):
        return f"returned codes of shape {codes.shape} for {len(given.names)} variables"
    if codes.min() < 0 or (codes.max(axis=0) >= given.shape).any():
        return "returned level numbers that do not exist"
    if weights is not None and (weights.shape != (len(codes),) or not weights.sum() > 0):
        return f"returned weights of shape {weights.shape}, sum {weights.sum():g}"
    if weights is not None and not (np.isfinite(weights).all() and weights.min() >= 0):
        return "returned weights that are negative or not finite"
    return ""


def small() -> Given:
    """Three linked variables, their two-way margins and 300 records: what ``try`` runs on."""
    rng = np.random.default_rng(0)
    levels = {name: tuple("pqrs"[:size]) for name, size in (("a", 2), ("b", 3), ("c", 4))}
    joint = rng.dirichlet(np.full(24, 2.0)).reshape(2, 3, 4)
    cells = rng.choice(24, 300, p=joint.ravel())
    records = People(np.column_stack(np.unravel_index(cells, joint.shape)).astype(np.int16))
    pairs = [(0, 1), (1, 2)]
    margins = tuple(
        Margin(tuple("abc"[i] for i in pair), 1e4 * joint.sum(axis=3 - sum(pair))) for pair in pairs
    )
    return Given(levels, margins, records, 5000, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=("list", "install", "try"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    known = peers()
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names or known:
        peer = known[name]
        if options.do == "list":
            print(f"{name:18} {peer.title}\n{'':18} {' '.join(peer.requirements)}")
        elif options.do == "install":
            print(f"{name:18} {install(peer) or 'ready'}", flush=True)
        else:
            found = run(peer, small(), 300)
            cost = f"{found.seconds:.1f} s, {found.cpu_seconds:.1f} CPU s, {found.peak_mib:.0f} MiB"
            print(f"{name:18} {found.reason or _gap(found.people)}   {cost}", flush=True)


def _gap(found: People) -> str:
    """Say how far people are from the margins of `small`."""
    given = small()
    codes = found.codes
    weights = np.ones(len(codes)) if found.weights is None else found.weights
    gaps = []
    for margin in given.margins:
        cells = np.ravel_multi_index(codes[:, given.axes(margin)].T, margin.counts.shape)
        held = np.bincount(cells, weights / weights.sum(), margin.counts.size)
        gaps.append(np.abs(held - margin.counts.ravel() / given.total).sum() / 2)
    return f"{len(codes):,} people, margins missed by {max(gaps):.1%}"


if __name__ == "__main__":
    main()

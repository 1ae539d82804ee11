"""Results as JSON lines: appended by every run, and read back to print tables again."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from popgen.provenance import VERSION

Row = dict[str, Any]
HERE = Path(__file__).resolve().parents[1]
KEY = ("regime", "entrant", "draw")
LEVEL = 1e-5
"""Difference of scores that is none."""


def setting() -> Row:
    """Return what a row says of when, and with which software, it came about."""
    command = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return {
        "popgen": VERSION,
        "commit": commit,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def append(file: Path, row: Row) -> None:
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def latest(file: Path) -> list[Row]:
    """Read rows; of runs of the same thing the last counts. In order of first appearance."""
    found: dict[tuple[Any, ...], Row] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[tuple(row[part] for part in KEY)] = row
    return list(found.values())


def grouped(rows: Iterable[Row], part: str) -> dict[Any, list[Row]]:
    """Group rows by one of their entries, in order of appearance."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row[part], []).append(row)
    return found


def summary(rows: Sequence[Row], figures: Mapping[str, bool]) -> str:
    """Say an entrant's figures: mean over draws, and the worst; why, where some draw has none.

    ``figures`` says of each whether more is better.
    """
    done = [row for row in rows if not row["reason"]]
    if not done:
        return rows[0]["reason"]
    parts = []
    for figure, more in figures.items():
        values = [row["scores"][figure] for row in done]
        digits = 1 if max(np.abs(values)) > 10 else 3
        worst = min(values) if more else max(values)
        parts.append(f"{np.mean(values):7.{digits}f} ({worst:6.{digits}f})")
    seconds = [row["cost"]["seconds"] for row in done if "seconds" in row["cost"]]
    if seconds:
        parts.append(f"{np.mean(seconds):7.1f} s")
    missing = [row for row in rows if row["reason"]]
    if missing:
        parts.append(f"{len(missing)} of {len(rows)} draws failed: {missing[0]['reason']}")
    return "  ".join(parts)


def standing(by: Mapping[str, Sequence[Row]], mine: str, figures: Mapping[str, bool]) -> str:
    """Say of whom an entrant is not ahead, in which figures, and in how many draws."""
    own = {row["draw"]: row["scores"] for row in by[mine] if row["scores"]}
    said = []
    for name, rows in by.items():
        met = [row for row in rows if row["scores"] and row["draw"] in own]
        for figure, more in figures.items() if name != mine else ():
            leads = [
                (own[row["draw"]][figure] - row["scores"][figure]) * (1 if more else -1)
                for row in met
            ]
            if behind := sum(lead < -LEVEL for lead in leads):
                said.append(f"behind {name} in {figure} ({behind} of {len(met)} draws)")
            elif level := sum(lead < LEVEL for lead in leads):
                said.append(f"level with {name} in {figure} ({level} of {len(met)} draws)")
    return "; ".join(said) or "ahead of all others in every figure and draw"

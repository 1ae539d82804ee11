"""What a run writes before any people: how it is made, so that it can be finished or refused."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import polars as pl
import scipy
from numpy.typing import NDArray

from popgen.errors import PopgenError, listed
from popgen.households.problem import HouseholdProblem
from popgen.provenance import VERSION, digest
from popgen.writing import as_json, make_folder, of_text, write_atomically

MANIFEST = "manifest.json"
FORMAT = 2


def software() -> dict[str, str]:
    """Versions of all that decides which people are made, and which bytes are written."""
    return {
        "popgen": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "polars": pl.__version__,
    }


def begin(folder: Path, plan: dict[str, Any], *, resume: bool) -> None:
    """Open a folder for a run: write its manifest, or see that it is that of the same run.

    Raises
    ------
    PopgenError
        If the folder holds something else: other files, another run, or this one when it is not
        to be resumed.
    """
    make_folder(folder)
    known = read(folder)
    plan = json.loads(as_json({"format": FORMAT, "software": software(), **plan}))
    if known is None or not (folder / "problems").exists():  # nothing was fitted yet
        here = [path.name for path in folder.iterdir() if not _left_over(path)]
        if strange := [name for name in here if name != MANIFEST]:
            raise PopgenError(
                f"{folder} has files and no {MANIFEST} of a run: {listed(sorted(strange))}; "
                "give a new or an empty folder"
            )
        write_atomically(folder / MANIFEST, of_text(as_json(plan)))
    elif not resume:
        raise PopgenError(
            f"{folder} holds a run already; resume it (resume=True, on the command line --resume), "
            "or give another folder"
        )
    else:
        _refuse_another(folder, _flat(known), _flat(plan))
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove what a run or a worker that was killed has left half written."""
    for path in folder.rglob("*"):
        if _left_over(path):
            path.unlink(missing_ok=True)


def _flat(plan: dict[str, Any]) -> dict[str, Any]:
    """Write the entries of a part beside its name: ``software.numpy``."""
    flat: dict[str, Any] = {}
    for key, value in plan.items():
        parts = _flat(value) if isinstance(value, dict) else {"": value}
        flat |= {f"{key}.{part}".rstrip("."): one for part, one in parts.items()}
    return flat


def _refuse_another(folder: Path, known: dict[str, Any], plan: dict[str, Any]) -> None:
    if differing := sorted(key for key in {*plan, *known} if plan.get(key) != known.get(key)):
        key = differing[0]
        raise PopgenError(
            f"{folder} holds another run: its {listed(differing)} differ, {key!r} is "
            f"{known.get(key)} there and {plan.get(key)} here; give another folder"
        )


def read(folder: Path) -> dict[str, Any] | None:
    """Return a folder's manifest, or None if it has none."""
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PopgenError(f"{path} is not JSON ({error}); give another folder") from None
    return found


def _left_over(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


def digest_of(problem: HouseholdProblem) -> str:
    """SHA-256 over all that a problem says."""
    survey, geography = problem.survey, problem.geography
    frames = [survey.households] + ([] if survey.persons is None else [survey.persons])
    tables = [frame.write_ipc(None, compression="uncompressed").getbuffer() for frame in frames]
    arrays: list[NDArray[Any]] = [np.frombuffer(table, np.uint8) for table in tables]
    arrays += [survey.weights, survey.first, problem.households, problem.region_of, problem.kind_of]
    arrays += [*geography.parents] + ([] if problem.persons is None else [problem.persons])
    arrays += [one.area_of for one in geography.beside]
    words: list[Sequence[str]] = [geography.levels, *geography.areas, problem.kinds]
    words += [[one.name, *one.areas] for one in geography.beside]
    words.append([str(problem.region), repr(problem.borrow)])
    for one in problem.controls:
        words.append([one.level, *one.names])
        places = [part.astype(np.int64) for part in (one.X.indices, one.X.indptr)]
        arrays += [one.X.data, *places, one.targets, one.se, one.worth]
    text = json.dumps(words).encode()
    return digest(np.frombuffer(text, np.uint8), *arrays)

"""Run one peer, inside its own virtual environment: ``python -m peers.worker NAME FOLDER``.

Reads what is given from the folder, and leaves ``people.npz`` and ``cost.json`` there; the latter
says why where there are no people.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

from peers.given import CannotUse, Given


def main(name: str, folder: Path) -> None:
    given = Given.load(folder)
    start, reason = time.perf_counter(), ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = importlib.import_module(f"peers.{name}").people(given)
        found.save(folder / "people.npz")
    except CannotUse as why:
        reason = f"does not apply: {why}"
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {str(error).strip()[:300]}"
    seconds = time.perf_counter() - start
    whose = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN  # and programs that it ran
    uses = [resource.getrusage(who) for who in whose]
    cost = {
        "reason": reason,
        "seconds": seconds,
        "cpu_seconds": sum(use.ru_utime + use.ru_stime for use in uses),
        "peak_mib": max(u.ru_maxrss for u in uses) / (2**20 if sys.platform == "darwin" else 2**10),
    }
    (folder / "cost.json").write_text(json.dumps(cost))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

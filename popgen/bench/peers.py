"""Other packages as entrants: the adapters of a folder like ``benchmarks/peers``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from popgen.bench.entrants import Entrant
from popgen.bench.pose import Posed
from popgen.errors import PopgenError
from popgen.integerise import integerise
from popgen.microdata import Population
from popgen.table import Projectable
from popgen.tables import Tables

TRACKS = {"homes": "G", "records": "DE"}
"""Where a peer competes that needs such things, the most particular first."""
ALL = "BCDEFH"


def peers(folder: Path) -> list[Entrant]:
    """Enter every peer of a folder; each runs in a virtual environment of its own.

    Raises
    ------
    PopgenError
        If the folder has no ``run.py``, which knows its peers and how to run them.
    """
    runner = _runner(folder)
    return [
        Entrant(
            name,
            _Peer(runner, peer),
            next((tracks for need, tracks in TRACKS.items() if need in peer.needs), ALL),
            "peer",
            " ".join(peer.requirements),
        )
        for name, peer in runner.peers().items()
    ]


class _Peer:
    """Hand a peer what is given as plain arrays, and read its people."""

    def __init__(self, runner: Any, peer: Any) -> None:
        self.runner, self.peer = runner, peer

    def __call__(self, posed: Posed, rng: np.random.Generator) -> Projectable:
        runner = self.runner
        records = None if posed.records is None else runner.People(posed.records.codes)
        given = runner.Given(
            {variable.name: variable.levels for variable in posed.domain},
            _margins(runner, posed.margins),
            records,
            posed.people,
            int(rng.integers(2**31)),
            self._homes(posed),
        )
        outcome = runner.run(self.peer, given)
        if outcome.people is None:
            raise PopgenError(outcome.reason)
        codes, weights = outcome.people.codes, outcome.people.weights
        if weights is not None:
            times = integerise(weights, posed.people, rng=rng)
            codes = np.repeat(codes, times, axis=0)
        cost = {"seconds": round(outcome.seconds, 3), "mib": round(outcome.peak_mib, 1)}
        return Population(posed.domain, codes, provenance={"cost": cost})

    def _homes(self, posed: Posed) -> Any:
        homes = posed.homes
        if homes is None:
            return None
        margins = _margins(self.runner, homes.margins)
        return self.runner.Homes(homes.of, homes.variables, homes.area, margins)


def _margins(runner: Any, tables: Tables) -> tuple[Any, ...]:
    return tuple(runner.Margin(table.names, table.counts) for table in tables.values())


def _runner(folder: Path) -> Any:
    file = folder / "run.py"
    if not file.is_file():
        raise PopgenError(f"{folder} has no run.py that knows its peers; name benchmarks/peers")
    spec = importlib.util.spec_from_file_location("popbench_peers", file)
    if spec is None or spec.loader is None:
        raise PopgenError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module

"""A peer of benchmarks/peers as an entrant, where its environment has been made."""

from pathlib import Path

import numpy as np
import pytest

import popgen as pg
from popgen.bench.peers import peers
from popgen.bench.pose import pose
from popgen.bench.task import read_tasks

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"


def test_peers_take_the_tracks_that_their_needs_allow() -> None:
    tracks = {entrant.name: entrant.tracks for entrant in peers(PEERS)}
    assert tracks["ipfn_table"] == "BCDEFH"
    assert tracks["ipfn_records"] == "DE"


def test_a_folder_without_a_runner_is_refused(tmp_path: Path) -> None:
    with pytest.raises(pg.PopgenError, match=r"has no run\.py that knows its peers"):
        peers(tmp_path)


@pytest.mark.peer
def test_ipfn_makes_the_people_that_ipf_makes() -> None:
    [entrant] = [one for one in peers(PEERS) if one.name == "ipfn_table"]
    if not (entrant.enter.peer.venv / ".ready").exists():
        pytest.skip("make its environment first: python benchmarks/peers/run.py install ipfn_table")
    tasks = read_tasks(ROOT / "benchmarks" / "tasks")
    posed, _ = pose(next(task for task in tasks if task.name == "us_adult_citizens_2018.F/WI"), 0)
    people = entrant.enter(posed, np.random.default_rng(0))
    joint = pg.IPF().fit(posed.problem()).project(*posed.domain.names)
    assert people.effective_size == posed.people
    gap = people.project(*posed.domain.names).counts - joint.scaled(posed.people).counts
    assert np.abs(gap).max() < 1
    assert people.provenance["cost"]["seconds"] > 0

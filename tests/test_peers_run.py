"""The peers' infrastructure: what they are given, what comes back, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def small():
    from peers.run import small

    return small()


def test_given_comes_back_as_it_was_saved(tmp_path, small):
    from peers.given import Given, Margin, People

    noisy = Margin(("c", "a"), np.arange(8.0).reshape(4, 2), np.ones((4, 2)))
    weighted = People(small.records.codes, np.linspace(1, 2, 300))
    given = Given(small.levels, (*small.margins, noisy), weighted, 10, 3)
    given.save(tmp_path)
    again = Given.load(tmp_path)
    assert (again.levels, again.people, again.rng) == (given.levels, 10, 3)
    for before, after in zip(given.margins, again.margins, strict=True):
        assert before.names == after.names
        np.testing.assert_array_equal(before.counts, after.counts)
        assert (before.se is None) == (after.se is None)
    np.testing.assert_array_equal(again.records.codes, weighted.codes)
    np.testing.assert_array_equal(again.records.weights, weighted.weights)


def test_shares_are_those_of_margins_and_else_of_records(small):
    np.testing.assert_allclose(small.shares("b"), small.margins[0].counts.sum(axis=0) / 1e4)
    from dataclasses import replace

    alone = replace(small, margins=small.margins[:1])
    counted = np.bincount(small.records.codes[:, 2], minlength=4) / 300
    np.testing.assert_allclose(alone.shares("c"), counted)


def test_a_level_is_an_interval_and_back(small):
    low, high = small.intervals()
    np.testing.assert_array_equal(small.levels_at((low + high) / 2), small.records.codes)


def test_every_peer_says_what_it_is():
    from peers.run import peers

    for name, peer in peers().items():
        assert peer.title, name
        assert all("==" in wanted for wanted in peer.requirements), name
        assert set(peer.needs) <= {"margins", "records", "homes"}, name


def test_what_a_peer_lacks_is_said_without_running_it(small):
    from dataclasses import replace

    from peers.run import peers, run

    found = run(peers()["ipfn_records"], replace(small, records=None))
    assert found.people is None
    assert found.reason == "does not apply: needs records"


@pytest.mark.parametrize(
    ("codes", "weights", "said"),
    [
        (np.zeros((5, 2), int), None, "shape (5, 2) for 3 variables"),
        (np.full((5, 3), 4), None, "level numbers that do not exist"),
        (np.zeros((5, 3), int), np.ones(4), "weights of shape (4,)"),
        (np.zeros((5, 3), int), np.array([1, 1, 1, 1, -1]), "negative or not finite"),
    ],
)
def test_people_that_cannot_be_scored_are_refused(small, codes, weights, said):
    from peers.given import People
    from peers.run import unusable

    assert said in unusable(People(codes, weights), small)


@pytest.mark.peer
def test_a_worker_leaves_people_and_their_cost(tmp_path, small):
    pytest.importorskip("ipfn")
    from peers.given import People

    cost = worked("ipfn_table", small, tmp_path)
    assert cost["reason"] == ""
    assert cost["seconds"] > 0
    assert cost["peak_mib"] > 10
    found = People.load(tmp_path / "people.npz")
    held = np.bincount(found.codes[:, 0] * 3 + found.codes[:, 1], found.weights, 6)
    np.testing.assert_allclose(held, small.margins[0].counts.ravel(), rtol=1e-6)


@pytest.mark.peer
def test_a_worker_that_fails_says_why(tmp_path, small):
    pytest.importorskip("ipfn")
    from dataclasses import replace

    levels = {name: tuple(map(str, range(400))) for name in "abc"}
    cost = worked("ipfn_table", replace(small, levels=levels), tmp_path)
    assert cost["reason"].startswith("does not apply: the full table has 6.4e+07 cells")
    assert worked("no_such_peer", small, tmp_path)["reason"].startswith("ModuleNotFoundError")


def worked(name, given, folder):
    given.save(folder)
    command = [sys.executable, "-m", "peers.worker", name, str(folder)]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(BENCHMARKS)}, capture_output=True)
    return json.loads((folder / "cost.json").read_text())

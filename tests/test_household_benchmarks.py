"""What the benchmarks of households share: their yardstick, their zones, their recount."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from popgen import NestedCalibration
from popgen.households.batch import Batch
from popgen.households.naming import Naming

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / "speed")


def test_ipu_gives_the_weights_of_the_example_in_its_paper():
    """Ye et al. (2009), table of eight households, two kinds of them and three of persons."""
    from households.ipu import ipu

    kinds = np.repeat([[1, 0], [0, 1]], [3, 5], axis=0)
    persons = np.array(
        [[1, 1, 1], [1, 0, 1], [2, 1, 0], [1, 0, 2], [0, 2, 1], [1, 1, 0], [2, 1, 2], [1, 1, 0]]
    )
    X = np.hstack([kinds, persons]).astype(float)
    weights = ipu(X, np.ones(8), np.array([35.0, 65, 91, 65, 104]))
    expected = [1.36, 25.66, 7.98, 27.79, 18.45, 8.64, 1.47, 8.64]
    assert weights == pytest.approx(expected, abs=0.006)


def test_made_up_zones_can_be_met_until_they_clash():
    from households.synthetic import clashing, sample, zones
    from zones import least

    given = zones(sample(300), 2, size=200)
    model = NestedCalibration().fit(given.problem())
    assert model.held()[0][:, 2:] == pytest.approx(given.targets, abs=1e-4)
    X, targets = given.with_totals()
    assert least(X, targets[0]) == pytest.approx(0.0, abs=1e-6)
    assert least(X, clashing(given).with_totals()[1][0]) > 1.0


def test_a_recount_of_what_is_written_is_what_the_report_says(tmp_path):
    from households.recount import Counted, Given
    from households.synthetic import sample, zones
    from zones import write_zones

    from popgen.households.read import read_households

    some = sample(300)
    given = zones(some, 3, size=100)
    write_zones(tmp_path / "folder", some, given)
    plan = read_households(tmp_path / "folder")
    made = plan.populate(rng=0, on_infeasible="soften")
    plan.write(made, tmp_path / "out")
    counted = Counted.of(Given.of(tmp_path / "folder"), tmp_path / "out")
    rows = made.report.rows
    assert counted.error == {"ZONE": rows["error"].sum()}
    assert (counted.households, counted.persons) == (len(made.households), len(made.persons))
    assert counted.households == given.households.sum()
    assert counted.used == made.households["hh_id"].n_unique()


HOLD = """
import sys
kept = bytearray(int(sys.argv[1]) << 20)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells, others not")
def test_memory_is_that_of_all_processes_at_one_time_and_of_each_by_itself():
    from memory import Watch

    with Watch() as alone:
        alone.look()
    with Watch() as watch:
        for size in (100, 60):  # one after the other
            with subprocess.Popen(
                [sys.executable, "-c", HOLD, str(size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as child:
                child.stdout.readline()
                watch.look()
                child.stdin.close()
    assert alone.together <= watch.peaks[os.getpid()]
    assert 80 <= watch.together - alone.together < 140  # not 160; this process may shrink
    begun = [peak for child, peak in watch.peaks.items() if peak and child not in alone.peaks]
    assert sorted(peak // 30 for peak in begun) == [2, 3]


def test_memory_of_a_run_is_foreseen(tmp_path):
    """Arrays alone: tables and compiled code are not traced."""
    from memory import Foreseen
    from nation import PUMAS, Nation

    def ready(load, folder):
        method = NestedCalibration()
        return Batch(tmp_path / folder, 0, "x", load, method, "exchange", 0, Naming()).ready(1, {})

    nation, foreseen = Nation(10 / PUMAS), Foreseen()
    survey = foreseen.made(lambda: nation.problem(0)).survey
    tables = survey.households.estimated_size() + survey.persons.estimated_size()
    ready(lambda: Nation(1 / PUMAS).problem(0), "warm")
    tracemalloc.start()
    try:
        problems = [nation.problem(0)]
        tracemalloc.reset_peak()
        kept = ready(problems.pop, "run")
        placed, fitted = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.fitted is not None
    # Above 1: what a sweep over some zones takes, whatever the problem's size, is in `BASE`.
    assert 0.7 < fitted / (foreseen.fitted[0] - tables) < 1.1
    assert 0.6 < placed / (foreseen.placed[0] - tables) < 1.0

"""What the benchmarks of households share: their yardstick, their zones, their recount."""

from pathlib import Path

import numpy as np
import pytest

from popgen import NestedCalibration

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

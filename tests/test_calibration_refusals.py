import numpy as np
import pytest
from calibration_cases import DISTANCES, cells_of, feasible
from scipy import sparse

from popgen.errors import ConvergenceError, InfeasibleError, PopgenError
from popgen.methods._certificate import nearest_totals
from popgen.methods._checked import checked_cells
from popgen.methods.calibration import calibrate
from popgen.methods.distances import LINEAR, RAKING, logit

each_distance = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)


def test_refuses_a_cell_with_people_and_no_record():
    X, names = cells_of(np.array([[0], [0], [2]]), (3,))
    with pytest.raises(
        InfeasibleError, match=r"1 .*no record: 'v0: 1 \(20 people\)'; coarsen .*add"
    ):
        calibrate(X, np.ones(3), np.array([10.0, 20, 30]), RAKING, cells=names)


def test_refuses_a_cell_whose_records_all_lie_in_empty_cells():
    X, names = cells_of(np.array([[0, 0], [1, 1]]), (2, 2))
    with pytest.raises(InfeasibleError, match=r"cell of 0 people: 'v1: 0 \(5 people\)'"):
        calibrate(X, np.ones(2), np.array([0.0, 10, 5, 5]), RAKING, cells=names)


@each_distance
def test_refuses_margins_whose_totals_differ_and_names_them(distance):
    codes, X, d, targets = feasible(np.random.default_rng(14), sizes=(3, 4, 2, 2))
    _, names = cells_of(codes, (3, 4, 2, 2))
    targets[3:7] *= 1 + 2e-6
    with pytest.raises(
        InfeasibleError, match=r"margins 'v1', 'v\d' clash: .* nearest .* (fewer|more)"
    ):
        calibrate(X, d, targets, distance, cells=names)


def test_refuses_margins_that_need_absent_combinations_and_names_only_those():
    rng = np.random.default_rng(15)
    codes = np.column_stack(
        [rng.integers(0, 2, 400), rng.integers(0, 2, 400), rng.integers(0, 3, 400)]
    )
    codes = codes[(codes[:, 0] == 0) | (codes[:, 1] == 1)]  # nobody is (1, 0)
    X, names = cells_of(codes, (2, 2, 3))
    targets = np.array([40.0, 60, 45, 55, 30, 30, 40])  # 60 people in v0=1, but 55 in v1=1
    with pytest.raises(InfeasibleError, match=r"margins 'v0', 'v1' clash: .* 5 (fewer|more)'"):
        calibrate(X, np.ones(len(codes)), targets, RAKING, cells=names)


def test_the_certificate_is_a_proof():
    rng = np.random.default_rng(16)
    codes = np.column_stack([rng.integers(0, 2, 99), rng.integers(0, 2, 99)])
    codes = codes[(codes[:, 0] == 0) | (codes[:, 1] == 1)]
    X, _ = cells_of(codes, (2, 2))
    cells = checked_cells(X, np.array([40.0, 60, 45, 55]), None, None)
    nearest = nearest_totals(cells, np.ones(len(codes)), RAKING)
    assert (X @ nearest.proof).max() <= 1e-12  # so w @ X @ y <= 0 for all w >= 0 ...
    assert cells.targets @ nearest.proof > 1  # ... but the targets need more
    assert np.abs(nearest.missed).sum() == pytest.approx(10)  # 5 people, in two cells


def test_the_certificate_prices_in_records_it_has_not_seen(monkeypatch):
    _, X, d, targets = feasible(np.random.default_rng(17), n=500)
    monkeypatch.setattr("popgen.methods._certificate.BATCH", 3)
    for distance in (RAKING, LINEAR, logit(0.05, 20)):
        assert nearest_totals(checked_cells(X, targets, None, None), d, distance).worst < 1e-6


def test_refuses_a_cell_beyond_the_bounds():
    X, names = cells_of(np.array([[0], [0], [1]]), (2,))
    with pytest.raises(
        InfeasibleError, match=r"'v0: 1: 9 stated, 0.5 to 2 within reach'; allow wider"
    ):
        calibrate(X, np.ones(3), np.array([3.0, 9]), logit(0.5, 2), cells=names)


def test_refuses_bounds_too_narrow_for_the_margins_together():
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    X, names = cells_of(codes, (2, 2))
    d = np.array([10.0, 1, 1, 10])  # nearly one variable: row and column cannot part
    with pytest.raises(InfeasibleError, match=r"margins 'v0', 'v1' clash: no weights between 0.5"):
        calibrate(X, d, np.array([15.0, 7, 7, 15]), logit(0.5, 2), cells=names)


def test_says_which_cell_is_still_missed_and_by_how_many():
    codes, X, d, targets = feasible(np.random.default_rng(18), spread=2)
    _, names = cells_of(codes, (3, 4, 2))
    match = (
        r"calibration \(raking\) missed 'v\d: \d' by [\d.,]+ people of .* after 1 steps .*max_iter"
    )
    with pytest.raises(ConvergenceError, match=match):
        calibrate(X, d, targets, RAKING, cells=names, max_iter=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d": np.ones(3)}, r"4 records \(rows of X\) need 4 design weights; got shape \(3,\)"),
        (
            {"d": np.array([1.0, 0, -1, 1])},
            r"2 of 4 design weights are not positive.*0 of record 1",
        ),
        ({"d": np.array([1.0, np.nan, 1, 1])}, "1 of 4 design weights are not positive"),
        ({"targets": np.ones(2)}, r"3 cells \(columns of X\) need 3 targets; got shape \(2,\)"),
        ({"targets": np.array([1.0, np.inf, 1])}, "targets: 1 of 3 numbers are not finite"),
        ({"se": np.ones(2)}, "need 3 se"),
        ({"se": np.array([0.0, -1, 0])}, "standard errors must be >= 0; that of 'cell 1' is -1"),
        ({"cells": ["a", "b"]}, "need 3 cells"),
    ],
)
def test_refuses_arrays_that_do_not_fit(change, message):
    given = {
        "X": sparse.csr_array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]]),
        "d": np.ones(4),
        "targets": np.array([60.0, 40, 30]),
        "distance": RAKING,
    }
    with pytest.raises(PopgenError, match=message):
        calibrate(**{**given, **change})

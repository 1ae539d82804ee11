import pickle

import numpy as np
import pytest

from popgen.errors import PopgenError
from popgen.methods.distances import LINEAR, RAKING, Distance, logit

DISTANCES = [RAKING, LINEAR, logit(0.5, 2), logit(0, 10), logit(-1, 1.2)]
contract = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.name)
GRID = np.linspace(-1.5, 1.5, 301)


@contract
def test_design_weights_are_where_it_starts(distance):
    zero = np.zeros(1)
    assert distance.F(zero) == pytest.approx(1, abs=1e-15)
    assert distance.dF(zero) == pytest.approx(1, abs=1e-15)
    assert distance.integral(zero) == pytest.approx(0, abs=1e-15)


@contract
def test_weights_increase_with_the_multiplier(distance):
    assert (np.diff(distance.F(GRID)) > 0).all()
    assert (distance.dF(GRID) > 0).all()


@contract
@pytest.mark.parametrize(("function", "derivative"), [("F", "dF"), ("integral", "F")])
def test_derivatives_equal_finite_differences(distance, function, derivative):
    h = 1e-5
    f = getattr(distance, function)
    central = (f(GRID + h) - f(GRID - h)) / (2 * h)
    np.testing.assert_allclose(central, getattr(distance, derivative)(GRID), rtol=1e-8, atol=1e-9)


@contract
def test_weights_stay_within_their_bounds_however_far_the_multiplier_goes(distance):
    far = np.array([-600.0, 600.0])
    low, high = distance.F(far)
    assert low >= distance.lower
    assert high <= distance.upper
    assert np.isfinite(distance.integral(far)).all()


@contract
def test_pickles_for_process_pools(distance):
    again = pickle.loads(pickle.dumps(distance))
    assert again == distance
    np.testing.assert_array_equal(again.F(GRID), distance.F(GRID))


def test_logit_at_its_bounds_matches_the_paper():
    lower, upper = 0.4, 3.0
    a = (upper - lower) / ((1 - lower) * (upper - 1))
    e = np.exp(a * GRID)
    paper = (lower * (upper - 1) + upper * (1 - lower) * e) / ((upper - 1) + (1 - lower) * e)
    np.testing.assert_allclose(logit(lower, upper).F(GRID), paper, rtol=1e-13)


@pytest.mark.parametrize(
    "bounds", [(1, 2), (0.5, 1), (2, 3), (0.5, np.inf), (np.nan, 2), ("0.5", 2)]
)
def test_refuses_bounds_that_do_not_enclose_one(bounds):
    with pytest.raises(PopgenError, match="either side of 1"):
        logit(*bounds)


def test_different_bounds_are_different_distances():
    assert logit(0.5, 2) == logit(0.5, 2) != logit(0.5, 3)
    assert repr(RAKING) == "Distance(name='raking', lower=0.0, upper=inf)"
    assert isinstance(RAKING, Distance)

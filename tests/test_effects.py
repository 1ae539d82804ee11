import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, poisson

from popgen._logcounts import expected_log
from popgen.domain import Domain, Variable
from popgen.effects import Recovery, centred, interactions, recovery
from popgen.errors import ConvergenceError, PopgenError
from popgen.table import Table

SHAPE = (3, 2, 4)
DOMAIN = Domain(
    tuple(
        Variable(name, tuple(f"{name}{i}" for i in range(size)))
        for name, size in zip("abc", SHAPE, strict=True)
    )
)
LOGS = arrays(float, SHAPE, elements=st.floats(-1.5, 1.5))
PAIR = DOMAIN.project("a", "c")


def by_inclusion_exclusion(logs: np.ndarray) -> np.ndarray:
    """Sum over sets of axes of (-1)^|set| times the mean over the set: the definition."""
    out = np.zeros_like(logs)
    for k in range(logs.ndim + 1):
        for axes in combinations(range(logs.ndim), k):
            out += (-1) ** k * logs.mean(axis=axes, keepdims=True)
    return out


def by_least_squares(logs: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Residual of a regression on dummies of every (k-1)-way margin, over the support."""
    columns = []
    cells = np.indices(logs.shape).reshape(logs.ndim, -1)
    for axis in range(logs.ndim):
        keep = [i for i in range(logs.ndim) if i != axis]
        shape = [logs.shape[i] for i in keep]
        columns.append(np.eye(math.prod(shape))[np.ravel_multi_index(cells[keep], shape)])
    design, inside = np.hstack(columns), support.ravel()
    y = np.where(support, logs, 0.0).ravel()
    fit = np.linalg.lstsq(design[inside], y[inside], rcond=None)[0]
    return np.where(inside, y - design @ fit, 0.0).reshape(logs.shape)


@given(LOGS)
def test_centring_is_inclusion_exclusion(logs: np.ndarray) -> None:
    full = np.ones(SHAPE, dtype=bool)
    assert centred(logs, full) == pytest.approx(by_inclusion_exclusion(logs), abs=1e-12)
    copies = centred(np.stack([logs, 2 * logs]), full)
    assert copies[1] == pytest.approx(2 * copies[0], abs=1e-12)


@given(LOGS, st.sets(st.integers(0, 23), max_size=5))
@settings(max_examples=40, deadline=None)
def test_centring_with_empty_cells_is_least_squares_over_the_others(
    logs: np.ndarray, empty: set[int]
) -> None:
    support = np.ones(SHAPE, dtype=bool)
    support.flat[list(empty)] = False
    assert centred(logs, support) == pytest.approx(by_least_squares(logs, support), abs=1e-6)


def test_a_two_by_two_table_holds_a_quarter_of_its_log_odds_ratio() -> None:
    domain = Domain((Variable("x", ("0", "1")), Variable("y", ("0", "1"))))
    effect = interactions(Table(domain, [[50, 20], [10, 80]]))
    assert effect == pytest.approx(np.log(20) / 4 * np.array([[1, -1], [-1, 1]]))


def raked(table: Table, by: np.ndarray) -> Table:
    """Multiply by a factor for every two-way margin, as raking does."""
    a, b, c = table.domain.shape
    factors = np.exp(by)
    ab, ac, bc = np.split(factors, [a * b, a * b + a * c])
    change = ab.reshape(a, b, 1) * ac.reshape(a, 1, c) * bc.reshape(1, b, c)
    return Table(table.domain, table.counts * change)


@given(LOGS, LOGS, arrays(float, 26, elements=st.floats(-0.7, 0.7)))
def test_raking_leaves_interactions_and_their_recovery_unchanged(
    a: np.ndarray, b: np.ndarray, by: np.ndarray
) -> None:
    candidate, truth = Table(DOMAIN, np.exp(a)), Table(DOMAIN, np.exp(b))
    moved = raked(candidate, by)
    assert interactions(moved) == pytest.approx(interactions(candidate), abs=1e-12)
    before, after = recovery(candidate, truth), recovery(moved, truth)
    assert after.candidate == pytest.approx(before.candidate, abs=1e-12)
    assert after.mae == pytest.approx(before.mae, abs=1e-12)


@given(LOGS, arrays(float, SHAPE[1:], elements=st.floats(-1, 1)), st.sampled_from([0.5, 2.0, -1.0]))
def test_interactions_times_a_dose_have_that_slope(
    logs: np.ndarray, main: np.ndarray, dose: float
) -> None:
    effect = centred(logs, np.ones(SHAPE, dtype=bool))
    if np.abs(effect).max() < 1e-3:
        return
    truth = Table(DOMAIN, np.exp(effect))
    candidate = Table(DOMAIN, np.exp(dose * effect + main))
    found = recovery(candidate, truth)
    assert found.slope == pytest.approx(dose, abs=1e-9)
    assert found.correlation == pytest.approx(np.sign(dose), abs=1e-9)


@given(LOGS, LOGS, st.permutations(range(3)), st.sampled_from([None, 40.0, 1000.0]))
def test_order_of_axes_and_scale_are_irrelevant(
    a: np.ndarray, b: np.ndarray, order: list[int], size: float | None
) -> None:
    candidate, truth = Table(DOMAIN, np.exp(a)), Table(DOMAIN, 1e5 * np.exp(b))
    names = [DOMAIN.names[i] for i in order]
    before = recovery(candidate, truth, size=size)
    after = recovery(candidate.scaled(3.0), truth.project(*names), size=size)
    assert after.slope == pytest.approx(before.slope, abs=1e-9, nan_ok=True)
    assert after.mae == pytest.approx(before.mae, abs=1e-9)


def test_empty_true_cells_have_no_say_and_empty_candidate_cells_read_as_half_a_person() -> None:
    counts = np.array([[40, 10, 20, 0], [10, 40, 30, 5], [30, 20, 40, 25]]) * 100.0
    truth = Table(PAIR, counts)
    other = counts.copy()
    other[0, 3] = 1234
    assert recovery(Table(PAIR, other), truth).mae == pytest.approx(0, abs=1e-12)
    assert recovery(Table(PAIR, other), truth, size=400).truth[0, 3] == 0
    gone, half = counts.copy(), counts.copy()
    gone[1, 3], half[1, 3] = 0, 0.5 * (counts.sum() - 500) / counts.sum()
    assert recovery(Table(PAIR, gone), truth).mae == pytest.approx(
        recovery(Table(PAIR, half), truth).mae, rel=1e-5
    )


@pytest.mark.parametrize("n", [1, 7, 90, 1200, 40_000])
def test_expected_logs_equal_direct_summation(n: int) -> None:
    shares = np.array([0, 1e-9, 1e-4, 0.003, 0.07, 0.1, 0.31, 0.5, 0.93, 0.9999, 1])
    x = np.arange(n + 1)
    direct = [binom.pmf(x, n, p) @ np.log(x + 0.5) for p in shares]
    assert expected_log(shares, n) == pytest.approx(np.array(direct), abs=1e-7)


@pytest.mark.parametrize("n", [10**7, 10**8])
def test_expected_logs_of_large_samples_equal_direct_summation(n: int) -> None:
    x = np.arange(1000)
    for mean in (0.01, 5.0, 50.0, 99.9, 100.1, 300.0):
        direct = binom.pmf(x, n, mean / n) @ np.log(x + 0.5)
        assert expected_log([mean / n], n)[0] == pytest.approx(direct, abs=1e-7)


@pytest.mark.parametrize("n", [10**10, 10**12, 10**15])
@pytest.mark.parametrize("mean", [0.01, 5.0, 50.0, 99.9, 100.1, 300.0])
def test_expected_logs_of_huge_samples_are_those_of_poisson_counts(n: int, mean: float) -> None:
    # Binomial(n, m/n) and Poisson(m) differ by at most m/n in total variation (Le Cam 1960)
    x = np.arange(1000)
    limit = (poisson.pmf(x, mean) * np.log(x + 0.5)).sum()
    assert expected_log([mean / n], n)[0] == pytest.approx(limit, abs=1e-7 + 10 * mean / n)


def test_expected_logs_join_where_the_sum_hands_over_to_the_series() -> None:
    for n in (101, 1000, 10**7):
        below, above = expected_log([(100 - 1e-6) / n, (100 + 1e-6) / n], n)
        assert above - below == pytest.approx(2e-8, abs=1e-7)


def test_expected_logs_equal_simulation() -> None:
    p = np.array([0.0, 0.001, 0.02, 0.4])
    drawn = np.log(np.random.default_rng(0).binomial(150, p, size=(200_000, 4)) + 0.5)
    error = (drawn.mean(0) - expected_log(p, 150)) / np.maximum(drawn.std(0) / 200_000**0.5, 1e-9)
    assert np.abs(error).max() < 4


@pytest.mark.parametrize("n", [60, 400, 3000])
@pytest.mark.parametrize("names", ["ab", "ac", "abc"])
def test_a_real_replicate_scores_slope_one(names: str, n: int) -> None:
    """Every candidate log cell has the truth's value as its expectation, so the slope has 1."""
    truth = sparse_truth().project(*names)
    p = truth.counts / truth.total
    rng = np.random.default_rng(n)
    slopes = [
        recovery(
            Table(truth.domain, rng.multinomial(n, p.ravel()).reshape(p.shape)), truth, size=n
        ).slope
        for _ in range(400)
    ]
    assert abs(np.mean(slopes) - 1) < 4 * np.std(slopes) / 20


def sparse_truth() -> Table:
    """A joint with interactions of all orders, shares from 0.1 to 20 percent and one empty cell."""
    rng = np.random.default_rng(8)
    counts = np.round(1e5 * np.exp(rng.normal(size=SHAPE)) * np.array([1, 0.3, 0.1, 0.03]))
    counts[0, 1, 3] = 0
    return Table(DOMAIN, counts)


def test_refusals_name_what_is_wrong() -> None:
    truth = Table(PAIR, np.ones((3, 4)))
    with pytest.raises(PopgenError, match="two variables or more"):
        recovery(truth.project("a"), truth.project("a"))
    for nobody, people in ((0 * truth.counts, truth.counts), (truth.counts, 0 * truth.counts)):
        with pytest.raises(PopgenError, match="holds nobody"):
            recovery(Table(PAIR, nobody), Table(PAIR, people))
    for size in (0, -3, float("nan")):
        with pytest.raises(PopgenError, match="positive number of people"):
            recovery(truth, truth, size=size)
    with pytest.raises(PopgenError, match="holds nobody"):
        interactions(Table(PAIR, np.zeros((3, 4))))
    with pytest.raises(PopgenError, match="one shape"):
        Recovery(np.ones(3), np.ones(3), np.ones(2))
    with pytest.raises(PopgenError, match="at least 1 person"):
        expected_log([0.5], 0)
    with pytest.raises(PopgenError, match=r"\[0, 1\]"):
        expected_log([1.5], 3)


def test_a_support_almost_in_pieces_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("popgen.effects.MOST_SWEEPS", 3)
    support = np.kron(np.eye(2), np.ones((2, 2))).astype(bool)
    support[1, 2] = support[2, 2] = support[2, 1] = True
    with pytest.raises(ConvergenceError, match="merge sparse levels"):
        centred(np.random.default_rng(0).normal(size=(4, 4)), support)


def test_no_interaction_in_the_truth_means_no_slope() -> None:
    flat = Table(PAIR, np.ones((3, 4)))
    other = Table(PAIR, np.random.default_rng(0).integers(1, 50, (3, 4)))
    assert math.isnan(recovery(other, flat).slope)
    assert recovery(other, flat).mae > 0

"""Integerising: closed forms, what each method keeps, unbiasedness, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from scipy import sparse

from popgen.errors import PopgenError
from popgen.integerise import METHODS, cube, integerise, multinomial, systematic, trs

ROUNDING_METHODS = ("systematic", "trs", "cube")  # those that round each count up or down
weight_lists = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=30).filter(
    any
)
seeds = st.integers(0, 2**32 - 1)


def one_hot(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Incidence of records (rows of codes) in the one-way margin cells of every variable."""
    return np.hstack([np.eye(column.max() + 1)[column] for column in codes.T])


def survey(seed: int, records: int, levels: tuple[int, ...]) -> tuple[NDArray, NDArray]:
    """Draw sorted records with skewed, correlated variables; return weights and incidence."""
    rng = np.random.default_rng(seed)
    shared = rng.random(records)
    codes = np.stack([(size * shared ** (1 + rng.random(records))) for size in levels], axis=1)
    codes = codes.astype(np.int64)
    codes = codes[np.lexsort(codes.T[::-1])]
    return rng.lognormal(0, 0.7, records), one_hot(codes)


# --- closed forms ---------------------------------------------------------------------------


def test_systematic_by_hand() -> None:
    # The first uniform of rng 0 is 0.637. Marks 0.4, 1.1, 2.0 plus it: 1.04, 1.74, 2.64; floors
    # 1, 1, 2; differences 1, 0, 1.
    assert systematic(np.array([0.4, 0.7, 0.9]), np.random.default_rng(0)).tolist() == [1, 0, 1]


def test_systematic_takes_every_other_of_equal_halves() -> None:
    draws = {tuple(integerise([1, 1, 1, 1], 2, rng=seed)) for seed in range(50)}
    assert draws == {(1, 0, 1, 0), (0, 1, 0, 1)}


def test_trs_reaches_every_pair_of_equal_halves() -> None:
    draws = {tuple(integerise([1, 1, 1, 1], 2, method="trs", rng=seed)) for seed in range(200)}
    assert len(draws) == 6  # four choose two


def test_cube_on_a_two_by_two_table_has_two_outcomes() -> None:
    # Cells ff, fm, mf, mm at one half each, both margins 1 and 1: only the diagonals fit.
    balance = [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
    rng = np.random.default_rng(1)
    draws = [
        tuple(integerise([1] * 4, 2, method="cube", balance=balance, rng=rng)) for _ in range(400)
    ]
    assert set(draws) == {(1, 0, 0, 1), (0, 1, 1, 0)}
    share = draws.count((1, 0, 0, 1)) / 400
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / 400)  # standard errors


@pytest.mark.parametrize("seed", range(10))
def test_cube_meets_whole_row_and_column_totals_exactly(seed: int) -> None:
    # Tables with given row and column totals are a transport polytope: its corners are whole, so
    # the flight alone must round every cell and nothing is left to land.
    rng = np.random.default_rng(seed)
    rows, columns = rng.multinomial(40, np.ones(5) / 5), rng.multinomial(40, np.ones(7) / 7)
    codes = np.stack(np.unravel_index(np.arange(35), (5, 7)), axis=1)
    weights = np.outer(rows, columns).ravel()
    counts = integerise(weights, 40, method="cube", balance=one_hot(codes), rng=rng)
    table = counts.reshape(5, 7)
    assert table.sum(axis=1).tolist() == rows.tolist()
    assert table.sum(axis=0).tolist() == columns.tolist()


def test_cube_with_strata_draws_whole_stratum_sizes_exactly() -> None:
    strata = np.repeat([0, 1, 2], [6, 10, 4])
    balance = np.eye(3)[strata]
    counts = integerise(np.ones(20), 10, method="cube", balance=balance, rng=3)
    assert np.bincount(strata, counts).tolist() == [3, 5, 2]


# --- laws -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@given(weights=weight_lists, n=st.integers(1, 10**7), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_sum_is_exact_and_empty_cells_stay_empty(
    method: str, weights: list[float], n: int, seed: int
) -> None:
    balance = np.eye(len(weights))[:, :3]
    counts = integerise(weights, n, method=method, balance=balance, rng=seed)
    assert counts.dtype == np.int64
    assert counts.sum() == n
    assert counts.min() >= 0
    assert not counts[np.array(weights) == 0].any()


@pytest.mark.parametrize("method", ROUNDING_METHODS)
@given(weights=weight_lists, n=st.integers(1, 10**7), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_counts_are_within_one_of_expectation(
    method: str, weights: list[float], n: int, seed: int
) -> None:
    balance = np.arange(2.0 * len(weights)).reshape(-1, 2) % 3
    counts = integerise(weights, n, method=method, balance=balance, rng=seed)
    expected = n * (np.array(weights) / np.sum(weights))
    assert np.abs(counts - expected).max() < 1 + 1e-8  # the last digits of n * share


@pytest.mark.parametrize("method", ROUNDING_METHODS)
@given(whole=st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_whole_weights_are_unchanged(method: str, whole: list[int], seed: int) -> None:
    balance = np.ones((len(whole), 1))
    counts = integerise(whole, sum(whole), method=method, balance=balance, rng=seed)
    assert counts.tolist() == whole


@given(weights=weight_lists, n=st.integers(1, 10**5), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_systematic_keeps_every_prefix_within_one(weights: list[float], n: int, seed: int) -> None:
    expected = n * (np.array(weights) / np.sum(weights))
    drift = np.cumsum(integerise(weights, n, rng=seed)) - np.cumsum(expected)
    assert np.abs(drift).max() < 1 + 1e-8


@pytest.mark.parametrize("method", METHODS)
def test_scale_of_weights_does_not_matter(method: str) -> None:
    weights, balance = np.array([0.3, 1.7, 2.2, 0.9]), np.eye(4)[:, :2]
    draws = [
        integerise(weights * scale, 7, method=method, balance=balance, rng=5).tolist()
        for scale in (1.0, 2.0**-40, 2.0**40)
    ]
    assert draws[0] == draws[1] == draws[2]


@pytest.mark.parametrize("method", METHODS)
def test_unbiased(method: str) -> None:
    weights = np.array([0.2, 3.1, 0.0, 1.4, 0.7, 2.0, 0.05, 4.4])
    balance = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0], [0, 1], [1, 1], [0, 1]])
    n, draws, rng = 9, 1500, np.random.default_rng(20)
    expected = n * weights / weights.sum()
    mean = np.mean(
        [integerise(weights, n, method=method, balance=balance, rng=rng) for _ in range(draws)],
        axis=0,
    )
    part = expected - np.floor(expected)
    variance = expected * (1 - expected / n) if method == "multinomial" else part * (1 - part)
    assert np.all(np.abs(mean - expected) <= 4 * np.sqrt(variance / draws) + 1e-12)


def test_multinomial_has_the_binomial_variance() -> None:
    rng = np.random.default_rng(4)
    draws = np.array([multinomial(np.array([2.0, 6.0]), rng)[0] for _ in range(4000)])
    assert abs(draws.var() - 1.5) < 4 * 1.5 * np.sqrt(2 / 4000)  # 8 * 1/4 * 3/4; standard errors


@pytest.mark.parametrize("method", METHODS)
def test_same_rng_same_counts(method: str) -> None:
    weights, incidence = survey(0, 200, (3, 4))
    draws = [
        integerise(weights, 150, method=method, balance=incidence, rng=rng)
        for rng in (7, np.random.default_rng(7), 8)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


# --- the cube method's balance -----------------------------------------------------------------


@pytest.mark.parametrize("n", [2_000, 10_000, 4_000_000])
@pytest.mark.parametrize("seed", range(10))
def test_cube_keeps_one_way_margins_within_two_people(seed: int, n: int) -> None:
    weights, incidence = survey(seed, 2_000, (4, 2, 6, 5))
    expected = n * weights / weights.sum()
    balance = sparse.csr_array(incidence)
    counts = integerise(weights, n, method="cube", balance=balance, rng=seed)
    assert counts.sum() == n
    assert np.abs(incidence.T @ (counts - expected)).max() < 2


def test_cube_balances_real_valued_columns_to_about_one_record() -> None:
    rng = np.random.default_rng(2)
    weights, income = rng.gamma(1.0, size=3_000), rng.lognormal(3, 1, (3_000, 4))
    counts = integerise(weights, 4_000, method="cube", balance=income, rng=rng)
    missed = np.abs(income.T @ (counts - 4_000 * weights / weights.sum()))
    assert np.all(missed < income.max(axis=0))


def test_cube_is_far_closer_than_the_others() -> None:
    weights, incidence = survey(3, 1_000, (5, 6, 7))
    expected = 1_000 * weights / weights.sum()
    errors = {
        method: np.mean(
            [
                np.abs(
                    incidence.T
                    @ (
                        integerise(weights, 1_000, method=method, balance=incidence, rng=seed)
                        - expected
                    )
                ).mean()
                for seed in range(5)
            ]
        )
        for method in METHODS
    }
    assert errors["cube"] < errors["systematic"] < errors["trs"] < errors["multinomial"]


def test_cube_survives_redundant_empty_and_scaled_columns() -> None:
    weights, incidence = survey(5, 300, (3, 4))
    plain = incidence.T @ (200 * weights / weights.sum())
    awkward = np.hstack([incidence, incidence * 1e9, np.zeros((300, 2)), -incidence[:, :1]])
    counts = integerise(weights, 200, method="cube", balance=awkward, rng=0)
    assert counts.sum() == 200
    assert np.abs(incidence.T @ counts - plain).max() < 2


def test_cube_without_columns_keeps_n() -> None:
    assert integerise([0.5, 1.2, 3.3], 5, method="cube", balance=np.empty((3, 0)), rng=0).sum() == 5


def test_cube_lands_more_units_than_its_window() -> None:
    # 300 cells, each its own total: no flight is possible, and everything is landed.
    counts = integerise(np.full(300, 1.0), 150, method="cube", balance=np.eye(300), rng=0)
    assert counts.sum() == 150
    assert set(counts.tolist()) == {0, 1}


def test_balance_is_left_alone() -> None:
    balance = sparse.csr_array(np.array([[1.0], [0.0], [1.0]]))
    balance.data[0] = 0.0  # an explicit zero, which the kernel drops from its own copy
    integerise([1, 1, 1], 2, method="cube", balance=balance, rng=0)
    assert balance.nnz == 2


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array, sparse.coo_array])
def test_balance_may_be_dense_or_sparse(form: type) -> None:
    weights, incidence = survey(1, 60, (2, 3))
    counts = integerise(weights, 45, method="cube", balance=form(incidence), rng=0)
    assert np.array_equal(counts, integerise(weights, 45, method="cube", balance=incidence, rng=0))


def test_kernels_take_expected_counts() -> None:
    expected, rng = np.array([1.5, 0.5, 2.0]), np.random.default_rng(0)
    balance = sparse.csr_array(np.eye(3))
    for counts in (systematic(expected, rng), trs(expected, rng), cube(expected, balance, rng)):
        assert counts.sum() == 4
        assert counts[2] == 2


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "n", "message"),
    [
        ([1, 2], 0, r"n must be at least 1 person; got 0"),
        ([1, 2], -3, r"n must be at least 1 person; got -3"),
        ([1, 2], 2.5, r"n must be a whole number of people; got 2\.5"),
        ([1, 2], 10**13, r"n must be at most 1e\+12 people; got 10000000000000"),
        ([1, -0.5, -2], 5, r"weights\[1\] is -0\.5 \(2 such of 3\)"),
        ([1, 2, float("nan")], 5, r"weights\[2\] is nan"),
        ([float("inf"), 1], 5, r"weights\[0\] is inf"),
        ([0, 0, 0], 5, r"all 3 weights are zero: nobody to make 5 people of"),
        ([], 5, r"weights must be one row of numbers; got shape \(0,\)"),
        ([[1, 2]], 5, r"weights must be one row of numbers; got shape \(1, 2\)"),
        (["a", "b"], 5, r"weights must be numbers"),
    ],
)
def test_bad_input_is_refused(weights: list, n: int, message: str) -> None:
    with pytest.raises(PopgenError, match=message):
        integerise(weights, n)


def test_unknown_method_lists_the_known() -> None:
    with pytest.raises(
        PopgenError, match="'qis'; known: 'systematic', 'trs', 'multinomial', 'cube'"
    ):
        integerise([1, 2], 3, method="qis")


@pytest.mark.parametrize(
    ("balance", "message"),
    [
        (None, "cube method keeps totals and was told none; pass balance"),
        (np.ones((3, 2)), r"one row for each of the 2 weights .* got shape \(3, 2\)"),
        (np.ones(2), r"got shape \(2,\)"),
        (np.array([[1.0], [np.nan]]), "not finite"),
        ([["a"], ["b"]], "balance must be numbers, one row for each weight"),
        ([[1.0], [1.0, 2.0]], "balance must be numbers, one row for each weight"),
    ],
)
def test_bad_balance_is_refused(balance: object, message: str) -> None:
    with pytest.raises(PopgenError, match=message):
        integerise([1, 2], 3, method="cube", balance=balance)

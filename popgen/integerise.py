"""`integerise`: whole people from fractional weights, with the weights as their expectation.

A fitted model gives each cell or record an expected count such as 2.3 people; a population needs 2
or 3. How that is decided is a modelling choice, so the ways differ in what they keep:

============== =================== =============================================================
method         a count differs     totals kept besides n
               from its expected
============== =================== =============================================================
systematic     by less than 1      any run of cells in the order given, within 1 person: sort the
                                   cells, and the first key's totals are within 1
trs            by less than 1      none
multinomial    by ~ its root       none: people are independent draws
cube           by less than 1      the balance, to a person or two
============== =================== =============================================================

All four are unbiased: over draws, the mean count is the expected count.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from popgen._cube import round_balanced
from popgen._rng import Rng, generator_of
from popgen.errors import PopgenError, listed

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_PEOPLE = 10**12  # beyond it a double has no digits left for the fractions
ROUNDING = 16 * np.finfo(np.float64).eps  # relative: an expected count this near a whole is whole


def integerise(
    weights: ArrayLike,
    n: int,
    *,
    method: str = "systematic",
    balance: ArrayLike | sparse.sparray | sparse.spmatrix | None = None,
    rng: Rng = None,
) -> Counts:
    """Turn weights into whole numbers of people that add up to exactly n.

    Parameters
    ----------
    weights : array, shape (k,)
        Weight of each cell or record, at least 0, on any scale. The expected counts are
        ``n * weights / weights.sum()`` people.
    n : int
        People to make, at least 1.
    method : {"systematic", "trs", "multinomial", "cube"}
        See the module's table. Systematic keeps the cells' order in view: pass them sorted.
    balance : array or scipy sparse array, shape (k, m), optional
        What one person of each cell adds to each of m totals, for example the 0/1 incidence of
        records in margin cells. Needed by the cube method; the others do not look at it.
    rng : int, Generator or None
        The same int gives the same counts; for the cube method, on the same kind of machine with
        the same libraries (it solves linear equations, and ties hang on the last digit).

    Returns
    -------
    array of int64, shape (k,)
        People in each cell; the sum is n and the expectation is the expected counts.

    Raises
    ------
    PopgenError
        If n is not a whole number of at least 1, rng is no seed, a weight is negative or not
        finite (it is named), all weights are zero, the method is unknown, or the balance is missing
        for the cube method, not finite, or has another number of rows than there are weights.

    Notes
    -----
    The cube method [1]_ is exact in n, in the expectation, and in every count to less than 1.
    The totals ``balance.T @ counts`` are held exactly until at most one fractional cell per
    independent total is left; rounding those last ones moves a total by about one person, counted
    in its column's unit (so make the units comparable). There is no hard bound: over 1,500 random
    problems with four one-way margins the largest deviation of any margin cell had median 0.9 and
    maximum 1.7 people. Totals that are not in the balance gain from sorted cells too. Time grows
    with k, and with up to the square of m: zone by zone is cheaper than all zones in one matrix.

    References
    ----------
    .. [1] Deville & Tillé (2004), Biometrika 91:893-912, doi:10.1093/biomet/91.4.893

    Examples
    --------
    >>> integerise([1, 1, 2], 8).tolist()
    [2, 2, 4]
    >>> integerise([0.3, 0.3, 0.4], 5, rng=0).tolist()
    [2, 1, 2]

    Six records; the cube method keeps three women and three men whatever the draw:

    >>> sex = [[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]]
    >>> counts = integerise([2, 3, 4, 1, 2, 6], 6, method="cube", balance=sex, rng=0)
    >>> (counts @ np.array(sex)).tolist()
    [3, 3]
    """
    if method not in METHODS:
        raise PopgenError(f"unknown integerising method {method!r}; known: {listed(METHODS)}")
    expected = _expected(weights, n)
    generator = generator_of(rng)
    if method != "cube":
        return METHODS[method](expected, generator)
    if balance is None:
        raise PopgenError(
            "the cube method keeps totals and was told none; pass balance, one row per weight, "
            "or use method='systematic'"
        )
    return cube(expected, _matrix(balance, expected.size), generator)


def systematic(expected: Floats, rng: np.random.Generator) -> Counts:
    """Count the marks of a ruler with a random start that fall on each cell, laid end to end.

    Parameters
    ----------
    expected : array, shape (k,)        Expected counts, people; their sum is a whole number.
    rng : Generator                     One uniform number is drawn.

    Returns
    -------
    array of int64, shape (k,)          Every count, and the sum of every run of cells from the
                                        first on, is within 1 of its expectation.

    References
    ----------
    .. [1] Madow (1949), Annals of Mathematical Statistics 20:333-354

    Examples
    --------
    >>> systematic(np.array([0.5, 0.5, 2.0, 0.5, 0.5]), np.random.default_rng(0)).tolist()
    [1, 0, 2, 1, 0]
    """
    whole, fractions = _split(expected)
    marks = np.cumsum(fractions)
    total = round(marks[-1])
    marks = np.minimum(marks, total)
    marks[-1] = total
    passed = np.concatenate([[0.0], np.floor(marks + rng.random())])
    return whole + np.diff(passed).astype(np.int64)


def trs(expected: Floats, rng: np.random.Generator) -> Counts:
    """Truncate, replicate, sample: keep whole parts, sample the remainders without replacement.

    The paper [1]_ draws the cells to be topped up one after another, which favours small
    remainders. Here the cells are shuffled and sampled systematically, so a cell is topped up
    with probability exactly equal to its remainder, at most once.

    Parameters
    ----------
    expected : array, shape (k,)        Expected counts, people; their sum is a whole number.
    rng : Generator

    Returns
    -------
    array of int64, shape (k,)          Each count is its expectation rounded down or up.

    References
    ----------
    .. [1] Lovelace & Ballas (2013), Computers, Environment and Urban Systems 41:1-11,
       doi:10.1016/j.compenvurbsys.2013.03.004

    Examples
    --------
    >>> trs(np.array([2.5, 0.5, 1.0]), np.random.default_rng(0)).tolist()
    [2, 1, 1]
    """
    order = rng.permutation(expected.size)
    counts = np.empty(expected.size, dtype=np.int64)
    counts[order] = systematic(expected[order], rng)
    return counts


def multinomial(expected: Floats, rng: np.random.Generator) -> Counts:
    """Draw every person independently: the noisiest way, and the one a simple sample has.

    Parameters
    ----------
    expected : array, shape (k,)        Expected counts, people; their sum is a whole number.
    rng : Generator

    Returns
    -------
    array of int64, shape (k,)          Counts; one with expectation e has variance e(1 - e/n).

    Examples
    --------
    >>> multinomial(np.array([5.0, 0.0, 5.0]), np.random.default_rng(0)).tolist()
    [6, 0, 4]
    """
    counts = np.zeros(expected.size, dtype=np.int64)
    possible = expected > 0
    total = expected.sum()
    counts[possible] = rng.multinomial(round(total), expected[possible] / total)
    return counts


def cube(expected: Floats, balance: sparse.csr_array, rng: np.random.Generator) -> Counts:
    """Keep whole parts and round the remainders so that many totals stay where they are.

    Parameters
    ----------
    expected : array, shape (k,)        Expected counts, people; their sum is a whole number.
    balance : sparse array, (k, m)      What a person of each cell adds to each total.
    rng : Generator

    Returns
    -------
    array of int64, shape (k,)          Each count is its expectation rounded down or up, and
                                        ``balance.T @ counts`` is near ``balance.T @ expected``.

    References
    ----------
    .. [1] Deville & Tillé (2004), Biometrika 91:893-912, doi:10.1093/biomet/91.4.893
    .. [2] Chauvet & Tillé (2006), Computational Statistics 21:53-62 (the fast flight),
       doi:10.1007/s00180-006-0250-2

    Examples
    --------
    >>> halves, parts = np.array([1.5, 0.5, 1.5, 0.5]), sparse.csr_array([[1.0], [1], [0], [0]])
    >>> cube(halves, parts, np.random.default_rng(0)).tolist()
    [1, 1, 1, 1]
    """
    whole, fractions = _split(expected)
    return whole + round_balanced(fractions, balance, rng)


METHODS: dict[str, Callable[..., Counts]] = {
    "systematic": systematic,
    "trs": trs,
    "multinomial": multinomial,
    "cube": cube,
}


def whole_people(n: int) -> int:
    """Check a number of people to make: whole, at least 1, and not too many."""
    try:
        people = operator.index(n)
    except TypeError:
        raise PopgenError(f"n must be a whole number of people; got {n!r}") from None
    if people < 1:
        raise PopgenError(f"n must be at least 1 person; got {people}")
    if people > MOST_PEOPLE:
        raise PopgenError(f"n must be at most {MOST_PEOPLE:.0e} people; got {people}")
    return people


def _expected(weights: ArrayLike, n: int) -> Floats:
    """Check the weights and n, and scale the weights to n people."""
    people = whole_people(n)
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise PopgenError("weights must be numbers; convert or drop what is not") from None
    if values.ndim != 1 or not values.size:
        raise PopgenError(f"weights must be one row of numbers; got shape {values.shape}")
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        raise PopgenError(
            f"weights must be finite and not negative; weights[{bad[0]}] is {values[bad[0]]:g} "
            f"({bad.size} such of {values.size}); correct or drop them"
        )
    if not values.any():
        raise PopgenError(f"all {values.size} weights are zero: nobody to make {people} people of")
    values = values / values.max()  # so that no sum overflows
    expected: Floats = values * (people / values.sum())
    nearest = np.rint(expected)
    whole = np.abs(expected - nearest) <= ROUNDING * nearest
    expected[whole] = nearest[whole]
    return expected


def _split(expected: Floats) -> tuple[Counts, Floats]:
    """Part expected counts into whole people and fractions that add up to a whole number."""
    whole = np.floor(expected)
    fractions = expected - whole
    missing = round(expected.sum()) - whole.sum()
    scale = missing / fractions.sum() if missing else 0.0  # 1, but for rounding
    return whole.astype(np.int64), np.minimum(fractions * scale, 1.0)


def _matrix(balance: Any, rows: int) -> sparse.csr_array:
    """Check the balance and make it sparse by rows."""
    try:
        matrix = balance if sparse.issparse(balance) else np.asarray(balance, dtype=np.float64)
    except (TypeError, ValueError):
        raise PopgenError(
            "balance must be numbers, one row for each weight and one column for each total"
        ) from None
    if matrix.ndim != 2 or matrix.shape[0] != rows:
        raise PopgenError(
            f"balance must have one row for each of the {rows} weights and one column for each "
            f"total; got shape {matrix.shape}"
        )
    matrix = sparse.csr_array(matrix, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if not np.isfinite(matrix.data).all():
        raise PopgenError("balance holds a value that is not finite; correct or drop that row")
    return matrix

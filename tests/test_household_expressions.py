"""Conditions on records: what is understood, what is refused, and that nothing is ever run."""

import numpy as np
import polars as pl
import pytest

from popgen import PopgenError
from popgen.households.expressions import evaluated

HOMES = pl.DataFrame(
    {
        "NP": [1, 2, 5, None],
        "INC": [100.0, float("nan"), -5.0, 70.0],
        "TEN": ["own", "rent", None, "own"],
    }
)


def held(text: str) -> list[float]:
    return evaluated(text, HOMES, table="households", where="controls.csv").tolist()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("households.NP == 1", [1, 0, 0, 0]),
        ("(households.NP > 1) & (households.NP < np.inf)", [0, 1, 1, 0]),
        ("(NP == 1) | (TEN == 'rent')", [1, 1, 0, 0]),
        ("~(NP >= 2)", [1, 0, 0, 1]),
        ("NP != 1", [0, 1, 1, 1]),  # as in pandas: what is not recorded differs from everything
        ("INC > 50", [1, 0, 0, 1]),  # NaN is not recorded, not larger than all
        ("1 < NP <= 5", [0, 1, 1, 0]),
        ("NP.isin([1, 5])", [1, 0, 1, 0]),
        ("NP.isin([1, 5.0])", [1, 0, 1, 0]),
        ("NP.isin([])", [0, 0, 0, 0]),
        ("INC.isin([70, 100])", [1, 0, 0, 1]),  # numbers with gaps are read as decimals
        ("households['NP'].between(2, 4)", [0, 1, 0, 0]),
        ("TEN.isna()", [0, 0, 1, 0]),
        ("TEN.notnull() & (TEN != 'own')", [0, 1, 0, 0]),
        ("(NP + 1) * 2 - 4 == 0", [1, 0, 0, 0]),
        ("(NP % 2 == 1) & (NP // 2 >= 2)", [0, 0, 1, 0]),
        ("INC <= -5", [0, 0, 1, 0]),
        ("True", [1, 1, 1, 1]),
    ],
)
def test_conditions_are_what_pandas_makes_of_them(text: str, values: list[float]) -> None:
    assert held(text) == values


def test_a_number_is_added_up_as_it_is() -> None:
    frame = pl.DataFrame({"workers": [0, 2, 1]})
    assert evaluated("workers", frame, table="households", where="x").tolist() == [0, 2, 1]
    assert evaluated("workers / 2", frame, table="households", where="x").tolist() == [0, 1, 0.5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("NP ==", "is not a condition"),
        ("", "is not a condition"),
        ("AGE == 1", "households have no column 'AGE'; they have 'INC', 'NP', 'TEN'"),
        ("persons.NP == 1", "'persons' is not the table counted, 'households'"),
        ("NP == 1 & TEN == 'own'", "'1' is no condition; put each in brackets"),
        ("(NP == 1) and (NP == 2)", "is not understood; use comparisons, & | ~"),
        ("NP.sum()", "'.sum' is not understood; there are 'between', 'isin'"),
        ("NP.isin(3)", "'.isin' takes"),
        ("NP.isin([1, 'x'])", "'.isin' lists numbers and text, [1, 'x']; list either"),
        ("TEN.isin(['own', True])", "'.isin' lists numbers and text"),
        ("TEN.isin([1])", "compare numbers with numbers, text with text"),
        ("NP.isin([1, INC])", "'.isin' has a column in its list; list values"),
        ("NP == [1, 2]", "'[1, 2]' is not understood"),
        ("-'own' == TEN", "\"-'own'\" reckons with text; write a number"),
        ("'%9d' % 1 == TEN", "\"'%9d' % 1\" reckons with text"),
        ("'a' + 1 == TEN", "\"'a' + 1\" is no number: can only concatenate"),
        ("1 / 0 == NP", "'1 / 0' is no number: division by zero"),
        (f"NP > {'9' * 50}", "integer too large"),
        ("~" * 900 + "(NP == 1)", "is nested too deeply; write less in one"),
        ("1 == 1", "compares no column"),
        ("NP > 'own'", "cannot be evaluated"),
        ("NP & 1", "is no condition"),
        ("NP", "has no finite number in 1 record(s), first in row 4"),
        ("INC / 0", "has no finite number"),
        ("__import__('os').system('false')", "is not understood"),
        ("().__class__", "is not a column"),
        ("[x for x in NP]", "is not understood"),
        ("lambda: 1", "is not understood"),
        ("np.array", "'np' is not the table counted"),
        ("NP ** 9", "is not understood"),
        ("(" * 500 + "NP" + ")" * 500, "is not a condition"),
    ],
)
def test_everything_else_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(PopgenError, match=r"^controls\.csv: ") as refusal:
        held(text)
    assert says in str(refusal.value)


def test_conditions_agree_with_numpy_on_random_records() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 500), rng.normal(size=500)
    frame = pl.DataFrame({"a": a, "b": b})
    text = "((a > 3) & (b <= 0.5)) | ~(a + b < 2)"
    expected = ((a > 3) & (b <= 0.5)) | ~(a + b < 2)
    found = evaluated(text, frame, table="persons", where="x")
    np.testing.assert_array_equal(found, expected)


def test_narrow_whole_numbers_do_not_wrap_around() -> None:
    narrow = {
        "NP": pl.Series([1, 2, 5], dtype=pl.UInt8),
        "AGE": pl.Series([10, 40, 90], dtype=pl.Int8),
    }
    frame = pl.DataFrame(narrow)
    for text, values in (
        ("(NP - 2) < 0", [1, 0, 0]),
        ("AGE * 12", [120, 480, 1080]),
        ("AGE + AGE > 150", [0, 0, 1]),
    ):
        assert evaluated(text, frame, table="persons", where="x").tolist() == values


def test_text_between_two_texts_is_not_taken_for_columns() -> None:
    frame = pl.DataFrame({"S": ["b", "f", "z"], "a": ["a", "g", "a"], "m": ["m", "m", "m"]})
    found = evaluated("S.between('a', 'm')", frame, table="households", where="x")
    assert found.tolist() == [1, 1, 0]

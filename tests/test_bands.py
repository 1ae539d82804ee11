"""Bands of a number, and the numbers that records keep beside their levels."""

import math
import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from popgen import (
    Bands,
    Codebook,
    Domain,
    Microdata,
    PopgenError,
    Population,
    Variable,
    read_codebook,
    read_microdata,
)
from popgen.domain import Coarsening

EDGES = [0, 18, 65, math.inf]
RAW = pl.DataFrame({"age": [3, 17, 18, 64, 65, 101], "sex": ["f", "m", "f", "m", "f", "m"]})
TOML = """
[variables.age]
levels = ["child", "adult", "old", "unknown"]
[variables.sex]
levels = ["f", "m"]
[recode.age]
column = "AGEP"
edges = [0, 18, 65, inf]
unit = "years"
values = { "N" = "unknown" }
missing = "unknown"
"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "codebook.toml").write_text(TOML)
    return read_codebook(tmp_path / "codebook.toml")


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8, unique=True).map(sorted),
    st.lists(st.floats(-2e6, 2e6), min_size=1, max_size=30),
)
def test_a_value_is_in_the_band_whose_edges_hold_it(edges, values):
    for value, band in zip(values, Bands.named(edges).find(np.array(values)), strict=True):
        if band < 0:
            assert not edges[0] <= value < edges[-1]
        else:
            assert edges[band] <= value < edges[band + 1]


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        ([0, 18, 65, math.inf], ("0-17", "18-64", "65+")),
        ([-math.inf, 0, 1, 2], ("<0", "0", "1")),
        ([0, 0.5, math.inf], ("0.0 to 0.5", "0.5+")),
        ([-math.inf, math.inf], ("all",)),
    ],
)
def test_bands_are_named_after_their_edges(edges, names):
    assert Bands.named(edges).levels == names


@pytest.mark.parametrize(
    ("levels", "edges", "says"),
    [
        (("a",), [0], "at least two; got 0"),
        (("a", "b"), [0, 2, 1], "must rise, and be at least two; got 0, 2, 1"),
        (("a", "b"), [0, math.nan, 1], "must rise"),
        (("a", "b"), [0, 1], "2 bands 'a', 'b' have 3 edges; got 2: 0, 1"),
        (("a",), ["low", 1], "must be numbers"),
        (("a", "a"), [0, 1, 2], "variable 'bands' has duplicate levels: 'a'"),
        ("ab", [0, 1, 2], "needs a list of levels; got the text 'ab'"),
        ((1, 2), [0, 1, 2], "levels that are not non-empty texts: 1, 2"),
    ],
)
def test_refuses_edges_that_are_no_bands(levels, edges, says):
    with pytest.raises(PopgenError, match=says):
        Bands(levels, edges)


def test_reading_bins_a_number_and_keeps_it():
    survey = read_microdata(RAW, bands={"age": EDGES})
    assert survey.domain["age"].levels == ("0-17", "18-64", "65+")
    assert survey.column("age").tolist() == [0, 0, 1, 1, 2, 2]
    assert survey.values["age"].tolist() == RAW["age"].to_list()
    assert not survey.values["age"].flags.writeable
    assert survey.column("sex").tolist() == [0, 1, 0, 1, 0, 1]


def test_a_codebook_says_what_the_bands_are_and_what_is_no_number(book):
    raw = pl.DataFrame({"AGEP": ["3", "18.0", "N", None, "70"], "sex": list("fmfmf")})
    survey = read_microdata(raw, book)
    assert survey.column("age").tolist() == [0, 1, 3, 3, 2]
    np.testing.assert_array_equal(survey.values["age"], [3, 18, np.nan, np.nan, 70])
    assert str(book.bands["age"]) == "0, 18, 65, inf years"
    assert pickle.loads(pickle.dumps(book)).bands == book.bands


def test_bands_given_for_a_codebook_take_its_levels():
    codebook = Codebook.of([Variable("age", ("child", "adult", "old"))])
    survey = read_microdata(RAW, codebook, bands={"age": EDGES})
    assert survey.domain["age"].levels == ("child", "adult", "old")
    with pytest.raises(PopgenError, match="bands of 'age': 3 bands 'child', 'adult', 'old' have 4"):
        read_microdata(RAW, codebook, bands={"age": EDGES[1:]})


def test_what_is_written_is_read_back_with_its_values(tmp_path, book):
    raw = pl.DataFrame({"AGEP": ["3", "18.5", "N", "70"], "sex": list("fmfm")})
    survey = read_microdata(raw, book)
    for ending in ("csv", "parquet", "arrow"):
        file = survey.write(tmp_path / f"survey.{ending}")
        again = read_microdata(file, book, weight="weight")
        np.testing.assert_array_equal(again.codes, survey.codes)
        np.testing.assert_array_equal(again.values["age"], survey.values["age"])


def test_single_years_are_numbers_whatever_the_levels_are_called():
    raw = pl.DataFrame({"age": [0, 1, 1, 2]})
    assert read_microdata(raw, bands={"age": [0, 1, 2, 3]}).values["age"].tolist() == [0, 1, 1, 2]
    coded = Codebook.of([Variable("age", ("1", "2"))])  # codes of bands, not ages
    survey = read_microdata(pl.DataFrame({"age": [1, 2]}), coded, bands={"age": [0, 18, 99]})
    assert survey.column("age").tolist() == [0, 1]
    assert not survey.values


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (
            ["3", "old"],
            "'age' is not a number in 1 row.s., first 'old' in row 2; leave such values",
        ),
        ([3.0, -1.0], "1 value.s. outside the bands 0, 18, 65, inf, first -1 in row 2; widen"),
        ([3, None], "1 of 2 records miss a value .age 1."),
        ([True, False], "'age' is not a number in 2 row"),
        (["3", "inf"], "'age' is not a number in 1 row"),
    ],
)
def test_refuses_what_is_no_number_of_a_band(column, says):
    with pytest.raises(PopgenError, match=says):
        read_microdata(pl.DataFrame({"age": column}), bands={"age": EDGES})


def test_refuses_bands_of_what_is_not_read_and_numbers_that_contradict_levels():
    with pytest.raises(PopgenError, match="bands are given of 'income', which is not read"):
        read_microdata(RAW, bands={"income": [0, 1]})
    both = pl.DataFrame({"age": ["0-17", "65+"], "age_value": [7.0, 64.0]})
    with pytest.raises(PopgenError, match=r"1 value.s. of 'age_value' lie in another band than "):
        read_microdata(both, bands={"age": EDGES})


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('column = "AGEP"', "needs 'column', and 'values' or 'edges'"),
        ('column = "A"\nedges = [0, 1, 2]', "bands of 'age': 4 bands"),
        ('column = "A"\nedges = [0, 1, 2]\notherwise = "old"', "'otherwise' would never be used"),
    ],
)
def test_refuses_a_codebook_whose_bands_do_not_add_up(tmp_path, entry, says):
    (tmp_path / "codebook.toml").write_text(TOML.split("[recode")[0] + "[recode.age]\n" + entry)
    with pytest.raises(PopgenError, match=says):
        read_codebook(tmp_path / "codebook.toml")


def survey():
    return read_microdata(RAW, bands={"age": EDGES})


def test_values_follow_their_records():
    records = survey()
    assert records.take(records.column("sex") == 0).values["age"].tolist() == [3, 18, 65]
    half = Coarsening.from_groups(
        records.domain["age"], "half", {"a": ["0-17"], "b": ["18-64", "65+"]}
    )
    assert records.with_coarse(half).values["age"].tolist() == RAW["age"].to_list()
    again = pickle.loads(pickle.dumps(records))
    np.testing.assert_array_equal(again.values["age"], records.values["age"])
    assert not again.values["age"].flags.writeable


def test_counts_repeat_values_and_dropping_drops_them():
    raw = pl.DataFrame({"age": [3, None, 70], "n": [2, 1, 3]})
    records = read_microdata(raw, bands={"age": EDGES}, count="n", missing="drop")
    assert records.values["age"].tolist() == [3, 3, 70, 70, 70]
    kept = read_microdata(raw, bands={"age": EDGES}, count="n", missing="level")
    np.testing.assert_array_equal(kept.values["age"], [3, 3, np.nan, 70, 70, 70])
    assert kept.domain["age"].levels[-1] == "missing"


def test_values_have_a_column_of_their_own():
    records = survey()
    assert records.to_polars().columns == ["age", "sex", "age_value", "weight"]
    people = Population(records.domain, records.codes, values=records.values)
    assert people.to_polars()["age_value"].to_list() == RAW["age"].to_list()
    assert people.cells().columns == ["age", "sex", "count"]


def test_refuses_values_that_do_not_fit_the_records():
    age = Variable("age", ("young", "old"))
    domain = Domain((age, Variable("age_value", ("a",))))
    codes = [[0, 0], [1, 0]]
    with pytest.raises(PopgenError, match="no variable 'income' here"):
        Microdata(domain, codes, values={"income": [1, 2]})
    with pytest.raises(PopgenError, match=r"2 records need as many values of 'age'; got \(1,\)"):
        Microdata(domain, codes, values={"age": [1]})
    with pytest.raises(PopgenError, match="1 of 2 values of 'age' are infinite"):
        Microdata(domain, codes, values={"age": [1, math.inf]})
    with pytest.raises(PopgenError, match="values of 'age' must be numbers"):
        Microdata(domain, codes, values={"age": ["x", 1]})
    with pytest.raises(PopgenError, match="'age_value' leaves no name for the column"):
        Microdata(domain, codes, values={"age": [1, 2]}).to_polars()

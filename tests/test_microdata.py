import json
import pickle
import sys
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from strategies import microdata, orders, some_of

from popgen import Domain, Microdata, PopgenError, Population, Variable, read_microdata
from popgen.writing import sha256

SEX = Variable("sex", ("f", "m"))
AGE = Variable("age", ("young", "old", "oldest"))
DOMAIN = Domain((SEX, AGE))
SURVEY = Microdata(DOMAIN, [[0, 0], [1, 2], [1, -1]], [10.0, 20.0, 30.0])
PEOPLE = Population(DOMAIN, [[0, 0], [1, 2], [1, 2]], provenance={"method": "by hand"})


def test_projecting_weighs_records():
    assert SURVEY.project("sex").counts.tolist() == [10, 50]
    assert float(SURVEY.project().counts) == 60
    assert PEOPLE.project("age", "sex").counts.tolist() == [[1, 0], [0, 0], [0, 2]]


def test_missing_values_are_never_dropped_silently():
    message = "1 of 3 records have no 'age'; read them with missing='drop' or missing='level'"
    with pytest.raises(PopgenError, match=message):
        SURVEY.project("sex", "age")


def test_effective_size_is_kishs():
    assert SURVEY.effective_size == pytest.approx(60**2 / (100 + 400 + 900))
    assert PEOPLE.effective_size == len(PEOPLE) == 3


def test_records_are_copied_and_read_only():
    codes = np.zeros((2, 2), dtype=np.int16)
    records = Microdata(DOMAIN, codes)
    codes[0, 0] = 1
    assert records.codes[0, 0] == 0
    assert records.weights.tolist() == [1, 1]
    for array in (records.codes, records.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_taking_records_keeps_their_weights():
    assert SURVEY.take(np.array([True, False, True])).weights.tolist() == [10, 30]
    assert SURVEY.take(np.array([1])).project("age").counts.tolist() == [0, 0, 20]


@pytest.mark.parametrize(
    ("codes", "weights", "message"),
    [
        ([[0]], None, r"need codes of shape \(n, 2\); got \(1, 1\)"),
        (np.zeros((0, 2), int), None, "there are no records; give at least one"),
        ([[0, 3]], None, r"codes of 'age' run from 3 to 3; they must lie in -1\.\.2"),
        ([[-2, 0]], None, "codes of 'sex' run from -2 to -2"),
        ([[65536, 0]], None, "codes of 'sex' run from 65536 to 65536"),  # would wrap to 0
        ([[0.5, 0]], None, "must be whole numbers; got float64"),
        ([["f", "young"]], None, "must be whole numbers"),
        ([[0, 0]], [1, 2], r"1 records need as many weights; got \(2,\)"),
        ([[0, 0], [1, 1]], [1, 0], "1 design weight.* not positive numbers, first 0 of record 1"),
        ([[0, 0]], [np.nan], "first nan of record 0; a record that stands for nobody must be left"),
        ([[0, 0]], [np.inf], "not positive numbers, first inf"),
        ([[0, 0]], ["much"], "design weights must be numbers: could not convert"),
    ],
)
def test_records_that_make_no_sense_are_refused(codes, weights, message):
    with pytest.raises(PopgenError, match=message):
        Microdata(DOMAIN, codes, weights)


def test_more_levels_than_codes_can_tell_apart_are_refused():
    tract = Variable("tract", tuple(map(str, range(40_000))))
    with pytest.raises(PopgenError, match="'tract' has 40,000 levels; records can tell 32,767"):
        Microdata(Domain((tract,)), [[39_999]])


def test_a_joint_too_large_for_a_table_is_refused():
    wide = Domain(tuple(Variable(f"v{i}", tuple("abcdefghij")) for i in range(12)))
    records = Microdata(wide, np.zeros((3, 12), int))
    with pytest.raises(PopgenError, match="has 1,000,000,000,000 cells, too many for a table"):
        records.project(*wide.names)


def test_everyone_in_a_population_is_one_person():
    with pytest.raises(PopgenError, match="one person: weights must all be 1"):
        Population(DOMAIN, [[0, 0]], [2.0])


def test_cells_count_the_kinds_of_people():
    assert PEOPLE.cells().rows() == [("m", "oldest", 2), ("f", "young", 1)]
    people = Population(Domain((Variable("count", ("a", "b")),)), [[0], [1]])
    with pytest.raises(PopgenError, match="a variable named 'count' leaves no name"):
        people.cells()


# to other libraries


def test_polars_columns_are_enums_with_all_levels_and_nulls():
    frame = SURVEY.to_polars()
    assert frame.schema["age"] == pl.Enum(AGE.levels)
    assert frame["age"].to_list() == ["young", "oldest", None]
    assert frame["weight"].to_list() == [10, 20, 30]  # a survey without its weights is another one
    assert PEOPLE.to_polars().columns == ["sex", "age"]


def test_a_variable_named_weight_is_refused_in_a_frame():
    heavy = Microdata(Domain((Variable("weight", ("a", "b")),)), [[0]])
    with pytest.raises(PopgenError, match="a variable named 'weight' leaves no name"):
        heavy.to_polars()


def test_pandas_columns_are_categorical():
    frame = PEOPLE.to_pandas()
    assert isinstance(frame["age"].dtype, pd.CategoricalDtype)
    assert frame["age"].tolist() == ["young", "oldest", "oldest"]


def test_pandas_is_asked_for_by_name_when_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PopgenError, match="to_pandas needs pandas, which is not installed: pip in"):
        PEOPLE.to_pandas()


def test_arrow_libraries_read_records_through_the_capsule():
    expected = PEOPLE.to_polars()
    assert pl.DataFrame(PEOPLE).cast(pl.String).equals(expected.cast(pl.String))
    assert pa.table(PEOPLE).to_pydict() == expected.to_dict(as_series=False)
    assert PEOPLE.to_arrow().column("sex").to_pylist() == ["f", "m", "m"]
    assert pd.DataFrame.from_arrow(PEOPLE)["age"].tolist() == ["young", "oldest", "oldest"]


def test_records_that_leave_come_back_the_same():
    complete = SURVEY.take(np.array([0, 1]))
    back = read_microdata(complete.to_polars(), weight="weight")
    assert back.weights.tolist() == [10, 20]
    assert back.to_polars()["age"].to_list() == ["young", "oldest"]


def test_records_can_go_to_another_process():
    again = pickle.loads(pickle.dumps(PEOPLE))
    assert again.domain == PEOPLE.domain
    assert again.codes.tolist() == PEOPLE.codes.tolist()
    assert again.provenance == PEOPLE.provenance


# files


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".arrow", ".PARQUET"])
def test_people_are_written_with_their_provenance(tmp_path, ending):
    path = PEOPLE.write(tmp_path / f"people.v1{ending}")
    if ending != ".PARQUET":
        back = read_microdata(path)
        assert back.project("sex", "age").total == 3
    record = json.loads((tmp_path / f"{path.name}.provenance.json").read_text())
    assert record["method"] == "by hand"
    assert record["file"] == path.name
    assert len(record["sha256"]) == 64
    assert len(list(tmp_path.iterdir())) == 2


def test_two_files_of_one_stem_keep_a_provenance_each(tmp_path):
    for ending in (".parquet", ".csv"):
        PEOPLE.write(tmp_path / f"people{ending}")
    for ending in (".parquet", ".csv"):
        record = json.loads((tmp_path / f"people{ending}.provenance.json").read_text())
        assert record["file"] == f"people{ending}"
        assert record["sha256"] == sha256(tmp_path / f"people{ending}")


def test_weights_are_written_with_the_records(tmp_path):
    path = SURVEY.take(np.array([0, 1])).write(tmp_path / "survey.csv")
    assert path.read_text() == "sex,age,weight\nf,young,10.0\nm,oldest,20.0\n"


def test_an_unknown_ending_is_refused(tmp_path):
    message = "give a name ending in '.parquet', '.csv', '.arrow'"
    with pytest.raises(PopgenError, match=message):
        PEOPLE.write(tmp_path / "people.xlsx")
    assert not list(tmp_path.iterdir())


def test_people_whose_provenance_cannot_be_written_are_not_written_either(tmp_path):
    old = tmp_path / "people.csv"
    old.write_text("old")
    (tmp_path / "people.csv.provenance.json").mkdir()
    with pytest.raises(PopgenError, match=r"provenance.json: it is a folder; give a file's name"):
        PEOPLE.write(old)
    assert old.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


# invariances


@given(st.data())
def test_projecting_is_a_group_by(data):
    records = data.draw(microdata())
    names = data.draw(some_of(records.domain.names))
    counted = records.to_polars().group_by(names).agg(pl.col("weight").sum())
    by_cell = {tuple(row[:-1]): row[-1] for row in counted.rows()}
    table = records.project(*names)
    for *levels, count in table.to_polars().rows():
        assert count == by_cell.get(tuple(levels), 0)
    assert table.total == records.weights.sum()


@given(st.data())
def test_order_of_records_changes_no_table(data):
    records = data.draw(microdata())
    shuffled = records.take(np.array(data.draw(orders(range(len(records))))))
    names = records.domain.names
    assert shuffled.project(*names).counts.tolist() == records.project(*names).counts.tolist()


@given(microdata())
def test_a_record_in_two_halves_is_the_same_record(records):
    codes = np.vstack([records.codes, records.codes])
    halves = Microdata(records.domain, codes, np.tile(records.weights / 2, 2))
    names = records.domain.names
    assert halves.project(*names).counts.tolist() == records.project(*names).counts.tolist()


@given(microdata(), st.integers(-10, 10))
def test_effective_size_does_not_depend_on_the_scale_of_weights(records, power):
    scaled = Microdata(records.domain, records.codes, records.weights * 2.0**power)
    assert scaled.effective_size == pytest.approx(records.effective_size)
    assert 1 <= records.effective_size * (1 + 1e-12) <= len(records) * (1 + 1e-9)


def test_a_million_people_take_little_memory():
    levels = tuple(f"level {i}" for i in range(12))
    domain = Domain(tuple(Variable(f"v{i}", levels) for i in range(10)))
    codes = np.random.default_rng(0).integers(0, 12, (1_000_000, 10), dtype=np.int16)
    tracemalloc.start()
    people = Population(domain, codes)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 30e6  # 20 MB of codes, 8 MB of weights
    assert people.project("v1", "v2", "v3").total == 1_000_000
    assert people.to_polars().estimated_size() < 50e6

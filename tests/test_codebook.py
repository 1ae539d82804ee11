import pickle

import pytest

from popgen import Coarsening, Codebook, PopgenError, Variable, read_codebook

AGE = Variable("age", ("0-17", "18-19", "20-24", "25-64", "65+"))
BAND = Coarsening.from_groups(
    AGE, "band", {"18-24": ["18-19", "20-24"], "25-64": ["25-64"], "65+": ["65+"]}
)
OLD = Coarsening.from_groups(BAND.coarse, "old", {"no": ["18-24", "25-64"], "yes": ["65+"]})
WORK = Coarsening.from_groups(AGE, "work", {"18-64": ["18-19", "20-24", "25-64"], "65+": ["65+"]})
BOOK = Codebook.of([AGE], [BAND, OLD, WORK])

TOML = """
[variables.sex]
description = "sex"
levels = ["f", "m"]

[variables.old] # may stand before what it coarsens
coarsens = "age"
[variables.old.levels]
"65+" = ["65+"]

[variables.age]
levels = ["0-64", "65+"]

[recode.sex]
column = "SEX"
values = { "1" = "m", "2" = "f" }
missing = "f"
"""


def written(folder, text):
    path = folder / "codebook.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_codebook_is_read(tmp_path):
    book = read_codebook(written(tmp_path, TOML))
    assert book["sex"].levels == ("f", "m")
    assert book.path("age", "old").codes.tolist() == [-1, 0]
    assert book.recodes["sex"].values == {"1": "m", "2": "f"}
    assert book.domain("old", "sex").names == ("old", "sex")


def test_a_codebook_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "codebook.toml"
    path.write_text(TOML, encoding="utf-8-sig")
    assert "sex" in read_codebook(path)


def test_paths_are_composed():
    assert BOOK.root("old") == AGE
    assert BOOK.path("age", "old").codes.tolist() == [-1, 0, 0, 0, 1]
    assert BOOK.path("age", "age").trivial
    assert BOOK.path("old", "age") is None


def test_paths_are_found_between_bands_that_nest():
    assert BOOK.path("band", "work").codes.tolist() == [0, 0, 1]
    assert BOOK.path("work", "band") is None
    assert BOOK.path("old", "work").codes.tolist() == [0, 1]  # the same bands, by other names
    assert BOOK.path("work", "old").codes.tolist() == [0, 1]


def test_unrelated_variables_have_no_path():
    book = Codebook.of([AGE, Variable("sex", ("f", "m"))])
    assert book.path("age", "sex") is None


def test_covering_everybody():
    assert BOOK.covers("age")
    assert not BOOK.covers("band")


def test_keeping_levels_cuts_coarse_variables_too():
    adults = BOOK.keeping({"age": ["20-24", "25-64", "65+"]})
    assert adults["age"].levels == ("20-24", "25-64", "65+")
    assert adults.path("age", "band").codes.tolist() == [-1, 1, 2]  # 18-24 straddles now


def test_codebooks_are_frozen_and_can_go_to_another_process():
    with pytest.raises(TypeError):
        BOOK.variables["x"] = AGE
    again = pickle.loads(pickle.dumps(BOOK))
    assert again["band"] == BAND.coarse
    assert again.path("age", "old").codes.tolist() == [-1, 0, 0, 0, 1]


def test_an_unknown_variable_is_named_with_those_there_are():
    with pytest.raises(PopgenError, match="codebook has no variable 'race'; it has 'age', 'band'"):
        BOOK["race"]


def test_coarsenings_must_fit_the_variables():
    with pytest.raises(PopgenError, match="disagree on the variable 'age' or its levels '0-17'"):
        Codebook.of([Variable("age", ("0-64", "65+"))], [BAND])
    with pytest.raises(PopgenError, match="disagree on the variable 'band'"):
        Codebook.of([AGE, Variable("band", ("18-24",))], [BAND])


def test_a_variable_coarsens_one_other():
    other = Coarsening.from_groups(Variable("x", ("a",)), "band", {"18-24": ["a"]})
    with pytest.raises(PopgenError, match="two coarsenings onto one of 'band'"):
        Codebook.of([AGE], [BAND, other])


def test_coarsenings_in_a_circle_are_refused():
    a, b = Variable("a", ("x",)), Variable("b", ("x",))
    with pytest.raises(PopgenError, match=r"in a circle: .*; leave one out"):
        Codebook.of([a, b], [Coarsening(a, b, [0]), Coarsening(b, a, [0])])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[variables.sex]\n", "variable 'sex' has no 'levels'"),
        ('[variables.sex]\nlevels = ["f", "f"]', "'sex' has duplicate levels: 'f'"),
        ('[variables.sex]\nlevels = "fm"', "needs a list of levels; got the text 'fm'"),
        ("[variables.sex]\nlevels = [1, 2]", "levels that are not non-empty texts: 1, 2"),
        (
            '[variables.sex]\ncoarsen = "x"\nlevels = { f = ["f"] }',  # a slip for coarsens
            "variable 'sex': 'levels' must be a list, or, with 'coarsens', a table",
        ),
        ('[variables.a]\ncoarsens = "b"\nlevels = { x = ["y"] }', "'a' coarsen variables that the"),
        (
            '[variables.b]\nlevels = ["x"]\n[variables.a]\ncoarsens = "b"\nlevels = { y = ["z"] }',
            "variable 'b' has no level 'z'",
        ),
        ('[recode.sex]\ncolumn = "SEX"\nvalues = {}', "recode of 'sex': no such variable"),
        (
            '[variables.sex]\nlevels = ["f"]\n[recode.sex]\ncolumn = "S"',
            "needs 'column', and 'values' or",
        ),
        (
            '[variables.sex]\nlevels = ["f"]\n[recode.sex]\ncolumn = "S"\nvalues = { "1" = "m" }',
            "variable 'sex' has no level 'm'; it has 'f'",
        ),
        ("[variables", "is not valid TOML: "),
    ],
)
def test_a_codebook_that_makes_no_sense_is_refused_with_its_path(tmp_path, text, message):
    with pytest.raises(PopgenError, match=f"codebook.toml.*{message}"):
        read_codebook(written(tmp_path, text))


def test_an_absent_or_unreadable_codebook_is_named(tmp_path):
    with pytest.raises(PopgenError, match=r"there is no file .*absent\.toml"):
        read_codebook(tmp_path / "absent.toml")
    with pytest.raises(PopgenError, match="cannot be read: Is a directory"):
        read_codebook(tmp_path)
    (tmp_path / "latin.toml").write_bytes("x = 'é'".encode("latin-1"))
    with pytest.raises(PopgenError, match=r"latin\.toml is not UTF-8 text \(.*\); save it as UTF"):
        read_codebook(tmp_path / "latin.toml")

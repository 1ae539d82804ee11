import hashlib
import os
import pickle

import polars as pl
import pytest

from popgen import PopgenError, Problem, catalog, read_census
from popgen.folder import Folder, shipped_places
from popgen.table import Projectable

SOURCE = """
title = "Two towns"
place = "towns"
agency = "Town Hall"
vintage = 2020
zone = "town"
default_universe = "adults"

[universes.people]
description = "everybody"

[universes.adults]
description = "aged 18 and over"
margins = ["sex_age", "sex_work"]
keep = { age = ["18-64", "65+"] }
panel = ["sex_age"]
seed = "sex_work"

[[margins]]
name = "sex_age"
file = "sex_age.csv"
table = "T1"
variables = ["town", "sex", "age"]
universe = "people"
description = "sex by age"

[[margins]]
name = "sex_work"
file = "sex_work.csv"
variables = ["town", "sex", "work"]
universe = "adults"

[[margins]]
name = "country"
file = "country.csv"
variables = ["sex"]
universe = "people"
"""

CODEBOOK = """
[variables.town]
levels = ["01", "02"]
[variables.sex]
levels = ["f", "m"]
[variables.age]
levels = ["0-17", "18-64", "65+"]
[variables.work]
levels = ["no", "yes"]
"""

SEX_AGE = """town,sex,age,count,se
01,f,0-17,10,1
01,f,18-64,30,2
01,f,65+,10,0
01,m,0-17,11,1
01,m,18-64,31,2
01,m,65+,8,0
02,f,0-17,1,1
02,f,18-64,3,1
02,m,0-17,2,1
02,m,18-64,4,1
"""

FILES = {
    "SOURCE.toml": SOURCE,
    "codebook.toml": CODEBOOK,
    "sex_age.csv": SEX_AGE,
    "sex_work.csv": "town,sex,work,count\n01,f,no,10\n01,f,yes,30\n01,m,no,9\n01,m,yes,30\n",
    "country.csv": "sex,count\nf,54\nm,56\n",
}


@pytest.fixture
def towns(tmp_path):
    folder = tmp_path / "towns"
    write(folder, FILES)
    return folder


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def edit(folder, name, old, new):
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def test_a_zone_and_a_universe_are_cut_out(towns):
    census = read_census(towns, zone="01")
    assert (census.place, census.universe, census.zone) == ("towns", "adults", "01")
    table = census.margins["sex_age"]
    assert table.names == ("sex", "age")
    assert table.counts.tolist() == [[30, 10], [31, 8]]
    assert table.se.tolist() == [[2, 0], [2, 0]]
    assert census.codebook["age"].levels == ("18-64", "65+")
    assert census.sources["sex_age"].table == "T1"
    assert census.sources["sex_age"].details["description"] == "sex by age"
    assert census.about["agency"] == "Town Hall"
    assert Problem(census.margins, codebook=census.codebook).total == 79


def test_a_census_is_projectable(towns):
    census = read_census(towns, zone="01")
    assert isinstance(census, Projectable)
    assert census.project("age").counts.tolist() == [61, 18]
    assert census.domain.names == ("sex", "age")


def test_a_seed_comes_with_the_universe(towns):
    assert read_census(towns, zone="01").seed.names == ("sex", "work")
    assert read_census(towns, zone="01", universe="people", margins=["sex_age"]).seed is None


def test_a_level_that_a_zone_does_not_state_makes_a_partial_margin(towns):
    census = read_census(towns, zone="02", universe="people", margins=["sex_age"])
    assert census.margins["sex_age"].domain["age"].levels == ("0-17", "18-64")
    assert census.codebook["age"].levels == ("0-17", "18-64", "65+")


def test_without_a_zone_the_zone_is_a_variable(towns):
    edit(towns, "sex_age.csv", "02,m,18-64,4,1\n", "02,m,18-64,4,1\n02,f,65+,0,1\n02,m,65+,0,1\n")
    census = read_census(towns, universe="people", margins=["sex_age"])
    assert census.margins["sex_age"].names == ("town", "sex", "age")
    assert census.project("town").counts.tolist() == [100, 10]


def test_levels_that_only_some_zones_state_are_pointed_out(towns):
    message = r"2 of 12 cells are not stated, first \(town=02, sex=f, age=65\+\);.* read one zone"
    with pytest.raises(PopgenError, match=message):
        read_census(towns, universe="people", margins=["sex_age"])


def test_a_variable_that_says_no_more_in_a_universe_is_summed_out(towns):
    edit(towns, "SOURCE.toml", 'age = ["18-64", "65+"]', 'age = ["18-64"]')
    assert read_census(towns, zone="01").margins["sex_age"].names == ("sex",)


def test_several_names_may_be_asked_for(towns):
    census = read_census(towns, zone="01", margins=["sex_work", "sex_age"])
    assert list(census.margins) == ["sex_work", "sex_age"]


def test_a_folder_without_zones_or_universes(tmp_path):
    source = '[[margins]]\nname = "country"\nfile = "country.csv"\nvariables = ["sex"]\n'
    write(tmp_path, {**FILES, "SOURCE.toml": source})
    census = read_census(tmp_path)
    assert census.project("sex").counts.tolist() == [54, 56]
    with pytest.raises(PopgenError, match=r"has no universe 'adults'; SOURCE.toml describes none"):
        read_census(tmp_path, universe="adults")
    with pytest.raises(PopgenError, match="has no zone '01'; it is one zone"):
        read_census(tmp_path, zone="01")


LONG = """variable_1,level_1,variable_2,level_2,count,se
sex,f,age,0-17,10,1
sex,f,age,18-64,20,1
sex,m,age,0-17,30,1
sex,m,age,18-64,40,1
work,no,sex,f,5,0
work,no,sex,m,6,0
work,yes,sex,f,7,0
work,yes,sex,m,8,0
sex,f,,,50,2
sex,m,,,60,2
"""
LONG_SOURCE = '[[margins]]\nname = "all"\nfile = "all.csv"\nlayout = "long"\n'


def test_a_long_file_holds_many_tables(tmp_path):
    write(tmp_path, {**FILES, "SOURCE.toml": LONG_SOURCE, "all.csv": LONG})
    margins = read_census(tmp_path).margins
    assert list(margins) == ["sex_age", "work_sex", "sex"]
    assert margins["sex_age"].counts.tolist() == [[10, 20], [30, 40]]
    assert margins["work_sex"].counts.tolist() == [[5, 6], [7, 8]]
    assert margins["sex"].se.tolist() == [2, 2]


def test_a_long_file_is_cut_to_a_zone(tmp_path):
    long = "variable_1,level_1,variable_2,level_2,count\ntown,01,sex,f,1\ntown,01,sex,m,2\n"
    source = f'zone = "town"\n{LONG_SOURCE}'
    write(tmp_path, {**FILES, "SOURCE.toml": source, "all.csv": long})
    margins = read_census(tmp_path, zone="01").margins
    assert margins["town_sex"].names == ("sex",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("variable_1,level_1", "first,level_1", "has no column 'variable_1'"),
        ("variable_1,level_1", "variable_1,first", "has no column 'level_1'"),
        ("sex,f,age,0-17,10", "sex,x,age,0-17,10", "all.csv: column 'sex' has .* codebook: 'x'"),
        ("sex,f,age,0-17,10", "sex,f,age,0-17,-1", r"all.csv: count -1 in cell \(sex=f, age=0-17"),
        ("work,no,sex,f", "home,no,sex,f", "the codebook has no variable 'home'"),
    ],
)
def test_mistakes_in_a_long_file_are_named_with_its_path(tmp_path, old, new, message):
    files = {**FILES, "SOURCE.toml": LONG_SOURCE, "all.csv": LONG.replace(old, new)}
    write(tmp_path, files)
    with pytest.raises(PopgenError, match=message):
        read_census(tmp_path)


def test_tables_of_one_name_from_two_files_are_refused(tmp_path):
    source = f'{LONG_SOURCE}[[margins]]\nname = "sex"\nfile = "country.csv"\nvariables = ["sex"]\n'
    write(tmp_path, {**FILES, "SOURCE.toml": source, "all.csv": LONG})
    with pytest.raises(PopgenError, match="two margins give tables named 'sex'"):
        read_census(tmp_path)


# refusals


def test_a_zone_that_is_not_there_is_refused(towns):
    with pytest.raises(PopgenError, match="towns has no zone '03'; it has '01', '02'"):
        read_census(towns, zone="03")


def test_a_zone_that_is_not_in_the_table_is_refused(towns):
    with pytest.raises(PopgenError, match=r"sex_work\.csv has no zone '02'; it has '01'"):
        read_census(towns, zone="02", margins=["sex_work"])


def test_a_margin_of_all_zones_is_not_taken_for_one(towns):
    message = r"country\.csv is not stated by 'town': .* for all zones; leave the margin out for zo"
    with pytest.raises(PopgenError, match=message):
        read_census(towns, zone="01", universe="people", margins=["country"])


def test_an_unknown_universe_is_refused(towns):
    with pytest.raises(PopgenError, match="no universe 'all'; name one of 'people', 'adults'"):
        read_census(towns, universe="all")


def test_a_universe_is_named_if_the_folder_has_no_default(towns):
    edit(towns, "SOURCE.toml", 'default_universe = "adults"', "")
    with pytest.raises(PopgenError, match="no universe ''; name one of 'people', 'adults'"):
        read_census(towns)


def test_a_margin_of_another_universe_is_refused(towns):
    message = "margin 'sex_work' counts 'adults' and cannot be cut down to 'people'; leave it out"
    with pytest.raises(PopgenError, match=message):
        read_census(towns, zone="01", universe="people", margins=["sex_work"])


def test_a_margin_without_any_level_of_the_universe_is_refused(towns):
    edit(towns, "SOURCE.toml", 'age = ["18-64", "65+"]', 'age = ["65+"]')
    message = "margin 'sex_age' states no level of 'age' that 'adults' keeps; leave it out"
    with pytest.raises(PopgenError, match=message):
        read_census(towns, zone="02")


def test_an_unknown_margin_is_refused(towns):
    with pytest.raises(PopgenError, match="towns has no margin 'x'; it has 'sex_age', 'sex_work'"):
        read_census(towns, margins=["x"])


def test_an_altered_file_is_refused(towns):
    digest = hashlib.sha256(SEX_AGE.encode()).hexdigest()
    edit(towns, "SOURCE.toml", 'table = "T1"', f'table = "T1"\nsha256 = "{digest}"')
    assert read_census(towns, zone="01").margins["sex_age"].total == 79
    edit(towns, "sex_age.csv", "01,f,65+,10,0", "01,f,65+,11,0")
    message = r"sex_age\.csv is not the file that SOURCE\.toml describes: its sha256 differs; rest"
    with pytest.raises(PopgenError, match=message):
        read_census(towns, zone="01")


def test_an_absent_file_is_named(towns):
    (towns / "sex_age.csv").unlink()
    with pytest.raises(PopgenError, match=r"margin 'sex_age': there is no file .*sex_age\.csv"):
        read_census(towns)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "lists no .*margins"),
        ("title = ", "is not valid TOML"),
        ('[[margins]]\nname = "a"\n', "entry lacks 'file'"),
        ('[[margins]]\nname = "a"\nfile = "b"\n' * 2, "names two margins alike: 'a', 'a'"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(towns, source, message):
    (towns / "SOURCE.toml").write_text(source)
    with pytest.raises(PopgenError, match=rf"SOURCE\.toml.*{message}"):
        read_census(towns)


def test_an_unknown_place_is_refused_with_those_that_are_shipped(tmp_path):
    with pytest.raises(PopgenError, match=r"no place 'atlantis': .* nor one of .*'us_2018'"):
        read_census("atlantis")
    with pytest.raises(PopgenError, match=r"no place .*absent"):
        read_census(tmp_path / "absent")
    with pytest.raises(PopgenError, match=r"neither SOURCE\.toml nor CSV files"):
        read_census(tmp_path)


def test_a_folder_of_bare_csv_files_is_read_as_it_stands(tmp_path):
    (tmp_path / "sex.csv").write_text("sex,count\nf,52\nm,48\n")
    (tmp_path / "age_sex.csv").write_text("age,sex,count,se\nold,m,30,2\nold,f,22,2\n")
    census = read_census(tmp_path)
    assert list(census.margins) == ["age_sex", "sex"]
    assert census.codebook["sex"].levels == ("m", "f")
    assert census.margins["sex"].counts.tolist() == [48, 52]
    assert census.margins["age_sex"].se.tolist() == [[2, 2]]


# what is shipped


def test_shipped_places_are_listed_and_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("us_2018")  # a folder that happens to be called so is not the place
    assert "us_2018" in shipped_places()
    assert all((Folder.open(place).path / "SOURCE.toml").is_file() for place in shipped_places())
    listing = catalog()
    assert isinstance(listing, pl.DataFrame)
    assert listing.filter(place="us_2018", margin="sex_age").height == 1


@pytest.mark.parametrize("universe", list(Folder.open("us_2018").universes))
def test_every_shipped_panel_makes_a_problem(universe):
    census = read_census("us_2018", zone="WI", universe=universe)
    problem = Problem(census.margins, codebook=census.codebook)
    assert problem.total > 0


def test_a_census_can_go_to_another_process():
    census = read_census("us_2018", zone="WY", margins=["sex_age"])
    again = pickle.loads(pickle.dumps(census))
    assert again.margins["sex_age"].counts.tolist() == census.margins["sex_age"].counts.tolist()

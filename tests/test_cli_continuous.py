"""Numbers and controls on the command line: a place of two zones, a survey, a file of controls."""

import json

import numpy as np
import polars as pl
import pytest
from command_line import write

from popgen import (
    IPF,
    Mean,
    Median,
    PopgenError,
    Problem,
    audit,
    generate,
    read_census,
    read_codebook,
    read_microdata,
)

BANDS = "age=0,18,65,inf"


@pytest.fixture
def town(elsewhere):
    """A folder of margins for two zones, and a survey of both with ages in years."""
    (elsewhere / "place").mkdir()
    write(
        "place/codebook.toml",
        '[variables.zone]\nlevels = ["north", "south"]',
        '[variables.age]\nlevels = ["child", "adult", "old"]',
        "[recode.age]",
        'column = "years"',
        "edges = [0, 18, 65, inf]",
        'unit = "years"',
    )
    write(
        "place/SOURCE.toml",
        'zone = "zone"',
        '[[margins]]\nname = "age"\nfile = "age.csv"\nvariables = ["zone", "age"]',
    )
    counts = {"north": (20, 60, 20), "south": (10, 60, 30)}
    rows = [
        f"{zone},{age},{count}"
        for zone, figures in counts.items()
        for age, count in zip(("child", "adult", "old"), figures, strict=True)
    ]
    write("place/age.csv", "zone,age,count", *rows)
    rng = np.random.default_rng(0)
    ages, zones = rng.integers(0, 95, 400), rng.choice(["north", "south"], 400)
    rows = [f"{zone},{age}" for zone, age in zip(zones, ages, strict=True)]
    write("survey.csv", "zone,years", *rows)
    return elsewhere


def test_people_have_ages_and_each_zone_its_own_mean(town, run):
    write("controls.csv", "variable,statistic,value,zone", "age,mean,41,north", "age,mean,47,south")
    common = ("--place", "./place", "--microdata", "survey.csv", "--controls", "controls.csv")
    _, said = run("generate", *common, "-n", "200", "--rng", "0", "--out", "people.parquet")
    assert "wrote 200 people with zone, age, age_value" in said
    people = pl.read_parquet("people.parquet")
    found = np.searchsorted([18, 65], people["age_value"], side="right")
    assert np.array(["child", "adult", "old"])[found].tolist() == people["age"].to_list()
    known = json.loads((town / "people.parquet.provenance.json").read_text())
    figures = [fit["controls"][0] for fit in known["fits"]]
    assert [figure["stated"] for figure in figures] == [41, 47]
    np.testing.assert_allclose([figure["model"] for figure in figures], [41, 47])
    means = people.group_by("zone").agg(pl.col("age_value").mean()).sort("zone")["age_value"]
    np.testing.assert_allclose(means.to_numpy(), [41, 47], atol=1)
    again = read_microdata("people.parquet", read_codebook("place/codebook.toml"))
    np.testing.assert_array_equal(again.values["age"], people["age_value"].to_numpy())


def test_workers_give_the_same_people(town, run):
    common = ("--place", "./place", "--microdata", "survey.csv", "-n", "50", "--rng", "1")
    assert run("generate", *common)[0] == run("generate", *common, "--workers", "2")[0]


def test_bands_may_be_given_with_margins_of_ones_own(elsewhere, run):
    write("age_group.csv", "age,count", "0-17,20", "18-64,60", "65+,20")
    write("survey.csv", "age", *map(str, range(0, 90, 3)))
    out, _ = run(
        *("generate", "--margins", "age_group.csv", "--microdata", "survey.csv"),
        *("--bands", BANDS, "-n", "20", "--rng", "0"),
    )
    assert out.splitlines()[0] == "age,age_value"


def test_an_audit_shows_the_controls(town, run):
    write("controls.csv", "variable,statistic,value,width", "age,median,40,1")
    common = ("--place", "./place", "--zone", "north", "--microdata", "survey.csv")
    out, _ = run("audit", *common, "--order", "1", "--controls", "controls.csv")
    assert "control: median of age: everybody: share below 40 0.5 stated, 0.5 met" in out
    out, _ = run("audit", *common, "--order", "1", "--controls", "controls.csv", "--json")
    [figure] = json.loads(out)["controls"]
    assert figure["model"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "rows", "says"),
    [
        (["--bands", "age"], None, "--bands 'age': write a column and the edges of its bands"),
        (["--bands", "age=0,x"], None, "--bands 'age=0,x': write"),
        (["--bands", "age=0,18"], None, "bands of 'age': 3 bands 'child', 'adult', 'old' have 4"),
        ([], ["age,mean,40,"], "'mean of age: everybody' is of no one zone, and each zone is"),
        ([], ["age,mean,40,west"], "control 'mean of age: zone=west': place has no zone 'west'"),
        (
            [],
            ["age,mean,400,north"],
            "zone 'north': 'mean of age: everybody' is to be 400, but",
        ),
        ([], ["age,mode,40,"], "controls.csv, row 1: statistic 'mode' is unknown"),
        ([], ["size,mean,40,north"], "needs records with numbers of 'size'"),
        (["--method", "ipf"], ["age,mean,40,north"], "IPF cannot hold controls on numbers"),
    ],
)
def test_refusals_say_what_to_do(town, refused, arguments, rows, says):
    if rows is not None:
        arguments = [*arguments, "--controls", "controls.csv"]
        write("controls.csv", "variable,statistic,value,zone", *rows)
    common = ("generate", "--place", "./place", "--microdata", "survey.csv", "-n", "9")
    refused(*common, *arguments, "--out", "people.csv", says=says)


def test_bands_without_records_are_refused(town, refused):
    common = ("generate", "--place", "./place", "-n", "9")
    refused(*common, "--bands", BANDS, says="--bands says how to read records: give some")


def test_a_control_of_two_zones_is_refused_and_one_zone_alone_has_its_own(town):
    records = read_microdata("survey.csv", read_codebook("place/codebook.toml"))
    both = Mean("age", 40, by={"zone": ["north", "south"]})
    with pytest.raises(PopgenError, match="is of 2 zones, and each is fitted on its own"):
        generate("./place", n=9, microdata=records, controls=[both])
    own = [Mean("age", 41, by={"zone": "north"}), Median("age", 52, by={"zone": "south"})]
    people = generate("./place", zone="north", n=9, microdata=records, controls=own, rng=0)
    [fit] = people.provenance["fits"]
    assert [figure["stated"] for figure in fit["controls"]] == [41]


def test_audit_of_other_models_has_no_controls(town):
    census = read_census("./place", zone="north")
    assert audit(IPF().fit(Problem.from_census(census)), orders=(1,)).controls == ()

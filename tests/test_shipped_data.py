"""The shipped figures: files as SOURCE.toml says, totals, overlaps, and builds that repeat.

Headline totals are typed by hand from the agency's published tables, not copied from the files.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import subprocess
import sys
import tomllib
from collections import Counter
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
CENSUS = DATA / "census_marginals"
PLACES = sorted(path.parent.name for path in CENSUS.glob("*/SOURCE.toml"))
SCRIPTS = ["us_2018", "us_adult_citizens_2018", "us_panel_2020", "personas"]


@lru_cache
def source(place: str) -> dict[str, Any]:
    return tomllib.loads((CENSUS / place / "SOURCE.toml").read_text(encoding="utf-8"))


@lru_cache
def codebook(place: str) -> dict[str, Any]:
    return tomllib.loads((CENSUS / place / "codebook.toml").read_text(encoding="utf-8"))


@lru_cache
def cells(place: str, name: str) -> pl.DataFrame:
    entry = next(m for m in source(place)["margins"] if m["name"] == name)
    return pl.read_csv(CENSUS / place / entry["file"], schema_overrides={"count": pl.Int64})


def levels(place: str, variable: str) -> list[str]:
    return list(codebook(place)["variables"][variable]["levels"])


def people(place: str, margin: str, **where: str) -> int:
    return int(cells(place, margin).filter(**where)["count"].sum())


MARGINS = [
    pytest.param(place, margin, id=f"{place}-{margin['name']}")
    for place in PLACES
    for margin in source(place)["margins"]
]


def test_the_three_places_are_there() -> None:
    assert PLACES == ["us_2018", "us_adult_citizens_2018", "us_panel_2020"]


@pytest.mark.parametrize("place", PLACES)
def test_folder_holds_what_its_source_names_and_nothing_else(place: str) -> None:
    about = source(place)
    head = {"title", "place", "agency", "programme", "vintage", "licence", "retrieved_from"}
    assert head <= set(about)
    assert about["place"] == place
    named = {margin["file"] for margin in about["margins"]} | {"SOURCE.toml", "codebook.toml"}
    assert {path.name for path in (CENSUS / place).iterdir()} == named
    assert sum(path.stat().st_size for path in (CENSUS / place).iterdir()) < 12e6
    names = [margin["name"] for margin in about["margins"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("place", PLACES)
def test_universes_name_margins_variables_and_levels_that_exist(place: str) -> None:
    about = source(place)
    universes, margins = about["universes"], {m["name"] for m in about["margins"]}
    assert about["default_universe"] in universes
    assert {m["universe"] for m in about["margins"]} <= set(universes)
    for universe in universes.values():
        assert set(universe["includes"]) <= set(universes)
        assert set(universe.get("margins", ())) <= margins
        assert set(universe.get("panel", ())) <= set(universe.get("margins", margins))
        assert {universe["seed"]} <= margins if "seed" in universe else True
        for variable, kept in universe.get("keep", {}).items():
            assert kept
            assert set(kept) <= set(levels(place, variable))


@pytest.mark.parametrize("place", PLACES)
def test_codebook_groups_are_disjoint_sets_of_fine_levels(place: str) -> None:
    book = codebook(place)
    for name, entry in book["variables"].items():
        assert entry["description"], name
        assert len(set(levels(place, name))) == len(levels(place, name)) > 0
        if "coarsens" in entry:
            fine = [level for group in entry["levels"].values() for level in group]
            assert len(set(fine)) == len(fine)
            assert set(fine) <= set(levels(place, entry["coarsens"]))
    for name, entry in book.get("recode", {}).items():
        stated = {*entry["values"].values(), *filter(None, [entry.get("missing")])}
        assert stated == set(levels(place, name))


@pytest.mark.parametrize(("place", "margin"), MARGINS)
def test_file_is_the_one_described(place: str, margin: dict[str, Any]) -> None:
    content = (CENSUS / place / margin["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == margin["sha256"]
    frame = cells(place, margin["name"])
    assert frame["count"].is_not_null().all()
    assert (frame["count"] >= 0).all()
    assert margin["checks"]
    assert margin["unit"] in ("people", "households")
    assert set(margin["variables"]) <= set(codebook(place)["variables"])
    if margin.get("layout", "tidy") == "long":
        check_long(place, margin, frame)
    else:
        check_tidy(place, margin, frame)


def check_tidy(place: str, margin: dict[str, Any], frame: pl.DataFrame) -> None:
    names = margin["variables"]
    assert frame.columns in ([*names, "count"], [*names, "count", "se"])
    assert frame["count"].sum() == margin["total"]
    for name in names:
        assert set(frame[name].cast(pl.String).unique()) <= set(levels(place, name))
    assert frame.select(names).is_unique().all()
    if "se" in frame.columns:
        assert frame["se"].is_finite().all()
        assert (frame["se"] >= 0).all()
    zone = source(place)["zone"]
    shape = frame.group_by(zone).agg(pl.len(), *(pl.col(n).n_unique() for n in names if n != zone))
    assert all(row[1] == math.prod(row[2:]) for row in shape.rows()), "not a block in every zone"
    check_absent(place, margin, frame, zone)


def check_absent(place: str, margin: dict[str, Any], frame: pl.DataFrame, zone: str) -> None:
    found: dict[str, list[str]] = {}
    for name in margin["variables"]:
        there = frame.select(zone, name).unique() if name != zone else frame.select(zone).unique()
        for level in levels(place, name) if name != zone else []:
            lacking = set(frame[zone]) - set(there.filter(pl.col(name) == level)[zone])
            if lacking:
                found[level] = sorted(lacking)
    if missing := sorted(set(levels(place, zone)) - set(frame[zone])):
        found["whole table"] = missing
    assert found == margin.get("absent", {})


def check_long(place: str, margin: dict[str, Any], frame: pl.DataFrame) -> None:
    order = margin["order"]
    names = [f"variable_{i}" for i in range(1, order + 1)]
    at = [f"level_{i}" for i in range(1, order + 1)]
    assert sorted(frame.columns) == sorted([*names, *at, "count"])
    tables = frame.partition_by(names, as_dict=True)
    assert set(tables) == set(combinations(margin["variables"], order))
    assert len(tables) == margin["tables"]
    for variables, table in tables.items():
        assert table["count"].sum() == margin["total"]
        assert table.height == math.prod(len(levels(place, str(v))) for v in variables)
        assert table.select(at).is_unique().all()
        for variable, column in zip(variables, at, strict=True):
            assert set(table[column]) == set(levels(place, str(variable)))


# --- headline totals, typed by hand -----------------------------------------------------------

US_2018 = [  # American Community Survey 2018, 1-year; 50 states and DC
    (327_167_439, "sex_age", {}),
    (166_049_288, "sex_age", {"sex": "female"}),
    (39_557_045, "sex_age", {"state": "CA"}),
    (28_701_845, "sex_age", {"state": "TX"}),
    (5_813_568, "sex_age", {"state": "WI"}),
    (702_455, "sex_age", {"state": "DC"}),
    (577_737, "sex_age", {"state": "WY"}),
    (59_763_631, "race_ethnicity", {"ethnicity": "Hispanic"}),
    (59_763_631, "ethnicity_sex_age", {"ethnicity": "Hispanic"}),
    (41_617_764, "race_ethnicity", {"race": "Black"}),
    (0, "race_ethnicity", {"race": "Black", "ethnicity": "White non-Hispanic"}),
    (253_815_197, "sex_age_education", {}),
    (223_158_847, "ethnicity_sex_education", {}),
    (266_322_302, "sex_age_marital", {}),
    (262_185_951, "sex_age_employment", {}),
    (233_565_291, "citizen_age", {}),
    (233_565_291, "citizen_education", {}),
    (22_629_737, "sex_citizenship", {"citizenship": "naturalised"}),
    (41_852_315, "sex_age_poverty", {"poverty": "below"}),
    (28_565_542, "sex_age_insurance", {"insurance": "not insured"}),
    (40_637_764, "sex_age_disability", {"disability": "with a disability"}),
    (17_964_242, "sex_age_veteran", {"veteran": "veteran"}),
    (41_460_427, "language_age", {"language": "Spanish"}),
    (8_251_855, "sex_commute", {"commute": "worked at home"}),
    (121_520_180, "household_income", {}),
    (77_708_394, "tenure_householder_age", {"tenure": "owner"}),
    (43_811_786, "tenure_income", {"tenure": "renter"}),
]


@pytest.mark.parametrize(("expected", "margin", "where"), US_2018)
def test_us_2018_headline_totals(expected: int, margin: str, where: dict[str, str]) -> None:
    assert people("us_2018", margin, **where) == expected


def test_adults_of_us_2018_are_those_of_the_education_tables_in_every_state() -> None:
    adults = source("us_2018")["universes"]["adults"]["keep"]["age"]
    by_age = cells("us_2018", "sex_age").filter(pl.col("age").is_in(adults))
    totals = [
        frame.group_by("state").agg(pl.col("count").sum()).sort("state")
        for frame in (by_age, cells("us_2018", "sex_age_education"))
    ]
    assert totals[0].equals(totals[1])
    assert totals[0].height == 51


def test_citizens_of_us_2018_agree_in_every_state() -> None:
    adult = cells("us_2018", "sex_citizenship").filter(
        pl.col("adult") == "18 and over", pl.col("citizenship") != "not a citizen"
    )
    frames = [adult, cells("us_2018", "citizen_age"), cells("us_2018", "citizen_education")]
    totals = [f.group_by("state").agg(pl.col("count").sum()).sort("state") for f in frames]
    assert totals[0].equals(totals[1])
    assert totals[0].equals(totals[2])


def test_true_joint_of_adult_citizens() -> None:
    place, margin = "us_adult_citizens_2018", "race_sex_age_education"
    assert people(place, margin) == 228_443_347
    first = {"race": "White", "sex": "female", "age": "18-29", "education": "high school"}
    assert people(place, margin, state="AL", **first) == 59_378
    recent = cells("us_2018", "citizen_age").group_by("state").agg(pl.col("count").sum())
    here = cells(place, margin).group_by("state").agg(pl.col("count").sum())
    ratio = here.join(recent, on="state").select(pl.col("count") / pl.col("count_right"))
    assert ratio.height == 50
    assert 0.950 < ratio["count"].min() < ratio["count"].max() < 1.008  # type: ignore[operator]


def test_panel_shares_are_those_the_language_model_was_given() -> None:
    one = cells("us_panel_2020", "one_way")
    assert one.filter(variable_1="gender")["count"].sum() == 60_282
    by_hand = {("gender", "female"): 57.8, ("vote2020", "Biden"): 42.9, ("vote2020", "Trump"): 29.1}
    by_hand |= {
        ("education", "no_hs"): 3.3,
        ("cut_police", "support"): 41.3,
        ("race", "Other"): 4.7,
    }
    for (variable, level), share in by_hand.items():
        count = one.filter(variable_1=variable, level_1=level)["count"].item()
        assert 100 * count / 60_282 == pytest.approx(share, abs=0.051)


@pytest.mark.parametrize("order", [2, 3])
def test_panel_tables_add_up_to_those_of_lower_order(order: int) -> None:
    stems = {1: "one_way", 2: "two_way", 3: "three_way"}
    high, low = (cells("us_panel_2020", stems[k]) for k in (order, order - 1))
    keys = [c for i in range(1, order) for c in (f"variable_{i}", f"level_{i}")]
    for dropped in range(1, order + 1):
        kept = [i for i in range(1, order + 1) if i != dropped]
        old = [c for i in kept for c in (f"variable_{i}", f"level_{i}")]
        other = f"variable_{dropped}"
        added = high.group_by([*old, other]).agg(pl.col("count").sum())
        both = added.rename(dict(zip(old, keys, strict=True)) | {other: "other"}).join(
            low.rename({"count": "stated"}), on=keys, how="left"
        )
        assert both.height > 0
        assert (both["count"] == both["stated"]).all()


def test_forecaster_inputs_are_eleven_shares_and_twenty_four_pairs() -> None:
    stated = source("us_panel_2020")["inputs"]["forecaster"]["margins"]
    assert Counter(map(len, stated)) == {1: 11, 2: 24}
    assert len({frozenset(names) for names in stated}) == 35
    assert ["vote2020", "cut_police"] not in stated
    assert {name for names in stated for name in names} == set(codebook("us_panel_2020")["recode"])


# --- overlaps and builds ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def overlap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("overlap", DATA / "build" / "overlap.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["overlap"] = module
    spec.loader.exec_module(module)
    return module


def test_margins_agree_where_the_source_says_so(overlap: ModuleType) -> None:
    place, book = "us_2018", codebook("us_2018")["variables"]

    def groups(name: str) -> dict[str, frozenset[str]]:
        if "coarsens" in book[name]:
            return {level: frozenset(fine) for level, fine in book[name]["levels"].items()}
        return {level: frozenset([level]) for level in book[name]["levels"]}

    stated, pairs = {}, set()
    for margin in source(place)["margins"]:
        names = [name for name in margin["variables"] if name != "state"]
        roots = {name: book[name].get("coarsens", name) for name in names}
        stated[margin["name"]] = overlap.Stated(
            margin["name"],
            cells(place, margin["name"]).with_columns(pl.col(names).cast(pl.String)),
            roots,
            {name: groups(name) for name in names},
            {root: frozenset(book[root]["levels"]) for root in roots.values()},
        )
        pairs |= {frozenset((margin["name"], other)) for other in margin.get("agrees_with", ())}
    assert len(pairs) > 100
    for a, b in (sorted(pair) for pair in sorted(pairs, key=sorted)):
        found = overlap.compare(stated[a], stated[b])
        assert found.cells > 0, (a, b)
        assert found.largest == 0, (a, b, found)


def test_overlap_sees_a_difference_and_joins_bands(overlap: ModuleType) -> None:
    fine = {"age": frozenset("abc")}

    def one(name: str, counts: dict[str, int], parts: dict[str, str]) -> Any:
        frame = pl.DataFrame({"state": "WI", name: list(counts), "count": list(counts.values())})
        grouped = {level: frozenset(group) for level, group in parts.items()}
        return overlap.Stated(name, frame, {name: "age"}, {name: grouped}, fine)

    left = one("x", {"a": 5, "bc": 7}, {"a": "a", "bc": "bc"})
    same = one("y", {"ab": 9, "c": 3}, {"ab": "ab", "c": "c"})
    assert overlap.compare(left, same) == overlap.Comparison(1, 0, "WI")
    apart = one("z", {"a": 4, "b": 5, "c": 3}, {"a": "a", "b": "b", "c": "c"})
    assert overlap.compare(left, apart) == overlap.Comparison(2, 1, "WI")
    straddling = one("w", {"?": 4}, {"?": ""})
    assert overlap.compare(left, straddling).cells == 0


@pytest.mark.parametrize("script", SCRIPTS)
def test_build_repeats_the_committed_bytes(script: str, shared_data: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(DATA / "build" / f"{script}.py"), str(shared_data), "--check"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert run.returncode == 0, run.stderr


# --- personas ---------------------------------------------------------------------------------


def test_persona_card_names_every_file_with_its_sha256() -> None:
    folder = DATA / "personas"
    card = tomllib.loads((folder / "card.toml").read_text(encoding="utf-8"))
    listed = {entry["path"]: entry["sha256"] for entry in card["files"]}
    there = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    assert set(listed) == set(there) - {"CARD.md", "card.toml"}
    for name, digest in listed.items():
        assert hashlib.sha256(there[name].read_bytes()).hexdigest() == digest
    assert "recordings/fill_truth.csv" not in there
    assert {"model", "recorded", "how", "forbidden", "slant", "licence"} <= set(card)


def test_persona_recordings_use_the_panel_levels() -> None:
    rows = {"direct_run1": 397, "direct_run2": 395, "direct_run3": 396}
    rows |= {"fill_rows": 400, "fill_run1": 400, "fill_run2": 400, "judge_rows": 500}
    for stem, count in rows.items():
        frame = pl.read_csv(DATA / "personas" / "recordings" / f"{stem}.csv")
        assert frame.height == count
        for name in set(frame.columns) - {"id"}:
            assert set(frame[name]) <= set(levels("us_panel_2020", name)), (stem, name)

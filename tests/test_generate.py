"""`generate`: zones as jobs, the same people for the same rng, and where they come from."""

import json
import pickle
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import popgen as pg
from popgen import PopgenError
from popgen._area import Area
from popgen._rng import replayed

PLACE = "us_adult_citizens_2018"


def write_place(
    folder: Path, zones: dict[str, tuple[int, int]], *, others: dict[str, list[int]] | None = None
) -> Path:
    """Write a small place: sex by zone, and perhaps age by zone."""
    folder.mkdir(exist_ok=True)
    levels = ", ".join(f'"{zone}"' for zone in zones)
    (folder / "codebook.toml").write_text(
        f'[variables.zone]\nlevels = [{levels}]\n[variables.sex]\nlevels = ["f", "m"]\n'
        '[variables.age]\nlevels = ["young", "old"]\n'
    )
    margins = {"sex": {zone: list(counts) for zone, counts in zones.items()}, "age": others}
    source = 'zone = "zone"\n'
    for name, level in {"sex": ["f", "m"], "age": ["young", "old"]}.items():
        if (figures := margins[name]) is None:
            continue
        rows = [
            f"{zone},{level[i]},{k}"
            for zone, counts in figures.items()
            for i, k in enumerate(counts)
        ]
        (folder / f"{name}.csv").write_text("\n".join([f"zone,{name},count", *rows]) + "\n")
        source += f'[[margins]]\nname = "{name}"\nfile = "{name}.csv"\n'
        source += f'variables = ["zone", "{name}"]\n'
    (folder / "SOURCE.toml").write_text(source)
    return folder


def test_one_zone_is_the_problem_sampled() -> None:
    census = pg.read_census(PLACE, zone="WI")
    model = pg.IPF().fit(pg.Problem(census.margins, codebook=census.codebook))
    people = pg.generate(PLACE, zone="WI", n=500, rng=3)
    assert np.array_equal(people.codes, model.sample(500, rng=3).codes)
    assert "state" not in people.domain


def test_a_census_that_was_read_is_one_problem() -> None:
    census = pg.read_census(PLACE, zone="WI")
    people = pg.generate(census, n=500, rng=3)
    assert np.array_equal(people.codes, pg.generate(PLACE, zone="WI", n=500, rng=3).codes)
    assert people.provenance["margins"]["race_sex_age_education"]["sha256"]
    with pytest.raises(pg.PopgenError, match="to read_census"):
        pg.generate(census, zone="WI", n=500)


def test_zones_get_people_by_their_totals() -> None:
    people = pg.generate(PLACE, n=10_000, rng=0)
    assert people.domain.names[0] == "state"
    assert len(people) == 10_000
    counts = people.project("state").counts
    totals = np.array([fit["total"] for fit in people.provenance["fits"]])
    assert np.abs(counts - 10_000 * totals / totals.sum()).max() < 1


def test_fewer_people_than_zones() -> None:
    people = pg.generate(PLACE, n=3, rng=0)
    assert len(people) == 3
    assert len(people.provenance["fits"]) == 3


def processes() -> Executor:
    return ProcessPoolExecutor(1, get_context("spawn"))


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor, processes])
def test_same_rng_same_people_whatever_the_executor(
    pool: Callable[[], Executor] | None, tmp_path: Path
) -> None:
    place = write_place(tmp_path / "p", {"a": (3, 5), "b": (20, 10), "c": (7, 7)})
    expected = pg.generate(place, n=1000, rng=7)
    if pool is None:
        again = pg.generate(place, n=1000, rng=np.random.default_rng(7))
    else:
        with pool() as executor:
            again = pg.generate(place, n=1000, rng=7, executor=executor)
    assert np.array_equal(expected.codes, again.codes)
    assert expected.provenance["fits"] == again.provenance["fits"]
    assert not np.array_equal(expected.codes, pg.generate(place, n=1000, rng=8).codes)


def test_people_of_a_zone_meet_its_margins(tmp_path: Path) -> None:
    place = write_place(
        tmp_path / "p",
        {"a": (30, 50), "b": (15, 5)},
        others={"a": [60, 20], "b": [10, 10]},
    )
    people = pg.generate(place, n=10_000, rng=0)
    assert people.project("zone", "sex").counts.tolist() == [[3000, 5000], [1500, 500]]
    assert people.project("zone", "age").counts.tolist() == [[6000, 2000], [1000, 1000]]


def test_a_zone_where_nobody_lives_is_left_out(tmp_path: Path) -> None:
    place = write_place(tmp_path / "p", {"a": (3, 5), "b": (0, 0)})
    people = pg.generate(place, n=80, rng=0)
    assert people.project("zone", "sex").counts.tolist() == [[30, 50], [0, 0]]
    assert [fit["zone"] for fit in people.provenance["fits"]] == ["a"]
    empty = write_place(tmp_path / "q", {"a": (0, 0), "b": (0, 0)})
    with pytest.raises(pg.PopgenError, match="nobody lives in any zone of q"):
        pg.generate(empty, n=80)


def test_errors_name_the_zone(tmp_path: Path) -> None:
    place = write_place(
        tmp_path / "p", {"a": (3, 5), "b": (1, 9)}, others={"a": [4, 4], "b": [4, 4]}
    )
    with pytest.raises(pg.InconsistentMarginsError, match=r"zone 'b': .* by 2 people"):
        pg.generate(place, n=10)
    with pytest.raises(pg.PopgenError, match="p has no zone 'z'; it has 'a', 'b'"):
        pg.generate(place, zone="z", n=10)
    with pytest.raises(pg.PopgenError, match="n must be at least 1 person; got 0"):
        pg.generate(place, n=0)


def test_reconciling_is_asked_for_and_recorded(tmp_path: Path) -> None:
    place = write_place(tmp_path / "p", {"a": (6, 4)}, others={"a": [4, 4]})
    people = pg.generate(place, n=100, rng=0, reconcile=True)
    assert people.project("sex").counts.tolist() == [60, 40]
    assert people.project("age").counts.tolist() == [50, 50]
    [moved] = people.provenance["fits"][0]["reconciled"]
    assert (moved["margin"], moved["people_moved"]) == ("age", 2)


def test_records_serve_their_own_zone(tmp_path: Path) -> None:
    place = write_place(tmp_path / "p", {"a": (30, 50), "b": (15, 5)})
    rows = {"zone": ["a", "a", "b", "b"], "sex": ["f", "m"] * 2, "age": ["young"] * 2 + ["old"] * 2}
    book = pg.read_codebook(place / "codebook.toml")
    people = pg.generate(place, n=100, rng=0, microdata=pg.read_microdata(pl.DataFrame(rows), book))
    assert people.domain.names == ("zone", "sex", "age")
    assert people.project("zone", "sex").counts.tolist() == [[30, 50], [15, 5]]
    assert people.project("zone", "age").counts.tolist() == [[80, 0], [0, 20]]
    assert people.provenance["method"].startswith("Calibration(")
    assert people.provenance["microdata"]["records"] == 4
    only_a = pg.read_microdata(pl.DataFrame(rows).head(2), book)
    with pytest.raises(pg.PopgenError, match="the microdata have no record of zone 'b'"):
        pg.generate(place, n=100, microdata=only_a)


def test_records_without_a_zone_serve_every_zone(tmp_path: Path) -> None:
    place = write_place(tmp_path / "p", {"a": (30, 50), "b": (15, 5)})
    rows = pl.DataFrame({"sex": ["f", "m"], "age": ["young", "old"]})
    people = pg.generate(place, n=100, rng=0, microdata=pg.read_microdata(rows))
    assert people.project("zone", "age").counts.tolist() == [[50, 30], [5, 15]]


def test_the_seed_is_borrowed_where_its_variables_are() -> None:
    with_race = pg.generate("us_2018", zone="WI", margins=["sex_age"], n=10, rng=0)
    assert with_race.provenance["fits"][0]["seed"] is None  # race is not among the margins
    area = Area.of("us_2018", "WI", None, None)
    census = area.read("WI")
    if census.seed is not None:
        people = pg.generate("us_2018", zone="WI", n=10, rng=0)
        assert people.provenance["fits"][0]["seed"] == list(census.seed.names)


def test_provenance_says_it_all() -> None:
    known = pg.generate(PLACE, zone="WI", n=10, rng=5).provenance
    assert (known["place"], known["universe"], known["people"]) == (PLACE, "adult_citizens", 10)
    stated = pg.read_census(PLACE, zone="WI").sources["race_sex_age_education"]
    assert known["margins"]["race_sex_age_education"]["sha256"] == stated.details["sha256"]
    assert known["rng"] == {"entropy": "5", "spawn_key": []}
    assert known["software"]["popgen"] == pg.__version__
    assert json.dumps(known)


@pytest.mark.parametrize("zone", ["a", None])
def test_people_can_be_drawn_again_from_their_provenance(tmp_path: Path, zone: str | None) -> None:
    place = write_place(tmp_path / "p", {"a": (300, 500), "b": (200, 100)})
    shared = np.random.default_rng(5)
    parent = np.random.default_rng(6)
    mersenne = np.random.Generator(np.random.MT19937(7))
    makers = [shared, shared, None, parent.spawn(1)[0], parent, mersenne, 5]
    drawn = [pg.generate(place, zone=zone, n=50, rng=maker) for maker in makers]
    records = [people.provenance["rng"] for people in drawn]
    assert len({json.dumps(record) for record in records}) == len(makers) - 1
    assert records[0] == records[-1] == {"entropy": "5", "spawn_key": []}
    assert (drawn[0].codes == drawn[-1].codes).all()
    for people, record in zip(drawn, records, strict=True):
        stored = json.loads(json.dumps(record))
        again = pg.generate(place, zone=zone, n=50, rng=replayed(stored))
        assert (people.codes == again.codes).all()
        assert again.provenance["rng"] == record


def test_successive_draws_from_one_generator_can_each_be_drawn_again() -> None:
    census = pg.read_census(PLACE, zone="WI")
    model = pg.IPF().fit(pg.Problem.from_census(census))
    shared = np.random.default_rng(3)
    one, two = (model.sample(40, rng=shared) for _ in range(2))
    assert one.provenance["rng"] == {"entropy": "3", "spawn_key": []}
    assert (one.codes == model.sample(40, rng=3).codes).all()
    assert (one.codes != two.codes).any()
    assert (two.codes == model.sample(40, rng=replayed(two.provenance["rng"])).codes).all()


@pytest.mark.parametrize("rng", [-1, "seven", 1.5])
def test_what_is_no_source_of_random_numbers_is_refused(rng: object) -> None:
    says = "rng must be a whole number of at least 0, a numpy Generator or None; got"
    with pytest.raises(PopgenError, match=says):
        pg.generate(PLACE, zone="WI", n=10, rng=rng)
    with pytest.raises(PopgenError, match=says):
        pg.integerise([1, 2], 3, rng=rng)
    table = pg.read_census(PLACE, zone="WI").margins
    with pytest.raises(PopgenError, match=says):
        pg.score(table, table, rng=rng)


@pytest.mark.parametrize("n", ["10", None, 2.5, 0])
def test_what_is_no_number_of_people_is_refused(n: object) -> None:
    with pytest.raises(PopgenError, match="n must be"):
        pg.generate(PLACE, zone="WI", n=n)


def test_progress_is_told_of_every_zone(tmp_path: Path) -> None:
    place = write_place(tmp_path / "p", {"a": (3, 5), "b": (20, 10)})
    told: list[tuple[str, int, int]] = []
    pg.generate(place, n=100, rng=0, progress=lambda *step: told.append(step))
    assert told == [("reading", 1, 2), ("reading", 2, 2), ("fitting", 1, 2), ("fitting", 2, 2)]


def test_problems_can_be_sent_to_processes() -> None:
    census = pg.read_census("us_panel_2020", margins=["one_way"])
    problem = pg.Problem(census.margins, codebook=census.codebook)
    assert pickle.loads(pickle.dumps(problem)).domain == problem.domain
    assert pickle.loads(pickle.dumps(census.codebook)).recodes == census.codebook.recodes

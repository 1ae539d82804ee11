"""PopBench's households: posed on a small made-up country, made whole, and what is refused."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import popgen as pg
from popgen.bench import found
from popgen.bench.entrants import chosen, entrants, with_absent_cells
from popgen.bench.homes import Homes
from popgen.bench.nested import household_problem
from popgen.bench.pose import Posed, pose, truth_of
from popgen.bench.run import scored
from popgen.bench.task import Data, Given, Task, read_tasks

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

HOMES = 600
CODEBOOK = {
    "variables": {
        "region": {"levels": ["north", "south", "west"]},
        "size": {"levels": ["1", "2", "3"]},
        "tenure": {"levels": ["own", "rent"]},
        "age": {"levels": ["young", "old"]},
        "work": {"levels": ["yes", "no", "child"]},
    },
    "recode": {
        "age": {"column": "years", "edges": [0, 30, 120]},
        "work": {"column": "job", "values": {"y": "yes", "n": "no"}, "missing": "child"},
    },
}
GIVEN = Given(
    (("region", "size"), ("region", "tenure"), ("region", "age"), ("region", "work")), records=120
)


def country() -> pl.DataFrame:
    """Small homes are old, owners work, and one in three people has a home in the north."""
    rng = np.random.default_rng(0)
    rows = []
    for home in range(HOMES):
        region = ("north", "south", "west")[rng.choice(3, p=[0.3, 0.4, 0.3])]
        size = 1 + int(rng.choice(3, p=[0.3, 0.4, 0.3]))
        tenure = "own" if rng.random() < (0.7 if size > 1 else 0.3) else "rent"
        for _ in range(size):
            years = int(rng.integers(0, 60)) if size > 1 else int(rng.integers(25, 100))
            job = "y" if rng.random() < (0.9 if tenure == "own" else 0.3) else "n"
            one = {"home": f"h{home}", "region": region, "size": str(size), "tenure": tenure}
            rows.append({**one, "years": years, "job": None if years < 16 else job})
    return pl.DataFrame(rows)


def stated(frame: pl.DataFrame, folder: Path) -> Task:
    """Write a country's file and state the task of it."""
    frame.write_csv(folder / "people.csv")
    digest = sha256((folder / "people.csv").read_bytes()).hexdigest()
    data = Data(
        file="people.csv",
        variables=("region", "size", "tenure", "age", "work"),
        sha256={"people.csv": digest},
        codebook=CODEBOOK,
        household="home",
        of_households=("region", "size", "tenure"),
        area="region",
    )
    return Task("c.G", "Country", "c", "CC0", "card", "G", data, GIVEN, people=len(frame), seeds=2)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    monkeypatch.setenv(found.FOLDERS, str(tmp_path))
    return stated(country(), tmp_path)


def given(posed: Posed) -> tuple[pg.Microdata, Homes]:
    assert posed.records is not None
    assert posed.homes is not None
    return posed.records, posed.homes


# --- what is given


def test_margins_are_exact_and_count_households_where_they_are_of_households(task: Task) -> None:
    posed, truth = pose(task, 0)
    _, homes = given(posed)
    assert posed.margins.keys() == {"region_age", "region_work"}
    for table in posed.margins.values():
        assert (table.counts == truth.project(*table.names).counts).all()
    assert homes.margins.keys() == {"region_size", "region_tenure"}
    heads = country().unique("home")
    for name, table in homes.margins.items():
        assert table.total == HOMES
        for cell, count in np.ndenumerate(table.counts):
            levels = [v.levels[i] for v, i in zip(table.domain, cell, strict=True)]
            here = dict(zip(name.split("_"), levels, strict=True))
            assert len(heads.filter(**here)) == count
    assert posed.given == [
        ("region", "age"),
        ("region", "work"),
        ("region", "size"),
        ("region", "tenure"),
    ]


def test_records_are_whole_households_drawn_anew_for_each_seed(task: Task) -> None:
    records, homes = given(pose(task, 0)[0])
    members = np.bincount(homes.of)
    assert len(members) == GIVEN.records
    assert (members[homes.of] == records.column("size") + 1).all()
    for name in homes.variables:
        column = records.column(name)
        assert all(len(set(column[homes.of == home])) == 1 for home in range(len(members)))
    assert not records.values  # a number says more than the band that is asked for
    again, other = (given(pose(task, seed)[0])[0] for seed in (0, 1))
    assert (again.codes == records.codes).all()
    assert again.codes.shape != other.codes.shape or (again.codes != other.codes).any()


def test_copies_of_households_have_everybody_and_live_where_they_are_put(task: Task) -> None:
    records, homes = given(pose(task, 0)[0])
    people = homes.people(records, np.array([3, 3, 0]), np.array([2, 0, 1]))
    expected = [records.codes[homes.of == home] for home in (3, 3, 0)]
    assert (
        people.column("region").tolist() == np.repeat([2, 0, 1], list(map(len, expected))).tolist()
    )
    assert (people.codes[:, 1:] == np.concatenate(expected)[:, 1:]).all()


@pytest.mark.parametrize("number", [-1, 120])
def test_copies_of_no_household_are_refused(task: Task, number: int) -> None:
    posed, _ = pose(task, 0)
    assert posed.homes is not None
    assert posed.records is not None
    with pytest.raises(pg.PopgenError, match=f"first {number}, are not among the 120 of"):
        posed.homes.people(posed.records, np.array([0, number]), np.array([0, 0]))


def test_a_revision_is_of_households_only_where_they_are_stated(task: Task) -> None:
    plain = Data("x", sha256={"a": "b"})
    other = Task("t", "Title", "p", "CC0", "card", "B", plain, Given((("a",),)), seeds=4)
    assert other.revision == "4be211917265"  # as before tasks could have households
    of = replace(task.data, of_households=("region", "size"))
    assert replace(task, data=of).revision != task.revision


# --- who makes households


def test_nested_calibration_meets_every_margin_and_beats_independent_draws(task: Task) -> None:
    skills = {}
    for entrant in entrants():
        if not entrant.takes("G", "c"):
            continue
        row = scored(task, 0, entrant)
        assert row.failure == ""
        skills[entrant.name] = row.figure("mae", 2, "unmeasured", "skill")
    assert {*skills} == {
        "Independent",
        "records, redrawn",
        "MaxEnt",
        "Calibration",
        "NestedCalibration",
        "NestedCalibration, a third borrowed",
    }
    assert abs(skills["Independent"]) < 0.1
    assert skills["NestedCalibration"] > 0.4
    assert skills["NestedCalibration, a third borrowed"] > 0.4


@pytest.mark.parametrize("name", ["NestedCalibration", "NestedCalibration, a third borrowed"])
def test_people_of_nested_calibration_are_of_whole_households(task: Task, name: str) -> None:
    posed, _ = pose(task, 0)
    _, homes = given(posed)
    people = chosen([name], entrants())[0].enter(posed, np.random.default_rng(0))
    for table in posed.margins.values():
        assert (people.project(*table.names).counts == table.counts).all()
    sizes = homes.margins["region_size"]
    assert (people.project("region", "size").counts == sizes.counts * [1, 2, 3]).all()


def test_what_needs_households_says_so_without_them(task: Task) -> None:
    posed, _ = pose(task, 0)
    with pytest.raises(pg.PopgenError, match="no households are given; nested calibration is for"):
        household_problem(replace(posed, homes=None), borrow=1.0)


def test_a_cell_without_records_gets_those_of_other_areas(task: Task) -> None:
    posed, _ = pose(task, 0)
    records, homes = given(posed)
    lost = (records.column("region") == 0) & (records.column("work") == 1)
    fewer = replace(posed, records=records.take(~lost), homes=replace(homes, of=homes.of[~lost]))
    more = with_absent_cells(fewer, np.random.default_rng(0))
    added = more.codes[int((~lost).sum()) :]
    moved = records.codes[(records.column("region") != 0) & (records.column("work") == 1)].copy()
    moved[:, 0] = 0
    assert (added == moved).all()
    expected = posed.margins["region_work"].shares.counts[0, 1] * int((~lost).sum())
    assert more.weights[-len(added) :].sum() == pytest.approx(expected)


def test_ipu_as_a_peer_makes_whole_households(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from peers import ipu, ipu_by_region
    from peers.given import CannotUse, Given as Told, Homes as Who, Margin, People

    posed, _ = pose(task, 0)
    records, homes = given(posed)

    def margins(tables: pg.Tables) -> tuple[Margin, ...]:
        return tuple(Margin(table.names, table.counts) for table in tables.values())

    who = Who(homes.of, homes.variables, homes.area, margins(homes.margins))
    levels = {variable.name: variable.levels for variable in posed.domain}
    told = Told(levels, margins(posed.margins), People(records.codes), posed.people, 0, who)
    told.save(tmp_path / "given")
    again = Told.load(tmp_path / "given")
    assert (again.homes.area, again.homes.variables) == ("region", homes.variables)
    assert (again.homes.of == homes.of).all()
    for peer in (ipu, ipu_by_region):
        codes = peer.people(again).codes
        people = pg.Population(posed.domain, codes)
        households = people.project("size").counts / [1, 2, 3]
        assert (households == households.round()).all()
        assert households.sum() == HOMES
        gaps = people.project("region", "age").counts - posed.margins["region_age"].counts
        assert np.abs(gaps).max() < 60
    with pytest.raises(CannotUse, match="no households"):
        ipu.people(replace(again, homes=None))


# --- what is refused


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"home": pl.when(pl.col("home") == "h7").then(None).otherwise("home")},
            r"people.csv: \d of \d+ persons have no household, first in row \d+; give each a",
        ),
        (
            {"home": pl.when(pl.col("home") == "h8").then(pl.lit("h7")).otherwise("home")},
            "is to be of households, but the members of 1 differ, first household 'h7'",
        ),
        ({"house": "home", "home": None}, "persons have no household"),
        ({"tenure": pl.when(pl.col("home") == "h7").then(None).otherwise("tenure")}, "tenure"),
    ],
)
def test_persons_without_household_and_households_at_odds_are_refused(
    task: Task, tmp_path: Path, change: dict[str, pl.Expr | str | None], says: str
) -> None:
    frame = country().with_columns(**change)
    with pytest.raises(pg.PopgenError, match=says):
        pose(stated(frame, tmp_path), 0)


def test_more_households_than_there_are_cannot_be_drawn(task: Task) -> None:
    many = replace(task, given=replace(GIVEN, records=601))
    with pytest.raises(pg.PopgenError, match="601 households cannot be drawn from 600"):
        pose(many, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"track": "D"}, "track G, and it alone, is of households"),
        ({"household": ""}, "track G, and it alone, is of households"),
        ({"area": "age"}, "area is one of of_households, 'region', 'size', 'tenure'; it is 'age'"),
        ({"zone": "region"}, "without zone, count or records from elsewhere"),
        ({"count": "n"}, "without zone, count or records from elsewhere"),
        ({"records": 0}, "without zone, count or records from elsewhere"),
        ({"source": "elsewhere"}, "without zone, count or records from elsewhere"),
        ({"margins": (("region", "age"), ("size",))}, "by 'region' and of something; 'size' is"),
        ({"place": "us_2018"}, "codebook of 'us_2018' or one of its own"),
    ],
)
def test_a_definition_at_odds_with_households_is_refused(
    task: Task, change: dict[str, object], says: str
) -> None:
    def changed(part: Data | Given | Task) -> dict[str, object]:
        return {name: value for name, value in change.items() if hasattr(part, name)}

    data, of = replace(task.data, **changed(task.data)), replace(GIVEN, **changed(GIVEN))
    track = str(change.get("track", "G"))
    with pytest.raises(pg.PopgenError, match=says):
        replace(task, track=track, data=data, given=of)


# --- EU-SILC


def test_eusilc_has_the_households_that_its_task_says(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [task] = [one for one in read_tasks(BENCHMARKS / "tasks") if one.name == "eusilc.G"]
    if not (shared_data / task.data.file).is_file():
        pytest.skip(f"{task.data.file} is not in {shared_data}")
    monkeypatch.setenv(found.FOLDERS, str(shared_data))
    records, homes = given(pose(task, 0)[0])
    members = np.minimum(np.bincount(homes.of), 5)
    assert (members[homes.of] == records.column("members") + 1).all()
    assert len(truth_of(task)) == task.people
    fifths = homes.margins.project("income")
    assert np.abs(fifths.counts - fifths.total / 5).max() <= 1

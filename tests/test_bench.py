"""PopBench: tasks, rows, ranking; its figures on candidates of known quality."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import popgen as pg
from popgen.bench.entrants import SAMPLE, Entrant, chosen, entrants, from_file
from popgen.bench.figures import c2st, figures_of, found_zeros
from popgen.bench.leaderboard import leaderboard
from popgen.bench.pose import Posed, pose, real_people, real_sample, truth_of
from popgen.bench.rows import Row, append, latest, read_file, read_rows
from popgen.bench.run import run, scored
from popgen.bench.submit import submitted
from popgen.bench.task import Data, Given, Task, ranked, read_tasks
from popgen.bench.words import markdown
from popgen.report.leaderboard import leaderboard_page

ROOT = Path(__file__).resolve().parents[1]
TASKS = read_tasks(ROOT / "benchmarks" / "tasks")
WISCONSIN = next(task for task in TASKS if task.name == "us_adult_citizens_2018.D/WI")
FEW = replace(WISCONSIN, seeds=2, people=1000)


def named(name: str) -> Entrant:
    return chosen([name], entrants())[0]


def joint(task: Task = WISCONSIN) -> pg.Table:
    truth = truth_of(task)
    assert isinstance(truth, pg.Table)
    return truth


# --- tasks


def test_every_task_poses_what_its_track_says() -> None:
    for task in TASKS:
        if task.data.file or task.zone not in ("", "WI"):
            continue
        posed, truth = pose(task, 0)
        assert posed.domain == truth.domain
        assert task.licence
        assert task.card
        ways = {len(table.names) for table in posed.margins.values()}
        assert (posed.records is not None) == (task.track in "DEG")
        assert ways == {"B": {1}, "C": {1, 2}, "F": {3}, "H": {2}}.get(task.track, {1}) or (
            task.name == "us_adult_citizens_2018.C/WI" and ways == {2}
        )


def test_records_are_drawn_anew_for_each_seed_and_alike_for_each_run() -> None:
    first, again, other = (pose(FEW, seed)[0].records for seed in (0, 0, 1))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.codes == again.codes).all()
    assert (first.codes != other.codes).any()


def test_records_from_elsewhere_are_not_the_zones_own() -> None:
    task = next(task for task in TASKS if task.name == "us_adult_citizens_2018.E/WI")
    records = pose(task, 0)[0].records
    assert records is not None
    black = records.domain["race"].index("Black")
    share = (records.column("race") == black).mean()
    country = pg.read_census("us_adult_citizens_2018").margins.project("race").shares.counts[black]
    assert abs(share - country) < 4 * np.sqrt(country / len(records))
    assert share > 1.5 * joint().project("race").shares.counts[black]


def test_test_tasks_count_where_there_are_any() -> None:
    kept = ranked(TASKS)
    assert {task.split for task in kept if task.population == "us_adult_citizens_2018"} == {"test"}
    assert {task.split for task in kept if task.population == "us_panel_2020"} == {"dev"}


def test_a_task_that_asks_for_something_else_has_another_revision() -> None:
    more = replace(WISCONSIN, given=replace(WISCONSIN.given, records=501))
    assert more.revision != WISCONSIN.revision
    assert replace(WISCONSIN, title="another").revision == WISCONSIN.revision


HEAD = 'name="t"\ntitle="t"\npopulation="p"\nlicence="l"\ncard="c"\ntrack="B"\n'
BODY = '[data]\nplace="x"\nsha256={a="b"}\n[given]\nmargins=[["a"]]\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "t.toml lacks 'margins'"),
        (HEAD.replace('"B"', '"Z"') + BODY, "no track 'Z'; there are 'A'"),
        (HEAD + 'colour="red"\n' + BODY, "no key 'colour'"),
        (HEAD + BODY.replace('sha256={a="b"}\n', ""), "states no sha256"),
        (HEAD + "seeds=0\n" + BODY, "at least 1"),
        (HEAD + 'split="train"\n' + BODY, "split is one of 'dev', 'test'"),
        (HEAD + BODY + '[zones]\nfuture=["WI"]\n', "has 'future'; its splits are"),
    ],
)
def test_a_bad_definition_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(pg.PopgenError, match=says):
        read_tasks(tmp_path)


def test_folders_without_tasks_and_names_used_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(pg.PopgenError, match="no task definitions"):
        read_tasks(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.toml").write_text(HEAD + BODY)
    with pytest.raises(pg.PopgenError, match="two tasks are called 't'"):
        read_tasks(tmp_path)


def test_a_task_made_with_other_data_is_refused() -> None:
    data = replace(WISCONSIN.data, sha256={"race_sex_age_education.csv": "0" * 64})
    with pytest.raises(pg.PopgenError, match="was made with another race_sex_age"):
        truth_of(replace(WISCONSIN, data=data))


# --- figures on candidates of known quality


def measured(candidate: pg.Projectable, task: Task = FEW) -> dict[str, list[float | None]]:
    posed, truth = pose(task, 0)
    return figures_of(candidate, truth, posed, np.random.default_rng(0))


def test_a_real_sample_has_skill_one_and_independence_has_none() -> None:
    truth = joint()
    apart = pg.Independent().fit(pg.Problem([truth.project(name) for name in truth.names]))
    for candidate, right in ((truth, 1.0), (apart, 0.0)):
        skills = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            people = real_people(candidate.project(*truth.names), 4000, rng)
            skills.append(pg.score(people, truth, replicates=100).skill("mae", 2))
        error = np.std(skills, ddof=1) / np.sqrt(len(skills))
        assert abs(np.mean(skills) - right) < 4 * error + 0.02


def test_interactions_doubled_have_slope_two() -> None:
    truth = joint()
    counts = truth.project("race", "education").counts
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    pair = pg.Table(truth.domain.project("race", "education"), counts)
    doubled = pg.Table(pair.domain, counts**2 / expected)
    assert pg.score(doubled, pair, orders=[2]).value("slope", 2) == pytest.approx(2)
    people = real_people(doubled, 200_000, np.random.default_rng(0))
    found = pg.score(people, pair, orders=[2]).rows.filter(metric="slope")
    assert abs(found["value"].item() - 2) < 4 * found["se"].item()


def test_a_classifier_cannot_tell_real_people_from_real_people() -> None:
    posed, truth = pose(FEW, 0)
    rng = np.random.default_rng(1)
    real = c2st(real_people(truth, 4000, rng), truth, posed, rng)
    alike = pg.Population(truth.domain, np.zeros((4000, 4), np.int16))
    assert real is not None
    assert abs(real - 0.5) < 4 * np.sqrt(1 / (6 * 4000))  # Mann-Whitney, equal sizes
    told = c2st(alike, truth, posed, rng)
    assert told is not None
    assert told > 0.95


def test_the_classifier_gives_the_same_figure_twice_and_is_silent_without_people() -> None:
    posed, truth = pose(FEW, 0)
    people = real_people(truth, 1000, np.random.default_rng(1))
    first, again = (c2st(people, truth, posed, np.random.default_rng(2)) for _ in range(2))
    assert first == again
    assert c2st(joint(), truth, posed, np.random.default_rng(2)) is None


def test_found_zeros_counts_true_cells_that_the_records_lack() -> None:
    a, b = pg.Variable("a", ("x", "y")), pg.Variable("b", ("x", "y"))
    domain = pg.Domain((a, b))
    truth = pg.Table(domain, [[5, 5], [5, 0]])
    records = pg.Microdata(domain, [[0, 0]])
    posed = Posed(domain, pg.Tables([truth.project("a")]), records, 10, "p")
    rng = np.random.default_rng(0)
    one = pg.Microdata(domain, [[0, 0], [0, 1]])
    assert found_zeros(one, truth, posed, rng) == 0.5
    assert found_zeros(truth, truth, posed, rng) == 1
    assert found_zeros(one, truth, replace(posed, records=None), rng) is None
    assert found_zeros(one, truth, replace(posed, records=one.take([0, 1])), rng) == 0


def test_people_in_truly_empty_cells_and_errors_in_rare_ones_are_counted() -> None:
    a, b = pg.Variable("a", ("x", "y")), pg.Variable("b", ("x", "y"))
    domain = pg.Domain((a, b))
    truth = pg.Table(domain, [[9900, 0], [50, 50]])
    guess = pg.Table(domain, [[9900, 40], [60, 0]])
    posed = Posed(domain, pg.Tables([truth.project("a")]), None, 10_000, "p")
    found = figures_of(guess, truth, posed, np.random.default_rng(0))
    assert found["impossible 2 all"][0] == pytest.approx(0.004)
    assert found["rare 2 all"][0] == pytest.approx(0.6)  # 10 too many, 50 too few, of 100


@settings(max_examples=5)
@given(st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_or_names_of_levels(chance: st.DataObject) -> None:
    truth = joint()
    order = [chance.sample(range(len(v)), len(v)) for v in truth.domain]
    again = [chance.sample(range(1000), len(v)) for v in truth.domain]
    variables = tuple(
        pg.Variable(f"v{i}", tuple(f"level {again[i][k]}" for k in kept))
        for i, kept in enumerate(order)
    )
    people = real_people(truth, 500, np.random.default_rng(0))
    place = [np.argsort(kept) for kept in order]
    codes = np.column_stack([place[i][people.codes[:, i]] for i in range(4)])
    renamed = pg.Population(pg.Domain(variables), codes)
    moved = pg.Table(pg.Domain(variables), truth.counts[np.ix_(*order)])
    plain = pg.score(people, truth, replicates=2)
    other = pg.score(renamed, moved, replicates=2)
    for metric, orders in (("K", (1, 2, 3)), ("mae", (2, 3)), ("slope", (2, 3))):
        for k in orders:
            assert other.value(metric, k) == pytest.approx(plain.value(metric, k), abs=1e-9)


def test_a_replicate_of_tables_is_as_large_as_it_says() -> None:
    task = next(task for task in TASKS if task.name == "us_panel_2020.B")
    sample = real_sample(truth_of(task), 1000, np.random.default_rng(0))
    assert sample.project("gender").total == 1000
    assert sample.effective_size == 1000
    with pytest.raises(pg.PopgenError, match="no person can be drawn from separate tables"):
        real_people(truth_of(task), 10, np.random.default_rng(0))


# --- runs and rows


def test_a_second_run_gives_the_same_scores_and_stores_nothing_new(tmp_path: Path) -> None:
    few = [named(name) for name in ("Independent", "Copula, calibrated", "Sequential")]
    for folder in ("one", "two"):
        assert run([FEW], few, tmp_path / folder)["run"] == 8
    one, two = (read_rows(tmp_path / folder) for folder in ("one", "two"))
    for first, second in zip(one, two, strict=True):
        assert first.figures == second.figures
        assert first.panel == second.panel
        assert first.key == second.key
    before = (tmp_path / "one" / "us_adult_citizens_2018.D.jsonl").read_bytes()
    assert run([FEW], few, tmp_path / "one") == {
        "run": 0,
        "stored": 8,
        "failed": 0,
        "need data": 0,
    }
    assert (tmp_path / "one" / "us_adult_citizens_2018.D.jsonl").read_bytes() == before


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    calls = []

    def enter(posed: Posed, rng: np.random.Generator) -> pg.Projectable:
        calls.append(posed)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real_people(posed.records, posed.people, rng)

    entrant = Entrant("slow", enter, "D")
    with pytest.raises(KeyboardInterrupt):
        run([FEW], [entrant], tmp_path)
    done = run([FEW], [entrant], tmp_path)
    assert (done["run"], done["stored"]) == (1, 3)
    whole = read_rows(tmp_path)
    assert [(row.entrant, row.seed) for row in whole] == [
        (SAMPLE, 0),
        ("slow", 0),
        (SAMPLE, 1),
        ("slow", 1),
    ]


def test_whatever_an_entrant_raises_is_its_row() -> None:
    def enter(posed: Posed, rng: np.random.Generator) -> pg.Projectable:
        raise ZeroDivisionError("by 0")

    row = scored(FEW, 0, Entrant("broken", enter, "D"))
    assert row.failure == "ZeroDivisionError: by 0"
    assert not row.figures
    strange = pg.Population(pg.Domain((pg.Variable("a", ("x",)),)), np.zeros((1000, 1), int))
    row = scored(FEW, 0, Entrant("strange", lambda posed, rng: strange, "D"))
    assert "race" in row.failure


def test_the_given_records_are_no_answer_where_more_people_are_asked_for() -> None:
    """They are a real sample, and would be compared with one of their own size."""
    many = replace(WISCONSIN, people=10_000)
    row = scored(many, 0, Entrant("lazy", lambda posed, rng: posed.records, "D"))
    assert row.failure == (
        f"PopgenError: {WISCONSIN.given.records:,} people were handed in where 10,000 were asked "
        "for: they may be 5% more or less, where records are given"
    )

    def nearly(posed: Posed, rng: np.random.Generator) -> pg.Projectable:
        return real_people(posed.records, 9_600, rng)

    assert scored(many, 0, Entrant("nearly", nearly, "D")).failure == ""
    lone = Entrant("recorded", lambda posed, rng: posed.records, "D", population=many.population)
    assert scored(many, 0, lone).failure == ""


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    append(tmp_path / "a.jsonl", made("x", 0, 0.1))
    with (tmp_path / "a.jsonl").open("a") as stream:
        stream.write('{"task": "half')
    with pytest.raises(pg.PopgenError, match=r"a.jsonl, line 2, is not a row"):
        read_file(tmp_path / "a.jsonl")


# --- ranking

TASK = Task(
    "t", "Title", "p", "CC0", "card", "B", Data("x", sha256={"a": "b"}), Given((("a",),)), seeds=4
)


def made(entrant: str, seed: int, skill: float, **facts: object) -> Row:
    figures = {"mae 2 all": [0.1, 0.01, 0.2, 0.1, skill]}
    row = Row(TASK.name, TASK.revision, TASK.board, "test", entrant, "peer", "", seed, "0", 1)
    return replace(row, **{"figures": figures, "panel": f"{entrant}{seed}", **facts})


def several(**skills: list[float]) -> list[Row]:
    return [made(name, i, skill) for name, line in skills.items() for i, skill in enumerate(line)]


def ranks(rows: list[Row], tasks: list[Task]) -> dict[str, int | None]:
    [board] = leaderboard(rows, tasks).boards
    return {line.entrant: line.rank for line in board.lines}


def test_entrants_that_cannot_be_told_apart_share_a_rank() -> None:
    rows = several(a=[0.9, 0.8, 0.9, 0.8], b=[0.8, 0.9, 0.8, 0.89], c=[0.1, 0.2, 0.1, 0.2])
    assert ranks(rows, [TASK]) == {"a": 1, "b": 1, "c": 3}


def test_a_small_but_steady_lead_is_a_lead() -> None:
    rows = several(a=[0.9, 0.1, 0.5, 0.7], b=[0.89, 0.09, 0.49, 0.69])
    assert ranks(rows, [TASK]) == {"a": 1, "b": 2}


def test_a_panel_that_is_the_same_in_every_seed_keeps_its_own_error() -> None:
    rows = [made(name, i, 0.5, panel=name) for name in "a" for i in range(4)]
    [board] = leaderboard(rows, [TASK]).boards
    half = (board.lines[0].high - board.lines[0].low) / 2
    assert half == pytest.approx(1.96 * 0.01 / 0.1, rel=0.05)


def test_a_failed_run_counts_as_independent_draws() -> None:
    rows = several(a=[0.8, 0.8, 0.8, 0.8])
    rows[0] = replace(rows[0], failure="no", figures={})
    [board] = leaderboard(rows, [TASK]).boards
    assert board.lines[0].mean == pytest.approx(0.6)
    assert (board.lines[0].failed, board.lines[0].reasons) == (1, ("no",))


def test_a_missing_run_is_named_and_an_undefined_skill_refused() -> None:
    rows = several(a=[0.8, 0.8, 0.8, 0.8], b=[0.1, 0.2])
    with pytest.raises(pg.PopgenError, match="'b' has no run of task 't', seed 2"):
        leaderboard(rows, [TASK])
    none = [replace(row, figures={}) for row in several(a=[1, 1, 1, 1])]
    with pytest.raises(pg.PopgenError, match="'a' has no skill on task 't', seed 0"):
        leaderboard(none, [TASK])


def test_tasks_of_one_board_have_equally_many_seeds() -> None:
    other = replace(TASK, name="u", seeds=1)
    rows = [*several(a=[1, 1, 1, 1]), made("a", 0, 1.0, task="u")]
    with pytest.raises(pg.PopgenError, match="have 1, 4 seeds"):
        leaderboard(rows, [TASK, other])


def test_the_last_row_counts_and_definitions_are_not_mixed() -> None:
    rows = [*several(a=[0.1, 0.1, 0.1, 0.1]), *several(a=[0.9, 0.9, 0.9, 0.9])]
    [board] = leaderboard(rows, [TASK]).boards
    assert board.lines[0].mean == pytest.approx(0.9)
    with pytest.raises(pg.PopgenError, match="definitions 1, 2"):
        latest([made("a", 0, 0.1), made("a", 1, 0.1, definitions=2)])


def test_rows_of_another_revision_of_a_task_do_not_count() -> None:
    rows = [made("a", 0, 0.1, revision="old")]
    found = leaderboard(rows, [TASK])
    assert found.boards == ()
    assert found.absent == (TASK,)


def test_who_is_first_is_said() -> None:
    def verdict(**kinds: str) -> str:
        skills = {"a": [0.9, 0.9, 0.9, 0.9], "b": [0.1, 0.1, 0.1, 0.1]}
        rows = [replace(row, kind=kinds[row.entrant]) for row in several(**skills)]
        return leaderboard(rows, [TASK]).boards[0].verdict

    assert verdict(a="popgen", b="peer") == "First: a (popgen)."
    assert verdict(a="peer", b="popgen").endswith("No popgen method is; the best is b.")
    assert verdict(a="peer", b="LLM").endswith("No popgen method competes here.")
    rows = several(a=[0.9, 0.8, 0.9, 0.8], b=[0.8, 0.9, 0.8, 0.89])
    [board] = leaderboard(rows, [replace(TASK, split="dev")]).boards
    assert board.verdict.startswith("Tied for first: a (peer), b (peer). No popgen")
    assert board.verdict.endswith("methods were tuned on it.")


def test_pages_escape_what_they_show() -> None:
    hostile = "<b>|x</b>"
    rows = [replace(row, entrant=hostile, failure="") for row in several(a=[1, 1, 1, 1])]
    rows[0] = replace(rows[0], failure="<script>")
    found = leaderboard(rows, [replace(TASK, superseded_by="")])
    for text in (markdown(found), leaderboard_page(found)):
        assert "<b>" not in text
        assert "<script>" not in text
    assert "&lt;script&gt;" in leaderboard_page(found)


def test_superseded_tasks_and_tracks_without_tasks_are_said() -> None:
    gone = replace(TASK, name="old", superseded_by="t")
    text = markdown(leaderboard(several(a=[1, 1, 1, 1]), [TASK, gone]))
    assert "old is superseded by t." in text
    assert "Track G (households) has no task yet." in text


# --- entrants and submissions

ENTRANT = """
import popgen as pg
NAME, TRACKS = "mine", "D"
def enter(posed, rng):
    return pg.Independent().fit(posed.problem()).sample(posed.people, rng=rng)
"""


def test_a_python_file_enters(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ENTRANT)
    rows = submitted(tmp_path / "mine.py", [FEW], results=tmp_path / "rows")
    assert [row.entrant for row in rows] == ["mine", "mine"]
    assert abs(rows[0].figure("mae", 2, "all", "skill") or 9) < 0.3
    assert len(read_rows(tmp_path / "rows")) == 2


def test_a_panel_is_scored_from_its_file(tmp_path: Path) -> None:
    people = real_people(joint(), 1000, np.random.default_rng(0))
    file = people.write(tmp_path / "panel.parquet")
    [row] = submitted(file, [FEW], name="ours", seed=1)
    assert (row.entrant, row.seed, row.size, row.failure) == ("ours", 1, 1000, "")
    expected = pg.score(people, joint(), replicates=2).value("mae", 2)
    assert row.figure("mae", 2, "all", "value") == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("TRACKS = 'D'", "has no 'enter'"),
        ("def enter(posed, rng): ...", "has no 'TRACKS'"),
    ],
)
def test_a_file_that_is_no_entrant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(pg.PopgenError, match=says):
        from_file(tmp_path / "bad.py")


def test_absent_files_other_tracks_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(pg.PopgenError, match="no file"):
        from_file(tmp_path / "none.py")
    with pytest.raises(pg.PopgenError, match="no file"):
        submitted(tmp_path / "none.parquet", [FEW])
    (tmp_path / "mine.py").write_text(ENTRANT)
    with pytest.raises(pg.PopgenError, match="competes in tracks 'D'"):
        submitted(tmp_path / "mine.py", [replace(FEW, track="B")])
    with pytest.raises(pg.PopgenError, match="the name 'IPF' is taken"):
        submitted(tmp_path / "mine.py", [FEW], name="IPF")
    with pytest.raises(pg.PopgenError, match="no entrant 'nobody'; there are 'Independent'"):
        chosen(["nobody"], entrants())

"""PopBench's own entrants: what they add to what is given, and effects found again among them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import popgen as pg
from popgen.bench.entrants import RECORDED, chosen, entrants, with_absent_cells
from popgen.bench.figures import replicated
from popgen.bench.leaderboard import leaderboard
from popgen.bench.pose import Posed, pose, real_sample
from popgen.bench.run import scored
from popgen.bench.task import Task, read_tasks
from popgen.bench.words import markdown
from popgen.report.leaderboard import leaderboard_page

TASKS = read_tasks(Path(__file__).resolve().parents[1] / "benchmarks" / "tasks")


def task(name: str) -> Task:
    return next(one for one in TASKS if one.name == name)


# --- levels that no record has


def posed_with(records: list[list[int]]) -> Posed:
    domain = pg.Domain((pg.Variable("a", ("x", "y", "z")), pg.Variable("b", ("x", "y"))))
    ways = [
        pg.Table(domain.project("a"), [70, 20, 10]),
        pg.Table(domain.project("b"), [100, 0]),
    ]
    return Posed(domain, pg.Tables(ways), pg.Microdata(domain, records), 100, "p")


def test_a_level_without_a_record_gets_one_that_counts_as_many_as_were_expected() -> None:
    posed = posed_with([[0, 0]] * 30 + [[1, 0]] * 10)
    found = with_absent_cells(posed, np.random.default_rng(0))
    assert found.codes[40:].tolist() == [[2, 0]]  # b=y has nobody: no record is due
    assert found.weights[40:].tolist() == [4.0]
    assert pg.Calibration().fit(pg.Problem(posed.margins, found)).convergence.converged
    with pytest.raises(pg.InfeasibleError, match="a=z"):
        pg.Calibration().fit(posed.problem())


def test_records_that_have_every_level_are_left_alone() -> None:
    posed = posed_with([[0, 0], [1, 0], [2, 0]])
    assert with_absent_cells(posed, np.random.default_rng(0)) is posed.records
    with pytest.raises(pg.PopgenError, match="no records to add to"):
        with_absent_cells(replace(posed, records=None), np.random.default_rng(0))


# --- recorded panels, and fusion


def test_a_repaired_panel_has_skill_where_the_recorded_one_has_none() -> None:
    skills = {}
    for entrant in chosen(["LLM direct", "LLM direct, repaired"], entrants()):
        row = scored(task("us_panel_2020.B"), 0, entrant)
        assert row.failure == ""
        assert row.cost["tokens"] is None
        skills[entrant.name] = row.figure("mae", 2, "all", "skill") or 0.0
    assert skills["LLM direct"] < 0
    assert skills["LLM direct, repaired"] > 0.3


def test_recorded_panels_compete_only_where_they_were_asked_for() -> None:
    known = {one.name for one in entrants() if one.takes("D", "elsewhere")}
    more = {one.name for one in entrants() if one.takes("D", RECORDED)} - known
    assert more == {
        "PersonaPrior",
        "LLM direct, repaired",
        "LLM fill",
        "LLM fill, raked",
        "LLM fill, repaired",
    }


def test_fusion_adds_what_the_first_table_lacks() -> None:
    posed, _ = pose(task("us_adult_citizens_2018.F/WI"), 0)
    [entrant] = chosen(["Fusion"], entrants())
    people = entrant.enter(posed, np.random.default_rng(0))
    joint = pg.IPF().fit(posed.problem()).project(*posed.domain.names)  # the same assumption
    gap = people.project(*posed.domain.names).counts - joint.scaled(posed.people).counts
    assert np.abs(gap).max() < 1


# --- effects found again


@pytest.mark.parametrize("order", [1, 2])
def test_a_real_sample_finds_effects_again_and_independent_draws_do_not(order: int) -> None:
    posed, truth = pose(task("us_panel_2020.B"), 0)
    apart = pg.Independent().fit(posed.problem())
    for right in (1.0, 0.0):
        skills = []
        for seed in range(4):
            rng = np.random.default_rng(seed)
            real = real_sample(truth, 5_000, rng)
            people = real if right else apart.sample(5_000, rng=rng, integerise="multinomial")
            found = replicated(people, truth, posed, rng, order=order)
            assert found is not None
            skills.append(found[-1])
        error = np.std(skills, ddof=1) / np.sqrt(len(skills))
        assert abs(np.mean(skills) - right) < 4 * error + 0.02


def test_without_outcomes_or_people_no_effect_is_tested() -> None:
    posed, truth = pose(task("us_panel_2020.B"), 0)
    rng = np.random.default_rng(0)
    people = real_sample(truth, 1_000, rng)
    assert replicated(people, truth, replace(posed, outcomes={}), rng, order=1) is None
    assert replicated(truth, truth, posed, rng, order=1) is None


def test_tokens_that_nobody_counted_are_unknown_and_those_of_methods_none() -> None:
    few = replace(task("us_panel_2020.B"), seeds=1)
    rows = [scored(few, 0, one) for one in chosen(["Independent", "LLM judge"], entrants())]
    found = leaderboard(rows, [few])
    figures = {line.entrant: line.figures[-1] for line in found.boards[0].lines}
    assert figures["Independent"] == 0
    assert np.isnan(figures["LLM judge"] or 0)
    for text in (markdown(found), leaderboard_page(found)):
        assert text.count("unknown") == 1

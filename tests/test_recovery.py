"""What the benchmarks of recovery share, on small tables worked out by hand."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from popgen import Domain, Microdata, Table, Variable

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def town(n, rng):
    sizes = {"area": 3, "a": 2, "b": 4, "c": 3}
    domain = Domain(tuple(Variable(v, tuple("wxyz"[:k])) for v, k in sizes.items()))
    return Microdata(domain, np.column_stack([rng.integers(k, size=n) for k in sizes.values()]))


def test_scores_are_total_variation_of_projected_tables():
    from recovery.kmarginal import FIGURES, scores

    rng = np.random.default_rng(0)
    truth, mine = town(500, rng), town(200, rng)
    weights = rng.uniform(1, 2, 200)
    weighted = Microdata(mine.domain, mine.codes, weights)
    sets = (
        [("area", *pair) for pair in itertools.combinations("abc", 2)],
        list(itertools.combinations(("area", "a", "b", "c"), 2)),
        [("a", "b", "c")],
    )
    found = scores((mine.codes, weights), truth, "area")
    for figure, group in zip(FIGURES, sets, strict=True):
        gaps = [
            np.abs(
                weighted.project(*some).scaled(1).counts - truth.project(*some).scaled(1).counts
            ).sum()
            / 2
            for some in group
        ]
        assert found[figure] == pytest.approx(1000 * (1 - np.mean(gaps)), abs=1e-9)


def test_equivalent_sizes_lie_between_the_rungs():
    from recovery.kmarginal import equivalent

    rungs = {0.01: 600.0, 0.1: 800.0, 1.0: 950.0}
    assert equivalent(rungs, 800) == "10%"
    assert equivalent(rungs, 875) == "32%"
    assert equivalent(rungs, 500) == "<1%"
    assert equivalent(rungs, 960) == ">100%"


def test_standing_names_who_is_not_beaten():
    from recovery.rows import standing

    def rows(*values):
        return [{"draw": i, "scores": {"K": v}} for i, v in enumerate(values)]

    by = {"mine": rows(2.0, 3.0), "low": rows(1.0, 1.0), "near": rows(3.0, 1.0)}
    assert standing(by, "mine", {"K": True}) == "behind near in K (1 of 2 draws)"
    assert standing({**by, "near": rows(2.0)}, "mine", {"K": True}) == (
        "level with near in K (1 of 1 draws)"
    )
    assert standing({**by, "near": rows()}, "mine", {"K": True}) == (
        "ahead of all others in every figure and draw"
    )


def test_conditional_independence_has_the_margins():
    from recovery.entrants import conditional
    from recovery.task import Task

    truth = town(300, np.random.default_rng(1))
    margins = tuple(truth.project("area", name) for name in "abc")
    task = Task("", 0, margins, None, truth, 300)
    found = Microdata(truth.domain, conditional(task).codes)
    for margin in margins:
        share = margin.scaled(1).counts
        gap = np.abs(found.project(*margin.names).scaled(1).counts - share)
        assert (gap < 5 * np.sqrt(share / len(found)) + 1e-9).all()
    assert conditional(Task("", 0, margins[:2], None, truth, 300)) is None


def test_published_figures_are_off_by_about_their_standard_errors():
    from recovery.acs2019_tasks import STANDS_FOR, published

    table = Table(Domain((Variable("a", tuple(map(str, range(400)))),)), np.full(400, 50.0))
    found = published(table, 20_000, np.random.default_rng(0))
    z = (found.counts / STANDS_FOR - 50) / (found.se / STANDS_FOR)
    assert abs(z.mean()) < 5 / 20 + 0.1  # larger figures have larger errors
    assert z.std() == pytest.approx(1.0, abs=0.2)
    assert (found.counts % 10 == 0).all()
    empty = published(Table(table.domain, np.zeros(400)), 20_000, np.random.default_rng(0))
    assert empty.counts.sum() == 0
    assert empty.se == pytest.approx(np.full(400, STANDS_FOR), rel=1e-3)

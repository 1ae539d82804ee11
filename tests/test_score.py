import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import rel_entr
from scipy.stats import binom

from popgen.census import read_census
from popgen.domain import Domain, Variable
from popgen.effects import centred
from popgen.errors import PopgenError
from popgen.metrics import METRICS, Metric, Plot, number
from popgen.microdata import Microdata, Population
from popgen.report import render, summarise
from popgen.score import Scores, compare, score
from popgen.table import Table
from popgen.tables import Tables

ROOT = Path(__file__).parents[1]
RECORDINGS = ROOT / "data" / "personas" / "recordings"
DOMAIN = Domain(
    tuple(
        Variable(name, tuple(f"{name}{i}" for i in range(size)))
        for name, size in (("a", 3), ("b", 2), ("c", 4), ("d", 2))
    )
)


def joint() -> Table:
    """A known joint with interactions of every order, and rare levels."""
    rng = np.random.default_rng(3)
    logs = rng.normal(scale=0.4, size=DOMAIN.shape)
    for i, j in combinations(range(4), 2):
        shape = [DOMAIN.shape[k] if k in (i, j) else 1 for k in range(4)]
        logs = logs + rng.normal(scale=0.5, size=shape)
    return Table(DOMAIN, np.round(3e4 * np.exp(logs + np.log([1, 0.5, 0.2, 0.05])[:, None])))


def drawn(truth: Table, n: int, rng: int) -> Population:
    p = truth.counts.ravel() / truth.total
    cells = np.random.default_rng(rng).choice(p.size, size=n, p=p)
    return Population(truth.domain, np.column_stack(np.unravel_index(cells, truth.domain.shape)))


def independent(truth: Table, n: int, rng: int) -> Population:
    stream = np.random.default_rng(rng)
    columns = [
        stream.choice(len(v), size=n, p=truth.project(v.name).counts / truth.total)
        for v in truth.domain
    ]
    return Population(truth.domain, np.column_stack(columns))


@pytest.fixture(scope="module")
def truth() -> Table:
    return joint()


def test_the_truth_itself_is_perfect(truth: Table) -> None:
    scores = score(truth, truth)
    for order in (1, 2, 3):
        assert scores.value("K", order) == pytest.approx(1000, abs=1e-9)
        assert scores.value("srmse", order) == pytest.approx(0, abs=1e-12)
    for order in (2, 3):
        assert scores.value("slope", order) == pytest.approx(1)
        assert scores.value("correlation", order) == pytest.approx(1)
        assert scores.skill("mae", order) == pytest.approx(1)
        assert scores.skill("K", order) == pytest.approx(1)


def test_the_product_of_the_shares_is_the_floor(truth: Table) -> None:
    counts = np.ones(())
    for name in truth.names:
        counts = np.multiply.outer(counts, truth.project(name).counts / truth.total)
    scores = score(Table(DOMAIN, counts), truth)
    assert scores.value("K", 1) == pytest.approx(1000, abs=1e-9)
    for order in (2, 3):
        assert scores.value("slope", order) == pytest.approx(0, abs=1e-9)
        assert scores.skill("mae", order) == pytest.approx(0, abs=1e-9)
        assert scores.skill("K", order) == pytest.approx(0, abs=1e-9)


@pytest.fixture(scope="module")
def seeds(truth: Table) -> pl.DataFrame:
    """Real replicates and independent draws of 500 people, 60 seeds each."""
    names = {"real": drawn, "independent": independent}
    candidates = {f"{k} {i}": make(truth, 500, i) for k, make in names.items() for i in range(60)}
    rows = compare(candidates, truth, replicates=400).rows
    return rows.with_columns(pl.col("candidate").str.split(" ").list.first().alias("kind"))


def summary(rows: pl.DataFrame, kind: str, what: str = "value") -> pl.DataFrame:
    return (
        rows.filter(pl.col("kind") == kind)
        .group_by("metric", "order", maintain_order=True)
        .agg(
            pl.col(what).mean().alias("mean"),
            (pl.col(what).std() / pl.len().sqrt()).alias("error"),
            pl.col("value").std().alias("spread"),
            (pl.col("se") ** 2).mean().sqrt().alias("se"),
            pl.col("floor").first(),
            pl.col("ceiling").first(),
        )
    )


def test_a_real_replicate_has_slope_one_and_meets_the_ceiling(seeds: pl.DataFrame) -> None:
    found = summary(seeds, "real")
    for row in found.iter_rows(named=True):
        assert abs(row["mean"] - row["ceiling"]) < 4 * row["error"] + 0.01 * abs(row["ceiling"])
        if row["metric"] == "slope":
            assert abs(row["mean"] - 1) < 4 * row["error"]


def test_independent_draws_meet_the_floor(seeds: pl.DataFrame) -> None:
    for row in summary(seeds, "independent").iter_rows(named=True):
        assert abs(row["mean"] - row["floor"]) < 4 * row["error"] + 0.01 * abs(row["floor"])


def test_skill_is_nought_for_independent_draws_and_one_for_real_replicates(
    seeds: pl.DataFrame,
) -> None:
    for kind, skill in (("independent", 0.0), ("real", 1.0)):
        found = summary(seeds, kind, "skill").drop_nulls("mean")
        assert set(found.select("metric", "order").rows()) == {
            ("K", 2),
            ("K", 3),
            ("mae", 2),
            ("mae", 3),
        }
        for row in found.iter_rows(named=True):
            assert abs(row["mean"] - skill) < 4 * row["error"] + 0.03


def test_jackknife_errors_cover_the_spread_over_seeds(seeds: pl.DataFrame) -> None:
    """They are about right for slopes and never much too small (they may be too large)."""
    for row in summary(seeds, "real").iter_rows(named=True):
        ratio = row["se"] / row["spread"]
        assert 0.75 < ratio < 2.5
        if row["metric"] == "slope":
            assert ratio < 1.4


def test_the_ceiling_of_total_variation_has_a_closed_form(truth: Table) -> None:
    """De Moivre's mean absolute deviation of the binomial, summed over cells."""
    n, expected = 200, []
    for names in combinations(truth.names, 2):
        p = truth.project(*names).counts.ravel() / truth.total
        v = np.floor(n * p) + 1
        expected.append(0.5 * np.sum(2 * v * (1 - p) * binom.pmf(v, n, p) / n))
    rows = score(drawn(truth, n, 0), truth, orders=[2], replicates=2000).rows
    ceiling = rows.filter(metric="K")["ceiling"].item()
    assert ceiling == pytest.approx(1000 * (1 - np.mean(expected)), abs=0.5)


def test_any_projectable_gives_the_same_scores(truth: Table) -> None:
    people = drawn(truth, 300, 1)
    weighted = Microdata(DOMAIN, people.codes, np.full(300, 7.5))
    backwards = Domain(tuple(Variable(v.name, v.levels[::-1]) for v in DOMAIN.variables[::-1]))
    turned = np.array(backwards.shape) - 1 - people.codes[:, ::-1]
    sets = Tables([truth.project(*s) for k in (1, 2, 3) for s in combinations(truth.names, k)])
    first = score(people, truth).rows
    others = (
        score(weighted, truth),
        score(Population(backwards, turned), truth),
        score(people, sets),
        score(people, truth.scaled(1e7)),
    )
    for other in others:
        for column in ("value", "se", "floor", "ceiling"):
            assert other.rows[column].to_list() == pytest.approx(first[column].to_list())


def test_candidates_do_not_change_one_another(truth: Table) -> None:
    one, two = drawn(truth, 300, 1), drawn(truth, 200, 2)
    alone = score(two, truth, rng=5).rows.drop("candidate")
    beside = compare({"one": one, "two": two}, truth, rng=5).rows.filter(candidate="two")
    assert beside.drop("candidate").equals(alone)
    assert not score(two, truth, rng=6).rows["floor"].equals(alone["floor"])


def test_measured_and_unmeasured_sets_are_scored_apart(truth: Table) -> None:
    people = drawn(truth, 300, 1)
    scores = score(people, truth, measured=[("a", "b", "c"), ("d", "zone")])
    tables = scores.rows.filter(metric="K").select("order", "group", "tables").rows()
    assert tables == [
        (1, "all", 4),
        (1, "measured", 4),
        (2, "all", 6),
        (2, "measured", 3),
        (2, "unmeasured", 3),
        (3, "all", 4),
        (3, "measured", 1),
        (3, "unmeasured", 3),
    ]
    parts = [scores.value("K", 2, group) for group in ("measured", "unmeasured")]
    assert scores.value("K", 2) == pytest.approx(np.mean(parts))
    assert scores.rows.filter(group="unmeasured")["value"].is_not_null().all()


def test_effective_size_sets_how_the_truth_is_seen(truth: Table) -> None:
    people = drawn(truth, 400, 1)
    weights = np.random.default_rng(0).gamma(1.0, size=400) + 0.01
    survey = Microdata(DOMAIN, people.codes, weights)
    rows = score(survey, truth).rows
    assert rows["size"].unique().to_list() == [round(survey.effective_size)]
    assert score(survey.project(*DOMAIN.names), truth).rows["size"].is_null().all()


def test_no_skill_where_the_truth_has_no_interactions() -> None:
    flat = Table(DOMAIN, np.ones(DOMAIN.shape))
    scores = score(drawn(flat, 100, 0), flat, orders=[2])
    assert math.isnan(scores.skill("mae", 2))
    assert math.isnan(scores.value("slope", 2))


def test_a_single_record_and_a_level_without_people_are_scored(truth: Table) -> None:
    one = score(drawn(truth, 1, 0), truth)
    assert one.rows["se"].is_null().all()
    assert 0 < one.value("K", 1) < 1000
    empty = Table(DOMAIN, truth.counts * np.array([1, 1, 0])[:, None, None, None])
    rows = score(drawn(empty, 100, 0), empty).rows
    assert rows["value"].is_finite().all()


def test_readable_table_and_one_figure(truth: Table) -> None:
    scores = compare({"real": drawn(truth, 200, 0), "exact": truth}, truth)
    text = str(scores).splitlines()
    assert text[0].split()[:4] == ["candidate", "n", "group", "K1"]
    assert [line.split()[:3] for line in text[1:]] == [
        ["real", "200", "all"],
        ["exact"] * 2 + ["all"],
    ]
    assert scores.value("K", 2, candidate="exact") == pytest.approx(1000)
    assert scores.to_polars() is scores.rows
    with pytest.raises(PopgenError, match="say which candidate: 'real', 'exact'"):
        scores.value("K", 2)
    with pytest.raises(PopgenError, match="no score 'mae' of order 1, group 'all'"):
        scores.value("mae", 1, candidate="real")


def jensen_shannon(q: np.ndarray, p: np.ndarray) -> np.ndarray:
    middle = (q + p) / 2
    return (rel_entr(q, middle) + rel_entr(p, middle)).sum(axis=tuple(range(-p.ndim, 0))) / 2


def test_a_metric_is_one_entry(truth: Table) -> None:
    entry = Metric(
        "js", jensen_shannon, digits=4, skilled=(2,), plots=(Plot(2, "Divergence", "nats"),)
    )
    people = drawn(truth, 300, 0)
    scores = score(people, truth, metrics=(*METRICS, entry))

    pairs = list(combinations(truth.names, 2))
    expected = np.mean(
        [
            jensen_shannon(people.project(*p).shares.counts, truth.project(*p).shares.counts)
            for p in pairs
        ]
    )
    assert scores.value("js", 2) == pytest.approx(expected)
    assert 0 < scores.rows.filter(metric="js", order=2)["se"].item() < expected
    assert 0 < scores.skill("js", 2) < 1.5
    head, line = (text.split() for text in str(scores).splitlines())
    assert number(float(expected), 4) in line
    assert head.index("js2") == head.index("mae3") + 1
    page = render(summarise(scores))
    assert "js 2</th>" in page
    assert "Divergence" in page
    assert "nats; lower is better" in page

    without = score(people, truth)
    assert scores.rows.filter(pl.col("metric") != "js").equals(without.rows)


def test_only_what_is_asked_is_scored(truth: Table) -> None:
    k, slope = METRICS[0], METRICS[2]
    assert set(score(truth, truth, metrics=[k]).rows["metric"]) == {"K"}
    assert set(score(truth, truth, metrics=[slope]).rows["order"]) == {2, 3}
    with pytest.raises(PopgenError, match="no order was asked for that a metric is defined for"):
        score(truth, truth, orders=[1], metrics=[slope])
    with pytest.raises(PopgenError, match="two metrics are named 'K'"):
        score(truth, truth, metrics=[k, k])
    with pytest.raises(PopgenError, match="there is no metric to score"):
        score(truth, truth, metrics=[])
    with pytest.raises(PopgenError, match=r"'srmse': a metric is a popgen\.metrics\.Metric"):
        score(truth, truth, metrics=["srmse"])
    with pytest.raises(PopgenError, match=r"metric 'sum' gave terms of shape \(\) for 1 copies"):
        score(truth, truth, metrics=[Metric("sum", lambda q, p: np.asarray(q.sum()))])
    with pytest.raises(PopgenError, match=r"metric 'all' gave figures of shape \(\) for 1 copies"):
        score(truth, truth, metrics=[replace(k, name="all", figure=lambda sums, n: sums.sum())])
    with pytest.raises(PopgenError, match="states no 0-way table"):
        score(truth, truth, orders=[0, 1])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_keeps_its_word(metric: Metric, truth: Table) -> None:
    perfect = score(truth, truth)
    rows = score(drawn(truth, 500, 0), truth).rows.filter(metric=metric.name)
    other = score(Table(DOMAIN, truth.counts**2), truth)
    assert rows["order"].to_list() == [k for k in (1, 2, 3) if metric.defined(k)]
    for order in rows["order"]:
        assert perfect.value(metric.name, order) == pytest.approx(metric.perfect, abs=1e-9)
        tables = [truth.project(*names) for names in combinations(truth.names, order)]
        pairs = [(Table(DOMAIN, truth.counts**2).project(*t.names), t) for t in tables]
        assert metric.of(pairs) == pytest.approx(other.value(metric.name, order), abs=1e-12)
    if metric.better != "nearer":
        better = (
            rows["ceiling"] - rows["floor"]
            if metric.better == "higher"
            else (rows["floor"] - rows["ceiling"])
        )
        assert (better.filter(rows["order"] == 2) > 0).all()
    assert {row["order"] for row in rows.to_dicts() if row["skill"] is not None} <= set(
        metric.skilled
    )


def test_refusals_name_what_is_wrong(truth: Table) -> None:
    with pytest.raises(PopgenError, match=r"lacks variable\(s\) 'd' of the truth; it has 'a', 'b'"):
        score(truth.project("a", "b", "c"), truth)
    with pytest.raises(PopgenError, match=r"'a' lacks level\(s\) 'a2'"):
        score(truth.select(a=["a0", "a1"]), truth)
    with pytest.raises(PopgenError, match=r"'a' has level\(s\) 'a2' that the truth does not know"):
        score(truth, truth.select(a=["a0", "a1"]))
    with pytest.raises(PopgenError, match=r"candidate's table over .* holds nobody"):
        score(Table(DOMAIN, np.zeros(DOMAIN.shape)), truth)
    with pytest.raises(PopgenError, match=r"truth's table over .* holds nobody"):
        score(truth, Table(DOMAIN, np.zeros(DOMAIN.shape)))
    pairs = Tables([truth.project("a", "b"), truth.project("b", "c")])
    with pytest.raises(PopgenError, match="states no 3-way table: at most 2 of its 3 variables"):
        score(truth, pairs, orders=[3])
    assert set(score(truth, pairs).rows["order"]) == {1, 2}
    assert score(truth, pairs, orders=[2]).rows["tables"].to_list() == [2] * 5
    with pytest.raises(PopgenError, match="no order was asked for"):
        score(truth, truth, orders=[])
    for orders in (2, "2", ["2"], [1.5]):
        with pytest.raises(PopgenError, match=r"orders is a list of whole numbers, e\.g\. orders="):
            score(truth, truth, orders=orders)
    for order in (0, -1, 9):
        with pytest.raises(PopgenError, match=f"states no {order}-way table"):
            score(truth, truth, orders=[order])
    with pytest.raises(PopgenError, match="no candidate"):
        compare({}, truth)
    with pytest.raises(PopgenError, match="at least 2 replicates; got 1"):
        score(truth, truth, replicates=1)
    with pytest.raises(PopgenError, match="measured sets are collections of names"):
        score(truth, truth, measured=["a"])


# The recorded persona panels against their population (data/personas/CARD.md). Expected figures:
# an independent scorer's, published with the recordings.
PANELS = {
    "direct": (1188, 969.4, 919.5, 856.1, 2.23, 0.80, 0.294),
    "fill": (800, 965.7, 906.4, 830.5, 2.24, 0.80, 0.309),
    "judge": (423, 952.7, 900.8, 833.8, 0.40, 0.34, 0.194),
}
REPLICATE = (985.6, 966.6, 936.7, 1.00, 0.92, 0.065)
INDEPENDENT = (983.8, 931.9, 870.3, 0.04, 0.08, 0.165)


def panels(domain: Domain) -> dict[str, Microdata]:
    def read(name: str) -> pl.DataFrame:
        return pl.read_csv(RECORDINGS / f"{name}.csv")

    def coded(frame: pl.DataFrame) -> Microdata:
        columns = [[v.index(level) for level in frame[v.name]] for v in domain]
        return Microdata(domain, np.column_stack(columns))

    fill = pl.concat([read("fill_rows").join(read(f"fill_run{i}"), on="id") for i in (1, 2)])
    judge = read("judge_rows").join(read("judge_run1"), on="id").filter(pl.col("verdict") == 1)
    direct = pl.concat([read(f"direct_run{i}") for i in (1, 2, 3)])
    return {"direct": coded(direct), "fill": coded(fill), "judge": coded(judge)}


needs_recordings = pytest.mark.skipif(
    not RECORDINGS.exists() or not (ROOT / "data/census_marginals/us_panel_2020").exists(),
    reason="the recorded panels and their truth are in the repository's data folder",
)


@pytest.fixture(scope="module")
def panel_truth() -> Tables:
    return read_census("us_panel_2020", margins=["one_way", "two_way", "three_way"]).margins


@pytest.fixture(scope="module")
def panel_scores(panel_truth: Tables) -> Scores:
    return compare(panels(panel_truth.domain), panel_truth, replicates=60)


@needs_recordings
def test_persona_panels_score_as_published(panel_scores: Scores) -> None:
    for name, (n, *marginal, slope, correlation, mae) in PANELS.items():
        found = panel_scores.rows.filter(candidate=name)
        assert found["size"].unique().to_list() == [n]
        for order, value in enumerate(marginal, 1):
            assert panel_scores.value("K", order, candidate=name) == pytest.approx(value, abs=0.05)
        # the published figures smooth small counts otherwise (next test): near, and the same story
        assert panel_scores.value("slope", 2, candidate=name) == pytest.approx(slope, abs=0.17)
        assert panel_scores.value("correlation", 2, candidate=name) == pytest.approx(
            correlation, abs=0.06
        )
        assert panel_scores.value("mae", 2, candidate=name) == pytest.approx(mae, rel=0.17)
    by_mae = [panel_scores.value("mae", 2, candidate=name) for name in ("judge", "direct", "fill")]
    assert by_mae == sorted(by_mae)


@needs_recordings
def test_yardsticks_are_the_published_replicate_and_independent_draws(panel_truth: Tables) -> None:
    shape = Microdata(panel_truth.domain, np.zeros((1200, 11)))
    rows = score(shape, panel_truth, replicates=40).rows
    keys = (("K", 1), ("K", 2), ("K", 3), ("slope", 2), ("correlation", 2), ("mae", 2))
    # one published sample each: within 2.5 standard deviations of such a sample
    spread = (2.4, 2.8, 3.4, 0.05, 0.05, 0.005)
    for column, published in (("ceiling", REPLICATE), ("floor", INDEPENDENT)):
        for (metric, order), value, sd in zip(keys, published, spread, strict=True):
            found = rows.filter(metric=metric, order=order)[column].item()
            assert abs(found - value) < 2.5 * sd, (column, metric, order)


@needs_recordings
def test_published_interactions_follow_from_smoothing_towards_independence(
    panel_truth: Tables,
) -> None:
    """Half a person a cell, but shared out as the table's own margins' product, in both tables."""

    def look(table: Table) -> np.ndarray:
        q = table.counts / table.total
        pseudo = 0.5 * q.size * np.outer(q.sum(1), q.sum(0))
        return centred(np.log(table.counts + pseudo), np.ones(q.shape, dtype=bool))

    for name, panel in panels(panel_truth.domain).items():
        parts = []
        for names in combinations(panel_truth.domain.names, 2):
            true = panel_truth.project(*names)
            parts.append([look(panel.project(*names)), look(true), true.counts / true.total])
        c, t, w = (np.concatenate([part[i].ravel() for part in parts]) for i in range(3))
        found = (
            (w * t * c).sum() / (w * t * t).sum(),
            (w * t * c).sum() / np.sqrt((w * t * t).sum() * (w * c * c).sum()),
            (w * abs(c - t)).sum() / w.sum(),
        )
        assert found == pytest.approx(PANELS[name][4:], abs=0.0055)

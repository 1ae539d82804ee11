"""A prior that earns its factor where the truth is measured, and vanishes where it misleads."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest

import popgen as pg
from popgen.methods._prior_factors import Evidence, learn
from popgen.methods._prior_fit import DEFAULTS
from popgen.methods._prior_pairs import interaction
from popgen.methods._respondents import blend
from popgen.methods.panel import Panel, recorded, weighted_centre

BINARY = [pg.Variable(name, ("no", "yes")) for name in "abcdef"]
NAMES = tuple(variable.name for variable in BINARY)
PAIRS = list(itertools.combinations(range(6), 2))
KNOWN = [pair for i, pair in enumerate(PAIRS) if i % 3 != 2]  # 10 of the 15 pairs
THETA = dict(zip(PAIRS, np.random.default_rng(0).normal(0, 0.35, len(PAIRS)), strict=True))


def joint(times: float, domain: list[pg.Variable] = BINARY) -> pg.Table:
    """A pairwise log-linear joint of binary variables, its interactions so many times THETA's."""
    signs = np.array([1.0, -1.0])
    logs = np.zeros((2,) * len(domain))
    for i, j in PAIRS:
        shape = [2 if axis in (i, j) else 1 for axis in range(6)]
        logs = logs + times * THETA[i, j] * np.outer(signs, signs).reshape(shape)
    for axis, lean in enumerate((0.3, -0.2, 0.1, 0.0, -0.4, 0.2)):
        logs = logs + (lean * signs).reshape([2 if axis == i else 1 for i in range(6)])
    counts = np.exp(logs)
    return pg.Table(pg.Domain(tuple(domain)), 10_000 * counts / counts.sum())


def problem(microdata: pg.Microdata | None = None) -> pg.Problem:
    truth = joint(1.0)
    known = [truth.project(NAMES[i], NAMES[j]) for i, j in KNOWN]
    return pg.Problem([*(truth.project(name) for name in NAMES), *known], microdata)


def drawn(table: pg.Table, n: int, seed: int) -> pg.Microdata:
    rng = np.random.default_rng(seed)
    cells = rng.choice(table.domain.size, n, p=table.scaled(1).counts.ravel())
    return pg.Microdata(table.domain, np.column_stack(np.unravel_index(cells, table.domain.shape)))


def shuffled(people: pg.Microdata, seed: int) -> pg.Microdata:
    rng = np.random.default_rng(seed)
    return pg.Microdata(
        people.domain, np.column_stack([rng.permutation(c) for c in people.codes.T])
    )


def error(model: pg.Projectable) -> float:
    """Mean absolute error of the unmeasured pairs' interactions."""
    truth = joint(1.0)
    gaps = [
        np.abs(
            interaction(model.project(*pair).counts)[0]
            - interaction(truth.project(*pair).counts)[0]
        ).mean()
        for pair in [(NAMES[i], NAMES[j]) for i, j in PAIRS if (i, j) not in KNOWN]
    ]
    return float(np.mean(gaps))


def log_odds(table: pg.Table) -> float:
    (a, b), (c, d) = table.counts
    return float(np.log(a * d / b / c))


def two(counts: list[list[float]]) -> pg.Table:
    return pg.Table(pg.Domain(tuple(BINARY[:2])), counts)


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0])
def test_a_factor_multiplies_the_log_odds_ratio_of_stated_shares(factor):
    stated, truth = two([[40, 10], [10, 40]]), two([[300, 100], [200, 400]])
    margins = [truth.project("a"), truth.project("b")]
    model = pg.PersonaPrior(panels=(stated,), factor=factor).fit(pg.Problem(margins))
    assert log_odds(model.project("a", "b")) == pytest.approx(factor * log_odds(stated), abs=1e-6)
    np.testing.assert_allclose(model.project("a").counts, margins[0].counts, rtol=1e-8)


def test_nothing_measured_gives_the_documented_default():
    stated = two([[40, 10], [10, 40]])
    even = pg.Problem([stated.project("a"), stated.project("b")])
    model = pg.PersonaPrior(panels=(stated,)).fit(even)
    assert model.factors.how == "default"
    assert log_odds(model.project("a", "b")) == pytest.approx(DEFAULTS[False] * log_odds(stated))
    personas = drawn(stated, 100_000, 0)
    model = pg.PersonaPrior(panels=(personas,)).fit(even)
    assert log_odds(model.project("a", "b")) == pytest.approx(
        DEFAULTS[True] * log_odds(stated), rel=0.03
    )


def test_defaults_are_what_the_recorded_panels_deserve():
    truth = pg.read_census("us_panel_2020", margins=["one_way", "two_way"])
    for name, people in (("direct", True), ("fill", True), ("conditionals", False)):
        panel, up, down = recorded(name), 0.0, 0.0
        for pair in panel.tables:
            table = truth.project(*pair)
            known, weights = interaction(table.counts)
            rows, columns = weights.sum(axis=1), weights.sum(axis=0)
            logs = panel.log_ratios(*table.domain.variables)
            said = weighted_centre(logs, rows, columns)
            up, down = up + (weights * said * known).sum(), down + (weights * said**2).sum()
        assert up / down == pytest.approx(DEFAULTS[people], abs=0.06), name


def test_exaggeration_is_found_and_undone():
    model = pg.PersonaPrior(panels=(joint(2.0),)).fit(problem())
    assert model.factors.how == "learned"
    assert 0.3 < model.factors.values[1] < 0.8
    assert model.factors.error < 0.4 * model.factors.error_without
    assert error(model) < 0.4 * error(pg.IPF().fit(problem()))


def test_personas_in_a_small_sample_help_too():
    model = pg.PersonaPrior(panels=(drawn(joint(2.0), 1000, 1),)).fit(problem())
    assert error(model) < 0.5 * error(pg.IPF().fit(problem()))


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_personas_change_nothing_to_speak_of(seed):
    people = shuffled(drawn(joint(2.0), 1000, seed), seed)
    model = pg.PersonaPrior(panels=(people,)).fit(problem())
    assert error(model) < 1.02 * error(pg.IPF().fit(problem()))


def test_of_a_table_too_large_to_fit_often_the_factor_is_still_learned(monkeypatch):
    monkeypatch.setattr("popgen.methods._prior_fit.CELLS", 100)
    model = pg.PersonaPrior(panels=(joint(2.0),)).fit(problem())
    assert model.factors.how == "learned"
    assert model.factors.values[0] == 0
    assert error(model) < 0.6 * error(pg.IPF().fit(problem()))


def test_adversarial_panels_are_rejected_and_the_fit_is_that_without_them():
    plain = pg.IPF().fit(problem())
    for panel in (joint(-2.0), drawn(joint(-2.0), 1000, 2)):
        model = pg.PersonaPrior(panels=(panel,)).fit(problem())
        assert (model.factors.how, model.factors.values) == ("rejected", (1.0, 0.0))
        assert model.contributions == {}
        np.testing.assert_allclose(model.table.counts, plain.table.counts, rtol=1e-6)


def test_a_good_panel_beside_a_bad_one_is_still_believed():
    good, bad = Panel.of("good", joint(2.0)), Panel.of("bad", joint(-2.0))
    model = pg.PersonaPrior(panels=(bad, good)).fit(problem())
    assert model.sources == ("margins", "bad", "good")
    assert model.factors.values[1] == 0
    assert {tuple(c.factors) for c in model.contributions.values()} == {("good",)}


def test_margins_hold_and_only_open_pairs_are_contributed():
    asked = problem()
    model = pg.PersonaPrior(panels=(drawn(joint(2.0), 700, 3),)).fit(asked)
    for margin in asked.margins:
        np.testing.assert_allclose(margin.fitted(model), margin.table.counts, atol=1e-5)
    unmeasured = {(NAMES[i], NAMES[j]) for i, j in PAIRS if (i, j) not in KNOWN}
    assert set(model.contributions) == unmeasured
    one = model.contributions[next(iter(unmeasured))]
    assert one.people == pytest.approx(700)
    assert one.factors == {"panel 1": model.factors.values[1]}
    assert (one.respondents, one.respondents_weight) == (0, 0)
    written = model.sample(10, rng=0).provenance["prior"]
    assert written["factors"] == dict(zip(model.sources, model.factors.values, strict=True))
    assert set(written["pairs"]) == {f"{a}×{b}" for a, b in unmeasured}


def test_a_pair_of_the_seed_is_borrowed_not_prior():
    truth = joint(1.0)
    margins = [truth.project(name) for name in NAMES]
    asked = pg.Problem(margins, seed=truth.project("a", "b"))
    model = pg.PersonaPrior(panels=(joint(2.0),)).fit(asked)
    assert ("a", "b") not in model.contributions
    assert len(model.contributions) == 14


def test_nobody_is_put_where_margins_say_there_is_nobody():
    truth = joint(1.0)
    empty = truth.project("a", "b").counts.copy()
    empty[1, 1] = 0
    ways = [pg.Table(pg.Domain(tuple(BINARY[:2])), empty)]
    ways.append(truth.project("c").scaled(empty.sum()))
    model = pg.PersonaPrior(panels=(joint(2.0),)).fit(pg.Problem(ways))
    assert model.project("a", "b").counts[1, 1] == 0
    assert set(model.contributions) == {("a", "c"), ("b", "c")}


def test_coarser_margins_teach_and_hold():
    fine = pg.Variable("a", ("1", "2", "3", "4"))
    rule = pg.Coarsening.from_groups(fine, "half", {"low": ["1", "2"], "high": ["3", "4"]})
    other = pg.Variable("b", ("x", "y"))
    truth = pg.Table(pg.Domain((fine, other)), [[40, 10], [30, 20], [20, 30], [10, 40]])
    coarse = truth.coarsen(rule)
    book = pg.Codebook.of([fine, other, rule.coarse], [rule])
    asked = pg.Problem([truth.project("a"), coarse], codebook=book)
    model = pg.PersonaPrior(panels=(truth,), factor=1.0).fit(asked)
    np.testing.assert_allclose(model.project("a", "b").counts, truth.counts, atol=1e-6)


def test_many_respondents_outvote_the_prior_and_few_do_not():
    truth, misled = joint(1.0), joint(-2.0)
    ways = [truth.project(name) for name in NAMES]
    many = pg.Problem(ways, drawn(truth, 200_000, 4))
    model = pg.PersonaPrior(panels=(misled,), factor=0.5).fit(many)
    assert error(model) < 0.01
    assert min(c.respondents_weight for c in model.contributions.values()) > 0.99
    good = pg.PersonaPrior(panels=(joint(2.0),), factor=0.5)
    few = good.fit(pg.Problem(ways, drawn(truth, 40, 5)))
    assert max(c.respondents_weight for c in few.contributions.values()) < 0.4


def test_blending_beats_respondents_alone_and_the_prior_alone():
    truth = joint(1.0)
    ways = [truth.project(name) for name in NAMES]
    panel = drawn(joint(2.0), 1000, 6)
    errors = []
    for seed in range(3):
        people = drawn(truth, 400, seed)
        both = pg.PersonaPrior(panels=(panel,)).fit(pg.Problem(ways, people))
        assert both.factors.how == "learned"
        alone = pg.IPF().fit(pg.Problem(ways, people))
        errors.append([error(both), error(alone)])
    ours, theirs = np.mean(errors, axis=0)
    assert ours < 0.8 * theirs


def test_weights_of_respondents_count_by_their_effective_size():
    truth = joint(1.0)
    people = drawn(truth, 500, 7)
    ways = [truth.project(name) for name in NAMES]
    tenfold = pg.Microdata(people.domain, people.codes, np.full(500, 10.0))
    prior = pg.PersonaPrior(panels=(joint(2.0),))
    one, ten = (prior.fit(pg.Problem(ways, records)) for records in (people, tenfold))
    np.testing.assert_allclose(one.table.counts, ten.table.counts, rtol=1e-6)
    assert next(iter(ten.contributions.values())).respondents == pytest.approx(500)


def test_blend_is_the_gamma_poisson_posterior():
    rng = np.random.default_rng(8)
    prior = [np.full((4, 4), 1 / 16)] * 200
    ratio = rng.gamma(5, 1 / 5, (200, 4, 4))
    seen = [rng.poisson(20 * r).astype(float) for r in ratio]
    tables, weight = blend(prior, seen)
    assert np.mean(weight) == pytest.approx(20 / 25, abs=0.02)  # 20 people against 5
    np.testing.assert_allclose(tables[0] * 16, (seen[0] + 5) / 25, rtol=0.25)


def evidence(slope: float, noise: float, *, pairs: int = 24) -> list[Evidence]:
    rng = np.random.default_rng(9)
    weights = np.full(12, 1 / 12)
    found = []
    for i in range(pairs):
        said = rng.normal(0, 0.3, (2, 12)) * [[0.1], [1.0]]
        known = said[0] + slope * said[1] + rng.normal(0, noise, 12)
        found.append(Evidence(said, known, weights, 0.0, i % 12))
    return found


def test_factors_are_recovered_never_negative_and_cost_nothing_when_useless():
    assert learn(evidence(0.4, 0.05)).values[1] == pytest.approx(0.4, abs=0.03)
    assert learn(evidence(-0.4, 0.05)).values == (1.0, 0.0)
    assert learn(evidence(0.0, 0.2)).values == (1.0, 0.0)


def test_pairs_known_with_noise_weigh_less():
    good, bad = evidence(0.4, 0.05), evidence(1.2, 0.05)
    noisy = [Evidence(e.said, e.known, e.weights, 1.0, e.fold) for e in bad]
    plain = learn([*good, *bad]).values[1]
    assert plain == pytest.approx(0.8, abs=0.1)
    assert learn([*good, *noisy]).values[1] < plain - 0.2


def test_a_panel_is_a_value():
    people = drawn(joint(1.0), 50, 0)
    one, other = Panel.of("p", people), Panel.of("p", people)
    assert one == other == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(other)
    assert one != Panel.of("q", people)
    assert one != Panel.of("p", drawn(joint(1.0), 50, 1))
    assert repr(one) == "Panel('p', 50 people)"
    assert repr(pg.PersonaPrior(panels=(one,))) == (
        "PersonaPrior(panels=(Panel('p', 50 people),), factor=None)"
    )


def test_what_the_model_was_given_is_not_its_opinion():
    assert ("age", "gender") not in recorded("fill").tables
    assert ("home", "parent") in recorded("fill").tables


@pytest.mark.parametrize(
    ("panels", "factor", "message"),
    [
        (("direkt",), None, "no recorded panel 'direkt'; there are 'direct'"),
        ((), None, "at least one panel"),
        (("direct", "direct"), None, "name of its own"),
        (("direct",), 1.5, "factor must be at least 0 and at most 1"),
        ((joint(1.0).project("a"),), None, "says nothing of any pair"),
    ],
)
def test_refuses_what_is_no_prior(panels, factor, message):
    with pytest.raises(pg.PopgenError, match=message):
        pg.PersonaPrior(panels=panels, factor=factor)


def test_refuses_a_panel_on_other_levels_or_other_variables():
    with pytest.raises(pg.PopgenError, match="no panel says anything of two of the variables"):
        pg.PersonaPrior().fit(problem())
    other = [pg.Variable("a", ("no", "maybe")), BINARY[1]]
    counts = pg.Table(pg.Domain(tuple(other)), [[1, 2], [3, 4]])
    ways = [joint(1.0).project(name) for name in "ab"]
    with pytest.raises(pg.PopgenError, match="has no level 'yes' of 'a'"):
        pg.PersonaPrior(panels=(counts,)).fit(pg.Problem(ways))


def test_bars_on_the_panel_population():
    truth = pg.read_census("us_panel_2020", margins=["one_way", "two_way", "three_way"])
    inputs = truth.about["inputs"]["forecaster"]["margins"]
    asked = pg.Problem({"_".join(names): truth.project(*names) for names in inputs})

    def scores(model):
        people = model.sample(20_000, rng=0)
        return pg.score(people, truth, measured=inputs, orders=(2, 3), replicates=2)

    ours = scores(pg.PersonaPrior().fit(asked))
    assert ours.value("K", 2) >= 983
    assert ours.value("K", 3) >= 963.5
    assert ours.value("mae", 2, "unmeasured") <= 0.062
    useless = pg.PersonaPrior(panels=(shuffled(pg.read_panel("direct"), 0),)).fit(asked)
    assert useless.factors.how == "rejected"

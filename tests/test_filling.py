"""Numbers within bands: whose they are, that they follow the records', and that people stay."""

import math
import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from popgen import (
    IPF,
    Bands,
    BayesNet,
    CalibratedPool,
    Calibration,
    Codebook,
    Domain,
    GaussianCopula,
    Independent,
    MaxEnt,
    Mean,
    Median,
    Microdata,
    PopgenError,
    Population,
    Problem,
    Sequential,
    Variable,
    generate,
    read_microdata,
    with_values,
)
from popgen._hotdeck import dealt
from popgen.census import Census
from popgen.codebook import Recode
from popgen.tables import Tables

EDGES = [0, 18, 40, 65, math.inf]
BANDS = Bands.named(EDGES, "years")
SEX, JOB = Variable("sex", ("f", "m")), Variable("job", ("no", "yes"))


def survey(n=4000, seed=0):
    """Ages that go with job and sex also within bands, and an income that goes with age."""
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    age = np.minimum(rng.gamma(4 + 0.5 * sex, 10, n), 99).round()
    job = (rng.random(n) < np.where((age > 18) & (age < 65), 0.2 + age / 100, 0.05)).astype(int)
    income = np.where(job == 1, rng.lognormal(9 + age / 60, 0.4), rng.lognormal(8, 0.3)).round()
    frame = pl.DataFrame(
        {
            "sex": np.array(SEX.levels)[sex],
            "job": np.array(JOB.levels)[job],
            "age": age,
            "income": income,
            "w": rng.gamma(5, 1, n) + 0.2,
        }
    )
    bands = {"age": EDGES, "income": [0, 5_000, 20_000, math.inf]}
    return read_microdata(frame, bands=bands, weight="w")


SURVEY = survey()


def posed(records=SURVEY, **known):
    tables = [SURVEY.project("sex", "age").scaled(10_000), SURVEY.project("job").scaled(10_000)]
    return Problem(tables, records, **known)


def bare(records):
    return Microdata(records.domain, records.codes, records.weights)


def quantiles(values, weights):
    order = np.argsort(values, kind="stable")
    return values[order], np.cumsum(weights[order]) / weights.sum()


def distance(values, weights, others):
    """Greatest gap between two cumulative distributions (Kolmogorov and Smirnov)."""
    points = np.unique(np.concatenate([values, others]))
    known, share = quantiles(values, weights)
    one = np.append(0, share)[np.searchsorted(known, points, side="right")]
    two = np.searchsorted(np.sort(others), points, side="right") / len(others)
    return np.abs(one - two).max()


METHODS = {
    "calibration": Calibration(),
    "ipf": IPF(),
    "independent": Independent(),
    "maxent": MaxEnt(),
    "bayesnet": BayesNet(),
    "sequential": Sequential(ordinal=("age", "income")),
    "copula": GaussianCopula(ordinal=("age", "income")),
    "pool": CalibratedPool(BayesNet(), pool=4000),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_gives_numbers_within_bands_and_the_same_people_as_without(method):
    people = method.fit(posed()).sample(3000, rng=1)
    found = BANDS.find(people.values["age"])
    np.testing.assert_array_equal(found, people.column("age"))
    if not isinstance(method, CalibratedPool):  # whose people are drawn by their numbers too
        plain = method.fit(posed(bare(SURVEY))).sample(3000, rng=1)
        np.testing.assert_array_equal(people.codes, plain.codes)
        assert "values" not in plain.provenance
    again = method.fit(posed()).sample(3000, rng=1)
    np.testing.assert_array_equal(people.values["income"], again.values["income"])
    assert people.provenance["values"]["age"]["people_without"] == 0
    assert people.to_polars().columns[-2:] == ["age_value", "income_value"]
    # Within a band they are the records', as far as 3000 people show: 5 % level, twice over.
    for band in range(len(BANDS.levels)):
        theirs, mine = SURVEY.column("age") == band, found == band
        gap = distance(
            SURVEY.values["age"][theirs], SURVEY.weights[theirs], people.values["age"][mine]
        )
        assert gap < 2 * 1.36 / np.sqrt(mine.sum()) + 0.02


def test_records_hand_on_their_own_numbers_together():
    people = Calibration().fit(posed()).sample(500, rng=2)
    known = set(zip(SURVEY.values["age"], SURVEY.values["income"], strict=True))
    assert set(zip(people.values["age"], people.values["income"], strict=True)) <= known
    assert "copy of" in people.provenance["values"]["age"]["from"]


def test_sequential_draws_from_the_leaf():
    model = Sequential(order=("job", "sex", "age", "income")).fit(posed())
    people = model.sample(8000, rng=3)
    assert "leaf" in people.provenance["values"]["age"]["from"]
    in_work = people.column("job") == 1
    middle = people.column("age") == 2
    mine = people.values["age"][in_work & middle].mean() - people.values["age"][middle].mean()
    theirs = (SURVEY.column("age") == 2, (SURVEY.column("age") == 2) & (SURVEY.column("job") == 1))
    means = [np.average(SURVEY.values["age"][k], weights=SURVEY.weights[k]) for k in theirs]
    assert mine == pytest.approx(means[1] - means[0], abs=0.6)


def test_like_records_give_numbers_also_within_bands():
    people = IPF().fit(posed()).sample(20_000, rng=4)
    band = people.column("age") == 1
    gaps = []
    for held, weights in ((people, np.ones(len(people))), (SURVEY, SURVEY.weights)):
        band = held.column("age") == 1
        worked = band & (held.column("job") == 1)
        idle = band & (held.column("job") == 0)
        gaps.append(
            np.average(held.values["age"][worked], weights=weights[worked])
            - np.average(held.values["age"][idle], weights=weights[idle])
        )
    assert gaps[0] == pytest.approx(gaps[1], abs=0.3)
    assert abs(gaps[1]) > 1  # else this would show nothing


def test_a_cell_with_few_records_gives_way_to_the_band():
    domain = Domain((Variable("age", ("young", "old")), SEX))
    codes = [[0, 0]] * 6 + [[0, 1]] * 2 + [[1, 1]]
    ages = [1, 2, 3, 4, 5, 6, 11, 12, 70]
    records = Microdata(domain, codes, values={"age": ages})
    people = Population(domain, [[0, 0]] * 300 + [[0, 1]] * 300 + [[1, 0]] * 5)
    drawn = dealt(people, records, rng=np.random.default_rng(0))["age"]
    assert set(drawn[:300]) == {1, 2, 3, 4, 5, 6}  # six records of that sex: enough
    assert set(drawn[300:600]) == set(range(1, 7)) | {11, 12}  # two are not: the whole band
    assert set(drawn[600:]) == {70}  # one record, but the only one


def test_records_are_drawn_by_their_weights():
    domain = Domain((Variable("age", ("all",)),))
    records = Microdata(domain, [[0]] * 2, [1, 3], values={"age": [1.0, 2.0]})
    people = Population(domain, np.zeros((40_000, 1), int))
    share = (with_values(people, records, rng=0).values["age"] == 2).mean()
    assert share == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 40_000))


def test_levels_without_numbers_have_none_and_it_is_said():
    domain = Domain((Variable("age", ("young", "old", "unknown")),))
    records = Microdata(domain, [[0], [2]], values={"age": [7.0, np.nan]})
    people = Population(domain, [[0], [1], [2]], provenance={"who": "mine"})
    drawn = with_values(people, records, rng=0)
    np.testing.assert_array_equal(drawn.values["age"], [7, np.nan, np.nan])
    assert drawn.provenance["values"]["age"]["people_without"] == 2
    assert drawn.provenance["who"] == "mine"
    nothing = Microdata(domain, [[0]], values={"age": [np.nan]})
    assert np.isnan(with_values(people, nothing, rng=0).values["age"]).all()


@settings(max_examples=30)
@given(st.lists(st.integers(0, 50), min_size=3, max_size=6).filter(any), st.integers(0, 99))
def test_a_spline_keeps_everybody_in_their_band(counts, seed):
    edges = np.cumsum(np.arange(1, len(counts) + 2) ** 1.5)
    bands = Bands.named(edges)
    codes = np.repeat(np.arange(len(counts)), counts)[:, None]
    people = Population(Domain((Variable("x", bands.levels),)), codes)
    drawn = with_values(people, bands={"x": bands}, rng=seed).values["x"]
    np.testing.assert_array_equal(bands.find(drawn), codes[:, 0])


def spread(counts, edges):
    """People in bands, given numbers by the spline; and evenly within bands."""
    bands = Bands.named(edges)
    codes = np.repeat(np.arange(len(counts)), counts)
    people = Population(Domain((Variable("x", bands.levels),)), codes[:, None])
    drawn = with_values(people, bands={"x": bands}, rng=0)
    assert drawn.provenance["values"]["x"]["from"].startswith("a monotone spline")
    widths = np.diff(edges)[codes]
    return drawn.values["x"], edges[codes] + widths * np.random.default_rng(1).random(len(codes))


def test_a_spline_of_even_counts_is_even():
    drawn, _ = spread(np.full(6, 5000), np.arange(0.0, 61, 10))
    assert stats.kstest(drawn, stats.uniform(0, 60).cdf).pvalue > 0.01


def test_a_spline_is_nearer_a_smooth_law_than_even_spreading():
    edges, law = np.arange(0.0, 61, 10), stats.gamma(4, scale=5).cdf
    drawn, even = spread((np.diff(law(edges)) * 30_000).round().astype(int), edges)
    assert stats.kstest(drawn, law).statistic < 0.6 * stats.kstest(even, law).statistic


def test_a_pareto_tail_has_the_index_of_the_last_two_bands():
    bands = Bands.named([0, 10_000, 20_000, math.inf])
    codes = np.repeat([0, 1, 2], [10_000, 15_000, 5_000])[:, None]
    people = Population(Domain((Variable("income", bands.levels),)), codes)
    drawn = with_values(people, bands={"income": bands}, ends={"income": "pareto"}, rng=0)
    tail = drawn.values["income"][25_000:]
    assert stats.kstest(tail, stats.pareto(2, scale=20_000).cdf).pvalue > 0.01
    assert "index 2 " in drawn.provenance["values"]["income"]["from"]


def test_records_come_before_bands_and_other_levels_have_no_number():
    people = Calibration().fit(posed(bare(SURVEY))).sample(200, rng=0)
    income = Bands.named([0, 5_000, 20_000, math.inf])
    only_age = Microdata(
        SURVEY.domain, SURVEY.codes, SURVEY.weights, values={"age": SURVEY.values["age"]}
    )
    both = {"income": income, "age": BANDS}
    drawn = with_values(people, only_age, bands=both, ends={"income": 50_000}, rng=0)
    assert set(drawn.values) == {"age", "income"}
    assert set(drawn.values["age"]) <= set(SURVEY.values["age"])
    assert pickle.loads(pickle.dumps(drawn)).values["income"].max() < 50_000


def banded(counts=(1, 1), edges=(0, 1, math.inf), levels=("a", "b")):
    codes = np.repeat(np.arange(len(counts)), counts)[:, None]
    people = Population(Domain((Variable("x", levels),)), codes)
    return people, {"x": Bands(levels, edges)}


@pytest.mark.parametrize(
    ("edges", "counts", "end", "says"),
    [
        ((0, 1, math.inf), (1, 1), None, "the top band of 'x', from 1, ends at inf: say where"),
        ((0, 1, math.inf), (1, 1), 1, "the top band of 'x', from 1, ends at 1: say"),
        ((0, 1, math.inf), (1, 1), "soon", "ends at 'soon'"),
        ((0, 1, math.inf), (1, 1), [3], r"ends at \[3\]: say"),
        ((0, 1, 2), (1, 1), 3, "the top band of 'x' ends at 2, so it cannot end at 3"),
        ((0, 1, 2), (1, 1), "pareto", "the top band of 'x' ends at 2, so it cannot end at 'par"),
        ((-math.inf, 1, 2), (1, 1), None, "the first band of 'x' is open below"),
        ((0, 1, math.inf), (1, 1), "pareto", "cannot have a Pareto tail: it needs people in an"),
        ((1, 2, math.inf), (9, 0), "pareto", "cannot have a Pareto tail: it needs people in an"),
        ((1, 2, math.inf), (1, 9), "pareto", "its index would be 0.152, so that it has no mean"),
    ],
)
def test_refuses_a_tail_that_is_not_known(edges, counts, end, says):
    people, bands = banded(counts, edges)
    ends = {} if end is None else {"x": end}
    with pytest.raises(PopgenError, match=says):
        with_values(people, bands=bands, ends=ends, rng=0)


def test_refuses_numbers_that_have_nothing_to_do_with_the_people():
    people, _ = banded()
    with pytest.raises(PopgenError, match="no numbers for any of 'x'"):
        with_values(people, rng=0)
    with pytest.raises(PopgenError, match="numbers of 'age', 'income', none of which the people"):
        with_values(people, SURVEY, rng=0)
    other = Microdata(Domain((Variable("x", ("a", "c")),)), [[0]], values={"x": [0.5]})
    with pytest.raises(PopgenError, match="people and records have other levels of 'x'"):
        with_values(people, other, rng=0)
    with pytest.raises(PopgenError, match=r"bands of 'x' are \[0, 1, 2\]; write Bands.named"):
        with_values(people, bands={"x": [0, 1, 2]}, rng=0)
    with pytest.raises(PopgenError, match="ends name 'y', of which no bands are given: 'x'"):
        with_values(people, bands={"x": Bands(("a", "b"), (0, 1, 2))}, ends={"y": 3}, rng=0)
    wrong = {"x": Bands(("a", "z"), (0, 1, 2))}
    with pytest.raises(PopgenError, match=r"bands of 'x' name levels .* do not have: 'z'"):
        with_values(people, bands=wrong, rng=0)


def test_a_calibrated_pool_holds_controls_on_the_numbers_it_was_dealt():
    control = Mean("age", 39.0, by={"sex": "f"})
    problem = posed(controls=[control, Median("income", 2_900)])
    model = CalibratedPool(Sequential(ordinal=("age", "income")), pool=3000).fit(problem)
    assert control.reached(model.microdata) == pytest.approx(39.0, rel=1e-9)
    people = model.sample(2000, rng=0)
    [mean, median] = people.provenance["controls"]
    assert mean["control"] == "mean of age: sex=f"
    assert (mean["stated"], mean["model"]) == (39.0, pytest.approx(39.0))
    assert median["control"] == "median of income: everybody: share below 2,900"
    assert median["model"] == pytest.approx(0.5)
    women = people.column("sex") == 0
    assert people.values["age"][women].mean() == pytest.approx(39.0, abs=4 * 20 / np.sqrt(1000))


TOWN = Variable("town", ("north", "south"))


def place():
    """A census of one zone, whose codebook knows both."""
    margins = Tables([SURVEY.project("sex", "age").scaled(1000)])
    return Census("here", margins, Codebook.of([*SURVEY.domain, TOWN]), {}, "")


def test_generate_hands_on_numbers_and_holds_controls():
    people = generate(place(), n=400, microdata=SURVEY, controls=[Mean("age", 40)], rng=0)
    assert len(people.values["age"]) == 400
    [fit] = people.provenance["fits"]
    assert fit["controls"][0]["model"] == pytest.approx(40)
    assert set(fit["values"]) == {"age", "income"}
    again = generate(place(), n=400, microdata=SURVEY, controls=[Mean("age", 40)], rng=0)
    np.testing.assert_array_equal(people.values["income"], again.values["income"])


@pytest.fixture(scope="module")
def austrians(shared_data):
    """EU-SILC of Austria, synthetic (R's laeken): 11,725 people; children have no income."""
    file = shared_data / "household" / "eusilc" / "eusilcS.parquet"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    income = Bands(
        ("below 6", "6 to 12", "12 to 18", "18 to 30", "30 and more"),
        (-6_000, 6_000, 12_000, 18_000, 30_000, math.inf),
        "thousand euros",
    )
    recodes = {
        "sex": Recode("rb090", {"female": "f", "male": "m"}),
        "age": Recode("age", {}, bands=Bands.named([-1, 16, 30, 45, 65, 100])),
        "income": Recode("netIncome", {}, missing="none", bands=income),
    }
    levels = {"sex": "fm", "age": recodes["age"].bands.levels, "income": (*income.levels, "none")}
    variables = {name: Variable(name, tuple(each)) for name, each in levels.items()}
    return read_microdata(file, Codebook(variables, {}, recodes), weight="rb050")


@pytest.mark.parametrize("method", [Calibration(), IPF()], ids=["calibration", "ipf"])
def test_real_ages_and_incomes_come_back_from_half_of_the_records(austrians, method):
    half = austrians.take(np.random.default_rng(0).random(len(austrians)) < 0.5)
    margins = [austrians.project(*names) for names in (("sex", "age"), ("sex", "income"))]
    people = method.fit(Problem(margins, half)).sample(20_000, rng=0)
    for name in ("age", "income"):
        known = ~np.isnan(austrians.values[name])
        drawn = people.values[name][~np.isnan(people.values[name])]
        assert distance(austrians.values[name][known], austrians.weights[known], drawn) < 0.02
        for level in np.unique(austrians.column(name)[known]):
            there = austrians.column(name) == level
            mine = people.values[name][people.column(name) == level]
            # Half of them were seen: Kolmogorov's 1 % point for as many, thinned by weights.
            limit = 1.63 / np.sqrt(there.sum() / 2 * 0.9)
            assert distance(austrians.values[name][there], austrians.weights[there], mine) < limit
    none = people.column("income") == len(people.domain["income"]) - 1
    np.testing.assert_array_equal(np.isnan(people.values["income"]), none)


def test_a_real_mean_income_is_met(austrians):
    half = austrians.take(np.random.default_rng(1).random(len(austrians)) < 0.5)
    margins = [austrians.project(*names) for names in (("sex", "age"), ("income",))]
    controls = [
        Mean("income", Mean("income", 1.0, by={"sex": sex}).reached(austrians), by={"sex": sex})
        for sex in ("f", "m")
    ]
    controls.append(Median("age", 39.4, width=1))
    model = Calibration().fit(Problem(margins, half, controls=controls))
    for control in controls:
        assert control.reached(model.microdata) == pytest.approx(control.aim, rel=1e-9)
    for margin in model.problem.margins:
        np.testing.assert_allclose(margin.fitted(model), margin.table.counts, rtol=1e-6)

"""Findings about a population, and what becomes of them among other people."""

import json
import math
from itertools import product

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from command_line import write
from hypothesis import given, strategies as st
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from popgen import Coarsening, Domain, Microdata, PopgenError, Table, Tables, Variable
from popgen._contrasts import contrasts
from popgen._intervals import clustered, clustered_share, wilson
from popgen.findings import findings
from popgen.replication import retest

VOTE = Variable("vote", ("yes", "no"))
SEX = Variable("sex", ("f", "m"))
AGE = Variable("age", ("young", "middle", "old"))
RACE = Variable("race", ("a", "b"))
DOMAIN = Domain((VOTE, SEX, AGE, RACE))


def electorate(strength=1.0, people=240_000):
    """Voters whose share of yes is 0.5 + strength x (main effects and one moderation)."""
    sex, age, race = np.meshgrid([0, 1], [0, 1, 2], [0, 1], indexing="ij")
    effect = 0.06 * sex - 0.05 * (age == 2) + 0.08 * race + 0.12 * sex * race - 0.09
    share = 0.5 + strength * effect
    size = people * np.array([0.5, 0.3, 0.2])[None, :, None] * np.array([0.6, 0.4]) / 2
    size = np.broadcast_to(size, share.shape)
    return Table(DOMAIN, np.stack([size * share, size * (1 - share)]))


def drawn(table, n, rng):
    cells = np.random.default_rng(rng).choice(table.domain.size, n, p=table.shares.counts.ravel())
    return Microdata(table.domain, np.column_stack(np.unravel_index(cells, table.domain.shape)))


class Sized(Tables):
    """Exact expectations that pass for a sample of a stated size."""

    def __init__(self, table, size):
        super().__init__(table)
        self.effective_size = size


# The contrasts


def saturated(yes, people, copies):
    """Coefficients of the full product by OLS, and HC0 errors with the people that are added."""
    names = list(product(*(range(size) for size in people.shape)))

    def regressors(cell):
        pairs = [zip(cell, basis, strict=True) for basis in names]
        return [float(all(c == b or b == 0 for c, b in pair)) for pair in pairs]

    rows, outcomes = [], []
    for cell in names:
        x = regressors(cell)
        ones, zeros = int(yes[cell]), int(people[cell] - yes[cell])
        rows += [x] * (ones + zeros)
        outcomes += [1.0] * ones + [0.0] * zeros
    plain = sm.OLS(outcomes, rows).fit()
    wide = [(x, y) for x, y in zip(rows, outcomes, strict=True) for _ in range(copies)]
    for cell in names:
        x = regressors(cell)
        wide += [(x, 1.0), (x, 0.0)]
    steadied = sm.OLS([y for _, y in wide], [x for x, _ in wide]).fit(cov_type="HC0")
    tops = [i for i, basis in enumerate(names) if all(basis)]
    return plain.params[tops], steadied.bse[tops] * math.sqrt(copies)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2)])
def test_contrasts_are_the_coefficients_of_a_saturated_linear_model(shape):
    rng = np.random.default_rng(4)
    people = rng.integers(12, 40, shape).astype(float)
    yes = rng.binomial(people.astype(int), 0.3).astype(float)
    found = contrasts(yes[None], people[None], (0,) * len(shape))
    params, errors = saturated(yes, people, copies=2 ** (len(shape) - 1))
    assert found.estimate[0] == pytest.approx(params, abs=1e-12)
    assert found.se[0] == pytest.approx(errors, rel=1e-9)


def test_errors_of_two_groups_are_those_of_agresti_and_caffo():
    found = contrasts(np.array([[3.0, 30.0]]), np.array([[20.0, 50.0]]), (0,))
    low, high = confint_proportions_2indep(30, 50, 3, 20, method="agresti-caffo", compare="diff")
    assert 2 * norm.ppf(0.975) * found.se[0, 0] == pytest.approx(high - low)


def test_a_group_that_agrees_is_not_certain_and_an_empty_one_says_nothing():
    found = contrasts(np.array([[10.0, 0.0, 0.0]]), np.array([[10.0, 10.0, 0.0]]), (0,))
    assert found.estimate[0, 0] == -1
    assert found.se[0, 0] > 0.05
    assert math.isnan(found.estimate[0, 1])
    assert found.tested.tolist() == [[True, False]]


# Intervals


@given(st.integers(1, 400), st.floats(0, 1))
def test_wilson_is_statsmodels(n, share):
    held = round(share * n)
    low, high = proportion_confint(held, n, method="wilson")
    assert wilson(held / n, n)[1:] == pytest.approx((low, high), abs=1e-9)


def test_a_slope_over_clusters_is_least_squares_with_clustered_errors():
    rng = np.random.default_rng(1)
    x, cluster = rng.normal(size=60), np.repeat(np.arange(12), 5)
    y = 1.5 * x + rng.normal(size=60) + rng.normal(size=12)[cluster]
    fit = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    assert clustered(x * y, x * x, cluster) == pytest.approx((fit.params[0], fit.bse[0]))


def test_intervals_of_nothing_and_of_one_cluster():
    nothing = np.array([], dtype=int)
    assert all(math.isnan(figure) for figure in clustered_share(nothing > 0, nothing))
    held = np.array([True, False])
    assert clustered_share(held, np.zeros(2, dtype=int)) == wilson(0.5, 2)


# Findings


def test_findings_state_the_true_effects():
    found = findings(electorate(), {"vote": "yes"}, orders=(1, 2, 3), n=20_000)
    true = dict(found.rows.select("contrast", "truth").iter_rows())
    assert true["race b-a"] == pytest.approx(0.08 + 0.12 / 2)
    assert true["sex m-f × race b-a"] == pytest.approx(0.12)
    assert true["age old-young"] == pytest.approx(-0.05)
    assert true["sex m-f × age old-young × race b-a"] == pytest.approx(0, abs=1e-12)
    errors = (found.rows["estimate"] - found.rows["truth"]) / found.rows["se"]
    assert errors.abs().max() < 4


def test_each_level_is_compared_with_the_most_frequent_and_an_outcome_may_be_several():
    table = electorate()
    found = findings(table, {"age": ["middle", "old"]}, predictors=["race"], orders=[1])
    assert found.rows["outcome"].to_list() == ["age=middle|old"]
    assert found.rows["contrast"].to_list() == ["race b-a"]
    assert found.rows["truth"].item() == pytest.approx(0, abs=1e-12)


def test_groups_of_levels_are_those_of_a_coarser_truth():
    groups = Coarsening.from_groups(AGE, "half", {"under": ["young", "middle"], "over": ["old"]})
    found = findings(electorate(), {"vote": "yes"}, predictors=[groups, "sex"], n=5_000)
    coarse = findings(electorate().coarsen(groups), {"vote": "yes"}, predictors=["half", "sex"])
    assert found.rows["contrast"][0] == "age over-under"
    assert found.rows["truth"].to_list() == pytest.approx(coarse.rows["truth"].to_list())


def test_only_what_the_truth_states_and_the_study_can_tell_is_a_finding():
    table = electorate()
    pairs = Tables({"a": table.project("vote", "sex"), "b": table.project("vote", "race", "age")})
    found = findings(pairs, {"vote": "yes"})
    pairs = found.rows.filter(kind="two-way")["contrast"].to_list()
    assert pairs == ["race b-a × age middle-young", "race b-a × age old-young"]
    assert len(findings(table, {"vote": "yes"}, n=30, orders=[1])) < 4


def test_same_rng_same_findings():
    one, two = (findings(electorate(), {"vote": "yes"}, rng=3).rows for _ in range(2))
    assert one.equals(two)


# Replication


@pytest.fixture(scope="module")
def found():
    return findings(electorate(), {"vote": "yes"}, n=4_000, orders=(1, 2, 3))


def test_the_truth_itself_replicates_what_it_can(found):
    again = retest(Sized(electorate(), 240_000), found)
    assert again.value("inflation", "main effect") == pytest.approx(1)
    assert again.value("inflation", "two-way") == pytest.approx(1)
    assert again.value("replicated", "main effect") == 1
    assert again.value("different", "main effect") < 0.3


@pytest.mark.parametrize("strength", [2.0, 0.5, -1.0])
def test_effects_that_are_stronger_weaker_or_reversed_show_as_the_slope(found, strength):
    again = retest(Sized(electorate(strength), 240_000), found, replicates=2)
    for kind in ("main effect", "two-way"):
        assert again.value("inflation", kind) == pytest.approx(strength)
        if strength < 0:
            assert again.value("same sign", kind) == 0
            assert again.value("reversed", kind) == 1


def test_real_samples_have_the_power_that_normal_theory_says(found):
    again = retest(drawn(electorate(), 2_000, 0), found, replicates=400)
    row = again.rows.filter(figure="replicated", kind="main effect", evidence="all")
    reported = found.rows.filter((pl.col("kind") == "main effect") & (pl.col("p") < 0.05))
    errors = reported["se"].to_numpy() * math.sqrt(4_000 / 2_000)
    z = reported["truth"].to_numpy() * np.sign(reported["estimate"].to_numpy()) / errors
    assert row["ceiling"].item() == pytest.approx(norm.cdf(z - 1.96).mean(), abs=0.02)


def test_independent_draws_find_five_percent_and_slope_zero(found):
    again = retest(drawn(electorate(), 2_000, 0), found, replicates=400)
    for row in again.rows.filter(figure="false positive").iter_rows(named=True):
        error = math.sqrt(0.05 * 0.95 / 400 / row["findings"])
        assert abs(row["floor"] - 0.05) < 4 * error + 0.003
    for kind in ("main effect", "two-way"):
        assert abs(again.rows.filter(figure="inflation", kind=kind)["floor"].item()) < 0.1
    assert math.isnan(again.value("inflation", "three-way"))  # the truth has none


def test_a_real_sample_stands_at_the_ceiling():
    truth = electorate()
    found = findings(truth, {"vote": "yes"}, n=2_000)
    values = [
        retest(drawn(truth, 2_000, i), found, replicates=1).value("inflation", "main effect")
        for i in range(40)
    ]
    assert abs(np.mean(values) - 1) < 4 * np.std(values) / math.sqrt(40)


def test_order_of_levels_and_axes_does_not_matter(found):
    people = drawn(electorate(), 3_000, 5)
    turned = Domain((RACE, Variable("age", ("old", "young", "middle")), SEX, VOTE))
    codes = people.codes[:, ::-1].copy()
    codes[:, 1] = np.array([1, 2, 0])[codes[:, 1]]
    one, two = (retest(p, found).rows for p in (people, Microdata(turned, codes)))
    assert one.equals(two)


def test_weights_count_with_their_effective_size(found):
    people = drawn(electorate(), 3_000, 5)
    weights = np.where(np.arange(3_000) % 2, 1.0, 3.0)
    again = retest(Microdata(people.domain, people.codes, weights), found, replicates=1)
    assert again.rows["size"][0] == 2_400


def test_rows_and_printed_table(found):
    again = retest({"panel": drawn(electorate(), 1_000, 2)}, found, replicates=5)
    for row in again.rows.iter_rows(named=True):
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
    lines = str(again).splitlines()
    assert lines[0].split() == [
        *("candidate", "n", "kind", "repl", "sign", "null→sig", "false+", "false−", "differ"),
        *("reversed", "slope"),
    ]
    assert len(lines) == 1 + 3 * 3
    assert again.to_polars() is again.rows
    assert set(again.rows["evidence"]) <= {"all", "p < .001", "p < .01", "p < .05"}


# What is refused


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"outcomes": {}}, "there is no outcome"),
        ({"outcomes": {"vote": "maybe"}}, "no level 'maybe'"),
        ({"outcomes": {"vote": ["yes", "no"]}}, "nobody or everybody"),
        ({"outcomes": {"vote": "yes"}, "predictors": ["income"]}, "no variable 'income'"),
        ({"outcomes": {"vote": "yes"}, "orders": [4]}, "got 4"),
        ({"outcomes": {"vote": "yes"}, "n": 0}, "got 0"),
        ({"outcomes": {"vote": "yes"}, "n": 8}, "nothing to report on 'vote'"),
    ],
)
def test_findings_refuse(given, says):
    with pytest.raises(PopgenError, match=says):
        findings(electorate(), **given)


def test_retest_refuses(found):
    with pytest.raises(PopgenError, match="'candidate' is exact expectations"):
        retest(electorate(), found)
    with pytest.raises(PopgenError, match="no candidate"):
        retest({}, found)
    with pytest.raises(PopgenError, match="at least 1 replicate; got 0"):
        retest(drawn(electorate(), 100, 0), found, replicates=0)
    with pytest.raises(PopgenError, match="lacks variable"):
        retest(drawn(electorate().project("vote", "sex"), 100, 0), found)
    with pytest.raises(PopgenError, match="0 rows are 'luck'"):
        retest(drawn(electorate(), 100, 0), found, replicates=1).value("luck", "two-way")


# The command line


@pytest.fixture
def files(elsewhere):
    electorate().to_polars().write_csv("truth.csv")
    drawn(electorate(), 800, 1).to_polars().drop("weight").write_csv("panel.csv")


def test_command(files, run):
    given = ("replicate", "panel.csv", "--truth", "truth.csv", "--outcome", "vote=yes")
    out, _ = run(*given, "--predictors", "sex,race", "--orders", "1")
    assert out.splitlines()[1].startswith("panel")
    rows = json.loads(run(*given, "--json", "-q")[0])
    assert {row["kind"] for row in rows} == {"main effect", "two-way"}


def test_command_refuses(refused, elsewhere):
    write("panel.csv", "vote", "yes")
    given = ("replicate", "panel.csv", "--truth", "us_panel_2020")
    refused(*given, "--outcome", "vote2020", says="give VARIABLE=LEVEL")
    refused(*given, "--outcome", "a=b", "--outcome", "a=c", says="each variable once")
    refused(*given, "--outcome", "a=b", "--orders", "x", says="not a list of numbers")

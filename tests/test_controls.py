"""Means, totals and quantiles as controls: closed forms, what other tools find, and refusals."""

import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from scipy import optimize

import popgen
from popgen import (
    IPF,
    LINEAR,
    CalibratedPool,
    Calibration,
    Codebook,
    ConvergenceError,
    Domain,
    InfeasibleError,
    Mean,
    Median,
    Microdata,
    PopgenError,
    Problem,
    Quantile,
    Table,
    Total,
    Variable,
    logit,
    read_controls,
    replicates,
)
from popgen.domain import Coarsening
from popgen.methods._reach import within_reach

SEX = Variable("sex", ("f", "m"))
INCOME = Variable("income", ("low", "middle", "high"))
RNG = np.random.default_rng(5)
WEIGHTS = RNG.gamma(4, 1, 400) + 0.1
SEXES = RNG.integers(0, 2, 400)
INCOMES = RNG.lognormal(10 + 0.3 * SEXES, 0.6)
SURVEY = Microdata(
    Domain((SEX, INCOME)),
    np.column_stack([SEXES, np.searchsorted([15_000, 40_000], INCOMES, side="right")]),
    WEIGHTS,
    values={"income": INCOMES},
)
BY_SEX = Table(Domain((SEX,)), [520, 480])


def numbered(name, values, weights=None):
    """Records of which only a number is known."""
    domain = Domain((Variable(name, ("all",)),))
    codes = np.zeros((len(values), 1), dtype=int)
    return Microdata(domain, codes, weights, values={name: np.array(values, float)})


def posed(*controls, records=SURVEY, **known):
    return Problem([BY_SEX], records, controls=controls, **known)


def fitted(*controls, method=None, **known):
    problem = posed(*controls, **known)
    model = (method or Calibration()).fit(problem)
    for control in problem.controls:
        np.testing.assert_allclose(control.reached(model.microdata), control.aim, rtol=1e-9)
    np.testing.assert_allclose(model.project("sex").counts, [520, 480], rtol=1e-8)
    return model


def test_one_mean_is_exponential_tilting():
    records = numbered("income", INCOMES, WEIGHTS)
    everybody = Table(records.domain, [1000])
    control = Mean("income", 30_000)
    model = Calibration().fit(Problem([everybody], records, controls=[control]))
    scaled = (INCOMES - 30_000) / 30_000

    def tilted(t):
        return WEIGHTS * np.exp(t * scaled)

    root = optimize.brentq(lambda t: tilted(t) @ scaled, -5, 5, xtol=1e-14)
    expected = tilted(root) * (1000 / tilted(root).sum())
    np.testing.assert_allclose(model.weights, expected, rtol=1e-8)


def test_linear_distance_is_regression_with_a_numeric_auxiliary():
    target = 1.02 * (INCOMES @ WEIGHTS) * 1000 / WEIGHTS.sum()
    model = fitted(Total("income", target), method=Calibration(LINEAR))
    d = WEIGHTS * (1000 / WEIGHTS.sum())
    X = np.column_stack([SEXES == 0, SEXES == 1, INCOMES])
    short = np.array([520, 480, target]) - X.T @ d
    greg = d * (1 + X @ np.linalg.solve(X.T @ (d[:, None] * X), short))
    np.testing.assert_allclose(model.weights, greg, rtol=1e-8)


def test_a_mean_of_a_group_and_one_of_all_hold_together():
    fitted(Mean("income", 30_000), Mean("income", 24_000, by={"sex": "f"}))
    fitted(
        Mean("income", 21_000, by={"income": ["low", "middle"]}), method=Calibration(logit(0.1, 9))
    )


def test_half_of_the_weight_lies_below_a_median():
    model = fitted(Median("income", 27_000), Quantile("income", 60_000, p=0.9))
    weights = model.weights
    assert weights[INCOMES < 27_000].sum() == pytest.approx(500, rel=1e-9)
    assert weights[INCOMES < 60_000].sum() == pytest.approx(900, rel=1e-9)


def median_weights(values, figure, **how):
    records = numbered("age", values)
    everybody = Table(records.domain, [len(values)])
    controls = [Median("age", figure, **how)]
    return Calibration().fit(Problem([everybody], records, controls=controls)).weights


def test_ties_at_a_median_are_shared_out_evenly():
    # Three below, two at 40, one above: 3a + (2/2) b = 3 of 6 people, raked from 1 each.
    weights = median_weights([10, 20, 30, 40, 40, 50], 40)
    below, at, above = weights[0], weights[3], weights[5]
    assert 3 * below + at == pytest.approx(3)
    assert at == pytest.approx(np.sqrt(below * above))  # tilted by exp of the score 1, 1/2, 0


def test_completed_years_are_spread_over_the_year():
    weights = median_weights([37, 38, 38, 39], 38.2, width=1)
    assert weights[0] + 0.2 * (weights[1] + weights[2]) == pytest.approx(2)


@given(st.floats(0.05, 0.95), st.floats(12_000, 60_000))
def test_any_quantile_within_the_records_is_met(p, figure):
    fitted(Quantile("income", figure, p=p))


def test_splitting_a_record_changes_nothing():
    twice = np.repeat(np.arange(400), 2)
    split = SURVEY.take(twice)
    split = Microdata(split.domain, split.codes, split.weights / 2, values=split.values)
    control = Mean("income", 31_000)
    half = fitted(control, records=split).weights
    np.testing.assert_allclose(half[::2] * 2, fitted(control).weights, rtol=1e-8)


def test_a_mean_with_an_error_is_held_as_its_precision_allows():
    design = float(INCOMES @ WEIGHTS / WEIGHTS.sum())
    reached = []
    for se in (1.0, 500.0, 1e9):
        control = Mean("income", design + 1000, se=se)
        model = Calibration(soft=True).fit(posed(control))
        reached.append(control.reached(model.microdata) - design)
    # Sex is held, so the far end is the design's mean at 520 women and 480 men.
    assert reached[0] == pytest.approx(1000, abs=1)
    free = Calibration().fit(posed()).microdata
    assert reached[2] == pytest.approx(Mean("income", 1).reached(free) - design, abs=1)
    assert min(reached[0], reached[2]) < reached[1] < max(reached[0], reached[2])


def test_the_precision_of_a_median_is_the_share_of_records_near_it():
    control = Median("income", 25_000, se=1000)
    near = WEIGHTS[(INCOMES > 24_000) & (INCOMES < 26_000)].sum() / WEIGHTS.sum()
    assert control.error(INCOMES, WEIGHTS) == pytest.approx(near / 2)
    with pytest.raises(PopgenError, match="no record lies within its standard error 1e-06 of"):
        Calibration(soft=True).fit(posed(Median("income", 25_000, se=1e-6)))


def test_errors_do_not_matter_to_exact_calibration():
    fitted(Median("income", 25_000, se=1e-6), Mean("income", 29_000, se=9000))


def test_a_group_may_be_stated_on_a_coarser_variable():
    rule = Coarsening.from_groups(INCOME, "half", {"lower": ["low", "middle"], "upper": ["high"]})
    book = Codebook.of([SEX], [rule])
    problem = posed(Mean("income", 21_000, by={"half": "lower"}), codebook=book)
    assert problem.controls[0].by == (("income", ("low", "middle")),)
    assert pickle.loads(pickle.dumps(problem)).controls == problem.controls
    both = {"half": "lower", "income": "low"}
    with pytest.raises(PopgenError, match="states one variable twice"):
        posed(Mean("income", 21_000, by=both), codebook=book)


def test_a_variable_that_the_records_have_comes_before_one_that_coarsens_to_it():
    rule = Coarsening.from_groups(INCOME, "half", {"lower": ["low", "middle"], "upper": ["high"]})
    book = Codebook.of([SEX], [rule])
    records = SURVEY.with_coarse(rule)
    problem = posed(Mean("income", 21_000, by={"half": "lower"}), records=records, codebook=book)
    assert problem.controls[0].group == (("half", ("lower",)),)


def test_without_exact_margins_all_that_records_run_to_is_within_reach():
    X, shares = posed().incidence.X[:, []], np.zeros(0)
    reach = within_reach(Mean("income", 1.0), SURVEY, X, shares)
    assert reach == pytest.approx((INCOMES.min(), INCOMES.max()))


def test_people_without_a_number_are_not_counted():
    some = INCOMES.copy()
    some[:50] = np.nan
    records = Microdata(SURVEY.domain, SURVEY.codes, WEIGHTS, values={"income": some})
    model = fitted(Mean("income", 31_000), records=records)
    kept = model.weights[50:]
    assert kept @ INCOMES[50:] / kept.sum() == pytest.approx(31_000, rel=1e-9)


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        (
            [Mean("income", 1e7)],
            r"'mean of income: everybody' is to be 10,000,000, but the 400 records of that group "
            r"run from [\d,]+ to [\d,]+: nearest",
        ),
        (
            [Median("income", 1.0)],
            "share below 1' is to be 0.5, but .* run from 0 to 0: nearest 0",
        ),
        (
            [Mean("income", 60_000), Quantile("income", 40_000, p=0.99)],
            r"each of the controls 'mean of income: everybody', 'quantile of income: every",
        ),
    ],
)
def test_refuses_figures_beyond_the_records(controls, says):
    with pytest.raises(InfeasibleError, match=says):
        Calibration().fit(posed(*controls))


def test_refuses_a_mean_that_the_margins_put_out_of_reach():
    # Women earn 1 or 2 and men 3 or 4; half are women: all means lie between 2 and 3.
    values = np.array([1.0, 2.0, 3.0, 4.0])
    domain = Domain((SEX, INCOME.keep(["low"])))
    records = Microdata(domain, [[0, 0], [0, 0], [1, 0], [1, 0]], values={"income": values})
    margin = Table(Domain((SEX,)), [50, 50])
    for kind, most in (
        (Mean("income", 3.5), "2 to 3: nearest 3; correct"),
        (Total("income", 350), "200 to 300"),
    ):
        with pytest.raises(InfeasibleError, match=f"these 4 records reach {most}"):
            Calibration().fit(Problem([margin], records, controls=[kind]))
    control = Mean("income", 2.9, by={"sex": ["f", "m"]})
    model = Calibration().fit(Problem([margin], records, controls=[control]))
    assert control.reached(model.microdata) == pytest.approx(2.9, rel=1e-9)


def test_a_figure_that_the_margins_settle_is_not_blamed_for_another():
    # All women earn 40, whoever they are; men earn 20 or 30, and a margin leaves most of them 20.
    domain = Domain((SEX, INCOME.keep(["low", "high"])))
    values = {"income": np.array([40.0, 40.0, 20.0, 30.0])}
    records = Microdata(domain, [[0, 0], [0, 1], [1, 0], [1, 1]], values=values)
    margins = [BY_SEX, Table(domain.project("income"), [900, 100])]
    for of_women in (Mean("income", 40, by={"sex": "f"}), Total("income", 20_800, by={"sex": "f"})):
        with pytest.raises(InfeasibleError, match="'mean of income: sex=m' is to be 29; with the"):
            Calibration().fit(
                Problem(margins, records, controls=[of_women, Mean("income", 29, by={"sex": "m"})])
            )


def test_other_refusals_stay_what_they_were():
    with pytest.raises(ConvergenceError, match="each of the controls 'mean of income: every"):
        Calibration(max_iter=1).fit(posed(Mean("income", 60_000)))
    lone = SURVEY.take(SURVEY.column("sex") == 0)
    with pytest.raises(InfeasibleError, match="have people but no record"):
        Calibration().fit(posed(Mean("income", 25_000), records=lone))
    with pytest.raises(PopgenError, match="negative weight"):
        Calibration(LINEAR).fit(posed(Mean("income", 100_000)))


def test_a_soft_control_far_from_the_records_is_refused():
    with pytest.raises(
        InfeasibleError, match=r"soft control 'mean of income: .* standard errors away"
    ):
        Calibration(soft=True).fit(
            posed(Mean("income", 35_000, se=1), Mean("income", 25_000, se=1))
        )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Mean("income", float("nan")), "value must be a finite number; got nan"),
        (lambda: Mean("income", "much"), "value must be a finite number; got 'much'"),
        (lambda: Mean("income", 1, se=-1), "a standard error must be >= 0; got -1"),
        (lambda: Quantile("income", 1, p=1.0), "p must lie between 0 and 1"),
        (lambda: Median("income", 1, width=-1), "width be at least 0"),
        (lambda: Median("income", 1, width="1"), "width be at least 0; got p=0.5, width='1'"),
        (lambda: Mean("income", 1, by="sex"), "mean of income: by maps variables to a level or"),
        (lambda: Mean("income", 1, by={"sex": 1}), "by maps variables to a level or several"),
        (
            lambda: Mean("income", 1, by=(("sex", "f"), ("sex", "m"))),
            "by names each variable once, with all its levels",
        ),
        (
            lambda: Problem([BY_SEX], SURVEY, controls=Mean("income", 1)),
            r"controls are a list, even of one: \['mean of income: everybody'\]",
        ),
        (lambda: posed(BY_SEX), "controls are Mean, Total, Median or Quantile; got Table"),
        (
            lambda: posed(Mean("age", 1)),
            "needs records with numbers of 'age'; there is num",
        ),
        (lambda: posed(Mean("income", 1), records=None), "there is no microdata: read them with"),
        (lambda: posed(Mean("income", 1, by={"sex": "x"})), "variable 'sex' has no level 'x'"),
        (lambda: posed(Mean("income", 1, by={"town": "x"})), "no variable 'town' here"),
        (
            lambda: Calibration().fit(posed(Mean("income", 1, by={"sex": "f"}), records=NOBODY)),
            "no record of that group has a number",
        ),
    ],
)
def test_refuses_controls_that_make_no_sense(make, says):
    with pytest.raises(PopgenError, match=says):
        make()


NOBODY = Microdata(
    SURVEY.domain, SURVEY.codes, values={"income": np.where(SEXES == 0, np.nan, INCOMES)}
)


def test_replicates_redraw_controls_that_have_errors():
    problem = posed(Mean("income", 30_000, se=300), Median("income", 26_000))
    drawn = [model.problem.controls for model in replicates(Calibration(), problem, 200, rng=0)]
    means = np.array([controls[0].value for controls in drawn])
    assert abs(means.mean() - 30_000) < 4 * 300 / np.sqrt(200)
    assert means.std() == pytest.approx(300, rel=0.2)
    assert {controls[1].value for controls in drawn} == {26_000}


def test_a_pool_of_other_people_is_refused_without_numbers():
    bare = Microdata(SURVEY.domain, SURVEY.codes, WEIGHTS)
    problem = posed(Mean("income", 30_000))
    pool = CalibratedPool(IPF(), pool=500)
    model = IPF().fit(Problem([BY_SEX], bare))
    with pytest.raises(PopgenError, match="needs records with numbers of 'income'"):
        pool.calibrated(model, problem)


def test_controls_are_read_from_a_file(tmp_path):
    file = tmp_path / "controls.csv"
    file.write_text(
        "variable,statistic,value,se,p,width,sex\n"
        "income,mean,30000,250,,,\n"
        "income,median,24000,,,,f\n"
        "income,quantile,60000,,0.9,,\n"
        "age,median,38.2,,,1,m\n"
    )
    assert read_controls(file) == (
        Mean("income", 30_000, se=250),
        Median("income", 24_000, by={"sex": "f"}),
        Quantile("income", 60_000, p=0.9),
        Median("age", 38.2, width=1, by={"sex": "m"}),
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"statistic": "mode"},
            "row 1: statistic 'mode' is unknown; use 'mean', 'total', 'm",
        ),
        ({"value": "much"}, "row 1: value 'much' is not a number"),
        ({"value": None}, "row 1: value None is not a number"),
        ({"se": "-1"}, "row 1: mean of age: everybody: a standard error must be >= 0"),
        ({"p": "0.5"}, "row 1: a mean has no 'p'; leave it empty"),
        ({"statistic": "quantile"}, "row 1: a quantile needs p"),
        ({"variable": None}, "row 1: no variable is named"),
    ],
)
def test_refuses_a_file_of_controls_that_makes_no_sense(row, says):
    plain = {"variable": "age", "statistic": "mean", "value": "40"}
    with pytest.raises(PopgenError, match=says):
        read_controls(
            pl.DataFrame([{**plain, **row}], schema_overrides=dict.fromkeys(row, pl.String))
        )


def test_refuses_a_file_of_controls_without_its_columns():
    with pytest.raises(PopgenError, match="has no column 'statistic', 'value'"):
        read_controls(pl.DataFrame({"variable": ["age"]}))


@pytest.mark.parametrize("name", sorted(set(popgen.methods.METHODS) - {"calibration", "pool"}))
def test_other_methods_refuse_controls(name):
    needed = {"fusion": ("sex",)}
    method = popgen.methods._class(name)(*needed.get(name, ()))
    with pytest.raises(PopgenError, match=f"{type(method).__name__} cannot hold controls"):
        method.fit(posed(Mean("income", 30_000)))

"""Diagnostics of persona panels: closed forms, other packages, and the recorded answers."""

import json
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from command_line import write
from hypothesis import given, strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from popgen import Domain, PopgenError, Table, Variable, read_census
from popgen._intervals import jackknife
from popgen.personas.diagnostics import (
    DIAGNOSTICS,
    Answers,
    Diagnostic,
    diagnose,
    read_answers,
    recorded_answers,
)
from popgen.personas.diagnostics._regression import fitted
from popgen.personas.diagnostics.diagnosis import Row
from popgen.report import write_diagnosis

RNG = np.random.default_rng(8)
HOSTILE = '<script>alert("x")</script>&'


def long(answers, **more):
    """One row an answer of personas 0, 1, 2 ... to one item."""
    n = len(answers)
    rows = {"persona": range(n), "run": [1] * n, "item": ["q"] * n, "answer": answers}
    return pl.DataFrame(rows | more)


def twice(one, two):
    return Answers(pl.concat([long(one), long(two).with_columns(run=pl.lit(2, pl.Int64))]))


# Reading


def test_wide_runs_with_everything_beside_them():
    run = pl.DataFrame({"id": [1, 2], "age": ["young", "old"], "vote": ["yes", "no"]})
    truth = pl.DataFrame({"vote": ["no", None], "id": [2, 1], "age": ["?", "?"]})
    answers = read_answers([run, run.select("id", "vote")], profile=("age",), truth=truth)
    assert answers.items == ["vote"]
    assert answers.has == {"runs", "profile", "truth"}
    assert answers.rows["truth"].to_list() == [None, "no", None, "no"]


def test_personas_are_rows_where_nothing_names_them_and_files_are_read(elsewhere):
    a = write("a.csv", "vote,home", "yes,owner", "no,")
    answers = read_answers([a])
    assert answers.personas == ["1", "2"]
    assert answers.notes == ("1 of 4 answers is empty, and left out",)
    b = write("b.csv", "name,vote", "x,yes", "y,no")
    assert read_answers([b], persona="name").personas == ["x", "y"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (long(["a"]).drop("item"), "has no column 'item'"),
        (long([None]), "there are no answers"),
        (pl.concat([long(["a"]), long(["b"])]), "2 answers are stated more than once"),
        (long(["a"]).with_columns(item=pl.lit(None, pl.String)), "needs a value of"),
    ],
)
def test_answers_refuse(rows, says):
    with pytest.raises(PopgenError, match=says):
        Answers(rows)


def test_reading_refuses():
    run = pl.DataFrame({"id": [1, 2], "vote": ["yes", "no"]})
    with pytest.raises(PopgenError, match="no run of a panel"):
        read_answers([])
    with pytest.raises(PopgenError, match="two profiles"):
        read_answers([run], profile=pl.DataFrame({"id": [1, 1], "age": ["a", "b"]}))
    with pytest.raises(PopgenError, match="1 personas have no profile: '2'"):
        read_answers([run], profile=pl.DataFrame({"id": [1], "age": ["a"]}))
    with pytest.raises(PopgenError, match="no column but persona"):
        read_answers([run], profile=pl.DataFrame({"id": [1, 2]}))
    with pytest.raises(PopgenError, match="has no column 'age'"):
        read_answers([run], profile=["age"])
    with pytest.raises(PopgenError, match="has no column 'who'"):
        read_answers([run], persona="who")
    with pytest.raises(PopgenError, match="no recorded answers 'dream'"):
        recorded_answers("dream")


# Instability


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=4, max_size=30))
def test_kappa_is_cohens(pairs):
    one, two = ([f"a{code}" for code in codes] for codes in zip(*pairs, strict=True))
    if len(set(one) | set(two)) > 1:
        found = diagnose(twice(one, two)).value("kappa", "q")
        expected = cohen_kappa_score(one, two)
        assert found == pytest.approx(expected, nan_ok=True, abs=1e-12)


def test_icc_is_that_of_the_analysis_of_variance():
    people = RNG.normal(size=40)
    one, two = (people + RNG.normal(scale=0.7, size=40) for _ in range(2))
    values = np.stack([one, two], axis=1)
    within = ((values - values.mean(axis=1, keepdims=True)) ** 2).sum() / 40
    between = 2 * ((values.mean(axis=1) - values.mean()) ** 2).sum() / 39
    found = diagnose(twice(one, two))
    assert found.value("ICC", "q") == pytest.approx((between - within) / (between + within))
    assert found.value("variance within personas", "q") == pytest.approx(
        1 - found.value("ICC", "q")
    )


def test_personas_without_a_second_run_are_left_out_and_more_runs_are_averaged():
    rows = pl.concat([twice(["a", "b", "a"], ["a", "b", None]).rows])
    assert diagnose(Answers(rows)).rows["n"][0] == 2
    third = long(["a", "a", "b", "b"]).with_columns(run=pl.lit(3, pl.Int64))
    runs = [
        long(["a", "b", "b", "b"]),
        long(["a", "a", "b", "b"]).with_columns(run=pl.lit(2, pl.Int64)),
        third,
    ]
    assert diagnose(Answers(pl.concat(runs))).value("agreement", "q") == pytest.approx(5 / 6)


def test_the_jackknife_has_the_spread_of_a_mean():
    values = RNG.normal(size=400)
    found = [
        jackknife(lambda w: w @ values / w.sum(axis=1), 400, np.random.default_rng(i))[0]
        for i in range(20)
    ]
    widths = [(each.high - each.low) / 2 for each in found]
    assert np.mean(widths) == pytest.approx(2.01 * values.std(ddof=1) / 20, rel=0.06)


# Conditioning gain


def test_gain_of_a_persona_that_knows_and_of_one_that_guesses():
    truth = ["yes"] * 60 + ["no"] * 40
    knows = diagnose(Answers(long(truth, truth=truth)))
    assert knows.value("accuracy", "q") == 1
    assert knows.value("another persona's", "q") == pytest.approx(0.6**2 + 0.4**2)
    assert knows.value("base rate, drawn", "q") == pytest.approx(0.52)
    assert knows.value("base rate, mode", "q") == pytest.approx(0.6)
    assert knows.value("gain", "q") == pytest.approx(0.48)
    guesses = diagnose(Answers(long(["yes", "no"] * 50, truth=truth, bare=truth)))
    assert guesses.value("gain", "q") == pytest.approx(0, abs=1e-12)
    assert guesses.value("without profile", "q") == 1


def test_the_regression_is_scikit_learns():
    X = RNG.integers(0, 2, (120, 4)).astype(float)
    codes = RNG.integers(0, 3, 120)
    coefficients, intercepts = fitted(X, np.eye(3)[codes])
    other = LogisticRegression(C=1.0, tol=1e-10, max_iter=5_000).fit(X, codes)
    assert coefficients == pytest.approx(other.coef_.T, abs=1e-4)
    assert intercepts == pytest.approx(other.intercept_ - other.intercept_.mean(), abs=1e-4)


def test_a_regression_predicts_what_the_profile_determines_and_nothing_else():
    ages = RNG.choice(["young", "old"], 200)
    profile = pl.DataFrame({"persona": [str(i) for i in range(200)], "age": ages})
    truth = np.where(ages == "old", "yes", "no")
    guesses = RNG.choice(["yes", "no"], 200)
    found = diagnose(Answers(long(guesses, truth=truth), profile))
    assert found.value("regression, mode", "q") == 1
    assert found.value("against regression", "q") < -0.4
    luck = diagnose(Answers(long(guesses, truth=RNG.permutation(truth)), profile))
    assert luck.value("regression, drawn", "q") == pytest.approx(0.5, abs=0.06)


# Conditioning resistance


def questionnaire(strength, noise=0.0, bare=0):
    """Sixteen personas assigned two traits, two keyed items each, on a scale from 1 to 5."""
    rows = []
    for persona in range(16 + bare):
        levels = {"E": persona % 2, "N": persona // 2 % 2}
        for trait, key in (("E", "+"), ("E", "-"), ("N", "+"), ("N", "-")):
            sign = (2 * levels[trait] - 1) * (1 if key == "+" else -1)
            answer = 3 + strength * sign + noise * RNG.normal() if persona < 16 else 3
            assigned = ("low", "high")[levels[trait]] if persona < 16 else None
            rows.append((persona, 1, trait + key, answer, trait, key, assigned))
    rows += [(99, 1, "E+", 1, "E", "+", None), (98, 1, "E+", 5, "E", "+", None)]
    names = ("persona", "run", "item", "answer", "trait", "key", "assigned")
    return Answers(pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None))


def test_resistance_is_what_is_missing_of_half_the_scale():
    found = diagnose(questionnaire(1.5, bare=2))
    assert found.value("own effect", "E") == pytest.approx(1.5)
    assert found.value("resistance", "E") == pytest.approx(0.25)
    assert found.value("largest spill-over", "N on E") == pytest.approx(0, abs=1e-9)
    assert found.value("default", "N") == pytest.approx(3)


def test_effects_and_intervals_are_those_of_least_squares():
    answers = questionnaire(1.0, noise=0.5)
    found = diagnose(answers).rows.filter(figure="own effect", item="E").row(0, named=True)
    rows = answers.rows.filter(trait="E").drop_nulls("assigned")
    value = pl.col("answer").cast(pl.Float64)
    keyed = rows.with_columns(s=pl.when(pl.col("key") == "+").then(value).otherwise(6 - value))
    means = keyed.group_by("persona", maintain_order=True).agg(pl.col("s").mean())
    number = means["persona"].cast(pl.Int64).to_numpy()
    X = sm.add_constant(np.column_stack([2 * (number % 2) - 1, 2 * (number // 2 % 2) - 1]))
    fit = sm.OLS(means["s"].to_numpy(), X.astype(float)).fit()
    assert (found["low"], found["high"]) == pytest.approx(tuple(fit.conf_int()[1]))


def test_resistance_refuses():
    rows = questionnaire(1.0).rows
    with pytest.raises(PopgenError, match="must be numbers"):
        diagnose(Answers(rows.with_columns(answer=pl.lit("agree"))))
    with pytest.raises(PopgenError, match="'key' holds 'x'; it takes"):
        diagnose(Answers(rows.with_columns(key=pl.lit("x"))))
    same = rows.with_columns(assigned=pl.lit("high"))
    with pytest.raises(PopgenError, match="cannot tell apart the effects of 2 assigned"):
        diagnose(Answers(same))


def test_personas_may_be_assigned_one_trait_each_and_one_may_be_left_alone():
    rows = questionnaire(1.0).rows.filter(pl.col("persona") != "98")
    even = pl.col("persona").cast(pl.Int64) // 4 % 2 == 0
    one = pl.when(even == (pl.col("trait") == "E")).then(pl.col("assigned"))
    found = diagnose(Answers(rows.with_columns(assigned=one)))
    assert found.value("own effect", "E") == pytest.approx(1.0)
    alone = found.rows.filter(figure="default")
    assert (alone["value"].to_list(), alone["low"].to_list()) == ([1.0], [None])


# Identity congruence


def test_odds_ratio_of_congruent_evidence():
    stance = ["congruent"] * 50 + ["incongruent"] * 50
    correct = ["true"] * 45 + ["false"] * 5 + ["true"] * 25 + ["false"] * 25
    rows = long(["x"] * 100, stance=stance, correct=correct)
    found = diagnose(Answers(rows))
    table = sm.stats.Table2x2(np.array([[45.5, 5.5], [25.5, 25.5]]))
    row = found.rows.filter(figure="odds ratio").row(0, named=True)
    assert row["value"] == pytest.approx(table.oddsratio)
    assert (row["low"], row["high"]) == pytest.approx(table.oddsratio_confint())
    ratio = found.rows.filter(figure="accuracy ratio").row(0, named=True)
    assert ratio["value"] == pytest.approx(table.riskratio)
    with pytest.raises(PopgenError, match="'correct' holds 'maybe'"):
        diagnose(Answers(rows.with_columns(correct=pl.lit("maybe"))))


# Fidelity, persistence


def test_fidelity_is_measured_by_the_persons_own():
    truth, retest = ["a"] * 10, ["a"] * 8 + ["b"] * 2
    said = ["a"] * 6 + ["b"] * 4
    one = long(said, truth=truth, retest=retest)
    two = one.with_columns(item=pl.lit("r"), answer=pl.lit("a"))
    found = diagnose(Answers(pl.concat([one, two])))
    assert found.value("normalised fidelity", "q") == pytest.approx(6 / 8)
    assert found.value("normalised fidelity") == pytest.approx(16 / 16)
    never = Answers(long(said, truth=truth, retest=["b"] * 10))
    assert math.isnan(diagnose(never).value("normalised fidelity", "q"))


def test_flips_are_counted_from_the_first_answer_and_from_the_last():
    turns = [["a", "a", "a", "a"], ["b", "a", "a", "a"], ["a", "b", "a", "a"]]
    parts = [long(answers, turn=[i] * 4) for i, answers in enumerate(turns)]
    found = diagnose(Answers(pl.concat(parts)))
    assert [found.value("differs from the first", f"turn {i}") for i in (1, 2)] == [0.25, 0.25]
    assert [found.value("flipped", f"turn {i}") for i in (1, 2)] == [0.25, 0.5]
    with pytest.raises(PopgenError, match="turns are whole numbers"):
        Answers(long(["a"], turn=["soon"]))


# Exaggeration


def society(strength, n=6_000, seed=3):
    """Answers to two items that lean on a profile and on one another."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 2, n)
    vote = rng.random(n) < 1 / (1 + np.exp(-strength * (2 * age - 1)))
    home = rng.random(n) < 1 / (1 + np.exp(-strength * (2 * vote - 1)))
    texts = [
        np.where(v, f"{k}1", f"{k}0") for k, v in (("age", age), ("vote", vote), ("home", home))
    ]
    return pl.DataFrame(dict(zip(("age", "vote", "home"), texts, strict=True)))


def test_stereotypes_have_twice_the_interactions_and_more_r2():
    truth, panel = society(0.5), society(1.0, seed=4)
    domain = Domain(tuple(Variable(k, (f"{k}0", f"{k}1")) for k in ("age", "vote", "home")))
    people = society(0.5, n=200_000, seed=5)
    counts = np.zeros(domain.shape)
    np.add.at(
        counts, tuple((people[v.name] == v.levels[1]).to_numpy().astype(int) for v in domain), 1
    )
    answers = read_answers(
        [panel], profile=["age"], truth=truth.drop("age"), population=Table(domain, counts)
    )
    found = diagnose(answers)
    row = found.rows.filter(figure="interaction slope").row(0, named=True)
    assert row["low"] < 2 < row["high"]
    assert row["high"] - row["low"] < 0.4
    assert found.value("R2 inflation") > 2.5


def test_r2_is_the_adjusted_one_and_the_ratios_are_those_of_shares():
    truth, panel = society(0.5, n=300), society(1.0, n=300, seed=4)
    found = diagnose(read_answers([panel], profile=["age"], truth=truth.drop("age")))
    y = (panel["vote"] == "vote1").to_numpy().astype(float)
    fit = sm.OLS(y, sm.add_constant((panel["age"] == "age1").to_numpy().astype(float))).fit()
    assert found.value("R2 of the answers", "vote") == pytest.approx(fit.rsquared_adj)
    p, q = (float((frame["vote"] == "vote1").mean()) for frame in (panel, truth))
    assert found.value("variance ratio", "vote") == pytest.approx(p * (1 - p) / (q * (1 - q)))


def test_one_answer_for_everybody_is_collapse():
    truth = ["a", "b", "c", "d"] * 20
    found = diagnose(Answers(long(["a"] * 80, truth=truth)))
    assert found.value("variance ratio", "q") == 0
    assert found.value("variety ratio", "q") == pytest.approx(1 / 4)
    assert math.isnan(found.value("interaction slope"))


def test_numbers_are_compared_by_their_variance():
    truth = RNG.integers(0, 10, 50)
    found = diagnose(Answers(long(truth // 2, truth=truth)))
    assert found.value("variance ratio", "q") == pytest.approx((truth // 2).var() / truth.var())


# The whole


def test_what_does_not_apply_says_why_and_nothing_is_an_error():
    found = diagnose(twice(["a", "b"], ["a", "b"]))
    assert set(found.skipped) == {each.name for each in DIAGNOSTICS} - {"instability"}
    assert found.skipped["persistence"].startswith("it needs turn (0, 1, 2")
    assert "persistence: not applied; it needs turn" in str(found)
    assert found.to_dict()["skipped"] == found.skipped
    with pytest.raises(PopgenError, match="allow no diagnostic: instability: it needs runs"):
        diagnose(Answers(long(["a", "b"])))
    with pytest.raises(PopgenError, match="no figure 'luck' of 'all items'"):
        found.value("luck")


def test_a_diagnostic_of_ones_own_is_one_entry():
    mine = Diagnostic(
        "length", "How long?", (), lambda a, rng: [Row("answers", "q", len(a.rows), 0, 9, 2)], "me"
    )
    found = diagnose(Answers(long(["a", "b"])), diagnostics=(*DIAGNOSTICS, mine))
    assert found.to_polars()["value"].to_list() == [2.0]


def test_same_rng_same_figures():
    answers = recorded_answers("traits")
    assert diagnose(answers, rng=1).rows.equals(diagnose(answers, rng=1).rows)


# The recorded answers


def test_recorded_personas_are_as_unsteady_as_published_with_them():
    found = diagnose(recorded_answers("fill"))
    published = {"parent": 0.80, "home": 0.76, "cut_police": 0.68, "urbanity": 0.64}
    published |= {"vote2020": 0.60, "religion_importance": 0.51}
    for item, kappa in published.items():
        assert round(found.value("kappa", item), 2) == kappa


def test_recorded_personas_judge_evidence_by_whom_it_suits():
    found = diagnose(recorded_answers("evidence"))
    assert found.value("accuracy", "congruent") == 1
    assert found.value("accuracy", "incongruent") == 0.475
    assert found.value("accuracy", "no persona") == 1
    assert found.value("accuracy", "neutral, democrat") == 0.95
    assert found.value("accuracy", "neutral, republican") == 0.85
    assert found.value("accuracy ratio", "congruent against incongruent") == pytest.approx(
        2.1, abs=0.05
    )


def test_recorded_personas_adopt_their_traits():
    found = diagnose(recorded_answers("traits")).rows
    effects = found.filter(figure="own effect")["value"]
    assert effects.min() > 1.33
    assert effects.max() < 1.55
    assert found.filter(figure="largest spill-over")["value"].abs().max() < 0.125


def test_recorded_personas_are_stereotypes(shared_data):
    truth = shared_data / "llm_panels" / "recordings" / "fill_truth.csv"
    if not truth.is_file():
        pytest.skip(f"{truth} holds survey answers and is not shipped")
    population = read_census("us_panel_2020", margins=["one_way", "two_way"]).margins
    found = diagnose(recorded_answers("fill", truth=truth, population=population))
    assert found.value("interaction slope") == pytest.approx(1.95, abs=0.01)
    assert found.value("accuracy") == pytest.approx(0.556, abs=0.005)
    assert found.value("R2 inflation") > 2.5


# The command line, and the page


def test_command_writes_a_page(elsewhere, run):
    rows = [f"{i},{'yes' if i % 3 else 'no'},{i % 2}" for i in range(30)]
    a, b = write("a.csv", "id,vote,home", *rows), write("b.csv", "id,vote,home", *rows[::-1])
    p = write("p.csv", "id,age", *(f"{i},{'old' if i % 4 else 'young'}" for i in range(30)))
    given = ("diagnose", a, "--run", b, "--truth", b, "--profile", p)
    out, err = run(*given, "--report", "out.html")
    assert "wrote out.html and out.json" in err
    assert out.startswith("instability: Is a persona the same person")
    rows = json.loads(run(*given, "--json", "-q")[0])["rows"]
    assert json.loads((elsewhere / "out.json").read_text())["rows"] == rows
    kappa = [row["value"] for row in rows if row["figure"] == "kappa"]
    assert kappa == pytest.approx([1.0, 1.0, 1.0])


def test_command_reads_one_row_an_answer(elsewhere, run):
    lines = [
        f"p{i % 4},q{i},x,{('congruent', 'incongruent')[i % 2]},{i % 3 > 0}" for i in range(20)
    ]
    write("long.csv", "persona,item,answer,stance,correct", *(line.lower() for line in lines))
    out, _ = run("diagnose", "long.csv")
    assert out.startswith("identity congruence: Does it judge evidence by whom it suits?")


def test_command_refuses(refused, elsewhere):
    write("a.csv", "id,vote", "1,yes")
    refused("diagnose", "absent.csv", says="there is no file absent.csv")
    refused("diagnose", "a.csv", says="allow no diagnostic")
    refused("diagnose", "a.csv", "--report", "out.txt", says="give a name ending in '.html'")


def test_page_escapes_and_its_pictures_are_well_formed(tmp_path):
    one = long(["a", "b", "a"]).with_columns(item=pl.lit(HOSTILE))
    found = diagnose(Answers(pl.concat([one, one.with_columns(run=pl.lit(2, pl.Int64))])))
    page = write_diagnosis(tmp_path / "r.html", found, title=HOSTILE).read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    for picture in re.findall(r"<svg.*?</svg>", page, flags=re.S):
        ET.fromstring(picture)
    with pytest.raises(PopgenError, match=r"give a name ending in \.html"):
        write_diagnosis(tmp_path / "r.txt", found)


def test_a_large_ratio_is_drawn_on_a_logarithmic_axis(tmp_path):
    page = write_diagnosis(tmp_path / "r.html", diagnose(recorded_answers("evidence")))
    assert ">1000</text>" in page.read_text(encoding="utf-8")

"""Fusion: closed forms, other packages, the constraint of the balanced logit, refusals."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, strategies as st
from sklearn.linear_model import LogisticRegression
from strategies import tables

import popgen as pg
from popgen import (
    IPF,
    Coarsening,
    Codebook,
    Domain,
    Fusion,
    Microdata,
    PopgenError,
    Problem,
    Table,
    Variable,
    fuse,
)
from popgen.methods._balanced import Balance, Totals, balanced
from popgen.methods._logit import FREE, Design, Likelihood, pooled_logit
from popgen.methods.fusion import WAYS

STATE = Variable("state", ("n", "s", "w"))
AGE = Variable("age", ("young", "mid", "old"))
DEGREE = Variable("degree", ("no", "yes"))
VOTE = Variable("vote", ("a", "b", "none"))
RNG = np.random.default_rng(0)
TRUTH = Table(
    Domain((STATE, AGE, DEGREE, VOTE)), RNG.gamma(2, 1, (3, 3, 2, 3)) * 5000 / (2 * 54) + 5
)
FRAME = TRUTH.project("state", "age", "degree")
BY_STATE = TRUTH.project("state", "vote")
LOGITS = ("logit", "smooth_fix", "balanced")


def donors(n=800, names=("state", "age", "vote"), seed=1, weights=None):
    rng = np.random.default_rng(seed)
    cells = rng.choice(TRUTH.domain.size, n, p=TRUTH.shares.counts.ravel())
    codes = np.column_stack(np.unravel_index(cells, TRUTH.domain.shape))
    whole = Microdata(TRUTH.domain, codes, weights)
    axes = [TRUTH.domain.axis(name) for name in names]
    return Microdata(TRUTH.domain.project(*names), whole.codes[:, axes], whole.weights)


def close(a, b, tol=1e-9):
    np.testing.assert_allclose(a, b, atol=tol * TRUTH.total, rtol=0)


# --- product -------------------------------------------------------------------------------------


def test_product_is_conditional_independence_given_the_margin():
    model = fuse(FRAME, "vote", margins=BY_STATE)
    shares = BY_STATE.counts / BY_STATE.counts.sum(axis=1, keepdims=True)
    close(model.project(*TRUTH.names).counts, FRAME.counts[..., None] * shares[:, None, None, :])


@given(st.data())
def test_product_is_ipf_from_a_flat_seed(data):
    joint = data.draw(tables(Domain((STATE, AGE, VOTE)), se=False))
    if joint.total == 0:
        return
    given_tables = [joint.project("state", "age"), joint.project("age", "vote")]
    model = fuse(given_tables[0], "vote", margins=given_tables[1])
    whole = IPF().fit(Problem(given_tables)).project("state", "age", "vote")
    np.testing.assert_allclose(model.table.counts, whole.counts, atol=1e-6 * joint.total)


# --- the logit -----------------------------------------------------------------------------------


def counted(seed=2, shape=(4, 3), levels=3, n=600):
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, np.prod(shape), n)
    effects = rng.normal(0, 0.8, (int(np.prod(shape)), levels))
    level = [rng.choice(levels, p=np.exp(e) / np.exp(e).sum()) for e in effects[cells]]
    counts = np.zeros((int(np.prod(shape)), levels))
    np.add.at(counts, (cells, level), 1)
    return Design.of(shape, [(0,), (1,)]), counts, cells, np.array(level)


@pytest.mark.peer
def test_without_pooling_it_is_statsmodels_logit():
    design, counts, cells, level = counted()
    free = Likelihood(design, counts, np.full(design.X.shape[1], FREE))
    shares = np.exp(design.log_shares(free.maximum(np.zeros((design.X.shape[1], 3)))))
    a, b = np.unravel_index(cells, design.shape)
    X = np.column_stack([np.ones(len(a)), *(a == i for i in (1, 2, 3)), *(b == i for i in (1, 2))])
    theirs = sm.MNLogit(level, X.astype(float)).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(shares[cells], theirs.predict(), atol=1e-6)


@pytest.mark.peer
def test_with_a_fixed_precision_it_is_sklearns_ridge():
    design, counts, cells, level = counted()
    precision = design.spread(np.array([0.0, 2.5, 2.5]))
    mine = Likelihood(design, counts, precision)
    shares = np.exp(design.log_shares(mine.maximum(np.zeros((design.X.shape[1], 3)))))
    X = design.X[cells][:, 1:]
    theirs = LogisticRegression(C=1 / 2.5, tol=1e-12, max_iter=5000).fit(X, level)
    np.testing.assert_allclose(shares[cells], theirs.predict_proba(X), atol=1e-6)


def test_slope_and_bend_are_the_derivatives():
    design, counts, *_ = counted()
    likelihood = Likelihood(design, counts, design.spread(np.array([FREE, 1.0, 3.0])))
    rng = np.random.default_rng(3)
    theta, along = rng.normal(0, 0.5, (2, design.X.shape[1], 3))
    h = 1e-5
    up, down = theta + h * along, theta - h * along
    rise = (likelihood.value(up) - likelihood.value(down)) / (2 * h)
    assert rise == pytest.approx((likelihood.slope(theta) * along).sum(), rel=1e-6)
    turned = (likelihood.slope(down) - likelihood.slope(up)) / (2 * h)
    shares = np.exp(design.log_shares(theta))
    np.testing.assert_allclose(likelihood.bend(shares, along), turned, atol=1e-4)


def test_the_spread_of_effects_is_found():
    rng = np.random.default_rng(4)
    design = Design.of((60, 8), [(0,), (1,)])
    theta = np.zeros((design.X.shape[1], 3))
    theta[1:61] = rng.normal(0, 0.7, (60, 3))  # the second variable's effects are all 0
    shares = np.exp(design.log_shares(theta))
    counts = np.array([rng.multinomial(40, p) for p in shares]).astype(float)
    precision = pooled_logit(design, counts).precision
    seen = theta[1:61] - theta[1:61].mean(axis=1, keepdims=True)
    # 120 effects: their standard deviation is known to 1 / sqrt(240); four times that
    assert 1 / np.sqrt(precision[1]) == pytest.approx(seen.std() * np.sqrt(1.5), rel=4 / 240**0.5)
    assert 1 / np.sqrt(precision[2]) < 0.1


def test_many_records_are_believed_as_they_are():
    exact = TRUTH.project("age", "vote")
    cells = np.indices(exact.domain.shape).reshape(2, -1).T
    donor = Microdata(exact.domain, np.repeat(cells, 100_000, axis=0), np.repeat(exact.counts, 1e5))
    model = fuse(FRAME, "vote", donor)
    shares = exact.counts / exact.counts.sum(axis=1, keepdims=True)
    close(model.project("age", "vote").counts, FRAME.project("age").counts[:, None] * shares, 1e-3)


@pytest.mark.parametrize("way", LOGITS)
def test_design_weights_count_and_their_unit_does_not(way):
    margins = () if way == "logit" else BY_STATE
    weights = np.random.default_rng(5).gamma(2, 1, 800)
    plain, weighted, scaled = (
        fuse(FRAME, "vote", donors(weights=w), margins=margins, way=way).table.counts
        for w in (None, weights, weights * 1000)
    )
    close(weighted, scaled, 1e-7)
    assert np.abs(plain - weighted).max() > 1e-4 * TRUTH.total


# --- margins held --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["product", "smooth_fix", "balanced"])
def test_frame_and_margins_hold(way):
    donor = None if way == "product" else donors()
    margins = [BY_STATE, TRUTH.project("age", "vote")]
    model = fuse(FRAME, "vote", donor, margins=margins, way=way)
    close(model.project("state", "age", "degree").counts, FRAME.counts, 1e-8)
    for margin in margins:
        close(model.project(*margin.names).counts, margin.counts, 1e-8)
    assert model.convergence.residual <= 1e-8 * TRUTH.total


def test_logit_holds_the_frame_only():
    model = fuse(FRAME, "vote", donors(), margins=BY_STATE, way="logit")
    close(model.project(*FRAME.names).counts, FRAME.counts)
    assert np.abs(model.project("state", "vote").counts - BY_STATE.counts).max() > 1


def balance_of(design, counts, totals):
    people = np.random.default_rng(6).gamma(3, 100, len(counts))
    rows = np.arange(design.shape[0])
    return Balance.of(design, people, 3, [Totals((0,), rows, np.arange(3), totals(people))])


def by_rows(design, shares):
    return lambda people: (people[:, None] * shares).reshape(*design.shape, 3).sum(axis=1)


def test_balanced_is_the_plain_logit_where_that_has_the_totals():
    design, counts, *_ = counted()
    likelihood = Likelihood(design, counts, design.spread(np.array([FREE, 2.0, 1.0])))
    plain = likelihood.maximum(np.zeros((design.X.shape[1], 3)))
    shares = np.exp(design.log_shares(plain))
    balance = balance_of(design, counts, by_rows(design, shares))
    elsewhere = np.random.default_rng(7).normal(0, 1, plain.shape)
    for start in (plain, elsewhere):
        _, found = balanced(likelihood, balance, start)
        np.testing.assert_allclose(found, shares, atol=1e-6)


def test_balanced_is_stationary_along_the_constraint_and_likelier_than_smooth_then_fix():
    design, counts, *_ = counted()
    likelihood = Likelihood(design, counts, design.spread(np.array([FREE, FREE, 1.0])))
    plain = likelihood.maximum(np.zeros((design.X.shape[1], 3)))
    wanted = np.random.default_rng(8).dirichlet([3, 3, 3], 4)
    balance = balance_of(
        design, counts, lambda people: people.reshape(4, 3).sum(axis=1)[:, None] * wanted
    )
    theta, shares = balanced(likelihood, balance, plain)
    held = (balance.people[:, None] * shares).reshape(4, 3, 3).sum(axis=1).ravel()
    np.testing.assert_allclose(held, balance.targets, atol=1e-8 * balance.people.sum())
    assert np.abs(balance.tangent(likelihood.slope(theta), shares)).max() < 1e-4
    fixed, _, _ = balance.shifted(plain, np.zeros(len(balance.targets)))
    assert likelihood.value(theta) > likelihood.value(fixed) + 0.1


def test_tangent_is_the_derivative_of_the_shifted_likelihood():
    design, counts, *_ = counted()
    likelihood = Likelihood(design, counts, design.spread(np.array([FREE, 0.5, 1.0])))
    even = np.full((len(counts), 3), 1 / 3)
    balance = balance_of(design, counts, by_rows(design, even))
    rng = np.random.default_rng(9)
    theta, along = rng.normal(0, 0.5, (2, design.X.shape[1], 3))
    none = np.zeros(len(balance.targets))

    def value(t):
        return likelihood.value(balance.shifted(theta + t * along, none)[0])

    there, _, shares = balance.shifted(theta, none)
    slope = balance.tangent(likelihood.slope(there), shares)
    assert (value(1e-5) - value(-1e-5)) / 2e-5 == pytest.approx((slope * along).sum(), rel=1e-5)


@pytest.mark.parametrize("way", ["product", "smooth_fix", "balanced"])
def test_coarse_and_empty_margins_hold(way):
    rule = Coarsening.from_groups(VOTE, "voted", {"yes": ["a", "b"], "no": ["none"]})
    voted = TRUTH.coarsen(rule).project("state", "voted")
    counts = TRUTH.counts.copy()
    counts[0, :, :, 2] = 0  # in the north everybody votes
    truth = Table(TRUTH.domain, counts)
    book = Codebook.of(coarsenings=[rule])
    donor = donors()
    donor = donor.take((donor.column("state") > 0) | (donor.column("vote") < 2))
    model = fuse(
        truth.project("state", "age", "degree"),
        "vote",
        None if way == "product" else donor,
        margins=[truth.coarsen(rule).project("state", "voted"), truth.project("vote")],
        way=way,
        codebook=book,
    )
    assert voted.names == ("state", "voted")
    assert model.project("state", "vote").counts[0, 2] == pytest.approx(0, abs=1e-9 * truth.total)
    close(model.project("vote").counts, truth.project("vote").counts, 1e-8)


# --- several variables, refits --------------------------------------------------------------------


def test_several_variables_in_order():
    donor = donors(names=("age", "degree", "vote"))
    frame = TRUTH.project("state", "age")
    margins = [BY_STATE, TRUTH.project("degree")]
    model = fuse(frame, ("degree", "vote"), donor, margins=margins, way="smooth_fix")
    assert [part.shared for part in model.parts] == [("age",), ("age", "degree")]
    close(model.project("state", "vote").counts, BY_STATE.counts, 1e-8)
    close(model.project("degree").counts, TRUTH.project("degree").counts, 1e-8)


def test_replicates_and_calibration_follow():
    model = fuse(FRAME, "vote", donors(300), margins=BY_STATE)
    shares = [
        again.project("age", "vote").counts[0, 0] for again in pg.replicates(model, m=8, rng=0)
    ]
    assert 0 < float(pg.combine(shares).se) < 0.05 * TRUTH.total
    pool = pg.CalibratedPool(model.method, pool=5000)
    close(pool.fit(model.problem).project("state", "vote").counts, BY_STATE.counts, 1e-6)


def test_audit_says_what_is_borrowed_and_what_assumed():
    model = fuse(FRAME, "vote", donors(300), margins=BY_STATE)
    found = pg.audit(model, bounds=False).rows
    status = {tuple(row["variables"]): row["status"] for row in found.iter_rows(named=True)}
    assert status["age", "vote"] == "borrowed"
    assert status["degree", "vote"] == "assumed"
    assert status["state", "vote"] == status["state", "degree"] == "measured"


def test_notes_say_what_is_assumed_and_how_records_were_pooled():
    model = fuse(FRAME, "vote", donors(names=("age", "vote")), way="logit")
    [assumed, pooled] = model.notes
    assert assumed.startswith("'vote' fused, way 'logit': assumes that its log odds add up effects")
    assert pooled.startswith("'vote': 800 records; sd of pooled effects: age 0.")
    assert model.sample(10, rng=0).provenance["notes"] == list(model.notes)


@pytest.mark.parametrize(
    ("donor", "margins", "way"),
    [
        (None, BY_STATE, "product"),
        (donors(), (), "logit"),
        (donors(), BY_STATE, "balanced"),
        (donors(names=("age", "vote")), BY_STATE, "smooth_fix"),
    ],
)
def test_the_default_way_uses_all_there_is(donor, margins, way):
    assert fuse(FRAME, "vote", donor, margins=margins).method.way == way


def test_pairs_of_effects_find_what_variables_apart_do_not():
    whole = donors(20_000, TRUTH.names)
    miss = [
        np.abs(fuse(FRAME, "vote", whole, effects=k).table.counts - TRUTH.counts).sum()
        for k in (1, 2)
    ]
    assert miss[1] < 0.8 * miss[0]


def test_a_finer_donor_is_added_up_and_other_columns_do_not_matter():
    year = Variable("year", ("18", "30", "50", "80"))
    rule = Coarsening.from_groups(
        year, "age", {"young": ["18"], "mid": ["30", "50"], "old": ["80"]}
    )
    codes = donors().codes
    fine = np.choose(codes[:, 1], [0, 2, 3])
    donor = Microdata(
        Domain((Variable("pet", ("cat",)), year, VOTE)),
        np.column_stack([np.zeros(len(fine)), fine, codes[:, 2]]),
    )
    book = Codebook.of([VOTE, STATE, DEGREE], [rule])
    model = fuse(FRAME, "vote", donor, codebook=book)
    same = fuse(FRAME, "vote", donors(names=("age", "vote")))
    close(model.table.counts, same.table.counts)


# --- the set -------------------------------------------------------------------------------------


def test_bounds_of_two_tables_are_frechets_and_hold_truth_and_ways():
    by_age = TRUTH.project("state", "age", "vote")
    model = fuse(FRAME, "vote", margins=by_age)
    found = pg.fusion_bounds(model, {"vote": "a"}, {"degree": "yes"})
    grads, voters = FRAME.counts[..., 1], by_age.counts[..., 0]
    low = np.maximum(0, grads + voters - FRAME.counts.sum(axis=-1)).sum() / grads.sum()
    high = np.minimum(grads, voters).sum() / grads.sum()
    assert (found.bounds.minimum, found.bounds.maximum) == pytest.approx((low, high))
    assert low < TRUTH.project("degree", "vote").counts[1, 0] / grads.sum() < high
    assert low < found.ways["product"] == found.bounds.estimate < high
    assert set(found.refused) == {"logit", "smooth_fix", "balanced"}
    assert found.spread == 0
    assert "by way: product" in str(found)
    assert found.to_dict()["ways"] == found.ways


def test_the_four_ways_lie_within_the_bounds():
    model = fuse(FRAME, "vote", donors(), margins=BY_STATE)
    found = pg.fusion_bounds(model, {"vote": "a"}, {"degree": "yes"})
    assert set(found.ways) == set(WAYS)
    assert found.spread > 0
    for way in ("smooth_fix", "balanced"):
        assert found.bounds.minimum <= found.ways[way] <= found.bounds.maximum


def test_couplings_span_the_bounds_of_a_question_and_keep_what_was_seen():
    model = fuse(FRAME, "vote", donors(), margins=BY_STATE)
    ask = {"vote": ["a", "b"]}, {"degree": "yes"}
    shares = []
    for joint in pg.couplings(model, 5, where=ask[0], given=ask[1]):
        close(joint.project(*FRAME.names).counts, FRAME.counts)
        close(
            joint.project("state", "age", "vote").counts,
            model.project("state", "age", "vote").counts,
        )
        table = joint.project("degree", "vote").counts[1]
        shares.append(table[:2].sum() / table.sum())
        assert len(joint.sample(50, rng=0)) == 50
    ends = pg.fusion_bounds(model, *ask).bounds
    assert (shares[0], shares[-1]) == pytest.approx((ends.minimum, ends.maximum), abs=1e-9)
    assert shares[2] == pytest.approx(ends.estimate)
    assert shares == sorted(shares)


def test_random_couplings_keep_what_was_seen_and_differ():
    model = fuse(FRAME, "vote", donors(), margins=BY_STATE)
    drawn = list(pg.couplings(model, 12, rng=3))
    again = list(pg.couplings(model, 12, rng=3))
    for one, other in zip(drawn, again, strict=True):
        close(
            one.project("state", "age", "vote").counts, model.project("state", "age", "vote").counts
        )
        close(one.project(*FRAME.names).counts, FRAME.counts)
        np.testing.assert_array_equal(one.table.counts, other.table.counts)
    spread = pg.combine([joint.project("degree", "vote").shares.counts for joint in drawn])
    assert float(spread.se.max()) > 0.01


# --- refusals ------------------------------------------------------------------------------------

ODD = Microdata(Domain((Variable("age", ("young", "teen")), VOTE)), [[0, 0], [1, 1]])
REFUSED = {
    "in the frame": (lambda: fuse(FRAME, "age", donors()), "frame has 'age' already"),
    "nothing known": (lambda: fuse(FRAME, "vote"), "nothing says anything of 'vote'"),
    "not in the donor": (
        lambda: fuse(FRAME, "party", donors()),
        "donor has no 'party' to give; it has 'state', 'age', 'vote'",
    ),
    "nothing shared": (
        lambda: fuse(FRAME, "vote", donors(names=("vote",))),
        "donor and frame share no variable",
    ),
    "other levels": (lambda: fuse(FRAME, "vote", ODD), "donor has levels 'teen' of 'age'"),
    "a level unseen": (
        lambda: fuse(FRAME, "vote", donors().take(donors().column("age") < 2)),
        rf"no record: 'age=old \({FRAME.project('age').counts[2]:,.6g} people\)'",
    ),
    "margins clash": (
        lambda: fuse(FRAME, "vote", margins=BY_STATE.scaled(2 * TRUTH.total)),
        "disagree in cell .* reconcile them first",
    ),
    "names clash": (
        lambda: fuse({"x": FRAME}, "vote", margins={"x": BY_STATE}),
        "both called 'x'",
    ),
    "no margin": (
        lambda: fuse(FRAME, "vote", donors(), way="balanced"),
        "way 'balanced' needs a margin of 'vote'",
    ),
    "no margin, product": (
        lambda: fuse(FRAME, "vote", donors(), way="product"),
        "way 'product' needs a margin of 'vote'",
    ),
    "no records": (
        lambda: fuse(FRAME, "vote", margins=BY_STATE, way="logit"),
        "learns 'vote' from records and this problem has no microdata",
    ),
    "balanced without state": (
        lambda: fuse(
            FRAME, "vote", donors(names=("age", "vote")), margins=BY_STATE, way="balanced"
        ),
        "survey has no 'state', so no effect of it",
    ),
    "unknown way": (lambda: Fusion("vote", "magic"), "no way 'magic' to fuse; there are 'product'"),
    "nothing named": (lambda: Fusion(()), "name the variables to add"),
    "named twice": (lambda: Fusion(("a", "a")), "each once; got 'a', 'a'"),
    "effects": (lambda: Fusion("vote", effects=3), "effects must be 1 or 2"),
    "unseen": (lambda: Fusion("vote", unseen="x"), "unseen must be one of 'refuse', 'average'"),
    "tol": (lambda: Fusion("vote", tol=0), "tol must be above 0; got 0"),
    "no frame": (
        lambda: Fusion("vote", "product").fit(Problem([TRUTH.project("vote")])),
        "no variable but those to be added",
    ),
    "unknown variable": (
        lambda: Fusion("party", "product").fit(Problem([FRAME])),
        "no variable 'party' here",
    ),
    "frame without a margin": (
        lambda: Fusion("vote", "logit").fit(Problem([TRUTH.project("age")], donors())),
        "no margin of the frame has 'state'",
    ),
    "couplings of nothing open": (
        lambda: pg.couplings(fuse(FRAME, "vote", donors(names=TRUTH.names)), 3),
        "'vote' was seen with the whole frame",
    ),
    "couplings of half a question": (
        lambda: pg.couplings(fuse(FRAME, "vote", margins=BY_STATE), 3, where={"vote": "a"}),
        "both 'where' and 'given'",
    ),
    "couplings of another question": (
        lambda: pg.couplings(
            fuse(FRAME, "vote", margins=BY_STATE), 3, where={"age": "old"}, given={"degree": "yes"}
        ),
        "must be of 'vote'",
    ),
    "one coupling": (
        lambda: pg.couplings(fuse(FRAME, "vote", margins=BY_STATE), 1),
        "at least 2 joints",
    ),
    "half a coupling": (
        lambda: pg.couplings(fuse(FRAME, "vote", margins=BY_STATE), 2.5),
        "at least 2 joints are needed to see them differ; got 2.5",
    ),
    "couplings by no number": (
        lambda: pg.couplings(fuse(FRAME, "vote", margins=BY_STATE), 2, rng="x"),
        "rng must be a whole number",
    ),
    "couplings of no fusion": (
        lambda: pg.couplings(IPF().fit(Problem([FRAME]))),
        "a TableModel is no fusion",
    ),
    "bounds of no fusion": (
        lambda: pg.fusion_bounds(IPF().fit(Problem([FRAME])), {"age": "old"}),
        "a TableModel is no fusion",
    ),
    "a donor of another kind": (
        lambda: fuse(FRAME, "vote", donors().to_polars()),
        "a donor is Microdata, not a DataFrame: read it with popgen.read_microdata",
    ),
    "a frame of records": (
        lambda: fuse(donors(), "vote", donors()),
        "is a Microdata, not a Table; read a file",
    ),
    "couplings of two": (
        lambda: pg.couplings(
            fuse(TRUTH.project("state", "age"), ("degree", "vote"), donors(names=TRUTH.names)), 3
        ),
        "this model has 2",
    ),
}


@pytest.mark.parametrize(("call", "says"), REFUSED.values(), ids=REFUSED)
def test_refused(call, says):
    with pytest.raises(PopgenError, match=says):
        call()


def test_effects_that_are_not_found_in_time_are_an_error(monkeypatch):
    design, counts, *_ = counted()
    likelihood = Likelihood(design, counts, np.ones(design.X.shape[1]))
    with pytest.raises(pg.ConvergenceError, match=r"slope is still .* after 200 steps \(toler"):
        likelihood.maximum(np.zeros((design.X.shape[1], 3)), -1.0)
    monkeypatch.setattr("popgen.methods._balanced.CLIMBS", 1)
    with pytest.raises(pg.ConvergenceError, match="not found after 1 steps"):
        fuse(FRAME, "vote", donors(), margins=BY_STATE)


def test_refuses_records_where_a_margin_says_nobody_is():
    counts = BY_STATE.counts.copy()
    counts[0] = [counts[0].sum(), 0, 0]
    margin = Table(BY_STATE.domain, counts)
    with pytest.raises(pg.InfeasibleError, match="levels where a margin says nobody is"):
        fuse(FRAME, "vote", donors(), margins=margin, way="balanced")


def test_refuses_records_that_lack_some_values():
    donor = donors()
    codes = donor.codes.copy()
    codes[:3, 1] = -1
    with pytest.raises(PopgenError, match="3 of 800 records have no 'age'"):
        fuse(FRAME, "vote", Microdata(donor.domain, codes))
    codes[:, 2] = -1
    with pytest.raises(PopgenError, match="no record has a value of 'vote'"):
        fuse(FRAME, "vote", Microdata(donor.domain, codes))


def test_a_coarser_donor_is_refused_with_advice():
    rule = Coarsening.from_groups(AGE, "half", {"under": ["young", "mid"], "over": ["old"]})
    donor = donors().with_coarse(rule)
    donor = Microdata(donor.domain.project("half", "vote"), donor.codes[:, [3, 2]])
    with pytest.raises(PopgenError, match="'half', coarser than the frame's 'age'"):
        fuse(FRAME, "vote", donor, codebook=Codebook.of([VOTE], [rule]))


def test_levels_that_no_record_has_may_be_averaged():
    donor = donors().take(donors().column("state") > 0)
    model = fuse(FRAME, "vote", donor, unseen="average")
    assert model.notes[-1].startswith("no record of 'state=n (")

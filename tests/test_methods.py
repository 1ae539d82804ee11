"""The contract: every method, on every small problem, keeps every promise.

A new method is one entry in METHODS; a new kind of problem is one entry in PROBLEMS.
"""

import dataclasses
import pickle
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest
from towns import AGE, BAND, BOOK, GROWN, SEX, SPLIT

import popgen
from popgen import (
    IPF,
    BayesNet,
    CalibratedPool,
    CopulasModel,
    Domain,
    Fusion,
    GaussianCopula,
    InconsistentMarginsError,
    Independent,
    InfeasibleError,
    Microdata,
    PersonaPrior,
    PopgenError,
    Problem,
    SDVModel,
    Sequential,
    Table,
    Variable,
    VineCopula,
    methods,
)
from popgen.margin import Margin
from popgen.methods.base import Method
from popgen.methods.calibration import Calibration
from popgen.methods.distances import logit
from popgen.methods.maxent import MaxEnt

DEGREE = Variable("degree", ("none", "first", "higher"))


@dataclass(frozen=True)
class Entry:
    """A method, and what it may be asked.

    Attributes
    ----------
    method : Method
    needs_records : bool
    interactions : bool
        Whether it meets margins of several variables, or the one-way figures in them only.
    invents : bool
        Whether it puts people where there is no record.
    margins : bool
        Whether it looks at margins at all: what learns from records alone does not.
    refits : bool
        Whether its own result, as records or seed, gives the same fit again.
    """

    method: Method
    needs_records: bool = False
    interactions: bool = True
    invents: bool = False
    margins: bool = True
    refits: bool = True


PERSONAS = Microdata(
    Domain((SEX, AGE, DEGREE)), np.random.default_rng(2).integers(0, (2, 4, 3), (300, 3))
)
LEARNERS = {
    "bayesnet": BayesNet(),
    "sequential": Sequential(ordinal=("age",)),
    "copula": GaussianCopula(ordinal=("age",)),
    "vine": VineCopula(ordinal=("age",)),
}
ADAPTERS = {  # make test-sdv has what they need
    "copulas": CopulasModel(pool=4000),
    "sdv": SDVModel(pool=4000),
}
LEARNERS |= {name: method for name, method in ADAPTERS.items() if find_spec(name)}
METHODS = {
    "independent": Entry(Independent(), interactions=False),
    "ipf": Entry(IPF(tol=1e-9)),
    "maxent": Entry(MaxEnt(), invents=True),
    "calibration": Entry(Calibration(), needs_records=True),
    "calibration-logit": Entry(Calibration(logit(0.02, 50)), needs_records=True),
    "persona-prior": Entry(PersonaPrior(panels=(PERSONAS,)), invents=True),
    **{name: Entry(method, True, margins=False, refits=False) for name, method in LEARNERS.items()},
    "fusion-product": Entry(Fusion("degree", "product"), invents=True, refits=False),
    "fusion-logit": Entry(
        Fusion("degree", "logit"), True, invents=True, margins=False, refits=False
    ),
    "fusion-smooth-fix": Entry(Fusion("degree", "smooth_fix"), True, invents=True, refits=False),
    "fusion-balanced": Entry(Fusion("degree"), True, invents=True, refits=False),
    "ipf-calibrated": Entry(CalibratedPool(IPF(), pool=4000), refits=False),
    "bayesnet-calibrated": Entry(CalibratedPool(BayesNet(), pool=4000), True, refits=False),
}


def truth(*, zeros=False):
    """10,000 people whose sex, age and degree all interact; no degree below 18 with zeros."""
    counts = np.random.default_rng(0).gamma(2, 1, (2, 4, 3)) + 0.3
    if zeros:
        counts[:, 0, 1:] = 0
    return Table(Domain((SEX, AGE, DEGREE)), counts / counts.sum() * 10_000)


def survey(table):
    """Records of every kind of person there is, 150 in all, unevenly weighted."""
    rng = np.random.default_rng(1)
    kinds = np.flatnonzero(table.counts)
    cells = np.concatenate([kinds, rng.choice(kinds, 150 - len(kinds))])
    codes = np.column_stack(np.unravel_index(cells, table.domain.shape))
    return Microdata(table.domain, codes, rng.gamma(5, 1, len(codes)) + 0.2)


def one_way(joint):
    return [joint.project(name) for name in joint.names]


def two_way(joint):
    return [joint.project(*pair) for pair in (("sex", "age"), ("degree", "age"), ("sex", "degree"))]


def bands(joint):
    return [
        joint.coarsen(BAND).project("band", "degree"),
        joint.coarsen(SPLIT).project("sex", "split"),
        joint.project("age"),
    ]


def bands_only(joint):
    tables = [joint.coarsen(rule).project(rule.coarse.name) for rule in (BAND, SPLIT)]
    return [*tables, joint.project("sex", "degree")]


def partial(joint):
    return [
        joint.project("sex", "age"),
        joint.coarsen(GROWN).project("degree", "grown"),
        *one_way(joint),
    ]


@dataclass(frozen=True)
class Case:
    """A small problem: tables, and perhaps records."""

    tables: list[Table]
    records: Microdata | None

    def problem(self, **changed):
        facts = {"microdata": self.records, **changed}
        return Problem(facts.pop("tables", self.tables), codebook=BOOK, **facts)


SORTS = {
    "one-way": (one_way, False),
    "two-way": (two_way, False),
    "bands": (bands, False),
    "bands-only": (bands_only, False),
    "partial": (partial, False),
    "structural-zeros": (two_way, True),
}
PROBLEMS = {
    f"{name}{'-records' if records else ''}": Case(
        tables_of(truth(zeros=zeros)), survey(truth(zeros=zeros)) if records else None
    )
    for name, (tables_of, zeros) in SORTS.items()
    for records in (True, False)
}
PAIRS = {
    f"{method}/{name}": (entry, case)
    for method, entry in METHODS.items()
    for name, case in PROBLEMS.items()
    if case.records is not None or not entry.needs_records
}
every_pair = pytest.mark.parametrize(("entry", "case"), PAIRS.values(), ids=PAIRS)
every_method = pytest.mark.parametrize("entry", METHODS.values(), ids=METHODS)
OF_RECORDS = {name: entry for name, entry in METHODS.items() if entry.needs_records}
every_method_of_records = pytest.mark.parametrize("entry", OF_RECORDS.values(), ids=OF_RECORDS)
HOWS = ("systematic", "trs", "multinomial", "cube")


def promised(entry, problem):
    """The margins that a method holds: all, what they say of one variable, or none."""
    for margin in problem.margins if entry.margins else ():
        if entry.interactions:
            yield margin
            continue
        for rule in margin.maps:
            if all(other.complete for other in margin.maps if other is not rule):
                yield Margin(margin.name, margin.table.project(rule.coarse.name), (rule,))


def same_joint(one, other, problem):
    for pair in (("sex", "age"), ("age", "degree"), ("degree", "sex", "age")):
        a, b = one.project(*pair), other.project(*pair)
        np.testing.assert_allclose(a.counts, b.counts, atol=1e-6 * problem.total)


@every_pair
def test_margins_hold_and_the_total_is_kept(entry, case):
    problem = case.problem()
    model = entry.method.fit(problem)
    for margin in promised(entry, problem):
        miss = np.abs(margin.fitted(model) - margin.table.counts).max()
        assert miss <= 1e-6 * problem.total, margin.name
    assert model.project(*model.domain.names).total == pytest.approx(problem.total, rel=1e-8)
    assert model.convergence.converged
    assert model.convergence.residual <= 1e-8 * problem.total


@every_pair
def test_projects_on_any_variables_in_any_order(entry, case):
    model = entry.method.fit(case.problem())
    assert model.domain.names == ("sex", "age", "degree") or case.records is None
    whole = model.project("sex", "age", "degree")
    assert whole.names == ("sex", "age", "degree")
    turned = model.project("degree", "sex", "age")
    np.testing.assert_allclose(np.transpose(turned.counts, (1, 2, 0)), whole.counts)
    np.testing.assert_allclose(model.project("age").counts, whole.counts.sum(axis=(0, 2)))
    assert model.project().total == pytest.approx(whole.total)
    with pytest.raises(PopgenError, match="'income'"):
        model.project("income")


@every_pair
@pytest.mark.parametrize("how", HOWS)
def test_draws_exactly_as_many_people_as_asked(entry, case, how):
    model = entry.method.fit(case.problem())
    people = model.sample(137, rng=0, integerise=how)
    assert len(people) == 137
    assert people.domain == model.domain
    possible = model.project(*model.domain.names).counts > 0
    assert possible[tuple(people.codes.T)].all()


@every_pair
def test_same_rng_same_people_and_another_rng_others(entry, case):
    model = entry.method.fit(case.problem())
    people = model.sample(200, rng=3)
    np.testing.assert_array_equal(people.codes, model.sample(200, rng=3).codes)
    np.testing.assert_array_equal(
        people.codes,
        entry.method.fit(case.problem()).sample(200, rng=np.random.default_rng(3)).codes,
    )
    assert not np.array_equal(people.codes, model.sample(200, rng=4).codes)


@every_pair
def test_many_people_have_the_models_margins(entry, case):
    problem = case.problem()
    model = entry.method.fit(problem)
    people = model.sample(20_000, rng=5)
    for margin in problem.margins:
        expected = margin.fitted(model) * (20_000 / problem.total)
        # Systematic draws vary less than multinomial ones: 5 of those standard errors will do.
        assert (np.abs(margin.fitted(people) - expected) <= 1 + 5 * np.sqrt(expected)).all()


@every_pair
def test_a_fit_changes_nothing_that_it_was_given(entry, case):
    problem = case.problem()
    arrays = [margin.table.counts for margin in problem.margins]
    if problem.microdata is not None:
        arrays += [problem.microdata.codes, problem.microdata.weights]
    before, recipe = [array.copy() for array in arrays], repr(entry.method)
    entry.method.fit(problem).sample(10, rng=0)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert repr(entry.method) == recipe


@every_pair
def test_fitting_again_from_the_result_changes_nothing(entry, case):
    if not entry.refits:
        return
    problem = case.problem()
    model = entry.method.fit(problem)
    if entry.needs_records:
        again = case.problem(microdata=model.microdata)
    elif entry.interactions:
        again = case.problem(microdata=None, seed=model.project(*model.domain.names))
    else:
        again = case.problem(
            microdata=None, tables=[model.project(name) for name in model.domain.names]
        )
    same_joint(entry.method.fit(again), model, problem)


@every_pair
def test_the_order_of_margins_axes_and_records_does_not_matter(entry, case):
    if not entry.refits and case.records is None:
        return  # then margins decide the order of axes, and another order draws another pool
    problem = case.problem()
    tables = [table.project(*reversed(table.names)) for table in reversed(case.tables)]
    records = case.records
    if records is not None:
        records = records.take(np.random.default_rng(6).permutation(len(records)))
    turned = case.problem(tables=tables, microdata=records)
    same_joint(entry.method.fit(turned), entry.method.fit(problem), problem)


@every_pair
def test_totals_scale(entry, case):
    problem = case.problem()
    tables = [table.scaled(table.total / 1000) for table in case.tables]
    shares = entry.method.fit(case.problem(tables=tables)).project("sex", "age")
    expected = entry.method.fit(problem).project("sex", "age")
    np.testing.assert_allclose(shares.counts * 1000, expected.counts, rtol=1e-6, atol=1e-6)


@every_method
def test_a_recipe_is_frozen_and_says_what_it_is(entry):
    method = entry.method
    assert dataclasses.is_dataclass(method)
    assert repr(method).startswith(type(method).__name__ + "(")
    for field in dataclasses.fields(method):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(method, field.name, None)
    assert pickle.loads(pickle.dumps(method)) == method


@every_method
def test_what_people_come_from_is_written_down(entry):
    case = PROBLEMS["two-way-records"]
    people = entry.method.fit(case.problem()).sample(10, rng=7)
    assert people.provenance["method"] == repr(entry.method)
    assert people.provenance["people"] == 10
    assert set(people.provenance["margins"]) == {"sex_age", "degree_age", "sex_degree"}
    assert people.provenance["rng"]["entropy"] == "7"


@every_method
@pytest.mark.parametrize("n", [0, -1, 2.5, "ten", None])
def test_refuses_to_draw_nobody_or_parts_of_people(entry, n):
    model = entry.method.fit(PROBLEMS["one-way-records"].problem())
    with pytest.raises(PopgenError, match="n must be"):
        model.sample(n, rng=0)


@every_method
def test_refuses_an_unknown_way_to_integerise(entry):
    model = entry.method.fit(PROBLEMS["one-way-records"].problem())
    with pytest.raises(
        PopgenError, match="unknown integerising method 'round'; known: 'systematic'"
    ):
        model.sample(10, rng=0, integerise="round")


@every_method
def test_refuses_people_in_a_cell_that_has_no_record(entry):
    if entry.invents:
        pytest.skip("it puts people there")
    case = PROBLEMS["bands-only-records"]
    records = case.records.take(case.records.column("age") != AGE.index("65+"))
    if not entry.margins:
        people = entry.method.fit(case.problem(microdata=records)).sample(1000, rng=0)
        assert people.project("age").counts[AGE.index("65+")] == 0
        return
    with pytest.raises((InfeasibleError, InconsistentMarginsError), match=r"65\+|'split'"):
        entry.method.fit(case.problem(microdata=records))


@every_method_of_records
def test_refuses_a_problem_without_records_if_it_needs_them(entry):
    with pytest.raises(PopgenError, match="no microdata"):
        entry.method.fit(PROBLEMS["one-way"].problem())


def test_every_method_there_is_is_held_to_the_contract():
    tested = {type(entry.method).__name__ for entry in METHODS.values()}
    absent = {type(method).__name__ for name, method in ADAPTERS.items() if not find_spec(name)}
    assert tested | absent == set(methods.METHODS.values()) <= set(popgen.__all__)


def test_no_method_ever_sees_margins_that_are_missing_or_clash():
    with pytest.raises(PopgenError, match="at least one margin"):
        Problem([])
    clash = [Table(Domain((SEX,)), [1, 2]), Table(Domain((SEX, DEGREE)), [[1, 0, 1], [1, 0, 0]])]
    with pytest.raises(InconsistentMarginsError, match=r"1 against 2, by 1 people"):
        Problem(clash)


# the three left out are refused elsewhere: rng when it is used, the others as whole numbers
NUMBERS = [
    (type(entry.method), field.name)
    for entry in METHODS.values()
    for field in dataclasses.fields(entry.method)
    if str(field.type).startswith(("int", "float"))
    and field.name not in ("rng", "effects", "trees")
]


@pytest.mark.parametrize(("kind", "name"), dict.fromkeys(NUMBERS))
@pytest.mark.parametrize("value", ["x", float("nan"), -1])
def test_what_is_no_number_is_refused_by_name(kind, name, value):
    given = {"method": Independent()} if kind is CalibratedPool else {}
    given |= {"variables": "a"} if kind is Fusion else {}
    with pytest.raises(PopgenError, match=f"{name} must be .*; got {value!r}"):
        kind(**given, **{name: value})

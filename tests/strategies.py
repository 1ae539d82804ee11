"""Random nouns for property tests: every hypothesis strategy of the suite is here."""

import numpy as np
from hypothesis import strategies as st

from popgen import Coarsening, Codebook, Domain, Microdata, Table, Variable

NAMES = ("age", "sex", "race", "home")


@st.composite
def variables(draw, name="age", most=4):
    return Variable(name, tuple(f"{name}{i}" for i in range(draw(st.integers(1, most)))))


@st.composite
def domains(draw, fewest=1, most=3):
    """Domains of a few variables, each with a few levels."""
    count = draw(st.integers(fewest, most))
    return Domain(tuple(draw(variables(name)) for name in NAMES[:count]))


@st.composite
def tables(draw, domain=None, se=None):
    """Tables of whole counts (so that sums are exact), with standard errors or not."""
    domain = draw(domains()) if domain is None else domain

    def figures():
        cells = st.lists(st.integers(0, 10_000), min_size=domain.size, max_size=domain.size)
        return np.array(draw(cells), dtype=float).reshape(domain.shape)

    with_se = draw(st.booleans()) if se is None else se
    return Table(domain, figures(), figures() if with_se else None)


@st.composite
def coarsenings(draw, fine, name="coarse", complete=False):
    """Coarsenings of a variable: levels merged, some left outside, some coarse levels empty."""
    coarse = draw(variables(name))
    lowest = 0 if complete else -1
    code = st.integers(lowest, len(coarse) - 1)
    codes = draw(st.lists(code, min_size=len(fine), max_size=len(fine)))
    return Coarsening(fine, coarse, codes)


@st.composite
def microdata(draw, fewest=1, most=12):
    """Weighted records without missing values."""
    domain = draw(domains())
    record = st.tuples(*(st.integers(0, len(variable) - 1) for variable in domain))
    codes = draw(st.lists(record, min_size=fewest, max_size=most))
    weight = st.integers(1, 1_000)
    weights = draw(st.lists(weight, min_size=len(codes), max_size=len(codes)))
    return Microdata(domain, codes, weights)


@st.composite
def orders(draw, items):
    return tuple(draw(st.permutations(items)))


@st.composite
def some_of(draw, items):
    """Some of the items, at least one, in any order."""
    return tuple(draw(st.permutations(items))[: draw(st.integers(1, len(items)))])


@st.composite
def censuses(draw):
    """Margins of one random joint, over any levels of its variables, and their codebook.

    Variables are coarsened, nested or not, or not at all; some coarse variables and some margins
    leave people out.
    """
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    fines = draw(domains(2, 3)).variables
    rules = {
        fine.name: [
            draw(coarsenings(fine, f"{fine.name}{i}_", complete=draw(st.booleans())))
            for i in range(draw(st.integers(0, 2)))
        ]
        for fine in fines
    }
    joint = Table(Domain(fines), rng.gamma(0.7, 1000, [len(fine) for fine in fines]))
    margins = {}
    for number in range(draw(st.integers(1, 4))):
        table = joint.project(*draw(some_of(joint.names)))
        for name in table.names:
            rule = draw(st.sampled_from([None, *rules[name]]))
            if rule is not None and (rule.codes >= 0).any():
                table = table.coarsen(rule)
                held = [rule.coarse.levels[i] for i in sorted({*rule.codes.tolist()} - {-1})]
                table = table.select(**{rule.coarse.name: held})
            elif draw(st.integers(0, 3)) == 0:
                table = table.select(**{name: draw(some_of(table.domain[name].levels))})
        margins[f"m{number}"] = table
    return margins, Codebook.of(fines, [rule for each in rules.values() for rule in each])


@st.composite
def graphs(draw, most=7):
    """Sizes of a few variables, and pairs or triples of them that some margin speaks of."""
    sizes = tuple(draw(st.lists(st.integers(1, 3), min_size=2, max_size=most)))
    some = st.sets(st.integers(0, len(sizes) - 1), min_size=1, max_size=3)
    sets = draw(st.sets(some.map(sorted).map(tuple), min_size=1, max_size=9))
    return sizes, sorted(sets)

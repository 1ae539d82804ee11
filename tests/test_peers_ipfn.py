"""IPF against ipfn (Forthomme, PyPI ``ipfn``): the same tables, independently coded."""

import itertools

import numpy as np
import pytest

from popgen import IPF, Domain, Problem, Table, Variable

pytestmark = pytest.mark.peer
ipfn = pytest.importorskip("ipfn.ipfn")

CASES = {
    "one-way": ((4, 5), [(0,), (1,)]),
    "all two-way of four": ((3, 4, 2, 5), list(itertools.combinations(range(4), 2))),
    "chain": ((3, 4, 5), [(0, 1), (1, 2)]),
    "one-way inside two-way": ((3, 4, 5), [(0,), (0, 1), (1, 2), (2,)]),
    "three-way": ((3, 2, 4, 3), list(itertools.combinations(range(4), 3))),
}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # ipfn divides 0 by 0
@pytest.mark.parametrize("zeros", [False, True], ids=["positive seed", "zeros in the seed"])
@pytest.mark.parametrize(("shape", "keep"), CASES.values(), ids=CASES)
def test_same_table_as_ipfn(shape, keep, zeros):
    rng = np.random.default_rng(0)
    domain = Domain([Variable("abcd"[i], tuple("01234"[:k])) for i, k in enumerate(shape)])
    seed = rng.gamma(0.8, 5, shape) + 0.05
    truth = rng.gamma(0.8, 5, shape) + 0.05
    if zeros:
        empty = rng.random(shape) < 0.15
        seed[empty] = truth[empty] = 0
    known = Table(domain, truth)
    names = [[domain.names[axis] for axis in axes] for axes in keep]
    margins = {"_".join(group): known.project(*group) for group in names}

    model = IPF(tol=1e-14, max_iter=5000).fit(Problem(margins, seed=Table(domain, seed)))
    fit = ipfn.ipfn(
        seed.copy(),
        [table.counts.copy() for table in margins.values()],
        [list(axes) for axes in keep],
        convergence_rate=1e-14,
        rate_tolerance=0.0,
        max_iteration=5000,
    ).iteration()
    np.testing.assert_allclose(model.project(*domain.names).counts, fit, rtol=1e-9, atol=1e-12)

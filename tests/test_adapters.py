"""What adapters of packages that popgen does not install promise, installed or not."""

import random
import sys
import warnings

import numpy as np
import pytest

from popgen import CopulasModel, Domain, Microdata, PopgenError, Problem, SDVModel, Variable
from popgen.methods._peers import apart, unweighted

DOMAIN = Domain([Variable(name, tuple("0123")) for name in "abc"])


def survey(n):
    return Microdata(DOMAIN, np.random.default_rng(0).integers(0, 4, (n, 3)))


def test_equal_weights_leave_records_as_they_are_and_others_repeat_them():
    records = survey(100)
    rng = np.random.default_rng(0)
    found = unweighted(records, rng)
    np.testing.assert_array_equal(found, records.codes[np.lexsort(records.codes.T)])
    weights = np.random.default_rng(1).gamma(1, 1, 100) + 0.01
    kinds = np.arange(100)
    marked = Microdata(Domain([Variable("id", tuple(map(str, kinds)))]), kinds[:, None], weights)
    times = np.bincount(unweighted(marked, rng).ravel(), minlength=100)
    assert times.sum() == 100
    assert (np.abs(times - weights / weights.sum() * 100) < 1).all()


def test_a_package_is_kept_apart_also_when_it_fails():
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

    def fails():
        with apart("x", 0):
            np.random.random(3)  # noqa: NPY002
            raise ValueError("no")

    with pytest.raises(PopgenError, match="x could not model these records: ValueError: no"):
        fails()
    after = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert after == before


def test_warnings_become_notes_but_not_those_for_authors():
    with apart("x", 0) as said:
        warnings.warn("few records", stacklevel=1)
        warnings.warn("old name", FutureWarning, stacklevel=1)
    assert said == ["x warned: few records"]


@pytest.mark.parametrize(
    ("method", "module", "says"),
    [
        (CopulasModel(), "copulas.multivariate", r"pip install 'popgen-joint\[copulas\]'"),
        (SDVModel(), "sdv", r"pip install 'popgen-joint\[sdv\]'"),
    ],
    ids=["copulas", "sdv"],
)
def test_says_what_to_install_before_anything_else(method, module, says, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    without_records = Problem([survey(10).project("a")])
    with pytest.raises(PopgenError, match=says):
        method.fit(without_records)


def test_refuses_recipes_that_cannot_be():
    with pytest.raises(PopgenError, match="unknown synthesizer 'gan'; known: 'gaussian', 'ctgan'"):
        SDVModel("gan")
    with pytest.raises(PopgenError, match="epochs must be at least 1; got 0"):
        SDVModel(epochs=0)
    for recipe in (CopulasModel, SDVModel):
        with pytest.raises(PopgenError, match="pool must be at least 1; got 0"):
            recipe(pool=0)
        with pytest.raises(
            PopgenError, match="rng must be at least 0 and at most 4,294,967,295; got -1"
        ):
            recipe(pool=5, rng=-1)

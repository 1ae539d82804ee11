import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from popgen._aligned import aligned
from popgen.domain import Domain, Variable
from popgen.errors import PopgenError
from popgen.metrics import Metric, half_l1, k_score, srmse, total_variation
from popgen.table import Table

AGE = Variable("age", ("young", "middle", "old"))
SEX = Variable("sex", ("f", "m"))
DOMAIN = Domain((AGE, SEX))
COUNTS = arrays(float, (3, 2), elements=st.floats(0.5, 1e4))


def table(counts: object, domain: Domain = DOMAIN) -> Table:
    return Table(domain, counts)


def test_by_hand() -> None:
    truth = table([[10, 20], [30, 40], [0, 0]])
    other = table([[20, 10], [30, 30], [5, 5]])
    assert total_variation(other, truth) == pytest.approx(0.2)
    squares = 0.1**2 + 0.1**2 + 0.1**2 + 2 * 0.05**2
    assert srmse(other, truth) == pytest.approx(np.sqrt(squares / 6) / (1 / 6))
    assert k_score([(other, truth), (truth, truth)]) == pytest.approx(900)


@given(COUNTS, COUNTS, st.floats(1e-3, 1e3), st.permutations(range(3)))
def test_scale_level_order_axis_order_and_names_are_irrelevant(
    a: np.ndarray, b: np.ndarray, scale: float, order: list[int]
) -> None:
    candidate, truth = table(a), table(b)
    shuffled = Variable("age", tuple(AGE.levels[i] for i in order))
    same = Table(Domain((SEX, shuffled)), scale * a[order].T)
    renamed = Domain((Variable("A", ("1", "2", "3")), Variable("S", ("x", "y"))))
    for metric in (total_variation, srmse):
        value = metric(candidate, truth)
        assert metric(same, truth) == pytest.approx(value, abs=1e-12)
        assert metric(table(a, renamed), table(b, renamed)) == pytest.approx(value)
        assert metric(truth, truth.scaled(7.0)) == pytest.approx(0, abs=1e-12)
    assert 0 <= total_variation(candidate, truth) <= 1
    assert total_variation(candidate, truth) == pytest.approx(total_variation(truth, candidate))


def test_disjoint_tables_are_a_total_variation_of_one() -> None:
    assert total_variation(table([[1, 0]] * 3), table([[0, 1]] * 3)) == pytest.approx(1)


def test_aligned_sums_out_what_the_truth_does_not_have() -> None:
    truth = Table(Domain((SEX,)), [1, 1])
    assert aligned(table([[1, 2], [3, 4], [5, 6]]), truth).counts.tolist() == [9, 12]


def test_refusals_name_what_is_wrong() -> None:
    truth = table([[1, 1]] * 3)
    few = Table(Domain((Variable("age", ("young", "old")), SEX)), [[1, 1]] * 2)
    more = Table(Domain((Variable("age", (*AGE.levels, "oldest")), SEX)), [[1, 1]] * 4)
    with pytest.raises(PopgenError, match=r"'age' lacks level\(s\) 'middle' of the truth"):
        total_variation(few, truth)
    with pytest.raises(PopgenError, match=r"'age' has level\(s\) 'oldest' that the truth does not"):
        srmse(more, truth)
    with pytest.raises(PopgenError, match=r"lacks variable\(s\) 'age' of the truth; it has 'sex'"):
        total_variation(Table(Domain((SEX,)), [1, 1]), truth)
    with pytest.raises(PopgenError, match=r"has variable\(s\) 'age' that the truth's lacks"):
        total_variation(truth, Table(Domain((SEX,)), [1, 1]))
    with pytest.raises(PopgenError, match=r"candidate's table over .* holds nobody"):
        total_variation(table(np.zeros((3, 2))), truth)
    with pytest.raises(PopgenError, match=r"truth's table over .* holds nobody"):
        total_variation(truth, table(np.zeros((3, 2))))
    with pytest.raises(PopgenError, match="at least one pair"):
        k_score([])
    with pytest.raises(PopgenError, match=r"metric 'm': better is .*; got 'more'"):
        Metric("m", half_l1, better="more")
    with pytest.raises(PopgenError, match="a metric needs a name"):
        Metric("", half_l1)

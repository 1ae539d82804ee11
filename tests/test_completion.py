"""What partial margins imply by subtraction."""

from __future__ import annotations

import numpy as np
import pytest

from popgen import (
    Calibration,
    Domain,
    InconsistentMarginsError,
    Microdata,
    Problem,
    Table,
    Variable,
)
from popgen.completion import REST

SEX = Variable("sex", ("f", "m"))
RACE = Variable("race", ("a", "b", "c"))
PART = Variable("race", ("a",))
RECORDS = Microdata(Domain((SEX, RACE)), [[s, r] for s in range(2) for r in range(3)])


def problem(part, *, part_se=None, whole=(60.0, 40.0), whole_se=None, race=(30, 30, 40)):
    margins = {
        "sex": Table(Domain((SEX,)), whole, whole_se),
        "part": Table(Domain((SEX, PART)), part, part_se),
        "race": Table(Domain((RACE,)), race),
    }
    return Problem(margins, RECORDS)


def test_the_rest_is_found_by_subtraction():
    [_, part, _] = problem([[20], [10]]).margins
    assert part.table.domain["race"].levels == ("a", REST)
    assert part.table.counts.tolist() == [[20, 40], [10, 30]]
    assert part.table.se is None


def test_a_rest_of_an_estimate_is_an_estimate():
    [_, part, _] = problem([[20], [10]], whole_se=[3, 4]).margins
    assert part.table.se.tolist() == [[0, 3], [0, 4]]
    [_, part, _] = problem([[20], [10]], part_se=[[4], [3]], whole_se=[3, 4]).margins
    assert part.table.se.tolist() == [[4, 5], [3, 5]]


def test_more_people_than_there_are_is_refused_beyond_sampling_error():
    with pytest.raises(InconsistentMarginsError, match=r"counts 61 .* more than the 60 of .*'sex'"):
        problem([[61], [10]])
    [_, part, _] = problem([[61], [10]], whole_se=[1, 1], race=(71, 9, 20)).margins
    assert part.table.counts.tolist() == [[61, 0], [10, 30]]


def test_a_level_of_the_same_name_does_not_clash():
    race = Variable("race", (REST, "b"))
    margins = [
        Table(Domain((SEX,)), [60, 40]),
        Table(Domain((race,)), [50, 50]),
        Table(Domain((SEX, Variable("race", (REST,)))), [[30], [20]]),
    ]
    assert Problem(margins).margins[2].table.domain["race"].levels == (REST, REST + "*")


def test_soft_fits_do_not_count_a_remainder_as_further_evidence():
    se = [40.0, 40.0]
    whole = dict(whole=(600.0, 400.0), whole_se=se)
    race = Table(Domain((RACE,)), [300, 300, 400])
    fits = []
    for part_se in (None, [[0.0], [0.0]]):
        margins = {
            "sex": Table(Domain((SEX,)), whole["whole"], se),
            "race": race,
            "part": Table(Domain((SEX, PART)), [[200], [100]], part_se),
        }
        fits.append(Calibration(soft=True).fit(Problem(margins, RECORDS)).project("sex").counts)
    np.testing.assert_allclose(fits[0], fits[1])
    assert fits[0][0] < 600

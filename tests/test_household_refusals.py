"""What nested problems are refused for, and that the message says where and by how much."""

import numpy as np
import polars as pl
import pytest
from household_cases import dense_weights, town
from scipy import sparse

from popgen import (
    Geography,
    HouseholdProblem,
    Households,
    InconsistentMarginsError,
    InfeasibleError,
    NestedCalibration,
    PopgenError,
    logit,
    populate,
)
from popgen.households.controls import Controls


def shifted(controls, area, **cells):
    """The same controls with some cells of one area changed."""
    targets = controls.targets.copy()
    for cell, change in cells.items():
        targets[area, controls.names.index(cell.replace("_", ": "))] += change
    return Controls(controls.level, controls.names, controls.X, targets, controls.se)


def test_a_zone_whose_margins_clash_is_named_with_the_nearest_totals():
    place = town()
    own = shifted(place.controls("zone", "size", "tenure"), 3, size_0=5)
    with pytest.raises(InfeasibleError) as refused:
        NestedCalibration().fit(place.problem(own))
    said = str(refused.value)
    assert said.startswith("zone 'z3': margins 'units', 'size' clash: no weights above 0 meet them")
    assert "nearest within reach" in said
    assert "5 fewer" in said or "5 more" in said
    assert "on_infeasible='soften'" in said


def test_only_zones_that_cannot_be_met_are_softened_and_the_report_names_them():
    place = town()
    own = shifted(place.controls("zone", "size", "tenure"), 3, size_0=5)
    model = NestedCalibration(on_infeasible="soften").fit(place.problem(own))
    assert model.softened_areas() == [("zone", "z3")]
    weights = dense_weights(model)
    gap = np.abs(weights @ own.X - own.targets)
    assert gap[[0, 1, 2, 4, 5]].max() < 1e-5
    assert 1 < gap[3].max() < 5
    np.testing.assert_allclose(weights.sum(axis=1), 40)
    said = str(populate(model, rng=0).report)
    assert "1 area(s) could not be met exactly: zone z3" in said


def test_zones_that_clash_only_with_their_area_are_told_by_the_area():
    place = town(zones=4)
    own = place.controls("zone", "tenure")
    above = shifted(place.controls("county", "size", "tenure"), 0, tenure_0=-7, tenure_1=7)
    problem = place.problem(own, above)
    with pytest.raises(InfeasibleError, match=r"^county 'c0': margins 'tenure' clash") as refused:
        NestedCalibration().fit(problem)
    assert "7 " in str(refused.value)
    model = NestedCalibration(on_infeasible="soften").fit(problem)
    assert ("county", "c0") in model.softened_areas()


def test_zones_that_clash_only_one_by_one_with_their_area_are_told_too():
    kinds = pl.DataFrame(
        {"id": range(4), "small": [1, 0, 1, 0], "old": [1, 1, 0, 0], "rent": [1, 0, 0, 0]}
    )
    cells = {name: sparse.csr_array(kinds[[name]].to_numpy()) for name in ("small", "old", "rent")}
    survey = Households.of(kinds, id="id")
    places = Geography.of(
        pl.DataFrame({"zone": ["a", "b"], "tract": ["t", "t"]}), ("zone", "tract")
    )
    own = Controls(
        "zone",
        ("small: 1", "old: 1"),
        sparse.hstack([cells["small"], cells["old"]]),
        [[0, 10], [10, 0]],
    )
    rent = Controls("tract", ("rent: 1",), cells["rent"], [[5]])
    problem = HouseholdProblem(survey, places, [own, rent], [10, 10])
    with pytest.raises(InfeasibleError, match=r"^tract 't': margins .* clash") as refused:
        NestedCalibration().fit(problem)
    assert "rent: 1 (tract 't'): 5 stated, 5 fewer" in str(refused.value)


def test_bounds_too_narrow_for_a_zone_are_said():
    place = town()
    with pytest.raises(InfeasibleError, match=r"^zone 'z\d': .* between 0\.9 and 1\.1 times"):
        NestedCalibration(logit(0.9, 1.1)).fit(place.problem(place.controls("zone", "size")))


def test_a_cell_that_no_record_can_meet_is_named():
    place = town()
    size = place.controls("zone", "size")
    names = (*size.names, "size: 9")
    X = sparse.hstack([size.X, np.zeros((60, 1))])
    targets = np.column_stack([size.targets, [0, 0, 3, 0, 0, 1]])
    with pytest.raises(
        InfeasibleError,
        match=r"^1 cell\(s\) have people or households but no record can meet them: 'size: 9', "
        r"first zone 'z2' \(3\); coarsen",
    ):
        NestedCalibration().fit(place.problem(Controls("zone", names, X, targets)))


def test_a_zone_with_fewer_persons_than_households_is_refused():
    place = town()
    persons = np.rint(place.true @ place.survey.size)
    persons[1] = 39
    with pytest.raises(
        InconsistentMarginsError,
        match=r"1 zone\(s\) have fewer persons than households, first zone 'z1': 39 persons in 40",
    ):
        place.problem(persons=persons)


def test_persons_without_a_household_are_refused():
    place = town()
    homes, persons = np.full(6, 40), np.full(6, 100)
    homes[5] = 0
    with pytest.raises(
        InconsistentMarginsError,
        match=r"1 zone\(s\) have persons, no home, first zone 'z5': 100 persons in 0 households",
    ):
        place.problem(households=homes, persons=persons)


def test_a_zone_without_households_has_nobody_in_its_cells():
    place = town()
    homes = np.full(6, 40)
    homes[4] = 0
    with pytest.raises(
        InconsistentMarginsError,
        match=r"zone 'z4' has no household, but 'size: \d' says \d+; correct one of the margins",
    ):
        place.problem(place.controls("zone", "size"), households=homes, persons=None)


def test_a_zone_needs_records_of_its_region_and_kind():
    place = town(regions=2, zones=6)
    with pytest.raises(
        PopgenError,
        match=r"2 zone\(s\) have units of a kind without records, first zone 'z4': 40 of kind "
        r"'household', and county 'c1' has no record of it; add records, or join the region",
    ):
        place.problem(region_of=np.zeros(60, int))
    place = town()
    with pytest.raises(PopgenError, match=r"and the survey has no record of it; add records$"):
        place.problem(
            households=np.full((6, 2), 20), kinds=("household", "group quarters"), persons=None
        )


def test_shapes_that_do_not_fit_are_refused():
    place = town()
    size = place.controls("zone", "size")
    with pytest.raises(PopgenError, match="state the controls of a level together"):
        place.problem(size, size)
    with pytest.raises(PopgenError, match=r"targets for 6 areas; got \(60, 4\) and 5"):
        place.problem(Controls("zone", size.names, size.X, size.targets[:5]))
    with pytest.raises(PopgenError, match=r"households of each zone: \(6, 1\) numbers are needed"):
        place.problem(households=[1, 2])
    with pytest.raises(PopgenError, match=r"1 number.s. are negative, first -1 of zone 'z2'"):
        place.problem(households=[1, 2, -1, 1, 1, 1])
    with pytest.raises(
        PopgenError, match=r"6 of the numbers are not whole, first 1.5 of zone 'z0'"
    ):
        place.problem(households=[1.5] * 6)
    with pytest.raises(PopgenError, match="must be whole numbers"):
        place.problem(households=[np.nan] * 6)
    with pytest.raises(PopgenError, match=r"region_of needs one number for each of 60 records"):
        place.problem(region_of=[0])
    with pytest.raises(PopgenError, match=r"kind_of lie in 0\.\.0"):
        place.problem(kind_of=np.ones(60, int))


def test_cells_of_one_name_are_told_apart_or_refused():
    place = town()
    size = place.controls("zone", "size")
    named = [name.replace("size", "persons") for name in (*size.names[:3], "size: all")]
    off = np.array([1, -1, 0, 0])
    own = Controls("zone", named, size.X, size.targets + off, np.full((6, 4), 5.0))
    report = populate(NestedCalibration().fit(place.problem(own)), rng=0).report
    margins = report.rows["margin"].to_list()
    assert margins == ["units", "total persons", "persons"]
    assert report.rows["error"].to_list()[:2] == [0, 0]
    assert report.rows["error"][2] > 0
    assert "persons of zones are off" not in str(report)
    with pytest.raises(PopgenError, match="zone has cells of one name: 'size: 0'; give each marg"):
        place.problem(Controls("zone", ["size: 0", *size.names[1:3], "size: 0"], size.X, own.se))


def test_numbers_whose_decimals_add_up_nearly_to_whole_ones_are_those():
    place = town()
    problem = place.problem(households=np.full(6, 40 - 2e-8), persons=np.full(6, 100 + 7e-8))
    assert problem.households.tolist() == [[40]] * 6
    assert problem.persons.tolist() == [100] * 6
    with pytest.raises(PopgenError, match=r"not whole, first 99.999999 of zone 'z0'; round them"):
        place.problem(persons=np.full(6, 3 * 33.333333))


def test_controls_that_are_no_numbers_are_refused():
    X = sparse.csr_array(np.eye(2))
    with pytest.raises(PopgenError, match="2 names need as many columns of X"):
        Controls("zone", ("a", "b"), X, np.ones((3, 1)))
    with pytest.raises(PopgenError, match="1 targets are negative or not finite, first -1 of 'b'"):
        Controls("zone", ("a", "b"), X, [[1, -1]])
    with pytest.raises(PopgenError, match=r"1 standard errors are negative .*, first nan of 'a'"):
        Controls("zone", ("a", "b"), X, [[1, 1]], [[np.nan, 1]])
    with pytest.raises(PopgenError, match="entries of X must be finite, and worths positive"):
        Controls("zone", ("a", "b"), X, [[1, 1]], worth=[0, 1])
    assert Controls("zone", ("a", "b"), -X, [[1, -1]]).targets[0, 1] == -1


@pytest.mark.parametrize(
    ("crosswalk", "says"),
    [
        ({"zone": [1, 2]}, "the crosswalk has no column 'tract'; it has 'zone'"),
        ({"zone": [1, 2], "tract": ["a", None]}, r"1 row\(s\) have no tract, first row 2; give"),
        ({"zone": [1, 1], "tract": ["a", "b"]}, "zone '1' lies in tract 'a', 'b'; give every zone"),
        ({"zone": [1.5, 2], "tract": ["a", "b"]}, "'zone' must be whole numbers or text; got 1.5"),
    ],
)
def test_a_crosswalk_must_nest(crosswalk, says):
    with pytest.raises(PopgenError, match=says):
        Geography.of(pl.DataFrame(crosswalk), ("zone", "tract"))


def test_levels_and_areas_must_be_known():
    places = Geography.of(pl.DataFrame({"zone": ["a"]}), ("zone",))
    with pytest.raises(PopgenError, match="no level of geography 'puma'; there are 'zone'"):
        places.depth("puma")
    with pytest.raises(PopgenError, match=r"sizes.csv names 1 zone area\(s\) .* not have: 'b'"):
        places.index("zone", ["a", "b"], "sizes.csv")
    with pytest.raises(PopgenError, match="name the levels of geography, each once"):
        Geography.of(pl.DataFrame({"zone": ["a"]}), ("zone", "zone"))


@pytest.mark.parametrize(
    ("homes", "persons", "says"),
    [
        ({"id": [1, 1]}, None, "identifier.s. are there more than once, first '1'; give each"),
        ({"id": [1, None]}, None, r"1 household\(s\) have no identifier"),
        ({"id": [1, 2]}, {"id": [1]}, "1 of 2 households have no person, first household '2'"),
        ({"id": [1]}, {"id": [1, 3]}, "1 of 2 persons belong to no household, .* '3'"),
        ({"no": [1]}, None, "the households have no column 'id'; they have 'no'"),
        ({"id": [1]}, {"no": [1]}, "the persons have no column 'id'; they have 'no'"),
        ({"id": [1], "w": [0]}, None, "1 household weight.s. in column 'w' are not positive"),
    ],
)
def test_two_tables_must_join(homes, persons, says):
    weight = "w" if "w" in homes else None
    people = None if persons is None else pl.DataFrame(persons)
    with pytest.raises(PopgenError, match=says):
        Households.of(pl.DataFrame(homes), people, id="id", weight=weight)


def test_identifiers_of_any_type_are_one():
    homes, people = pl.DataFrame({"id": [1, 2]}), pl.DataFrame({"id": [2.0, 1.0, 2.0]})
    assert Households.of(homes, people, id="id").size.tolist() == [1, 2]
    text = pl.DataFrame({"id": ["2", " 1"]})
    assert Households.of(homes, text, id="id").size.tolist() == [1, 1]


def test_problems_with_no_controls_but_totals_are_posed():
    survey = Households.of(pl.DataFrame({"id": [1, 2], "w": [1.0, 3.0]}), id="id", weight="w")
    places = Geography.of(pl.DataFrame({"zone": ["a", "b"]}), ("zone",))
    model = NestedCalibration().fit(HouseholdProblem(survey, places, [], [4, 8]))
    assert dense_weights(model).round(9).tolist() == [[1, 3], [2, 6]]

"""Against R's survey::calibrate: figures and the script that made them are in tests/golden."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from popgen.methods.calibration import calibrate
from popgen.methods.distances import LINEAR, RAKING, logit

GOLDEN = json.loads((Path(__file__).parent / "golden" / "survey_calibrate.json").read_text())
RECORDS = {name: np.array(values) for name, values in GOLDEN["records"].items()}

pytestmark = pytest.mark.peer


def columns_and_totals(case):
    for margin in case["margins"]:
        for cell in margin:
            inside = [RECORDS[name] == level for name, level in cell.items() if name != "count"]
            yield np.logical_and.reduce(inside).astype(float), cell["count"]
    for name, total in dict(case["sums"] or {}).items():
        yield RECORDS[name], total


def distance_of(case):
    if case["distance"] == "logit":
        return logit(*case["bounds"])
    return {"raking": RAKING, "linear": LINEAR}[case["distance"]]


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_weights_equal_those_of_survey(name):
    case = GOLDEN["cases"][name]
    columns, totals = zip(*columns_and_totals(case), strict=True)
    X = sparse.csr_array(np.column_stack(columns))
    fit = calibrate(X, RECORDS["design_weight"], np.array(totals, float), distance_of(case))
    np.testing.assert_allclose(fit.weights, case["weights"], rtol=1e-9)


def test_design_weights_are_unequal_and_every_distance_is_covered():
    assert np.ptp(RECORDS["design_weight"]) > 20
    assert {case["distance"] for case in GOLDEN["cases"].values()} == {"raking", "linear", "logit"}

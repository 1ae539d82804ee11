"""validate: every fault of a folder or of a microdata file, each once."""

import polars as pl
import pytest

import popgen as pg


@pytest.fixture
def survey(tmp_path):
    file = tmp_path / "survey.csv"
    pl.DataFrame({"sex": ["f", "x", None], "age": ["young", "old", "??"]}).write_csv(file)
    return file


def test_faults_of_microdata_follow_a_codebook_in_python_too(survey):
    sex, age = pg.Variable("sex", ("f", "m")), pg.Variable("age", ("young", "old"))
    unknown_sex, unknown_age = pg.validate(survey, codebook=pg.Codebook.of([sex, age]))
    assert "'x'" in unknown_sex
    assert "'??'" in unknown_age
    [gap] = pg.validate(survey)
    assert "sex 1" in gap


def test_faults_of_a_folder_are_found_together_and_progress_is_told(tmp_path):
    (tmp_path / "sex.csv").write_text("sex,count\nf,-1\nm,2\n")
    (tmp_path / "age.csv").write_text("age,count\nyoung,many\nold,2\n")
    told = []
    faults = pg.validate(tmp_path, progress=lambda *step: told.append(step))
    assert ["sex.csv" in fault for fault in faults].count(True) == 1
    assert ["age.csv" in fault for fault in faults].count(True) == 1
    what, done, checks = told[-1]
    assert (what, done) == ("checking", checks)


def test_what_cannot_be_checked_is_refused(survey, tmp_path):
    with pytest.raises(pg.PopgenError, match="are for a microdata file"):
        pg.validate(tmp_path, weight="w")
    with pytest.raises(pg.PopgenError, match="neither a folder nor one of"):
        pg.validate(tmp_path / "absent")
    with pytest.raises(pg.PopgenError, match=r"column.*'w'"):
        pg.validate(survey, weight="w")

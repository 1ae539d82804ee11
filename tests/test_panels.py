"""The recorded panels of a language model that come with popgen."""

import shutil

import pytest

from popgen import PopgenError, shipped
from popgen.panels import read_panel
from popgen.score import compare


def test_recorded_panels_are_pooled_joined_and_filtered():
    sizes = {arm: len(read_panel(arm)) for arm in ("direct", "fill", "judge")}
    assert sizes == {"direct": 1188, "fill": 800, "judge": 423}
    filled = read_panel("fill")
    profiles = filled.project("gender", "age").counts
    assert (profiles % 2 == 0).all()  # each profile was completed twice
    assert filled.provenance["model"] == "Claude"
    assert len(filled.provenance["inputs"]) == 3


def test_recorded_panels_refuse_what_is_not_theirs(tmp_path, monkeypatch):
    with pytest.raises(PopgenError, match="no recorded panel 'dream'; there are 'direct'"):
        read_panel("dream")
    original = shipped.shipped("personas")
    copy = tmp_path / "personas"
    shutil.copytree(original, copy)
    (copy / "recordings" / "direct_run2.csv").write_text("gender\nmale\n")
    monkeypatch.setattr(shipped, "ROOTS", (tmp_path,))
    with pytest.raises(PopgenError, match=r"direct_run2\.csv is not the recording"):
        read_panel("direct")
    monkeypatch.setattr(shipped, "ROOTS", (tmp_path / "absent",))
    with pytest.raises(PopgenError, match="install popgen again"):
        read_panel("direct")


def test_panels_score_as_published_with_the_recordings():
    from popgen import read_census

    truth = read_census("us_panel_2020", margins=["one_way", "two_way", "three_way"])
    scores = compare({"direct": read_panel("direct")}, truth, replicates=2)
    found = [round(scores.value("K", order), 1) for order in (1, 2, 3)]
    assert found == [969.4, 919.5, 856.1]  # data/personas' own account of an independent scorer

"""The report: its page, its pictures and the figures behind them."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from popgen import Domain, Microdata, PopgenError, Population, Problem, Table, Tables, Variable
from popgen.report import margin_hits, render, summarise, write_report
from popgen.report.axes import DARK, LIGHT, Axis, colours, spanning, written
from popgen.report.heat import MOST_LEVELS, heat
from popgen.report.strengths import strengths
from popgen.report.words import signed
from popgen.score import compare

HOSTILE = '<script>alert("x")</script>&\'"</svg>'
SEX, AGE = Variable("sex", ("f", "m")), Variable("age", ("young", "middle", "old"))
VOTE = Variable("vote", ("yes", "no"))
JOINT = Table(
    Domain((SEX, AGE, VOTE)), [[[90, 30], [60, 60], [20, 80]], [[70, 50], [40, 80], [10, 90]]]
)
VOID = ("meta", "br")


def people(n=300, rng=0, domain=JOINT.domain):
    p = JOINT.counts.ravel() / JOINT.total
    cells = np.random.default_rng(rng).choice(p.size, n, p=p)
    return Population(domain, np.column_stack(np.unravel_index(cells, JOINT.domain.shape)))


def full(**more):
    candidates = {"drawn": people(), "exact": JOINT}
    measured = [("sex", "age")]
    scores = compare(candidates, JOINT, measured=measured, replicates=20)
    problem = Problem({"sex_age": JOINT.project("sex", "age")})
    hits = [margin_hits("drawn", (people(), problem))]
    return summarise(scores, **{"hits": hits} | more)


class Balance(HTMLParser):
    """Notes every tag that is opened and not closed, or closed and not open."""

    def __init__(self, page):
        super().__init__()
        self.open, self.wrong = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))


# The page


def test_page_is_one_file_that_fetches_nothing_and_runs_nothing(tmp_path):
    page = write_report(tmp_path / "r.html", full()).read_text(encoding="utf-8")
    assert len(page.encode()) < 2_000_000
    assert "<script" not in page
    assert not re.search(r"""(src|href)\s*=|url\(|@import|https?://""", page)
    found = Balance(page)
    assert (found.open, found.wrong) == ([], [])


def test_every_picture_is_well_formed_and_says_what_it_shows():
    pictures = re.findall(r"<svg.*?</svg>", render(full()), flags=re.S)
    assert len(pictures) == 3 + 1 + 2 + 1  # groups, heat maps, scatters, margins
    ids = []
    for picture in pictures:
        root = ET.fromstring(picture)
        texts = {child.get("id"): child.text for child in root if child.tag in ("title", "desc")}
        assert root.get("role") == "img"
        assert root.get("aria-labelledby").split() == list(texts)
        assert all(texts.values())
        ids += texts
    assert len(set(ids)) == len(ids)


def test_pictures_stay_inside_their_frames():
    for picture in re.findall(r"<svg.*?</svg>", render(full()), flags=re.S):
        root = ET.fromstring(picture)
        width, height = (float(size) for size in root.get("viewBox").split()[2:])
        for mark in root.findall("circle") + root.findall("g/circle"):
            if mark.get("class") != "dot" or "transform" in mark.attrib:
                continue
            assert 0 <= float(mark.get("cx")) <= width
            assert -10 <= float(mark.get("cy")) <= height


def test_json_twin_has_the_same_figures(tmp_path):
    summary = full(notes=["a note"])
    write_report(tmp_path / "r.html", summary)
    twin = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert twin["rows"] == [dict(row) for row in summary.rows]
    assert [c["text"] for c in twin["conclusions"]] == [c.text for c in summary.conclusions]
    assert twin["hits"][0]["margins"][0]["largest"] == summary.hits[0].margins[0].largest
    assert twin["strengths"]["candidates"][0]["value"] == list(
        summary.strengths.candidates[0].value
    )
    assert twin["notes"] == ["a note"]


def test_hostile_names_are_escaped_everywhere():
    sex = Variable(HOSTILE, (HOSTILE + "1", "m"))
    domain = Domain((sex, AGE, VOTE))
    truth = Table(domain, JOINT.counts)
    candidates = {HOSTILE + "2": people(domain=domain), "b": truth}
    scores = compare(candidates, truth, measured=[[HOSTILE, "age"]], replicates=5)
    hits = margin_hits(HOSTILE, (people(domain=domain), Problem({HOSTILE: truth.project(HOSTILE)})))
    page = render(
        summarise(
            scores,
            title=HOSTILE,
            hits=[hits],
            notes=[HOSTILE],
            provenance={HOSTILE: {HOSTILE: HOSTILE}},
        )
    )
    assert "<script" not in page
    assert "alert" in page
    found = Balance(page)
    assert (found.open, found.wrong) == ([], [])


def test_scores_alone_make_a_report():
    page = render(summarise(compare({"a": people()}, JOINT, orders=[1], replicates=5)))
    assert "<svg" not in page
    assert "Two-way interactions, level" not in page
    assert "Every score" in page


def test_nothing_is_written_where_nothing_can_be(tmp_path):
    with pytest.raises(PopgenError, match="choose a folder that exists"):
        write_report(tmp_path / "absent" / "r.html", full())
    with pytest.raises(PopgenError, match=r"ending in \.html"):
        write_report(tmp_path / "r.json", full())
    (tmp_path / "s.json").mkdir()
    with pytest.raises(PopgenError, match="cannot write"):
        write_report(tmp_path / "s.html", full())
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_a_report_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "r.html").write_text("old")
    (tmp_path / "r.json").mkdir()
    with pytest.raises(PopgenError, match=r"r\.json: it is a folder"):
        write_report(tmp_path / "r.html", full())
    assert (tmp_path / "r.html").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_candidate_to_feature_must_be_there():
    with pytest.raises(PopgenError, match="cannot feature 'nobody': the candidates are 'drawn'"):
        full(featured=["nobody"])


# The figures behind the pictures


def test_strengths_have_the_slopes_of_the_scores():
    candidates = {"a": people(1000), "b": people(200, rng=1)}
    scores = compare(candidates, JOINT, orders=[2], replicates=2)
    found = strengths(candidates, JOINT, measured=[("sex", "age")])
    weights = np.array(found.weights)
    for one in found.candidates:
        truth, value = np.array(one.truth), np.array(one.value)
        slope = (weights * truth * value).sum() / (weights * truth**2).sum()
        assert slope == pytest.approx(scores.value("slope", 2, candidate=one.candidate), abs=2e-3)
    assert sum(found.measured) == 6
    assert found.levels[found.cells[0][0]] == ("sex", "f")


def test_strengths_name_the_candidate_that_cannot_answer():
    with pytest.raises(PopgenError, match="candidate 'short': "):
        strengths({"short": JOINT.project("sex", "age")}, JOINT)


def test_heat_map_leaves_out_variables_with_too_many_levels():
    zone = Variable("zone", tuple(f"z{i}" for i in range(MOST_LEVELS)))
    wide = Table(Domain((SEX, zone, VOTE)), np.full((2, MOST_LEVELS, 2), 5.0))
    drawn = heat(strengths({"a": wide}, wide))
    assert drawn["left_out"] == ["zone"]
    assert len(drawn["rows"]) == 4


def test_heat_map_shows_each_cell_on_both_sides_in_one_colour():
    drawn = heat(strengths({"a": people()}, JOINT))
    assert [one["name"] for one in drawn["maps"]] == ["truth", "a"]
    for one in drawn["maps"]:
        colour = {(cell["x"], cell["y"]): cell["colour"] for cell in one["cells"]}
        assert len(colour) == 2 * (6 + 4 + 6)
        assert all(colour[y, x] == shade for (x, y), shade in colour.items())


def test_hits_by_hand():
    sex, both = JOINT.project("sex"), JOINT.project("sex", "vote")
    survey = Microdata(Domain((SEX, VOTE)), [[0, 0]] * 6 + [[1, 0]] * 2 + [[1, 1]] * 2)
    hits = margin_hits("ten", (survey, Problem({"sex": sex, "both": both})))
    assert [(hit.margin, hit.cells, hit.where) for hit in hits.margins] == [
        ("sex", 2, "sex=f"),
        ("both", 4, "sex=f, vote=yes"),
    ]
    assert hits.margins[0].largest == pytest.approx(6 - 10 * 340 / 680)
    assert (hits.people, hits.total, hits.cells) == (10, 680, 6)
    assert hits.worst.margin == "both"


def test_hits_of_parts_add_up_before_they_are_measured():
    one = Table(Domain((SEX,)), [50, 50])
    women, men = (Microdata(one.domain, [[i]] * 5) for i in (0, 1))
    hits = margin_hits("both", (women, Problem({"sex": one})), (men, Problem({"sex": one})))
    assert (hits.people, hits.total, hits.worst.largest) == (10, 200, 0)


def test_axes_and_colours():
    assert Axis(0, 10, 0, 100).at(50) == 100  # what lies beyond stands at the edge
    flat = spanning([3.0, 3.0], 0, 100)
    assert flat.low < 3 < flat.high
    assert written(-0.25) == "−0.25"
    assert [len(colours(stops)) for stops in (LIGHT, DARK)] == [21, 21]
    assert colours(LIGHT)[0] == LIGHT[0]
    assert signed(-0.001) == "0.00"


def test_conclusions_about_a_real_sample_and_margins():
    truth = Table(JOINT.domain, JOINT.counts * 1000)
    scores = compare({"real": people(20_000)}, truth, replicates=50)
    hits = margin_hits("people", (people(), Problem({"sex": JOINT.project("sex")})))
    one, margins = summarise(scores, hits=[hits]).conclusions
    assert one.subject == "real"
    assert "have the right strength" in one.text
    assert "as near the truth as a real sample of its size" in one.text
    assert margins.subject == "people, 300 people"
    assert margins.text.startswith("of 2 cells of 1 margin the worst is missed by ")


# The demonstration


def test_replicate_of_the_demo_is_a_sample_of_each_table():
    tables = Tables({"all": JOINT})
    drawn = demo().Replicate(tables, 500, np.random.default_rng(0))
    assert drawn.project("sex").total == drawn.effective_size == 500


def test_demo_writes_people_and_measures_margins(tmp_path, monkeypatch):
    from rich.console import Console

    script = demo()
    monkeypatch.setattr(script, "PLACE", "us_adult_citizens_2018")
    for name, zone in (("Wisconsin", "WI"), ("United States", None)):
        folder = tmp_path / name
        hits = script.people_of(name, zone, folder, Console(quiet=True))
        assert hits.people == 10_000
        assert hits.worst.largest < 20
        assert {path.name for path in folder.iterdir()} == {
            "people.parquet",
            "people.parquet.provenance.json",
        }


def demo():
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    path = Path(__file__).parents[1] / "benchmarks" / "demo.py"
    spec = spec_from_file_location("demo", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

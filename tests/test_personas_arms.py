"""Arms: the recorded prompts word for word, recordings replayed, and what each arm refuses."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

import popgen as pg
from popgen.errors import PopgenError
from popgen.panels import conditionals_of, read_conditionals, read_panel
from popgen.personas.arm import Task, converse
from popgen.personas.arms import ARMS
from popgen.personas.arms.conditionals import chain_of
from popgen.personas.arms.feedback import Feedback
from popgen.personas.arms.judge import Judge, independent
from popgen.personas.recording import Recording
from popgen.personas.request import SHARE, TEXT, Reply, Request
from popgen.personas.told import Told
from popgen.personas.wire import chat_answer, message_answer
from popgen.shipped import shipped

PROFILE = ("gender", "age", "race", "education", "region")


@pytest.fixture(scope="module")
def told():
    return Told.of(pg.read_census("us_panel_2020", margins=["one_way"]))


@pytest.mark.parametrize("arm", ["direct", "fill", "judge", "conditionals"])
def test_prompts_are_those_that_were_recorded(arm, told):
    recorded = "".join(
        (shipped("personas") / "prompts" / name).read_text(encoding="utf-8")
        for name in (f"{arm}.md", "population.md")
    )
    assert ARMS[arm]().prompt(told, PROFILE if arm == "fill" else (), 400) == recorded


@pytest.mark.parametrize("arm", ["direct", "fill", "judge"])
def test_a_replay_is_the_panel_that_was_recorded(arm):
    recording = Recording.of(arm)
    asked = recording.replay()
    people = pg.read_microdata(asked.people, recording.task.told.codebook)
    panel = read_panel(arm)
    assert people.domain == panel.domain
    np.testing.assert_array_equal(people.codes, panel.codes)
    about = recording.provenance(asked)
    assert about["inputs"] == panel.provenance["inputs"]
    assert about["model"] == "Claude"
    assert len(about["prompt_sha256"][f"prompts/{arm}.md"]) == 64


def test_replayed_conditionals_are_people_of_their_joint():
    from popgen.methods.panel import recorded

    asked = Recording.of("conditionals").replay()
    people = pg.read_microdata(asked.people, Recording.of("conditionals").task.told.codebook)
    assert len(people) == 1000
    known = recorded("conditionals").tables["home", "race"]
    got = people.project("home", "race")
    np.testing.assert_allclose(got.counts / 1000, known.counts, atol=4 * 0.5 / 1000**0.5)


def test_replay_on_the_command_line(run, refused, elsewhere):
    out, _ = run("personas", "replay", "judge")
    assert len(out.splitlines()) == 424
    run("personas", "replay", "fill", "--out", "fill.parquet")
    assert pl.read_parquet("fill.parquet").shape == (800, 12)
    assert json.loads((elsewhere / "fill.parquet.provenance.json").read_text())["people"] == 800
    assert len(json.loads(run("personas", "replay", "judge", "--json")[0])["people"]) == 423
    rows = json.loads(run("personas", "list", "--json")[0])
    assert [row["arm"] for row in rows] == list(ARMS)
    assert "fill" in run("personas", "list")[0]
    printed, _ = run("personas", "prompt", "direct", "--place", "us_panel_2020")
    assert printed.startswith("You are asked to invent")
    refused("personas", "replay", "dream", says="no recorded arm 'dream'; there are 'direct'")
    refused("personas", "replay", "direct", "--recordings", ".", says="has no card.toml")


def test_a_recording_that_was_altered_is_refused(tmp_path):
    copy = tmp_path / "personas"
    shutil.copytree(shipped("personas"), copy)
    assert len(Recording.of("judge", copy).replay().people) == 423
    (copy / "recordings" / "direct_run2.csv").write_text("gender\nmale\n")
    with pytest.raises(PopgenError, match=r"direct_run2\.csv is not the recording"):
        Recording.of("direct", copy)
    card = (copy / "card.toml").read_text()
    (copy / "card.toml").write_text(card.replace("[[files]]", "[[kept]]"))
    with pytest.raises(PopgenError, match=r"card\.toml does not state 'files'"):
        Recording.of("direct", copy)
    (copy / "card.toml").write_text(card.replace("recordings/judge_rows.csv", "elsewhere.csv"))
    with pytest.raises(PopgenError, match=r"elsewhere\.csv is not the recording"):
        Recording.of("judge", copy)


def responder(answer):
    """Answer with rows that a function makes; keep the requests."""
    seen = []

    def respond(requests):
        seen.extend(requests)
        return [Reply(r, "answered", rows=r.checked(answer(r))) for r in requests]

    return respond, seen


def first_level(request):
    return [
        {
            name: kind[0] if isinstance(kind, tuple) else "x"
            for name, kind in request.columns.items()
        }
        | ({"id": one} if request.ids else {})
        for one in request.ids or range(request.rows)
    ]


def test_the_judge_has_the_rejected_redrawn(told):
    def rejects_women(request):
        lines = request.prompt.split("\n\n")[-1].splitlines()
        sex = {line.split(",")[0]: line.split(",")[1] for line in lines}
        return [{"id": one, "verdict": "01"[sex[one] == "male"]} for one in request.ids]

    respond, seen = responder(rejects_women)
    asked = converse(Judge(rounds=20), Task(told, 40, 15), respond)
    assert asked.people["gender"].unique().to_list() == ["male"]
    assert sorted(map(int, asked.people["id"])) == list(range(1, 41))
    rows = [request.rows for request in seen]
    assert rows[:3] == [15, 15, 10]
    assert len(rows) > 4
    respond, seen = responder(rejects_women)
    few = converse(Judge(rounds=1), Task(told, 40, 40), respond)
    assert 0 < len(few.people) < 40
    assert len(seen) == 1


def test_the_judge_needs_whole_records(told):
    rows = pl.DataFrame({"id": ["1"], "gender": ["male"]})
    respond, _ = responder(first_level)
    with pytest.raises(PopgenError, match="records to judge has no column 'age'"):
        converse(Judge(), Task(told, 1, 1, rows), respond)


def test_independent_draws_have_the_shares(told):
    people = independent(told, 20_000, np.random.default_rng(0))
    share = (people["home"] == "owner").mean()
    assert share == pytest.approx(0.604, abs=4 * 0.5 / 20_000**0.5)


def test_feedback_tells_the_gaps(told):
    respond, seen = responder(first_level)
    asked = converse(Feedback(rounds=3, gaps=2), Task(told, 10, 4), respond)
    assert [request.rows for request in seen] == [4, 3, 3]
    assert len(asked.people) == 10
    assert "So far" not in seen[0].prompt
    assert "So far the panel has 7 personas." in seen[2].prompt
    assert "race=White: 100.0 instead of 72.6" not in seen[1].prompt  # not among the worst two
    assert "region=Northeast: 100.0 instead of 18.9" in seen[1].prompt


def test_fill_asks_again_from_the_first_record(told):
    rows = pl.DataFrame({"id": ["a", "b"], "gender": ["male", "female"]})
    respond, seen = responder(first_level)
    asked = converse(ARMS["fill"](), Task(told, 5, 2, rows), respond)
    assert asked.people["id"].to_list() == ["a", "b", "a", "b", "a"]
    assert asked.people["gender"].to_list() == ["male", "female", "male", "female", "male"]
    assert [request.draw for request in seen] == [0, 1, 2]
    assert seen[0].prompt.endswith("\na,male\nb,female\n")


def test_the_seed_meets_the_shares(told):
    levels = {name: v.levels for name, v in zip(told.domain.names, told.domain, strict=True)}
    rng = np.random.default_rng(0)
    rows = [{n: str(rng.choice(held)) for n, held in levels.items()} for _ in range(300)]
    respond, _ = responder(lambda request: rows)
    people = converse(ARMS["seed"](), Task(told, 300, 300), respond).people
    for name, table in told.shares.items():
        for level, share in zip(levels[name], table.shares.counts, strict=True):
            assert abs((people[name] == level).sum() - 300 * share) < 3
    respond, _ = responder(first_level)
    with pytest.raises(PopgenError, match=r"cannot be raked: .* people but no record"):
        converse(ARMS["seed"](), Task(told, 10, 10), respond)


def test_a_place_without_words_of_its_own_is_told_too(tmp_path):
    census = pg.read_census("us_adult_citizens_2018", zone="WI")
    told = Told.of(census, variables=["sex", "age"])
    assert told.text().splitlines()[0].endswith(", WI.")
    assert told.text().splitlines()[1].startswith("Two categorical attributes")
    assert chain_of(told) == [("age", ("sex",))]
    words = tmp_path / "words.toml"
    words.write_text('who = "citizens"\nlargest_first = ["age"]\n[remarks]\nsex = "as stated"\n')
    told = Told.of(census, variables=["sex", "age"], about=words)
    lines = told.text().splitlines()
    assert lines[0] == "Population: citizens."
    assert lines[3].startswith("sex (as stated): ")
    shares = [float(part.split()[-1]) for part in lines[4].split(": ")[1].split("; ")]
    assert shares == sorted(shares, reverse=True)
    words.write_text('whom = "citizens"\n')
    with pytest.raises(PopgenError, match="unknown key"):
        Told.of(census, about=words)
    words.write_text('chain = ["shoes given sex"]\n')
    with pytest.raises(PopgenError, match="chain: 'shoes given sex' must be"):
        chain_of(Told.of(census, variables=["sex", "age"], about=words))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"id": "1", "sex": "f", "share": 1, "text": "x"}], "no row for id '2'"),
        (2 * [{"id": "1", "sex": "f", "share": 1, "text": "x"}], "more than one row for id '1'"),
        ([{"id": "1", "sex": "f", "share": 101, "text": "x"}], "share=101 is not a number from 0"),
        ([{"id": "1", "sex": "f", "share": True, "text": "x"}], "share=True is not a number"),
        ([{"id": "1", "sex": "f", "share": 1, "text": " "}], "text=' ' is not a text of 1 to"),
        ([{"id": "3", "sex": "f", "share": 1, "text": "x"}], "row 1: id='3' is not one of '1'"),
        ([{"id": "1", "sex": "f", "share": 1, "text": "x", "job": 1}], "unknown 'job'"),
        ([{}, {}, {}, {}, {}], "and 2 more"),
    ],
)
def test_rows_are_held_to_what_was_asked(rows, says):
    columns = {"id": ("1", "2"), "sex": ("f", "m"), "share": SHARE, "text": TEXT}
    request = Request("Say.", columns, 2, ("1", "2"))
    with pytest.raises(PopgenError, match="(?s).*" + says.replace("(", r"\(")):
        request.checked(rows)


def test_a_request_has_a_schema_and_a_name():
    request = Request("Say.", {"sex": ("f", "m"), "share": SHARE}, 3)
    items = request.schema["properties"]["rows"]["items"]
    assert items["properties"] == {
        "sex": {"type": "string", "enum": ["f", "m"]},
        "share": {"type": "number"},
    }
    assert items["additionalProperties"] is False
    names = {request.key("m", {"temperature": t}) for t in (0, 1)}
    names |= {Request("Say.", request.columns, 3, draw=1).key("m", {"temperature": 0})}
    assert len(names) == 3
    widest = json.dumps({"rows": 3 * [{"sex": "f", "share": 100.0}]})
    assert request.longest >= len(widest)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"gender": ["male"]}, "need a column 'id'"),
        ({"id": ["1", "1"], "gender": ["male", "male"]}, "different in every row"),
        ({"id": ["1"], "shoes": ["8"]}, "column.* 'shoes', which the population does not"),
        ({"id": ["1"], "gender": ["x"]}, "'gender' has 'x'; it has levels 'male'"),
        ({"id": ["1"]}, "must have some of the variables"),
    ],
)
def test_records_are_checked(frame, says, told):
    respond, _ = responder(first_level)
    with pytest.raises(PopgenError, match=says):
        converse(ARMS["fill"](), Task(told, 1, 1, pl.DataFrame(frame)), respond)


def test_both_services_answers_are_read_alike():
    message = {"content": [{"type": "text", "text": "{}"}], "model": "m", "usage": None}
    assert message_answer({**message, "stop_reason": "max_tokens"}).truncated
    assert message_answer({**message, "stop_reason": "refusal"}).refusal == "{}"
    usage = {"input_tokens": 3, "output_tokens": 4}
    said = message_answer({**message, "usage": usage})
    assert (said.text, said.input, said.output, said.truncated) == ("{}", 3, 4, False)
    for read in (message_answer, chat_answer):
        with pytest.raises(PopgenError, match="this is no"):
            read({"content": None, "choices": []})


def test_other_refusals(told):
    with pytest.raises(PopgenError, match="people and chunk must be at least 1"):
        Task(told, 0)
    with pytest.raises(PopgenError, match="at least 1 round"):
        Judge(rounds=0)
    with pytest.raises(PopgenError, match="at least 2 rounds"):
        Feedback(rounds=1)
    variables = {name: told.domain[name] for name in ("home", "parent")}
    row = {"target": "home", "given": "parent=yes", "level": "owner", "share": 50}
    with pytest.raises(PopgenError, match=r"no share of 'home' is stated given parent=no \(1 such"):
        conditionals_of([row], variables, {})
    assert len(read_conditionals()) == 13
    respond, _ = responder(lambda request: [{"id": one, "verdict": "0"} for one in request.ids])
    with pytest.raises(PopgenError, match="none gave a persona: the model let nobody pass"):
        converse(Judge(rounds=2), Task(told, 3), respond)
    alone = Told.of(pg.read_census("us_panel_2020", margins=["one_way"]), variables=["age"])
    with pytest.raises(PopgenError, match="need at least 2 variables; there is 'age'"):
        chain_of(alone)

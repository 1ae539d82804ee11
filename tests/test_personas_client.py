"""Asking a model: against a real server on this machine that answers well, badly or not at all."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from chat_server import ChatServer, good
from command_line import write

import popgen as pg
from popgen.cli import main
from popgen.errors import PopgenError
from popgen.frames import load_frame
from popgen.personas.arm import Task, converse
from popgen.personas.arms import ARMS
from popgen.personas.cache import Cache
from popgen.personas.client import Client
from popgen.personas.endpoint import Endpoint
from popgen.personas.recording import Recording
from popgen.personas.told import Told
from popgen.shipped import shipped

NAMES = ["gender", "home", "cut_police"]
KEY = "sk-not-to-be-seen"


@pytest.fixture(autouse=True)
def _no_proxy_and_no_key(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="module")
def told():
    census = pg.read_census("us_panel_2020", margins=["one_way"])
    return Told.of(census, variables=NAMES)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def endpoint(server, **changes):
    settings = {"backoff": 0.001, "timeout": 5.0, "concurrency": 1, **changes}
    return Endpoint("some-model", base_url=server.url, **settings)


def scripted(*answers):
    """Answer the first requests as told, and all others well."""
    return lambda body, number: answers[number] if number < len(answers) else good(body, number)


def ask(server, told, cache, *, people=4, chunk=4, arm="direct", records=None, **changes):
    client = Client(endpoint(server, **changes), cache)
    return converse(ARMS[arm](), Task(told, people, chunk, records), client)


def records(count, *names):
    codes = range(count)
    book = pg.read_census("us_panel_2020", margins=["one_way"]).codebook
    columns = {n: [book[n].levels[i % len(book[n])] for i in codes] for n in names}
    return pl.DataFrame({"id": [str(i) for i in codes], **columns})


@pytest.mark.parametrize("arm", ["direct", "fill", "prose", "judge", "seed", "feedback"])
def test_every_arm_runs_against_an_endpoint(arm, told, cache):
    given = {"fill": ["gender"], "prose": NAMES, "judge": NAMES}.get(arm)
    rows = None if given is None else records(8, *given)
    with ChatServer(good) as server:
        asked = ask(server, told, cache, people=16, chunk=8, arm=arm, records=rows)
    people = pg.read_microdata(asked.people, told.codebook)
    assert people.domain.names == tuple(NAMES)
    assert len(people) >= 4
    assert {reply.status for reply in asked.replies} == {"answered"}
    assert ("text" in asked.people.columns) == (arm == "prose")
    for body in server.bodies:
        assert body["response_format"]["json_schema"]["strict"] is True
        assert told.text() in body["messages"][0]["content"]


def test_stated_shares_come_back_as_people_of_their_joint(cache):
    rows = load_frame(shipped("personas") / "recordings" / "conditionals_run1.csv")[0].to_dicts()
    everything = Told.of(pg.read_census("us_panel_2020", margins=["one_way"]))
    with ChatServer(lambda *_: json.dumps({"rows": rows})) as server:
        asked = ask(server, everything, cache, people=1000, arm="conditionals")
        assert len(server.bodies) == 1
    assert asked.people.equals(Recording.of("conditionals").replay().people)


def test_a_client_can_be_used_again_after_a_failure(told, cache):
    with ChatServer(scripted({"status": 400, "raw": "no"})) as server:
        client = Client(endpoint(server), cache)
        task = Task(told, 4, 4)
        with pytest.raises(PopgenError, match="status 400"):
            converse(ARMS["direct"](), task, client)
        assert len(converse(ARMS["direct"](), task, client).people) == 4


def test_a_second_run_asks_nothing(told, cache):
    with ChatServer(good) as server:
        first = ask(server, told, cache, people=12)
        again = ask(server, told, cache, people=12)
        assert len(server.bodies) == 3
    assert first.people.equals(again.people)
    assert again.log()["cached"].to_list() == [True] * 3
    with ChatServer(good) as server:  # another model, parameter or draw is another question
        ask(server, told, cache, people=16)
        ask(server, told, cache, people=4, temperature=0.5)
        assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        ("I would rather write: [", "the answer is not JSON"),
        ('{"people": []}', 'must be an object with a list "rows"'),
        ('{"rows": [{"gender": "woman", "home": "owner"}]}', "no 'cut_police'"),
        ('{"rows": [{"gender": "woman", "home": "owner"}]}', "gender='woman' is not one of 'male'"),
        ('{"rows": []}', "0 rows instead of 4"),
        ({"text": ""}, "the answer is not JSON"),
    ],
)
def test_a_wrong_answer_is_asked_for_again_with_the_fault(first, complaint, told, cache):
    with ChatServer(scripted(first)) as server:
        asked = ask(server, told, cache)
    assert asked.log()["asked_again"].to_list() == [1]
    assert len(asked.people) == 4
    said, fault = server.bodies[1]["messages"][1:]
    assert said["role"] == "assistant"
    assert complaint in fault["content"]


def test_a_fenced_answer_is_read(told, cache):
    with ChatServer(lambda body, n: f"```json\n{good(body)}\n```") as server:
        assert len(ask(server, told, cache).people) == 4
        assert len(server.bodies) == 1


def test_an_answer_that_stays_wrong_is_a_row_of_the_log(told, cache):
    with ChatServer(scripted("no", "no", "no")) as server:
        asked = ask(server, told, cache, people=8)
    assert len(server.bodies) == 4
    assert asked.log()["status"].to_list() == ["invalid", "answered"]
    assert "not JSON" in asked.log()["detail"][0]
    assert len(asked.people) == 4


def test_a_refusal_is_recorded_and_not_asked_again(told, cache):
    with ChatServer(scripted({"refusal": "I cannot help with that."})) as server:
        asked = ask(server, told, cache, people=8)
        again = ask(server, told, cache, people=8)
    assert len(server.bodies) == 2
    assert asked.log()["status"].to_list() == again.log()["status"].to_list()
    assert asked.log().row(0, named=True)["detail"] == "I cannot help with that."
    with (
        ChatServer(lambda *_: {"finish": "content_filter"}) as server,
        pytest.raises(PopgenError, match=r"none gave a persona: 'refused: content filter'"),
    ):
        ask(server, told, Cache(cache.folder / "other"))


def test_a_server_that_is_busy_is_given_the_time_it_asks_for(told, cache):
    busy = {"status": 429, "headers": {"Retry-After": "0.3"}, "raw": "slow down"}
    with ChatServer(scripted(busy)) as server:
        asked = ask(server, told, cache)
    assert server.times[1] - server.times[0] >= 0.3
    assert asked.log()["attempts"].to_list() == [2]


@pytest.mark.parametrize(
    "fault",
    [{"status": 500, "raw": "oops"}, {"status": 503, "raw": ""}, "reset", {"raw": "<html>"}],
)
def test_failures_that_may_pass_are_sent_again(fault, told, cache):
    with ChatServer(scripted(fault, fault)) as server:
        asked = ask(server, told, cache)
    assert asked.log()["attempts"].to_list() == [3]
    assert len({json.dumps(body) for body in server.bodies}) == 1


def test_a_silent_server_is_left_and_asked_again(told, cache):
    with ChatServer(scripted("hang")) as server:
        asked = ask(server, told, cache, timeout=1.0)
    assert asked.log()["attempts"].to_list() == [2]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            {"status": 500, "raw": "out of order"},
            r"gave up after 3 attempt\(s\): status 500: out of",
        ),
        ("reset", r"gave up after 3 attempt\(s\): the connection was lost"),
        ("hang", r"gave up after 3 attempt\(s\): no answer within 1 s"),
        ({"status": 429, "headers": {"Retry-After": "9999"}, "raw": ""}, r"after 1 attempt\(s\)"),
        ({"raw": '{"choices": []}'}, "cannot be read: this is no chat completion"),
    ],
)
def test_giving_up_keeps_what_was_answered(fault, says, told, cache):
    with (
        ChatServer(lambda body, n: good(body) if n < 2 else fault) as server,
        pytest.raises(PopgenError, match=says),
    ):
        ask(server, told, cache, people=12, attempts=3, timeout=1.0)
    with ChatServer(good) as server:
        assert len(ask(server, told, cache, people=12).people) == 12
        assert len(server.bodies) == 1


def test_without_httpx_the_extra_is_named(told, cache, monkeypatch):
    monkeypatch.setattr("popgen.personas.client.find_spec", lambda name: None)
    with pytest.raises(PopgenError, match=r"pip install 'popgen-joint\[llm\]'"):
        Client(Endpoint("m"), cache)


def test_a_lost_server_is_named(told, cache):
    with ChatServer(good) as server:
        gone = endpoint(server, attempts=2)
    with pytest.raises(PopgenError, match=f"{server.url}: gave up after 2 .*ConnectError"):
        converse(ARMS["direct"](), Task(told, 4, 4), Client(gone, cache))


def test_a_truncated_answer_is_asked_for_again_with_more_room(told, cache):
    cut = {"text": '{"rows": [{"gen', "finish": "length"}
    with ChatServer(scripted(cut)) as server:
        asked = ask(server, told, cache, max_tokens=50)
    assert [body["max_tokens"] for body in server.bodies] == [50, 100]
    assert asked.log()["status"].to_list() == ["answered"]
    with (
        ChatServer(lambda *_: cut) as server,
        pytest.raises(PopgenError, match=r"truncated: the answer was cut off; raise max_tokens"),
    ):
        ask(server, told, cache)


def test_the_key_is_sent_and_written_nowhere(told, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with ChatServer(good) as server:
        ask(server, told, Cache(tmp_path / "cache"), key_env="MY_KEY")
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert not any(KEY in path.read_text() for path in tmp_path.rglob("*.json"))
    wrong = {"status": 401, "raw": f"the key {KEY} is not known"}
    with (
        ChatServer(lambda *_: wrong) as server,
        pytest.raises(PopgenError, match=r"status 401: the key \*\*\* is .* key in MY_KEY"),
    ):
        ask(server, told, Cache(tmp_path / "other"), key_env="MY_KEY")
    with pytest.raises(PopgenError, match="MY_KEY would be sent unencrypted to example"):
        Endpoint("m", base_url="http://example.org/v1", key_env="MY_KEY").secret()


def test_a_refused_request_is_not_sent_again(told, cache):
    with (
        ChatServer(lambda *_: {"status": 404, "raw": "no such model"}) as server,
        pytest.raises(PopgenError, match="refused the request, status 404: no such model"),
    ):
        ask(server, told, cache, people=8)
    assert len(server.bodies) == 1


def test_requests_under_way_and_a_minute_are_limited(told, cache):
    def slow(body, number):
        time.sleep(0.1)
        return good(body, number)

    with ChatServer(slow) as server:
        ask(server, told, cache, people=48, concurrency=3)
    assert 1 < server.most_under_way <= 3
    for limits in ({"per_minute": 600}, {"tokens_per_minute": 600_000}):
        with ChatServer(good) as server:
            fresh = Cache(cache.folder / next(iter(limits)))
            begun = time.monotonic()
            ask(server, told, fresh, people=16, concurrency=4, **limits)
            took = time.monotonic() - begun
        expected = sum(endpoint(server).tokens(ask_one(told))) if "per_minute" not in limits else 0
        assert took >= 3 * max(0.1 if "per_minute" in limits else 0, expected / 10_000)


def ask_one(told):
    return next(ARMS["direct"]().talk(Task(told, 4, 4)))[0]


def test_the_budget_stops_a_run(told, cache):
    prices = (1e6, 1e6)  # 1 a token: each answer costs 110, as the server counts
    with ChatServer(good) as server:
        one = sum(endpoint(server).tokens(ask_one(told)))
        with pytest.raises(PopgenError, match=r"budget of .* would be passed: 330 is spent"):
            ask(server, told, cache, people=40, prices=prices, budget=330 + one - 1)
        assert len(server.bodies) == 3


def test_a_spoilt_cache_file_is_named(told, cache):
    with ChatServer(good) as server:
        ask(server, told, cache)
        [path] = cache.folder.rglob("*.json")
        path.write_text('{"reply": {"status": "answered", "rows": [{"gender": "x"}]}}')
        with pytest.raises(PopgenError, match=r"is not an answer that was kept .*delete it"):
            ask(server, told, cache)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": "ftp://x"}, "must start with http"),
        ({"base_url": "https://me:secret@x/v1"}, "must not hold a key"),
        ({"timeout": -1.0}, "timeout must be at least 0"),
        ({"attempts": 0}, "attempts must be at least 1; got 0"),
        ({"per_minute": 0.5}, "per_minute must be at least 1"),
        ({"prices": (-1.0, 0.0)}, "must not be negative"),
        ({"budget": 5.0}, "a budget needs prices"),
    ],
)
def test_an_endpoint_refuses(settings, says):
    with pytest.raises(PopgenError, match=says):
        Endpoint("m", **settings)


# On the command line


def command(server, *more):
    return [
        *("personas", "run", "direct", "--place", "us_panel_2020", "--variables", ",".join(NAMES)),
        *("--model", "some-model", "--base-url", server.url, "--chunk", "4", *more),
    ]


def test_run_writes_people_and_where_they_come_from(run, elsewhere):
    answers = scripted({"refusal": "No."})
    with ChatServer(answers) as server:
        one_by_one = command(server, "-n", "12", "--concurrency", "1", "--out", "p.csv")
        out, err = run(*one_by_one, "--price-in", "1", "--price-out", "10")
        assert out == ""
        assert "note: request 1 refused: No." in err
        assert "wrote 8 people to p.csv" in err
        assert len(server.bodies) == 3
    people = pl.read_csv("p.csv")
    assert people.columns == NAMES
    about = json.loads((elsewhere / "p.csv.provenance.json").read_text())
    assert about["requests"] == {"answered": 2, "refused": 1}
    assert (about["refusals"], about["retries"], about["model"]) == (1, 0, "some-model")
    assert about["tokens"] == {"input": 300, "output": 30}
    assert about["cost"] == pytest.approx(6e-4)
    assert len(about["prompt_sha256"]) == 64
    assert about["unanswered"][0]["request"] == 1


def test_a_dry_run_sends_nothing_and_the_budget_refuses(run, refused, elsewhere):
    with ChatServer(good) as server:
        prices = ("--price-in", "3", "--price-out", "15")
        out, _ = run(*command(server, "-n", "100", "--dry-run", "--json", *prices))
        found = json.loads(out)
        assert (found["requests"], found["cached"], found["rounds"]) == (25, 0, 1)
        assert found["cost"] == pytest.approx((3 * found["input"] + 15 * found["output"]) / 1e6)
        assert "25" in run(*command(server, "-n", "100", "--dry-run"))[0]
        refused(
            *command(server, "-n", "100", "--budget", "0.001", *prices),
            says="above the budget of 0.001",
        )
        assert server.bodies == []


def test_a_killed_run_resumes_and_asks_nothing_twice(run, elsewhere):
    """The cache is the journal: kill -9 after three answers."""
    with ChatServer(lambda body, n: good(body, n) if n < 3 else "hang") as server:
        arguments = command(server, "-n", "20", "--concurrency", "1", "--out", "p.csv")
        process = subprocess.Popen([sys.executable, "-m", "popgen.cli", *arguments])
        try:
            for _ in range(600):
                if len(server.bodies) >= 4:
                    break
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait(30)
        assert len(server.bodies) == 4
        assert not (elsewhere / "p.csv").exists()
        assert len(list(elsewhere.rglob("*.json"))) == 3
        server.script = good
        run(*arguments)
        assert len(server.bodies) == 6  # the fourth, which was not answered, and the fifth
    assert len(pl.read_csv("p.csv")) == 20


@pytest.mark.parametrize("service", ["openai", "anthropic"])
def test_batch_files_there_and_back(service, run, elsewhere):
    with ChatServer(good) as server:
        arguments = command(server, "-n", "12", "--max-tokens", "500", "--temperature", "1")
        out, err = run(*arguments, "--batch", "todo", "--service", service)
        [name] = out.split()
        assert "3 request(s); read the results" in err
        results(name, service, wrong=1)
        out, err = run(
            *arguments, "--batch", "more", "--service", service, "--results", "done.jsonl"
        )
        assert "2 answered, 0 refused, 1 wrong, 1 unknown" in err
        results(out.split()[0], service, wrong=None)
        _, err = run(*arguments, "--results", "done.jsonl", "--out", "p.csv")
        assert "1 answered, 0 refused, 0 wrong, 1 unknown" in err
        assert "nothing is left" in run(*arguments, "--batch", "none")[1]
        assert server.bodies == []
    assert len(pl.read_csv("p.csv")) == 12


def results(name, service, wrong):
    """Answer a batch file as the service does: in another order, one wrongly, one for others."""
    text = Path(name).read_text()
    entries = (
        [json.loads(line) for line in text.splitlines()]
        if service == "openai"
        else json.loads(text)["requests"]
    )
    lines = []
    for i, entry in enumerate(entries):
        assert len(entry["custom_id"]) == 64
        said = (
            "?" if i == wrong else json.dumps({"rows": 4 * [dict(zip(NAMES, LEVELS, strict=True))]})
        )
        if service == "openai":
            assert entry["url"] == "/v1/chat/completions"
            choice = {"message": {"content": said}, "finish_reason": "stop"}
            body = {"choices": [choice], "model": "m", "usage": {"prompt_tokens": 1}}
            result = {"response": {"status_code": 200, "body": body}, "error": None}
        else:
            assert entry["params"]["max_tokens"] == 500
            message = {"content": [{"type": "text", "text": said}], "stop_reason": "end_turn"}
            result = {"result": {"type": "succeeded", "message": message}}
        lines.append(json.dumps({"custom_id": entry["custom_id"], **result}))
    failed = {"response": None} if service == "openai" else {"result": {"type": "expired"}}
    lines.append(json.dumps({"custom_id": "x" * 64, **failed}))
    Path("done.jsonl").write_text("\n".join(reversed(lines)) + "\n\n")


LEVELS = ["female", "owner", "oppose"]


def test_batch_files_are_parted(told, tmp_path, monkeypatch):
    from popgen.personas import batch

    requests = next(ARMS["direct"]().talk(Task(told, 20, 4)))
    at = Endpoint("m")
    monkeypatch.setitem(batch.MOST_LINES, "openai", 2)
    assert [len(f.read_text().splitlines()) for f in batch.write_batch(requests, at, tmp_path)] == [
        2,
        2,
        1,
    ]
    line = len((tmp_path / "batch_003.jsonl").read_bytes())
    monkeypatch.setitem(batch.MOST_BYTES, "openai", 3 * line)
    monkeypatch.setitem(batch.MOST_LINES, "openai", 100)
    assert len(batch.write_batch(requests, at, tmp_path)) == 3
    with pytest.raises(PopgenError, match="no batch files of kind 'mistral'"):
        batch.write_batch(requests, at, tmp_path, kind="mistral")
    (tmp_path / "bad.jsonl").write_text('{"custom_id": "a"}\nnot json\n')
    with pytest.raises(PopgenError, match=r"bad\.jsonl, line 2 is not a batch's result"):
        batch.read_batch(tmp_path / "bad.jsonl", [], at, Cache(tmp_path))
    with pytest.raises(PopgenError, match="there is no file"):
        batch.read_batch(tmp_path / "absent.jsonl", [], at, Cache(tmp_path))


def test_the_command_line_refuses(refused, elsewhere):
    with ChatServer(good) as server:
        refused(*command(server), says="say how many personas you want, with -n")
        wrong = command(server, "-n", "4")
        wrong[2] = "dream"
        refused(*wrong, says="no arm 'dream'; there are 'direct', 'fill'")
        refused(*command(server, "-n", "4", "--out", "p.doc"), says="give a name ending in")
        refused(*command(server, "-n", "4", "--variables", "shoes"), says="'shoes'")
        wrong[2] = "fill"
        refused(*wrong, says="this arm starts from records; give some")
        write("r.csv", "gender", "male")
        refused(*command(server, "--records", "r.csv"), says="this arm starts from no records")
    assert main(["personas"]) == 0

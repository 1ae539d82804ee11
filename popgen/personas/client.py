"""`Client`: asks an OpenAI-compatible endpoint, and keeps every answer as soon as it comes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from popgen.errors import PopgenError
from popgen.personas.cache import Cache
from popgen.personas.endpoint import Endpoint
from popgen.personas.pace import Pace
from popgen.personas.request import Reply, Request, Row
from popgen.personas.wire import Answer, chat_answer

if TYPE_CHECKING:
    import httpx

BUSY = (408, 409, 425, 429)
"""Statuses, besides 5xx, after which the same request may succeed."""
LONGEST_WAIT = 60.0
"""Seconds that a backoff grows to."""
MOST_PATIENCE = 600.0
"""Seconds of Retry-After that are waited; a server that asks for more is left."""
EXPLAINED = 300
"""Characters of a server's complaint that are passed on."""

Tell = Callable[[str, int, int], object]


@dataclass(frozen=True)
class _Sent:
    """What came of sending a request once."""

    answer: Answer | None = None
    fault: str = ""
    wait: float | None = None  # seconds that the server asks for
    billed: bool = True  # whether the server may have worked on it


class Client:
    """Answers rounds of requests: from the cache what is there, from the endpoint what is not.

    Parameters
    ----------
    endpoint : Endpoint
    cache : Cache
    tell : callable, optional
        Called with ('asking', requests done, requests) as answers come.

    Raises
    ------
    PopgenError
        If httpx is not installed (``pip install 'popgen-joint[llm]'``).
    """

    def __init__(self, endpoint: Endpoint, cache: Cache, *, tell: Tell | None = None) -> None:
        if find_spec("httpx") is None:
            raise PopgenError(
                "asking a model needs httpx: pip install 'popgen-joint[llm]'; replaying a "
                "recording, and batch files, do without"
            )
        self.endpoint, self.cache = endpoint, cache
        self._tell = tell or (lambda *_: None)
        self._pace = Pace(endpoint.per_minute, endpoint.tokens_per_minute)
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._failure: PopgenError | None = None
        self._spent = 0.0

    def __call__(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer a round.

        Raises
        ------
        PopgenError
            If the server refuses the request or the key, stays busy, failing or silent for all
            attempts, or the budget would be passed. What was answered before is in the cache.
        """
        import httpx

        self._failure = None
        self._stop.clear()
        replies: dict[int, Reply] = {}
        for i, request in enumerate(requests):
            if (held := self.cache.find(request, self.endpoint)) is not None:
                replies[i] = held
        with (
            httpx.Client(timeout=self.endpoint.timeout) as http,
            ThreadPoolExecutor(self.endpoint.concurrency) as pool,
        ):
            left = [i for i in range(len(requests)) if i not in replies]
            futures = {pool.submit(self._ask_on, http, requests[i]): i for i in left}
            try:
                for future in as_completed(futures):
                    if (reply := future.result()) is not None:
                        replies[futures[future]] = reply
                        self._tell("asking", len(replies), len(requests))
            finally:  # after an interrupt: send nothing more
                self._stop.set()
        if self._failure is not None:
            raise self._failure
        return [replies[i] for i in range(len(requests))]

    def _ask_on(self, http: httpx.Client, request: Request) -> Reply | None:
        """Ask; a failure stops the requests that have not been sent."""
        try:
            return self._ask(http, request)
        except PopgenError as error:
            with self._lock:
                self._failure = self._failure or error
            self._stop.set()
            return None

    def _ask(self, http: httpx.Client, request: Request) -> Reply:
        """Ask until the answer is right, refused, or wrong too often; keep what came."""
        messages = [{"role": "user", "content": request.message}]
        usage = {"input": 0, "output": 0, "attempts": 0, "asked_again": 0}
        body = self.endpoint.body(messages, request.schema)
        for again in range(self.endpoint.again + 1):
            usage["asked_again"] = again
            answer = self._send(http, request, body, usage)
            reply = read_answer(request, answer, usage)
            if reply.status in ("answered", "refused"):
                break
            if reply.status == "truncated":
                if "max_tokens" in body:
                    body = {**body, "max_tokens": 2 * body["max_tokens"]}
            else:
                said = {"role": "assistant", "content": answer.text or "(nothing)"}
                fault = f"That cannot be used: {reply.detail}. Write the whole answer again, right."
                messages = [messages[0], said, {"role": "user", "content": fault}]
                body = {**body, "messages": messages}
        self.cache.keep(reply, self.endpoint)
        return reply

    def _send(
        self, http: httpx.Client, request: Request, body: Any, usage: dict[str, int]
    ) -> Answer:
        """Send until there is an answer: wait and try again while that may help."""
        sent, expected = _Sent(), self.endpoint.tokens(request)
        for attempt in range(self.endpoint.attempts):
            self._pace.wait(sum(expected), self._stop)
            if self._stop.is_set():
                raise PopgenError("stopped: another request failed")
            self._reserve(expected)
            usage["attempts"] += 1
            sent = self._once(http, body)
            self._settle(expected, sent)
            if sent.answer is not None:
                usage["input"] += sent.answer.input
                usage["output"] += sent.answer.output
                return sent.answer
            if (sent.wait or 0) > MOST_PATIENCE or attempt + 1 == self.endpoint.attempts:
                break
            if sent.wait is not None:
                self._pace.hold(sent.wait)
            else:
                longest = min(self.endpoint.backoff * 2**attempt, LONGEST_WAIT)
                self._stop.wait(longest * random.uniform(0.5, 1.0))
        raise PopgenError(
            f"{self.endpoint.base_url}: gave up after {usage['attempts']} attempt(s): {sent.fault};"
            " what was answered is in the cache: run again to go on from there"
        )

    def _once(self, http: httpx.Client, body: Any) -> _Sent:
        """Send once; raise for what sending again would not mend."""
        import httpx

        secret = self.endpoint.secret()
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        url = self.endpoint.base_url.rstrip("/") + "/chat/completions"
        try:
            response = http.post(url, json=body, headers=headers)
        except httpx.TimeoutException:
            return _Sent(fault=f"no answer within {self.endpoint.timeout:g} s")
        except httpx.TransportError as error:
            return _Sent(fault=f"the connection was lost ({type(error).__name__}: {error})")
        said = response.text[:EXPLAINED]
        if secret is not None:
            said = said.replace(secret, "***")
        fault = f"status {response.status_code}: {said}"
        if response.status_code in BUSY or response.status_code >= 500:
            wait = retry_after(response.headers.get("retry-after"))
            return _Sent(fault=fault, wait=wait, billed=False)
        if response.status_code != 200:
            raise PopgenError(
                f"{url} refused the request, {fault}; check the model's name, the key in "
                f"{self.endpoint.key_env} and the address"
            )
        try:
            return _Sent(chat_answer(response.json()))
        except ValueError as error:  # cut off on the way, or a gateway's page
            return _Sent(fault=f"the server's answer cannot be read: {error}")

    def _reserve(self, expected: tuple[int, int]) -> None:
        """Set the cost of a request aside, or refuse to pass the budget."""
        cost, budget = self.endpoint.cost(*expected), self.endpoint.budget
        with self._lock:
            if budget is not None and self._spent + cost > budget:
                raise PopgenError(
                    f"the budget of {budget:g} would be passed: {self._spent:.4g} is spent or "
                    f"under way, and the next request may cost {cost:.4g}; what was answered is in "
                    "the cache: raise the budget and run again"
                )
            self._spent += cost

    def _settle(self, expected: tuple[int, int], sent: _Sent) -> None:
        """Put what a request did cost in the place of what was set aside.

        Where the endpoint counts no tokens, or nothing came back, that is what was expected.
        """
        answer = sent.answer
        used = expected if sent.billed else (0, 0)
        if answer is not None and (answer.input or answer.output):
            used = (answer.input, answer.output)
        with self._lock:
            self._spent += self.endpoint.cost(*used) - self.endpoint.cost(*expected)


def read_answer(request: Request, answer: Answer, usage: dict[str, int]) -> Reply:
    """Judge an answer: its rows, or why there are none."""

    def reply(status: str, detail: str = "", rows: tuple[Row, ...] = ()) -> Reply:
        return Reply(request, status, rows, detail, dict(usage), answer.model)

    if answer.refusal:
        return reply("refused", answer.refusal[:EXPLAINED])
    if answer.truncated:
        detail = "the answer was cut off; raise max_tokens, or ask for fewer rows at once (chunk)"
        return reply("truncated", detail)
    try:
        return reply("answered", rows=request.read(answer.text))
    except PopgenError as error:
        return reply("invalid", str(error))


def retry_after(header: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date.

    >>> retry_after("1.5"), retry_after(None), retry_after("soon")
    (1.5, None, None)
    """
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())

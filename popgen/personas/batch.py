"""Batch files: a round's requests written for OpenAI or Anthropic, and the results read back.

The result of a request goes into the cache under its own name, so that a run finds it there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from popgen.errors import PopgenError, listed
from popgen.personas.cache import Cache
from popgen.personas.client import read_answer
from popgen.personas.endpoint import Endpoint
from popgen.personas.request import Reply, Request
from popgen.personas.wire import Answer, chat_answer, message_answer
from popgen.writing import of_text, write_together

KINDS = ("openai", "anthropic")
MOST_LINES = {"openai": 50_000, "anthropic": 100_000}
"""Requests of one batch."""
MOST_BYTES = {"openai": 200_000_000, "anthropic": 256_000_000}
"""Bytes of one batch."""
ENDING = {"openai": "jsonl", "anthropic": "json"}


class UnansweredError(PopgenError):
    """A round has requests that the cache does not answer.

    Attributes
    ----------
    requests : tuple of Request
    """

    def __init__(self, requests: Sequence[Request]) -> None:
        super().__init__(
            f"{len(requests)} request(s) have no answer in the cache; ask an endpoint, or read the "
            "results of a batch into it"
        )
        self.requests = tuple(requests)


def from_cache(cache: Cache, endpoint: Endpoint) -> Callable[[Sequence[Request]], list[Reply]]:
    """Answer from the cache alone.

    Raises
    ------
    UnansweredError
        When called, if it lacks an answer.
    """

    def answer(requests: Sequence[Request]) -> list[Reply]:
        held = [cache.find(request, endpoint) for request in requests]
        if lacking := [r for r, reply in zip(requests, held, strict=True) if reply is None]:
            raise UnansweredError(lacking)
        return [reply for reply in held if reply is not None]

    return answer


def write_batch(
    requests: Sequence[Request], endpoint: Endpoint, folder: Path, *, kind: str = "openai"
) -> list[Path]:
    """Write requests as batch files, in parts that the service accepts.

    Parameters
    ----------
    requests : sequence of Request
    endpoint : Endpoint
        Its model and parameters; its address and key are not in the files.
    folder : Path
    kind : {'openai', 'anthropic'}
        JSON lines for OpenAI's Batch API, or the body that creates a batch of Anthropic's.

    Returns
    -------
    list of Path

    Raises
    ------
    PopgenError
        For another kind, or a folder that cannot be written.
    """
    if kind not in KINDS:
        raise PopgenError(f"no batch files of kind {kind!r}; there are {listed(KINDS)}")
    lines = [json.dumps(_line(r, endpoint, kind), ensure_ascii=False) for r in requests]
    files = {
        folder / f"batch_{number:03d}.{ENDING[kind]}": of_text(
            "\n".join(part) + "\n"
            if kind == "openai"
            else '{"requests": [\n' + ",\n".join(part) + "\n]}\n"
        )
        for number, part in enumerate(_parts(lines, kind), 1)
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_together(files)
    return list(files)


def read_batch(
    path: Path, requests: Sequence[Request], endpoint: Endpoint, cache: Cache
) -> dict[str, int]:
    """Put a batch's results into the cache.

    Parameters
    ----------
    path : Path
        JSON lines, as either service returns them, in any order.
    requests : sequence of Request
        Those that are without an answer.
    endpoint, cache
        As they were when the batch was written.

    Returns
    -------
    mapping of str to int
        Results ``answered`` and ``refused``, which are kept; ``wrong`` (invalid, truncated or
        failed), which are to be asked again; ``unknown``: of no request here.

    Raises
    ------
    PopgenError
        If the file is absent, or a line is not a result.
    """
    wanted = {endpoint.key(request): request for request in requests}
    counts = dict.fromkeys(("answered", "refused", "wrong", "unknown"), 0)
    for key, answer in _results(path):
        if key not in wanted:
            counts["unknown"] += 1
            continue
        if answer is not None:
            usage = {"input": answer.input, "output": answer.output, "attempts": 1}
            reply = read_answer(wanted[key], answer, usage)
            if reply.status in ("answered", "refused"):
                cache.keep(reply, endpoint)
                counts[reply.status] += 1
                continue
        counts["wrong"] += 1
    return counts


def _line(request: Request, endpoint: Endpoint, kind: str) -> dict[str, Any]:
    key = endpoint.key(request)
    messages = [{"role": "user", "content": request.message}]
    if kind == "openai":
        body = endpoint.body(messages, request.schema)
        return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
    params = {
        "model": endpoint.model,
        "max_tokens": endpoint.max_tokens or endpoint.tokens(request)[1],
        "messages": messages,
    }
    if endpoint.temperature is not None:
        params["temperature"] = endpoint.temperature
    return {"custom_id": key, "params": params}


def _parts(lines: Sequence[str], kind: str) -> Iterator[list[str]]:
    """Part lines into files that are neither too long nor too large."""
    part: list[str] = []
    size = 0
    for line in lines:
        bytes_ = len(line.encode()) + 2
        if part and (len(part) == MOST_LINES[kind] or size + bytes_ > MOST_BYTES[kind] - 100):
            yield part
            part, size = [], 0
        part.append(line)
        size += bytes_
    if part:
        yield part


def _results(path: Path) -> Iterator[tuple[str, Answer | None]]:
    """Read each line's id, and its answer if there is one."""
    if not path.is_file():
        raise PopgenError(f"there is no file {path}")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            yield entry["custom_id"], _answer(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PopgenError(f"{path}, line {number} is not a batch's result: {error}") from None


def _answer(entry: Any) -> Answer | None:
    if "result" in entry:
        done = entry["result"]["type"] == "succeeded"
        return message_answer(entry["result"]["message"]) if done else None
    response = entry.get("response") or {}
    return chat_answer(response["body"]) if response.get("status_code") == 200 else None

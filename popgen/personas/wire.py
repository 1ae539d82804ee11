"""What endpoints write back: one answer of a chat, an OpenAI or an Anthropic batch, read alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popgen.errors import PopgenError


@dataclass(frozen=True)
class Answer:
    """A model's answer, before its rows are read.

    Attributes
    ----------
    text : str
    refusal : str
        The model's, or its filter's, words; empty if it did not refuse.
    truncated : bool
    input, output : int
        Tokens, as the endpoint counts them.
    model : str
    """

    text: str
    refusal: str
    truncated: bool
    input: int
    output: int
    model: str


def chat_answer(body: Any) -> Answer:
    """Read a chat completion.

    Raises
    ------
    PopgenError
        If it is none.
    """
    try:
        choice = body["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        refusal = message.get("refusal") or ""
        if finish == "content_filter":
            refusal = refusal or "content filter"
        return Answer(
            message.get("content") or "",
            str(refusal),
            finish == "length",
            *_usage(body, "prompt_tokens", "completion_tokens"),
            str(body.get("model", "")),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise PopgenError(f"this is no chat completion ({error!r}): {body!r:.200}") from None


def message_answer(body: Any) -> Answer:
    """Read an Anthropic message.

    Raises
    ------
    PopgenError
        If it is none.
    """
    try:
        parts = [part["text"] for part in body["content"] if part.get("type") == "text"]
        stop = body.get("stop_reason")
        return Answer(
            "".join(parts),
            ("".join(parts) or "refusal") if stop == "refusal" else "",
            stop == "max_tokens",
            *_usage(body, "input_tokens", "output_tokens"),
            str(body.get("model", "")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PopgenError(f"this is no message ({error!r}): {body!r:.200}") from None


def _usage(body: Mapping[str, Any], told: str, said: str) -> tuple[int, int]:
    usage = body.get("usage") or {}
    return int(usage.get(told) or 0), int(usage.get(said) or 0)

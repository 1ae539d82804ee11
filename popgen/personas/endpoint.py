"""`Endpoint`: where a model answers, how it is spoken to, and what it costs."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from popgen.errors import PopgenError, check_number
from popgen.personas.request import Request

BYTES_A_TOKEN = 4
"""UTF-8 bytes that are counted as one token, rounded up: a rough rule for English and JSON."""


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible address, and how to speak to it.

    Attributes
    ----------
    model : str
    base_url : str
        Up to ``/v1``; ``/chat/completions`` is added.
    key_env : str
        Environment variable that holds the key; it is read when a request is sent, and written
        nowhere. If it is unset, no key is sent.
    temperature : float or None
    max_tokens : int or None
        Longest answer, tokens; doubled when an answer was cut off and is asked for again.
    timeout : float
        Seconds to wait for an answer.
    attempts : int
        Times that one request is sent, at most, while the server is busy, failing or silent.
    again : int
        Times that a wrong or truncated answer is asked for again, the fault being told.
    concurrency : int
        Requests under way together.
    per_minute, tokens_per_minute : float or None
        Rate limits.
    backoff : float
        Seconds before the second attempt, doubled for each that follows, up to a minute, less a
        random part of up to half.
    prices : (float, float)
        Of a million tokens of input and of output, in any currency.
    budget : float or None
        Most that may be spent, in that currency.

    Raises
    ------
    PopgenError
        For an address that is not http or https, or a number out of range.

    Examples
    --------
    >>> Endpoint("some-model", base_url="http://127.0.0.1:8000/v1").cost(1_000_000, 0)
    0.0
    """

    model: str
    base_url: str = "https://api.openai.com/v1"
    key_env: str = "OPENAI_API_KEY"
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 120.0
    attempts: int = 6
    again: int = 2
    concurrency: int = 4
    per_minute: float | None = None
    tokens_per_minute: float | None = None
    backoff: float = 1.0
    prices: tuple[float, float] = (0.0, 0.0)
    budget: float | None = None

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise PopgenError(f"base_url must start with http:// or https://; got {self.base_url}")
        if address.username or address.password:
            raise PopgenError("base_url must not hold a key or password; name a variable, key_env")
        least = {"timeout": 0, "attempts": 1, "again": 0, "concurrency": 1, "backoff": 0}
        limits = ("max_tokens", "per_minute", "tokens_per_minute")
        least |= {name: 1 for name in limits if getattr(self, name) is not None}
        for name, low in least.items():
            check_number(name, getattr(self, name), least=low)
        if min(*self.prices, self.budget or 0) < 0:
            raise PopgenError("prices and budget must not be negative")
        if self.budget is not None and not any(self.prices):
            raise PopgenError("a budget needs prices: give those of a million tokens, in and out")

    @property
    def parameters(self) -> dict[str, Any]:
        """What the answers depend on, besides model and prompt."""
        return {"temperature": self.temperature, "max_tokens": self.max_tokens}

    def key(self, request: Request) -> str:
        """Name of a request in the cache and in batch files."""
        return request.key(self.model, self.parameters)

    def secret(self) -> str | None:
        """Read the key.

        Raises
        ------
        PopgenError
            If it would travel unencrypted to another machine.
        """
        key = os.environ.get(self.key_env) or None
        address = urlsplit(self.base_url)
        if key and address.scheme == "http" and not _here(str(address.hostname)):
            raise PopgenError(
                f"{self.key_env} would be sent unencrypted to {address.hostname}; use https, or "
                "unset it"
            )
        return key

    def body(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Any:
        """Write a chat completion request."""
        asked = {key: value for key, value in self.parameters.items() if value is not None}
        form = {"name": "rows", "strict": True, "schema": schema}
        return {
            "model": self.model,
            "messages": list(messages),
            **asked,
            "response_format": {"type": "json_schema", "json_schema": form},
        }

    def tokens(self, request: Request) -> tuple[int, int]:
        """Estimate tokens of a request and of the longest answer that would pass.

        One token for every 4 bytes of the message and the schema, and of the answer.
        """
        told = len(request.message.encode()) + len(str(request.schema).encode())
        longest = -(-request.longest // BYTES_A_TOKEN)
        return -(-told // BYTES_A_TOKEN), min(longest, self.max_tokens or longest)

    def cost(self, input_tokens: float, output_tokens: float) -> float:
        """Price of so many tokens."""
        return (input_tokens * self.prices[0] + output_tokens * self.prices[1]) / 1e6


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

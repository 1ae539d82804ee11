"""`Pace`: when the next request may be sent, under limits that all threads share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass(eq=False)
class Pace:
    """Rate limits: each request books its place, and waits for it.

    Attributes
    ----------
    per_minute, tokens_per_minute : float or None
    """

    per_minute: float | None
    tokens_per_minute: float | None
    _next: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def wait(self, tokens: int, stop: threading.Event) -> None:
        """Wait until a request of so many tokens may be sent, or until told to stop."""
        takes = 60 / self.per_minute if self.per_minute else 0.0
        if self.tokens_per_minute:
            takes = max(takes, 60 * tokens / self.tokens_per_minute)
        with self._lock:
            start = max(self._next, time.monotonic())
            self._next = start + takes
        stop.wait(max(0.0, start - time.monotonic()))

    def hold(self, seconds: float) -> None:
        """Let nobody send anything for a while: the server asked for it."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

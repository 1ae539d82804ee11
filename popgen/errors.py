"""Everything popgen raises on purpose: one base, children only where a caller would catch one."""

from __future__ import annotations

from collections.abc import Iterable


class PopgenError(ValueError):
    """Input or a result that popgen refuses; the message says what, where and what to do."""


class InconsistentMarginsError(PopgenError):
    """Two margins state different figures for the same people."""


class InfeasibleError(PopgenError):
    """No population can meet the margins: proved, and the clashing margins named."""


class ConvergenceError(PopgenError):
    """A fit stopped before the margins were met."""


def listed(items: Iterable[object], most: int = 8) -> str:
    """Write a collection for an error message, cut after ``most`` items.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    texts = [repr(item) for item in items]
    shown = ", ".join(texts[:most])
    return shown if len(texts) <= most else f"{shown} and {len(texts) - most} more"

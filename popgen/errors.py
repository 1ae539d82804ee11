"""Everything popgen raises on purpose: one base, children only where a caller would catch one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real


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


def check_number(
    what: str,
    value: object,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> None:
    """Refuse what is not a finite number, or out of range.

    Examples
    --------
    >>> check_number("fresh", "0.5", above=0, most=1)
    Traceback (most recent call last):
    popgen.errors.PopgenError: fresh must be above 0 and at most 1; got '0.5'
    """
    real = isinstance(value, Real) and math.isfinite(value)
    if real and above < value and least <= value <= most:  # type: ignore[operator]
        return
    limits = (("above", above), ("at least", least), ("at most", most))
    wanted = [f"{word} {limit:,}" for word, limit in limits if math.isfinite(limit)]
    raise PopgenError(f"{what} must be {' and '.join(wanted) or 'a finite number'}; got {value!r}")

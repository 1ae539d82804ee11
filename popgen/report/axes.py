"""Axes and colours shared by the pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

STEPS = 10
"""Colours on each side of the diverging scale's middle."""
LIGHT = ("#08468b", "#4a8fc7", "#b9d7ea", "#f6f6f4", "#fbd3a6", "#e5832b", "#8f3a04")
DARK = ("#7cc0ff", "#3f86c6", "#234566", "#24272c", "#6b4420", "#d9822b", "#ffb45e")
"""Blue to orange, told apart by all common kinds of colour vision; on paper and on black."""
WIDE = 6.3
"""Mean width of a character at font size 12, pixels."""


@dataclass(frozen=True)
class Axis:
    """A linear scale from figures to pixels.

    Attributes
    ----------
    low, high : float
        Figures at its ends.
    start, end : float
        Pixels at its ends.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Pixel of a figure; beyond the ends, the end.

        >>> Axis(0, 10, 100, 200).at(5)
        150.0
        """
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Pixels and labels of round figures.

        >>> Axis(0, 1, 0, 100).ticks()
        [(0.0, '0'), (20.0, '0.2'), (40.0, '0.4'), (60.0, '0.6'), (80.0, '0.8'), (100.0, '1')]
        """
        step = round_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(self.at(i * step), written(i * step)) for i in range(first, last + 1)]


def spanning(values: Iterable[float], start: float, end: float, *, margin: float = 0.06) -> Axis:
    """Make an axis that holds all the figures, with a little room beyond them."""
    found = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(found), max(found)
    room = margin * (high - low) or abs(high) * margin or 1.0
    return Axis(low - room, high + room, start, end)


def round_step(least: float) -> float:
    """Smallest of 1, 2, 5 times a power of ten that is at least ``least``.

    >>> round_step(0.3), round_step(11)
    (0.5, 20.0)
    """
    power = float(10.0 ** math.floor(math.log10(least)))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def written(value: float) -> str:
    """Write a figure as short as it can be, with a true minus sign."""
    return f"{value:,.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def shortened(text: str, most: int) -> str:
    """Cut a label that would not fit.

    >>> shortened("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def colours(stops: tuple[str, ...]) -> list[str]:
    """Interpolate a diverging scale: ``2 * STEPS + 1`` colours from lowest to highest."""
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    at = np.linspace(0, len(stops) - 1, 2 * STEPS + 1)
    channels = [
        np.interp(at, np.arange(len(stops)), rgb[:, i]).round().astype(int) for i in range(3)
    ]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in zip(*channels, strict=True)]


def colour_index(value: float, limit: float) -> int:
    """Which of the colours stands for a figure on a scale from ``-limit`` to ``limit``.

    >>> colour_index(0.0, 2.0), colour_index(-5.0, 2.0), colour_index(5.0, 2.0)
    (10, 0, 20)
    """
    return STEPS + round(STEPS * min(max(value / limit, -1.0), 1.0))

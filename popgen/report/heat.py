"""Heat maps of two-way interactions, the truth's and each candidate's side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from popgen.report.axes import STEPS, WIDE, colour_index, round_step, shortened
from popgen.report.strengths import Strengths

WIDTH, RIGHT = 1280.0, 44.0
MOST_LEVELS = 90
LARGEST = 15.0
TOP, GAP = 118.0, 16.0
COVERED = 98.0
"""Percentile of the strengths at which the colours end."""


def heat(found: Strengths) -> dict[str, Any]:
    """Lay out the maps: every level against every other, the cells coloured by interaction."""
    shown = _shown(found)
    maps = [("truth", _truth(found)), *((c.candidate, c.value) for c in found.candidates)]
    limit = _limit(_truth(found), [c.value for c in found.candidates])
    left = 20 + 5.0 * max(len(n) for n, _ in shown) + 4.6 * max(min(len(v), 16) for _, v in shown)
    pitch = min((WIDTH - RIGHT - left - GAP * (len(maps) - 1)) / (len(maps) * len(shown)), LARGEST)
    side = pitch * len(shown)
    place = {found.levels.index(level): i for i, level in enumerate(shown)}
    return {
        "width": WIDTH,
        "height": round(TOP + side + 62, 1),
        "top": TOP,
        "side": round(side, 1),
        "pitch": round(pitch, 2),
        "font": round(min(pitch - 0.6, 11.0), 1),
        "left": round(left, 1),
        "rows": [
            {"y": round(TOP + (i + 0.5) * pitch, 1), "text": shortened(level, 16)}
            for i, (_, level) in enumerate(shown)
        ],
        "groups": _groups(shown, pitch),
        "maps": [
            {
                "x": round(left + i * (side + GAP), 1),
                "name": shortened(name, int(side / WIDE / 1.15)),
                "cells": _cells(found, values, place, pitch, limit),
            }
            for i, (name, values) in enumerate(maps)
        ],
        "legend": _legend(limit, left),
        "left_out": sorted({n for n, _ in found.levels} - {n for n, _ in shown}),
    }


def _shown(found: Strengths) -> list[tuple[str, str]]:
    """Levels of as many variables as fit, those with most levels left out first."""
    levels = list(found.levels)
    while len(levels) > MOST_LEVELS and len({name for name, _ in levels}) > 2:
        names = [name for name, _ in levels]
        largest = max(dict.fromkeys(names), key=names.count)
        levels = [level for level in levels if level[0] != largest]
    return levels


def _truth(found: Strengths) -> tuple[float, ...]:
    """Give the truth as a sample of the first candidate's size shows it."""
    return found.candidates[0].truth


def _limit(truth: Sequence[float], candidates: Sequence[Sequence[float]]) -> float:
    """End the colours where the truth does; a candidate twice too strong may stretch them."""
    strongest = max(float(np.percentile(np.abs(values), COVERED)) for values in candidates)
    return round_step(max(float(np.percentile(np.abs(truth), COVERED)), strongest / 2, 1e-3))


def _groups(shown: Sequence[tuple[str, str]], pitch: float) -> list[dict[str, Any]]:
    """Find the variables' stretches along either axis."""
    names = [name for name, _ in shown]
    starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    return [
        {
            "text": shortened(names[start], 24),
            "start": round(start * pitch, 1),
            "middle": round((start + names.count(names[start]) / 2) * pitch, 1),
        }
        for start in starts
    ]


def _cells(
    found: Strengths, values: Sequence[float], place: dict[int, int], pitch: float, limit: float
) -> list[dict[str, Any]]:
    """Both halves of the square; what a cell is, is said once, in the lower half."""
    cells = []
    for (a, b), value in zip(found.cells, values, strict=True):
        if a not in place or b not in place:
            continue
        low, high = place[min(a, b)] * pitch, place[max(a, b)] * pitch
        colour = colour_index(value, limit)
        one, two = found.levels[a], found.levels[b]
        said = f"{one[0]}={one[1]}, {two[0]}={two[1]}: {value:+.2f}".replace("-0.00", "0.00")
        cells.append({"x": round(low, 1), "y": round(high, 1), "colour": colour, "title": said})
        cells.append({"x": round(high, 1), "y": round(low, 1), "colour": colour, "title": ""})
    return cells


def _legend(limit: float, left: float) -> dict[str, Any]:
    steps = 2 * STEPS + 1
    return {
        "x": left,
        "boxes": [{"x": round(left + 14.0 * i, 1), "colour": i} for i in range(steps)],
        "ticks": [
            (round(left + 14.0 * (0.5 + share * (steps - 1)), 1), text)
            for share, text in (
                (0.0, f"≤ −{limit:g}"),
                (0.25, f"−{limit / 2:g}"),
                (0.5, "0"),
                (0.75, f"+{limit / 2:g}"),
                (1.0, f"≥ +{limit:g}"),
            )
        ],
        "end": round(left + 14.0 * steps + 16, 1),
    }

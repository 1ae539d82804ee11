"""Scatter of a candidate's two-way interactions against the true ones, with its slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from popgen.report.axes import Axis, round_step, shortened
from popgen.report.strengths import Strength, Strengths

WIDTH, TOP, LEFT = 590.0, 30.0, 62.0
SIDE = 440.0
MOST_POINTS = 1500
COVERED = 99.5
"""Percentile of the strengths at which the axes end; what lies beyond stands at the edge."""


def scatters(found: Strengths) -> list[dict[str, Any]]:
    """Lay out a square a candidate, all on the same axes."""
    figures = np.abs([number for c in found.candidates for number in (*c.value, *c.truth)])
    reach = float(np.percentile(figures, COVERED)) or 1.0
    limit = round_step(reach / 4) * np.ceil(reach / round_step(reach / 4))
    return [_square(found, candidate, float(limit)) for candidate in found.candidates]


def _square(found: Strengths, candidate: Strength, limit: float) -> dict[str, Any]:
    across = Axis(-limit, limit, LEFT, LEFT + SIDE)
    up = Axis(-limit, limit, TOP + SIDE, TOP)
    weights = np.array(found.weights)
    truth, value = np.array(candidate.truth), np.array(candidate.value)
    kept = np.argsort(-weights, kind="stable")[:MOST_POINTS]
    groups = _groups(found, len(weights))
    return {
        "name": candidate.candidate,
        "label": shortened(candidate.candidate, 60),
        "width": WIDTH,
        "height": TOP + SIDE + 52,
        "left": LEFT,
        "top": TOP,
        "side": SIDE,
        "across": across.ticks(6),
        "up": up.ticks(6),
        "zero": (across.at(0), up.at(0)),
        "points": {
            group: [(across.at(truth[i]), up.at(value[i])) for i in kept if inside[i]]
            for group, inside in groups.items()
        },
        "left_out": len(weights) - len(kept),
        "lines": [
            line
            for group, inside in groups.items()
            if (line := _line(group, (truth, value, weights * inside), limit, (across, up)))
        ],
        "same": (across.at(-limit), up.at(-limit), across.at(limit), up.at(limit)),
    }


def _groups(found: Strengths, cells: int) -> dict[str, Any]:
    if not found.measured:
        return {"all": np.ones(cells, dtype=bool)}
    measured = np.array(found.measured)
    parts = {"measured": measured, "unmeasured": ~measured}
    return {name: part for name, part in parts.items() if part.any()}


def _line(group: str, arrays: Any, limit: float, axes: tuple[Axis, Axis]) -> dict[str, Any] | None:
    """Draw the weighted line through the origin, as `popgen.effects.slope` has it."""
    truth, value, weights = arrays
    below = float((weights * truth**2).sum())
    if below <= 0:
        return None
    slope = float((weights * truth * value).sum()) / below
    end = limit if abs(slope) <= 1 else limit / abs(slope)
    across, up = axes
    return {
        "group": group,
        "slope": slope,
        "ends": (across.at(-end), up.at(-end * slope), across.at(end), up.at(end * slope)),
    }

"""Persistence: whether a persona stays with its answer when it is pressed."""

from __future__ import annotations

import numpy as np

from popgen._intervals import clustered_share
from popgen.personas.diagnostics.answers import Answers
from popgen.personas.diagnostics.diagnosis import Row


def persistence(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Count, turn by turn, the answers that differ from the first and from the one before.

    Notes
    -----
    Intervals are Wilson's, with as many independent answers as the personas are worth.
    """
    rows = answers.rows
    turns = sorted(rows["turn"].unique())
    key = ("persona", "run", "item")
    start = rows.filter(turn=turns[0]).select(*key, first="answer")
    place = {name: i for i, name in enumerate(answers.personas)}
    found, before = [], start.rename({"first": "before"})
    for number in turns[1:]:
        now = rows.filter(turn=number).join(start, on=key).join(before, on=key)
        unit = np.array([place[name] for name in now["persona"]], dtype=np.intp)
        for figure, column in (("differs from the first", "first"), ("flipped", "before")):
            held = (now["answer"] != now[column]).to_numpy()
            span = clustered_share(held, unit)
            found.append(Row(figure, f"turn {number}", *span, len(now), 0.0))
        before = rows.filter(turn=number).select(*key, before="answer")
    return sorted(found, key=lambda row: row.figure)

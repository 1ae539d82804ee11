"""Identity congruence: whether a persona judges evidence by whom it suits."""

from __future__ import annotations

import numpy as np

from popgen._intervals import Z, wilson
from popgen.personas.diagnostics.answers import Answers, refuse_others
from popgen.personas.diagnostics.diagnosis import Row

SUITS, HURTS = "congruent", "incongruent"
RIGHT = {"true": True, "false": False, "1": True, "0": False}


def identity_congruence(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Compare how often answers are right where the right one suits the persona, and where not.

    Notes
    -----
    Accuracy by ``stance``, with Wilson's interval; then, of congruent against incongruent, the
    ``accuracy ratio`` and the ``odds ratio``, on the log scale, half an answer added to each count
    (Haldane, Anscombe). Answers are taken as independent of one another.
    """
    rows = answers.first.drop_nulls(("stance", "correct"))
    refuse_others(rows["correct"], RIGHT)
    found, counts = [], {}
    for (stance,), part in rows.group_by("stance", maintain_order=True):
        right, n = sum(RIGHT[text] for text in part["correct"]), len(part)
        counts[stance] = (right, n)
        found.append(Row("accuracy", str(stance), *wilson(right / n, n), n, 1.0))
    if {SUITS, HURTS} <= counts.keys():
        (x, n), (y, m) = counts[SUITS], counts[HURTS]
        a, b, c, d = (count + 0.5 for count in (x, n - x, y, m - y))
        ratio = np.log((a / (n + 0.5)) / (c / (m + 0.5)))
        se = np.sqrt(1 / a - 1 / (n + 0.5) + 1 / c - 1 / (m + 0.5))
        odds, error = np.log(a * d / (b * c)), np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
        against = f"{SUITS} against {HURTS}"
        for name, middle, spread in (("accuracy ratio", ratio, se), ("odds ratio", odds, error)):
            low, value, high = np.exp([middle - Z * spread, middle, middle + Z * spread])
            found.append(Row(name, against, float(value), float(low), float(high), n + m, 1.0))
    return found

"""Normalised fidelity: a persona against its person, and the person against itself."""

from __future__ import annotations

import numpy as np

from popgen._aligned import Floats
from popgen._intervals import jackknife
from popgen.personas.diagnostics.answers import Answers
from popgen.personas.diagnostics.diagnosis import EVERY, Row


def normalised_fidelity(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Divide the persona's agreement with the person by the person's own, asked again.

    Notes
    -----
    Over all items it is the ratio of the two sums, so that items weigh as often as they were
    answered; published figures that average persons' ratios may differ.
    """
    personas = len(answers.personas)
    kept: dict[str, tuple[Floats, Floats, int]] = {}
    for item in answers.items:
        rows = answers.of(item, "truth", "retest")
        if len(rows):
            persona, person = (rows[name] == rows["truth"] for name in ("answer", "retest"))
            sums = answers.summed(rows, persona), answers.summed(rows, person)
            kept[item] = (*sums, len(rows))
    found = []
    if len(kept) > 1:
        agree, again, counts = zip(*kept.values(), strict=True)
        kept[EVERY] = (np.sum(agree, axis=0), np.sum(again, axis=0), sum(counts))
    for item, (mine, own, n) in kept.items():

        def ratio(w: Floats, above: Floats = mine, below: Floats = own) -> Floats:
            return np.asarray((w @ above) / (w @ below))

        [span] = jackknife(ratio, personas, rng)
        found.append(Row("normalised fidelity", item, *span, n, 1.0))
    return found

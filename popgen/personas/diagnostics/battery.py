"""Every diagnostic, what it needs, and the verb that runs those that apply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from popgen._rng import Rng, generator_of
from popgen.errors import PopgenError
from popgen.personas.diagnostics.answers import MEANINGS, Answers
from popgen.personas.diagnostics.congruence import identity_congruence
from popgen.personas.diagnostics.diagnosis import SCHEMA, Diagnosis, Row
from popgen.personas.diagnostics.exaggeration import exaggeration
from popgen.personas.diagnostics.fidelity import normalised_fidelity
from popgen.personas.diagnostics.gain import conditioning_gain
from popgen.personas.diagnostics.instability import instability
from popgen.personas.diagnostics.persistence import persistence
from popgen.personas.diagnostics.resistance import conditioning_resistance


@dataclass(frozen=True)
class Diagnostic:
    """One diagnostic.

    Attributes
    ----------
    name, question : str
    needs : tuple of str
        Names in `popgen.personas.diagnostics.answers.MEANINGS`.
    figures : callable
        Of the answers and a generator to rows.
    source : str
        Where it is from.
    """

    name: str
    question: str
    needs: tuple[str, ...]
    figures: Callable[[Answers, np.random.Generator], Sequence[Row]]
    source: str


DIAGNOSTICS = (
    Diagnostic(
        "instability",
        "Is a persona the same person when it is asked again?",
        ("runs",),
        instability,
        "doi:10.1177/001316446002000104, doi:10.1037/0033-2909.86.2.420",
    ),
    Diagnostic(
        "conditioning gain",
        "Does its profile help to predict the person?",
        ("truth",),
        conditioning_gain,
        "arXiv:2605.07632, arXiv:2402.10811",
    ),
    Diagnostic(
        "conditioning resistance",
        "Does it show the trait that it was assigned?",
        ("trait", "key", "assigned"),
        conditioning_resistance,
        "arXiv:2401.07115",
    ),
    Diagnostic(
        "identity congruence",
        "Does it judge evidence by whom it suits?",
        ("stance", "correct"),
        identity_congruence,
        "arXiv:2506.20020",
    ),
    Diagnostic(
        "normalised fidelity",
        "Is it as near to its person as the person is to itself, asked again?",
        ("truth", "retest"),
        normalised_fidelity,
        "arXiv:2411.10109",
    ),
    Diagnostic(
        "persistence",
        "Does it stay with its answer when it is pressed?",
        ("turn",),
        persistence,
        "Chalmers (2025), on stickiness under adversarial pressure",
    ),
    Diagnostic(
        "exaggeration",
        "Is it a stereotype: less spread, and more explained by the profile, than people are?",
        ("truth",),
        exaggeration,
        "doi:10.1017/pan.2024.5, arXiv:2511.03235, arXiv:2507.00657",
    ),
)
"""Every diagnostic, in the order of a report."""


def diagnose(
    answers: Answers,
    *,
    rng: Rng = 0,
    diagnostics: Sequence[Diagnostic] = DIAGNOSTICS,
) -> Diagnosis:
    """Run every diagnostic that the answers allow, and say why others do not apply.

    Parameters
    ----------
    answers : Answers
    rng : int, Generator or None
        For bootstrap intervals and the folds of the regression.
    diagnostics : sequence of Diagnostic
        A diagnostic of one's own: ``(*DIAGNOSTICS, mine)``.

    Returns
    -------
    Diagnosis

    Raises
    ------
    PopgenError
        If the answers allow none, or a column holds values without a meaning.

    Examples
    --------
    >>> from popgen.personas.diagnostics import recorded_answers
    >>> found = diagnose(recorded_answers("evidence"))
    >>> found.value("accuracy", "congruent"), found.value("accuracy", "incongruent")
    (1.0, 0.475)
    """
    parts, skipped = [], {}
    entropy = int(generator_of(rng).integers(2**62))
    for place, each in enumerate(diagnostics):
        if lacking := [name for name in each.needs if name not in answers.has]:
            wanted = "; ".join(f"{name} ({MEANINGS.get(name, name)})" for name in lacking)
            skipped[each.name] = f"it needs {wanted}"
            continue
        rows = each.figures(answers, np.random.default_rng([entropy, place]))
        parts += [{"diagnostic": each.name, **row._asdict()} for row in rows]
    if not parts:
        whys = "; ".join(f"{name}: {why}" for name, why in skipped.items())
        raise PopgenError(f"these answers allow no diagnostic: {whys}")
    known = pl.when(pl.col(pl.Float64).is_finite()).then(pl.col(pl.Float64))
    frame = pl.DataFrame(parts, schema=SCHEMA).with_columns(known)
    about = {each.name: (each.question, each.source) for each in diagnostics}
    return Diagnosis(frame, skipped, about, answers.notes)

"""Conditioning gain: what a profile is worth in predicting the person it describes."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl

from popgen._aligned import Floats
from popgen._intervals import jackknife
from popgen.personas.diagnostics._regression import predicted
from popgen.personas.diagnostics.answers import Answers, levels_of, one_hot
from popgen.personas.diagnostics.diagnosis import EVERY, Row


def conditioning_gain(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Compare answers with the person's own, and with what needs no profile or no language model.

    Notes
    -----
    ``accuracy`` is the share of right answers. Beside it: ``another persona's`` answer in place of
    the own one (the model's answers without the link to the person); ``without profile``, the
    model's answers to the bare question (if there is a column ``bare``); the ``base rate``, drawn
    from the true shares or their mode; and, given profiles, a ``regression`` of true answers on
    them (multinomial, ridge, predictions for people left out in ten folds), likewise drawn or its
    mode. A panel's answers are draws, so draws are what they compare with; the mode is what a
    forecaster would say. ``gain`` is accuracy less another persona's; ``against regression`` is
    accuracy less the regression's draws.
    """
    kept = {item: sums for item in answers.items if (sums := _columns(answers, item, rng))}
    personas = len(answers.personas)

    rows = []
    for item, found in kept.items():
        names, n = _names(found), int((found["people"] > 0).sum())
        spans = jackknife(partial(_figures, found), personas, rng)
        rows += [Row(name, item, *span, n) for name, span in zip(names, spans, strict=True)]
    if len(kept) > 1:
        shared = _names(next(iter(kept.values())))

        def mean(w: Floats) -> Floats:
            return np.asarray(np.mean([_figures(found, w) for found in kept.values()], axis=0))

        spans = jackknife(mean, personas, rng)
        rows += [
            Row(name, EVERY, *span, personas) for name, span in zip(shared, spans, strict=True)
        ]
    return rows


def _columns(answers: Answers, item: str, rng: np.random.Generator) -> dict[str, Floats]:
    """Add up by persona what figures are made of; nothing where no truth is known."""
    rows = answers.of(item, "truth")
    if rows.is_empty():
        return {}
    levels = levels_of(rows["answer"], rows["truth"])
    said, true = one_hot(rows["answer"], levels), one_hot(rows["truth"], levels)
    found = {
        "people": answers.summed(rows, np.ones(len(rows))),
        "said": answers.summed(rows, said),
        "true": answers.summed(rows, true),
        "right": answers.summed(rows, (said * true).sum(axis=1)),
    }
    if "bare" in answers.has:
        found["bare"] = answers.summed(rows, (rows["bare"] == rows["truth"]).fill_null(False))
    if answers.profile is not None:
        fit = _predictions(design(answers, answers.profile), found, rng)
        own = found["true"] / np.maximum(found["people"], 1)[:, None]
        found["drawn"] = (fit * own).sum(axis=1) * found["people"]
        mode = np.eye(len(levels))[fit.argmax(axis=1)]
        found["mode"] = (mode * own).sum(axis=1) * found["people"]
    return found


def _predictions(X: Floats, found: dict[str, Floats], rng: np.random.Generator) -> Floats:
    """Predict true answers from profiles; nothing for people without a true answer."""
    known = found["people"] > 0
    true = found["true"] / np.maximum(found["people"], 1)[:, None]
    out = np.zeros_like(true)
    out[known] = predicted(X[known], true[known], rng)
    return out


def design(answers: Answers, profile: pl.DataFrame) -> Floats:
    """Mark the profile's levels but the first of each variable, shape (personas, p)."""
    order = answers.first.select("persona").unique(maintain_order=True)
    given = order.join(profile, on="persona", how="left", maintain_order="left")
    return np.column_stack(
        [
            one_hot(given[name], levels_of(given[name])[1:])
            for name in given.columns
            if name != "persona"
        ]
    )


def _names(found: dict[str, Floats]) -> list[str]:
    names = ["accuracy", "another persona's", "base rate, drawn", "base rate, mode"]
    names += ["without profile"] if "bare" in found else []
    names += ["regression, drawn", "regression, mode"] if "drawn" in found else []
    return [*names, "gain", *(["against regression"] if "drawn" in found else [])]


def _figures(found: dict[str, Floats], w: Floats) -> Floats:
    people = w @ found["people"]
    said, true = (w @ found[name] / people[:, None] for name in ("said", "true"))
    accuracy = w @ found["right"] / people
    apart = (said * true).sum(axis=1)
    columns = [accuracy, apart, (true**2).sum(axis=1), true.max(axis=1)]
    columns += [w @ found[name] / people for name in ("bare", "drawn", "mode") if name in found]
    columns.append(accuracy - apart)
    if "drawn" in found:
        columns.append(accuracy - w @ found["drawn"] / people)
    return np.column_stack(columns)

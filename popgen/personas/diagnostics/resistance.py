"""Conditioning resistance: whether a persona shows the trait that it was assigned."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from popgen._aligned import Floats
from popgen._intervals import Interval, intervals
from popgen.errors import PopgenError
from popgen.personas.diagnostics.answers import Answers, numeric, refuse_others
from popgen.personas.diagnostics.diagnosis import Row

SIGNS = {"+": 1.0, "-": -1.0}
LEVELS = {"high": 1.0, "low": -1.0}


def conditioning_resistance(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Compare assigned traits with those expressed in a questionnaire.

    Notes
    -----
    A persona's expressed trait is the mean of its answers to the trait's items, reversed where the
    key says so (the scale runs from the lowest answer seen to the highest); it is regressed on all
    assigned traits (high 1, low -1, not assigned 0). ``own effect`` is the
    coefficient of the trait itself, half the difference between high and low in points of the
    scale; ``largest spill-over`` the largest coefficient of another trait; ``resistance`` the share
    of half the scale that the own effect does not reach (0: the assigned trait is wholly adopted;
    1: it changes nothing). ``default`` is the mean of personas that were assigned nothing.
    Intervals are those of least squares; that of the largest spill-over does not know that it was
    chosen.
    """
    expressed, assigned, half = _scores(answers)
    traits = list(expressed)
    levels = np.column_stack([assigned[trait] for trait in traits])
    someone = ~np.isnan(levels).all(axis=1)
    levels = np.nan_to_num(levels)
    rows = []
    for place, trait in enumerate(traits):
        there = ~np.isnan(expressed[trait])
        given, bare = someone & there, ~someone & there
        n = int(given.sum())
        if n:
            found = _least_squares(levels[given], expressed[trait][given], trait)
            own = found[place]
            missed = Interval(*(1 - end / half for end in (own.value, own.high, own.low)))
            rows.append(Row("own effect", trait, *own, n, half))
            rows.append(Row("resistance", trait, *missed, n, 0.0))
            if others := [i for i in range(len(traits)) if i != place]:
                other = max(others, key=lambda i: abs(found[i].value))
                label = f"{traits[other]} on {trait}"
                rows.append(Row("largest spill-over", label, *found[other], n, 0.0))
        if bare.any():
            rows.append(Row("default", trait, *_mean(expressed[trait][bare]), int(bare.sum())))
    return rows


def _mean(scores: Floats) -> Interval:
    """Give a mean with Student's interval; of one score, without."""
    n, mean = len(scores), float(scores.mean())
    half = stats.t.ppf(0.975, n - 1) * stats.sem(scores) if n > 1 else np.nan
    return Interval(mean, mean - half, mean + half)


def _least_squares(levels: Floats, score: Floats, trait: str) -> list[Interval]:
    """Give coefficients of the levels with Student's intervals; the constant's comes last."""
    X = np.column_stack([levels, np.ones(len(score))])
    free = len(score) - X.shape[1]
    if np.linalg.matrix_rank(X) < X.shape[1] or free < 1:
        raise PopgenError(
            f"{len(score)} personas cannot tell apart the effects of {levels.shape[1]} assigned "
            f"traits on {trait!r}; assign high and low levels in more combinations"
        )
    b, *_ = np.linalg.lstsq(X, score)
    scale = ((score - X @ b) ** 2).sum() / free
    half = stats.t.ppf(0.975, free) * np.sqrt(scale * np.diag(np.linalg.inv(X.T @ X)))
    return intervals(b, half)


def _scores(answers: Answers) -> tuple[dict[str, Floats], dict[str, Floats], float]:
    """Give each persona's expressed and assigned traits, NaN for none, and half the scale."""
    rows = answers.first.drop_nulls(("trait", "key"))
    for name, known in (("key", SIGNS), ("assigned", LEVELS)):
        refuse_others(rows[name], known)
    numbers = numeric(rows["answer"])
    if numbers is None:
        raise PopgenError("answers to items that measure a trait must be numbers, e.g. 1 to 5")
    low, high = float(numbers.min()), float(numbers.max())
    keyed = np.where(rows["key"].to_numpy() == "+", numbers, low + high - numbers)
    level = rows["assigned"].replace_strict(LEVELS, default=None, return_dtype=pl.Float64)
    by = rows.with_columns(keyed=pl.Series(keyed), level=level).group_by("persona", "trait")
    means = by.agg(pl.col("keyed").mean(), pl.col("level").mean())
    place = {name: i for i, name in enumerate(answers.personas)}
    expressed: dict[str, Floats] = {}
    assigned: dict[str, Floats] = {}
    for trait in rows["trait"].unique(maintain_order=True):
        part = means.filter(trait=trait)
        index = [place[name] for name in part["persona"]]
        for store, name in ((expressed, "keyed"), (assigned, "level")):
            store[trait] = np.full(len(place), np.nan)
            store[trait][index] = part[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return expressed, assigned, (high - low) / 2

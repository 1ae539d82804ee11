"""Recorded answers of a language model, which come with popgen, as tables of answers."""

from __future__ import annotations

from typing import Any

import polars as pl

from popgen.errors import PopgenError
from popgen.panels import recordings
from popgen.personas.diagnostics.answers import Answers, read_answers
from popgen.table import Projectable

SAYS = {"B": "better", "W": "worse"}
SUITED = {"democrat": "better", "republican": "worse"}
"""What the gun-control evidence should show to suit each persona: favours the ban, opposes it."""


def recorded_answers(
    arm: str, *, truth: Any = None, population: Projectable | None = None
) -> Answers:
    """Read a recorded arm.

    Parameters
    ----------
    arm : {'fill', 'traits', 'evidence'}
        ``fill``: real profiles that the model completed twice. ``traits``: a Big Five
        questionnaire answered twice as 32 assigned profiles. ``evidence``: 80 items judged without
        a persona, as a Democrat and as a Republican. How they were made:
        ``data/personas/CARD.md``; the persona runs of ``traits`` and ``evidence`` are role-play on
        purpose.
    truth : path or dataframe, optional
        Of ``fill``: what the people with these profiles really answered; it is not shipped.
    population : Projectable, optional
        Of ``fill``: the population, ``us_panel_2020``.

    Raises
    ------
    PopgenError
        For an unknown arm, or a recording that is absent or altered.

    Examples
    --------
    >>> answers = recorded_answers("fill")
    >>> len(answers.personas), answers.runs
    (400, ['1', '2'])
    """
    if arm not in ("fill", "traits", "evidence"):
        raise PopgenError(f"no recorded answers {arm!r}; there are 'fill', 'traits', 'evidence'")
    files = recordings(arm)
    if arm == "fill":
        return read_answers(
            files["runs"], profile=files["rows"][0], population=population, truth=truth
        )
    return _traits(files) if arm == "traits" else _evidence(files)


def _traits(files: dict[str, list[pl.DataFrame]]) -> Answers:
    [profiles], [key] = files["rows"], files["key"]
    rows = read_answers(files["runs"]).rows
    keyed = key.select(
        item=pl.format("i{}", "item"),
        trait=pl.col("key").str.head(1),
        key=pl.col("key").str.tail(1),
    )
    assigned = profiles.unpivot(index="id", variable_name="trait", value_name="assigned")
    assigned = assigned.rename({"id": "persona"}).with_columns(pl.col("persona").cast(pl.String))
    return Answers(rows.join(keyed, on="item").join(assigned, on=["persona", "trait"]))


def _evidence(files: dict[str, list[pl.DataFrame]]) -> Answers:
    [key] = files["key"]
    parts = []
    for persona, run in zip(("none", *SUITED), files["runs"], strict=True):
        said = run.join(key, on="id").select(
            pl.lit(persona).alias("persona"),
            pl.lit("1").alias("run"),
            pl.format("{} {}", "topic", "id").alias("item"),
            pl.col("answer").replace_strict(SAYS),
            "topic",
            "truth",
        )
        suited = pl.lit(SUITED.get(persona)) == pl.col("truth")
        stance = (
            pl.when(pl.lit(persona == "none"))
            .then(pl.lit("no persona"))
            .when(pl.col("topic") != "gun")
            .then(pl.format("neutral, {}", pl.lit(persona)))
            .otherwise(pl.when(suited).then(pl.lit("congruent")).otherwise(pl.lit("incongruent")))
        )
        right = (pl.col("answer") == pl.col("truth")).cast(pl.String)
        parts.append(said.with_columns(stance=stance, correct=right).drop("topic", "truth"))
    return Answers(pl.concat(parts))

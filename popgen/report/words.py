"""Conclusions in words, each following from the figures it quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popgen.metrics import PRIMARY, number
from popgen.report.hits import Hits

Row = Mapping[str, Any]
Figures = Mapping[tuple[str, int, str], Row]

SAME = 0.1
"""A slope this near to 1 (or to 0), or a skill this near to 1, passes as equal to it."""
LEVEL = 0.05
"""A skill this near to 0 passes as no better than independent draws."""
RIGHT, PARTLY = 0.7, 0.4
"""Correlations from which a pattern is called right, or partly right."""
RANKED = {
    "Skill on two-way interactions (0 independent draws, 1 a real sample)": "all",
    "The same, on pairs that no input contained": "unmeasured",
}
WAYS = {1: "one-way", 2: "two-way", 3: "three-way", 4: "four-way"}


@dataclass(frozen=True)
class Said:
    """One conclusion.

    Attributes
    ----------
    subject : str
        What it is about: a candidate, a population.
    text : str
    """

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


def conclude(rows: Sequence[Row], hits: Sequence[Hits] = ()) -> list[Said]:
    """Write what the scores say: the order of the candidates, each candidate, the margins.

    Parameters
    ----------
    rows : sequence of mappings
        Of `popgen.score.Scores`.
    hits : sequence of Hits
    """
    said = [Said(title, text) for title, group in RANKED.items() if (text := ranking(rows, group))]
    for name in dict.fromkeys(row["candidate"] for row in rows):
        figures = {
            (row["metric"], row["order"], row["group"]): row
            for row in rows
            if row["candidate"] == name
        }
        if text := about(figures):
            said.append(Said(name, text))
    return [*said, *(Said(f"{hit.population}, {hit.people:,} people", met(hit)) for hit in hits)]


def ranking(rows: Sequence[Row], group: str) -> str:
    """Put the candidates in the order of their skill on two-way interactions."""
    skilled = [
        row
        for row in rows
        if (row["metric"], row["order"], row["group"]) == (*PRIMARY, group)
        and row["skill"] is not None
    ]
    if len(skilled) < 2:
        return ""
    order = sorted(skilled, key=lambda row: -row["skill"])
    return "; ".join(f"{row['candidate']} {signed(row['skill'])}" for row in order) + "."


def about(figures: Figures) -> str:
    """Say of one candidate how strong its interactions are and how near its joint is."""
    parts = [strength(figures, "all"), joint(figures)]
    said = [f"{part}." for part in parts if part]
    if unmeasured := strength(figures, "unmeasured"):
        tables = figures["slope", 2, "unmeasured"]["tables"]
        pairs = f"the {tables} pairs" if tables > 1 else "the one pair"
        way = share_of_way(figures.get(("mae", 2, "unmeasured")))
        said.append(f"On {pairs} that no input contained: {unmeasured}{way}.")
    return " ".join(part[0].upper() + part[1:] for part in said)


def strength(figures: Figures, group: str) -> str:
    """Say how strong the two-way interactions are, and whether their pattern is right."""
    row = figures.get(("slope", 2, group))
    if row is None or row["value"] is None:
        return ""
    slope, allowed = row["value"], max(SAME, 1.96 * (row["se"] or 0.0))
    if abs(slope) <= SAME:
        return f"two-way interactions are all but absent (slope {signed(slope)})"
    if slope < 0:
        return f"two-way interactions point the wrong way (slope {signed(slope)})"
    pattern = direction(figures.get(("correlation", 2, group)))
    if abs(slope - 1) <= allowed:
        return f"two-way interactions have the right strength (slope {slope:.2f}){pattern}"
    if slope > 1:
        return f"two-way interactions are {slope:.1f} times too strong{pattern}"
    return f"two-way interactions have {slope:.0%} of their true strength{pattern}"


def direction(row: Row | None) -> str:
    """Say whether the pattern of interactions is right, whatever their strength.

    The correlation is judged against a real sample's, which noise keeps below 1 too.
    """
    if row is None or row["value"] is None:
        return ""
    value, best = row["value"], max(row["ceiling"] or 0.0, 0.0) or 1.0
    word = "right" if value >= RIGHT * best else "partly right" if value >= PARTLY * best else ""
    return f", their pattern {word or 'mostly wrong'} (correlation {signed(value)})"


def joint(figures: Figures) -> str:
    """Say where the largest joint scored stands between independent draws and a real sample."""
    orders = [k for (metric, k, group), row in figures.items() if metric == "K" and group == "all"]
    order = max(orders, default=1)
    if order < 2 or (row := figures["K", order, "all"])["skill"] is None:
        return ""
    return f"its {WAYS.get(order, f'{order}-way')} joint is {standing(row)}"


def standing(row: Row) -> str:
    """Put the skill of a K in words, with the figures that show it."""
    place, best = placed(row), best_of(row)
    given = f"K{row['order']} {row['value']:.1f}"
    floor, ceiling = f"{row['floor']:.1f}", f"{row['ceiling']:.1f}"
    if place < 0:
        return f"worse than independent draws ({given} against {floor})"
    if place == 0:
        return f"no better than independent draws ({given} against {floor})"
    if place == 1:
        return f"better than independent draws ({floor}) but short of {best} ({ceiling}): {given}"
    if row["size"] is None:
        return f"the truth's own ({given})"
    comparison = "as near the truth as" if place == 2 else "nearer the truth than"
    return f"{comparison} {best} ({given} against {ceiling})"


def share_of_way(row: Row | None) -> str:
    """Say how far an error is on its way from independent draws to a real sample."""
    if row is None or row["skill"] is None:
        return ""
    said = {
        -1: "larger than with independent draws",
        0: "that of independent draws",
        1: f"{row['skill']:.0%} of the way from independence to {best_of(row)}",
        2: f"that of {best_of(row)}",
        3: f"smaller than that of {best_of(row)}",
    }
    return f", and their error is {said[placed(row)]}"


def placed(row: Row) -> int:
    """Place a skill: below (-1) or at (0) independent draws, between, at (2) or above the ceiling.

    Nearer to a yardstick than 1.96 standard errors, it is at that yardstick; at both, at the floor.
    """
    noise = 1.96 * (row["se"] or 0.0) / abs(row["ceiling"] - row["floor"])
    low, high = max(LEVEL, noise), max(SAME, noise)
    skill = row["skill"]
    if skill <= low:
        return -1 if skill < -low else 0
    return 1 if skill < 1 - high else 2 if skill <= 1 + high else 3


def best_of(row: Row) -> str:
    """Name the ceiling: a sample, or the truth for a candidate whose counts are exact."""
    return "the truth" if row["size"] is None else "a real sample of its size"


def met(hits: Hits) -> str:
    """Say how near a population is to its margins."""
    worst = hits.worst
    margins = f"{len(hits.margins)} margin{'s' * (len(hits.margins) > 1)}"
    return (
        f"of {hits.cells:,} cells of {margins} the worst is missed by {worst.largest:.1f} people "
        f"({worst.largest / hits.people:.2%}; {worst.margin}: {worst.where}), the mean cell by "
        f"{hits.mean:.2f}."
    )


def signed(value: float | None) -> str:
    """Write a number to two places with a true minus sign."""
    return number(value, typeset=True)

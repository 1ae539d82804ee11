"""Instability: whether a persona is the same person when it is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from popgen._aligned import Floats
from popgen._intervals import Interval, jackknife
from popgen.personas.diagnostics.answers import Answers, levels_of, numeric, one_hot
from popgen.personas.diagnostics.diagnosis import EVERY, Row

FIGURES = {"agreement": 1.0, "kappa": 1.0, "ICC": 1.0, "variance within personas": 0.0}


def instability(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Compare runs of the same personas: agreement, Cohen's kappa, and variance within and between.

    Notes
    -----
    Kappa of more than two runs is that of agreement and of chance agreement averaged over pairs of
    runs [1]_. The intraclass correlation is ICC(1) [2]_ of the answers as numbers, or of their
    levels' indicators, squares added; ``variance within personas`` is the rest, 1 - ICC. Personas
    that lack a run of an item are left out of it.

    References
    ----------
    .. [1] Cohen (1960), Educational and Psychological Measurement 20:37-46,
       doi:10.1177/001316446002000104
    .. [2] Shrout & Fleiss (1979), Psychological Bulletin 86:420-428, doi:10.1037/0033-2909.86.2.420
    """
    kept = {item: one for item in answers.items if (one := _Item.of(answers, item)).people > 1}
    personas = len(answers.personas)
    rows = []
    for item, one in kept.items():
        rows += _rows(item, jackknife(one.figures, personas, rng), one.people)
    if len(kept) > 1:
        every = list(kept.values())

        def mean(w: Floats) -> Floats:
            return np.asarray(np.mean([one.figures(w) for one in every], axis=0))

        rows += _rows(EVERY, jackknife(mean, personas, rng), personas)
    return rows


def _rows(item: str, spans: Sequence[Interval], n: int) -> list[Row]:
    found = zip(FIGURES.items(), spans, strict=True)
    return [Row(name, item, *span, n, ideal) for (name, ideal), span in found]


class _Item:
    """Answers to one item as arrays over (personas, runs, levels)."""

    def __init__(self, marks: Floats, values: Floats, there: Floats) -> None:
        self.marks, self.values, self.there = marks, values, there
        self.people = int(there.sum())

    @classmethod
    def of(cls, answers: Answers, item: str) -> _Item:
        rows = answers.of(item)
        numbers = numeric(rows["answer"])
        hot = one_hot(rows["answer"], levels_of(rows["answer"]))
        unit = rows["unit"].to_numpy()
        run = (
            rows["run"].replace_strict({name: i for i, name in enumerate(answers.runs)}).to_numpy()
        )
        marks = np.zeros((len(answers.personas), len(answers.runs), hot.shape[1]))
        marks[unit, run] = hot
        values = marks
        if numbers is not None:
            values = np.zeros((*marks.shape[:2], 1))
            values[unit, run, 0] = numbers
        return cls(marks, values, (marks.sum(axis=2) > 0).all(axis=1).astype(np.float64))

    def figures(self, times: Floats) -> Floats:
        """Figures for each copy of how often each persona counts, shape (copies, 4)."""
        w = times * self.there
        people = w.sum(axis=1)
        runs = self.marks.shape[1]
        shares = np.einsum("bu,url->brl", w, self.marks) / people[:, None, None]
        agree, chance = np.zeros(len(w)), np.zeros(len(w))
        for one, two in combinations(range(runs), 2):
            agree += w @ (self.marks[:, one] * self.marks[:, two]).sum(axis=1) / people
            chance += (shares[:, one] * shares[:, two]).sum(axis=1)
        pairs = runs * (runs - 1) / 2
        agree, chance = agree / pairs, chance / pairs
        kappa = (agree - chance) / (1 - chance)
        icc = self._icc(w, people)
        return np.column_stack([agree, kappa, icc, 1 - icc])

    def _icc(self, w: Floats, people: Floats) -> Floats:
        runs = self.values.shape[1]
        means = self.values.mean(axis=1)
        within = w @ ((self.values - means[:, None]) ** 2).sum(axis=(1, 2)) / (people * (runs - 1))
        total = w @ means / people[:, None]
        apart = w @ (means**2).sum(axis=1) - people * (total**2).sum(axis=1)
        between = runs * apart / (people - 1)
        return np.asarray((between - within) / (between + (runs - 1) * within))

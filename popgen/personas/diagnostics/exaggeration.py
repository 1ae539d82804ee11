"""Exaggeration: whether personas are more alike, and more predictable, than people."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from popgen._aligned import Floats
from popgen._intervals import UNDEFINED, Z, jackknife
from popgen.domain import Domain, Variable
from popgen.frames import codes_of
from popgen.microdata import Microdata
from popgen.personas.diagnostics.answers import Answers, levels_of, numeric, one_hot
from popgen.personas.diagnostics.diagnosis import EVERY, Row
from popgen.personas.diagnostics.gain import design
from popgen.score import score
from popgen.table import Projectable
from popgen.tables import Tables

TINY = 1e-9
SLOPE = "interaction slope"
FIGURES = {
    "variance ratio": 1.0,
    "variety ratio": 1.0,
    "R2 of the answers": None,
    "R2 of the truth": None,
    "R2 inflation": 1.0,
}


def exaggeration(answers: Answers, rng: np.random.Generator) -> list[Row]:
    """Compare the panel with the people it stands for: spread, variety, and what profiles explain.

    Notes
    -----
    First run only, so that people count once. ``interaction slope``: of margin-free two-way
    interactions among items and profile on those of the population, if one was given, else of the
    true answers (`popgen.score`); true answers of few people are themselves noisy, which draws
    the slope towards 0. ``variance ratio``: panel over truth, of numbers, or of levels
    (``1 - sum p^2``). ``variety ratio``: of the effective number of different answers,
    ``exp(entropy)``; far below 1 is mode collapse. ``R2 inflation``: adjusted R2 of the answers on
    the profile over that of the true answers (of levels' indicators, squares added). Over all
    items, means, and the ratio of the mean R2.
    """
    rows: list[Row] = []
    kept = {item: one for item in answers.items if (one := _Item.of(answers, item)).people > 1}
    for item, one in kept.items():
        spans = jackknife(one.figures, len(answers.personas), rng)
        found = zip(FIGURES.items(), spans, strict=False)
        rows += [Row(name, item, *span, one.people, ideal) for (name, ideal), span in found]
    if len(kept) > 1:
        rows += _every(list(kept.values()), len(answers.personas), rng)
    return [*rows, _slope(answers)]


def _every(items: list[_Item], personas: int, rng: np.random.Generator) -> list[Row]:
    def mean(w: Floats) -> Floats:
        found = np.asarray(np.mean([one.figures(w) for one in items], axis=0))
        if found.shape[1] == 2:
            return found
        return np.column_stack([found, found[:, 2] / found[:, 3]])

    spans = jackknife(mean, personas, rng)
    found = zip(FIGURES.items(), spans, strict=False)
    return [Row(name, EVERY, *span, personas, ideal) for (name, ideal), span in found]


@dataclass(frozen=True, eq=False)
class _Item:
    """One item's answers and true answers, arrays over personas.

    Attributes
    ----------
    values : tuple of two arrays, shape (personas, k)
        What variance is taken of: the numbers, or the levels' indicators.
    marks : tuple of two arrays, shape (personas, levels)
    there : array, shape (personas,)
    regressors : array, shape (personas, p), or None
    """

    values: tuple[Floats, ...]
    marks: tuple[Floats, ...]
    there: Floats
    regressors: Floats | None

    @classmethod
    def of(cls, answers: Answers, item: str) -> _Item:
        rows = answers.of(item, "truth").filter(run=answers.runs[0])
        columns = rows["answer"], rows["truth"]
        levels = levels_of(*columns)
        marks = tuple(answers.summed(rows, one_hot(column, levels)) for column in columns)
        numbers = [array for column in columns if (array := numeric(column)) is not None]
        values = tuple(answers.summed(rows, array[:, None]) for array in numbers)
        profile = answers.profile
        return cls(
            values if len(values) == 2 else marks,
            marks,
            answers.summed(rows, np.ones(len(rows))),
            None if profile is None else design(answers, profile),
        )

    @property
    def people(self) -> int:
        return int(self.there.sum())

    def figures(self, times: Floats) -> Floats:
        """Ratios of variance and variety and, with profiles, the two R2; (copies, 2 or 4)."""
        w = times * self.there
        spread = [_variance(w, array) for array in self.values]
        variety = [_variety(w, array) for array in self.marks]
        columns = [spread[0] / spread[1], variety[0] / variety[1]]
        if self.regressors is not None:
            columns += [_explained(w, array, self.regressors) for array in self.values]
        return np.column_stack(columns)


def _variance(w: Floats, values: Floats) -> Floats:
    people = w.sum(axis=1)[:, None]
    return np.asarray(((w @ values**2) / people - (w @ values / people) ** 2).sum(axis=1))


def _variety(w: Floats, marks: Floats) -> Floats:
    p = w @ marks / w.sum(axis=1)[:, None]
    return np.asarray(np.exp(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)))


def _explained(w: Floats, values: Floats, regressors: Floats) -> Floats:
    """Give the adjusted R2 on regressors and a constant, for each copy of the weights."""
    X = np.column_stack([regressors, np.ones(len(regressors))])
    p, k = X.shape[1], values.shape[1]
    cross = (w @ (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)).reshape(-1, p, p)
    with_y = (w @ (X[:, :, None] * values[:, None, :]).reshape(len(X), -1)).reshape(-1, p, k)
    fit = np.linalg.solve(cross + TINY * np.eye(p), with_y)
    people = w.sum(axis=1)
    total = _variance(w, values) * people
    residual = w @ (values**2).sum(axis=1) - (fit * with_y).sum(axis=(1, 2))
    free = np.where(people > p, people - p, np.nan)
    return np.asarray(1 - (residual / free) / (total / (people - 1)))


def _slope(answers: Answers) -> Row:
    run = answers.first.filter(run=answers.runs[0])
    panel = _wide(answers, run, "answer")
    truth: Projectable | None
    if answers.population is not None:
        held = answers.population.domain
        names = [name for name in panel.columns if name in held]
        domain = held.project(*names)
        truth = _pairs(answers.population, names)
    else:
        people = _wide(answers, run, "truth")
        names = [name for name in people.columns if name != "persona"]
        panel = panel.join(people.select("persona"), on="persona")
        people = people.join(panel.select("persona"), on="persona")
        levels = [tuple(levels_of(panel[name], people[name])) for name in names]
        domain = Domain(tuple(map(Variable, names, levels)))
        truth = _coded(people, domain) if len(people) else None
    n = len(panel)
    if len(names) < 2 or truth is None or not n:
        return Row(SLOPE, EVERY, *UNDEFINED, n, 1.0)
    scored = score(_coded(panel, domain), truth, orders=[2], replicates=2)
    found = scored.rows.filter(metric="slope").row(0, named=True)
    value, se = (np.nan if found[name] is None else found[name] for name in ("value", "se"))
    return Row(SLOPE, EVERY, value, value - Z * se, value + Z * se, n, 1.0)


def _wide(answers: Answers, run: pl.DataFrame, what: str) -> pl.DataFrame:
    """Give one row a persona that answered every item: its answers, then its profile."""
    rows = run.drop_nulls(what)
    frame = rows.pivot("item", index="persona", values=what, maintain_order=True).drop_nulls()
    return frame if answers.profile is None else frame.join(answers.profile, on="persona")


def _pairs(population: Projectable, names: list[str]) -> Tables | None:
    pairs = list(combinations(names, 2))
    return Tables([population.project(*pair) for pair in pairs]) if pairs else None


def _coded(frame: pl.DataFrame, domain: Domain) -> Microdata:
    columns = [codes_of(frame[variable.name], variable, "answers") for variable in domain]
    return Microdata(domain, np.column_stack(columns))

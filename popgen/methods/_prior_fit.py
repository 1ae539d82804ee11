"""One fit of `PersonaPrior`: what is known of pairs, what was said of them, and the table made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from popgen.errors import PopgenError, listed
from popgen.methods._axes import Floats, multiply
from popgen.methods._prior_factors import FEWEST, Evidence, Factors, learn
from popgen.methods._prior_pairs import (
    View,
    implied,
    in_order,
    interaction,
    pair_counts,
    shares,
    views,
    without,
)
from popgen.methods._respondents import Respondents, blend
from popgen.methods._scaling import Slice, gathered, scale_to_margins
from popgen.methods.panel import Pair, Panel, pair_of, weighted_centre
from popgen.problem import Problem
from popgen.table import group_axis

DEFAULTS = {True: 0.45, False: 1.0}
"""Factors of personas (True) and of stated shares (False) where nothing is measured."""
MARGINS = "margins"
"""Name of the first source: what the problem's margins imply of a pair that they do not state."""
FOLDS = 12
"""Fits with some pairs left out, at most."""
CELLS = 20_000_000
"""Cells that those fits may have in all: of larger tables fewer are made, or none."""
PRIOR_TOL = 1e-8
PRIOR_SWEEPS = 200


@dataclass(frozen=True)
class Contribution:
    """What a fit's prior, and its respondents, said of one pair that no margin states.

    Attributes
    ----------
    factors : mapping of str to float
        Factor by which each panel's interaction was taken.
    people : float
        Personas behind them; stated shares count as none.
    strength : float
        Root mean square of the interaction that panels contributed, log units.
    error : float
        Root mean square error of such interactions on pairs left out; NaN if none was.
    respondents : float
        Effective size of the real sample that was blended in; 0 without one.
    respondents_weight : float
        Its weight in the blend, in [0, 1].
    """

    factors: Mapping[str, float]
    people: float
    strength: float
    error: float
    respondents: float = 0.0
    respondents_weight: float = 0.0


class PriorFit:
    """One fit in progress: the problem, the panels, and the joint without them (``base``)."""

    def __init__(self, problem: Problem, panels: Sequence[Panel]) -> None:
        self.problem, self.panels, self.domain = problem, panels, problem.domain
        self.sources = (MARGINS, *(panel.name for panel in panels))
        self.leave_out = CELLS // self.domain.size if 2 * self.domain.size <= CELLS else 0
        self.names = tuple(sorted(self.domain.names))
        records = problem.microdata
        self.respondents = None if records is None else Respondents(records)
        self.start = self._start()
        self.base = self.start.copy()
        self.views = views(problem.margins, self.domain.names)
        settled = {pair_of(*view.names) for view in self.views if view.fine}
        seed = () if problem.seed is None else problem.seed.variables
        settled |= {pair_of(*pair) for pair in itertools.combinations(seed, 2)}
        ordered = itertools.combinations(self.domain.names, 2)
        self.open = sorted((pair for pair in ordered if pair_of(*pair) not in settled), key=sorted)
        pairs = [pair_of(*pair) for pair in itertools.combinations(self.names, 2)]
        if pairs and not any(pair in panel.tables for panel in panels for pair in pairs):
            raise PopgenError(
                f"no panel says anything of two of the variables {listed(self.names)}; panels: "
                f"{listed(map(repr, panels))}; give one that has them, or use IPF"
            )

    def _start(self) -> Floats:
        """Return the table to be scaled: flat, times the seed and respondents' one-way shares."""
        table = np.full(self.domain.shape, self.problem.total / self.domain.size)
        if self.respondents is not None:
            for axis, name in enumerate(self.domain.names):
                multiply(table, (axis,), self.respondents.shares(name))
        if self.problem.seed is not None:
            Slice.of(self.problem.seed, self.domain).meet(table)
        return table

    def factors(self, given: float | None) -> Factors:
        """Learn the sources' factors, or take those given, or the default."""
        if given is not None:
            return _stated([given] * len(self.panels), "given")
        evidence = self._evidence() if self.open else []
        if len(evidence) >= FEWEST and len({pair.fold for pair in evidence}) > 1:
            learned = learn(evidence)
            believed = learned.how == "learned" and not self.leave_out
            return replace(learned, values=(0.0, *learned.values[1:])) if believed else learned
        return _stated([DEFAULTS[panel.people is not None] for panel in self.panels], "default")

    def _evidence(self) -> list[Evidence]:
        """Put what is known of pairs beside what was said of them."""
        found = []
        folds = min(FOLDS, len(self.views), self.leave_out or FOLDS)
        for fold in range(folds):
            some = self.views[fold::folds]
            left = None
            if self.leave_out:
                kept = without(self.problem.margins, {pair_of(*view.names) for view in some})
                left = implied(self.start, kept, self.problem)
            found += [self._measured(view, left, fold) for view in some]
        if self.respondents is not None:
            seen = {pair_of(*view.names) for view in self.views}
            unseen = [pair for pair in self.open if pair_of(*pair) not in seen]
            found += [self._sampled(pair, i % FOLDS) for i, pair in enumerate(unseen)]
        return found

    def _measured(self, view: View, left: Floats | None, fold: int) -> Evidence:
        known, weights = interaction(view.counts)
        own = np.zeros_like(known)
        if left is not None:
            counts = pair_counts(left, self.domain, view.names)
            for axis, rule in enumerate(view.rules):
                counts = group_axis(counts, axis, rule)
            own = interaction(counts)[0]
        said = self._said(view.names, own, shares(view.counts), view)
        return Evidence(said, known.ravel(), weights.ravel(), view.variance, fold)

    def _sampled(self, pair: Pair, fold: int) -> Evidence:
        counts = pair_counts(self.base, self.domain, pair)
        own, weights = interaction(counts)
        assert self.respondents is not None
        known, noise = self.respondents.interaction(*pair, *shares(counts))
        said = self._said(pair, own if self.leave_out else own * 0, shares(counts))
        return Evidence(said, known.ravel(), weights.ravel(), noise, fold)

    def _said(
        self,
        pair: Pair,
        own: Floats,
        level_shares: tuple[Floats, Floats],
        view: View | None = None,
    ) -> Floats:
        """Give what margins imply and what the panels say of a pair; 0 where one says nothing."""
        said = [own]
        variables = [self.domain[name] for name in pair]
        for panel in self.panels:
            logs = panel.log_ratios(variables[0], variables[1], view.rules if view else None)
            said.append(own * 0 if logs is None else weighted_centre(logs, *level_shares))
        return np.stack([values.ravel() for values in said])

    def table(self, factors: Factors) -> tuple[Floats, dict[Pair, Contribution]]:
        """Make the table that has the prior's pairs, about; and say what each pair was given."""
        values = np.array(factors.values)
        if not self.open or not (values[1:].any() or self.respondents):
            return self.base, {}
        targets: list[Floats] = []
        given: list[tuple[dict[str, float], float]] = []
        for pair in self.open:
            target, used, strength = self._target(pair, values)
            targets.append(target)
            given.append((used, strength))
        weight = [0.0] * len(targets)
        if self.respondents is not None:
            seen = [self.respondents.counts(*pair) for pair in self.open]
            targets, weight = blend(targets, seen)
        size = 0.0 if self.respondents is None else self.respondents.size
        people = {panel.name: panel.people or 0.0 for panel in self.panels}
        contributions = {
            pair_of(*pair): Contribution(
                used, sum(people[name] for name in used), strength, factors.error, size, share
            )
            for pair, (used, strength), share in zip(self.open, given, weight, strict=True)
            if used or size
        }
        return self._scaled(targets), contributions

    def _target(self, pair: Pair, values: Floats) -> tuple[Floats, dict[str, float], float]:
        """Give a pair's shares as the prior has them, the factors used, and their strength."""
        counts = pair_counts(self.base, self.domain, pair)
        own, weights = interaction(counts)
        said = self._said(pair, own, shares(counts))
        used = {
            panel.name: float(value)
            for panel, value, says in zip(self.panels, values[1:], said[1:], strict=True)
            if value > 0 and says.any()
        }
        if not used:
            return counts / counts.sum(), used, 0.0
        from_panels = values[1:] @ said[1:]
        prior = (values[0] * said[0] + from_panels).reshape(own.shape)
        strength = math.sqrt(float((weights.ravel() * from_panels**2).sum()))
        return np.where(counts > 0, weights * np.exp(prior), 0.0), used, strength

    def _scaled(self, targets: Sequence[Floats]) -> Floats:
        """Scale the starting table to margins and targets together, as far as they agree."""
        total = self.problem.total
        slices = in_order(self.problem.margins, self.domain)
        for pair, target in zip(self.open, targets, strict=True):
            two = self.domain.project(*pair)
            rows, columns = shares(pair_counts(self.base, self.domain, pair))
            own = [
                part
                for margin in self.problem.margins
                if set(margin.variables) <= set(pair)
                for part in in_order([margin], two)
            ]
            ways = [Slice((i,), v * total, (None,)) for i, v in enumerate((rows, columns))]
            table = np.ascontiguousarray(target * (total / target.sum()))
            scale_to_margins(table, [*ways, *own], tol=PRIOR_TOL * total, max_iter=PRIOR_SWEEPS)
            axes = (self.domain.axis(pair[0]), self.domain.axis(pair[1]))
            slices.append(Slice(axes, table, (None, None)))
        joint = self.start.copy()
        parts = gathered(joint.shape, slices)
        scale_to_margins(joint, parts, tol=PRIOR_TOL * total, max_iter=PRIOR_SWEEPS)
        return joint


def _stated(factors: Sequence[float], how: str) -> Factors:
    """Share factors that were not learned out among the panels; the rest is left to the margins."""
    values = [factor / len(factors) for factor in factors]
    return Factors((max(1 - sum(values), 0.0), *values), how)

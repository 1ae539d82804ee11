"""`PersonaPrior`: a language model's panels as a prior over interactions that nothing measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from popgen._rng import Rng
from popgen.errors import PopgenError, listed
from popgen.methods._dense import meet_margins, refuse_large
from popgen.methods._prior_factors import Factors
from popgen.methods._prior_fit import Contribution, PriorFit
from popgen.methods.base import Convergence, check_numbers, refuse_controls
from popgen.methods.models import TableModel
from popgen.methods.panel import RECORDED, Pair, Panel, recorded
from popgen.microdata import Population
from popgen.problem import Problem
from popgen.table import Projectable, Table


@dataclass(frozen=True, eq=False)
class PriorModel(TableModel):
    """A dense joint, and what in it is prior.

    Attributes
    ----------
    contributions : mapping of (name, name) to Contribution
        For each pair, in alphabetical order, to which a panel or respondents contributed.
    factors : Factors
        What was learned; its values belong to ``sources``.
    sources : tuple of str
        ``margins`` (what they imply), then the panels.
    """

    contributions: Mapping[Pair, Contribution]
    factors: Factors
    sources: tuple[str, ...]

    def sample(self, n: int, *, rng: Rng = None, integerise: str = "systematic") -> Population:
        """Draw n whole people, as any model does; provenance says what was believed of whom."""
        people = super().sample(n, rng=rng, integerise=integerise)
        believed = dict(zip(self.sources, self.factors.values, strict=True))
        prior = {
            "factors": believed,
            "how": self.factors.how,
            "pairs": ["×".join(pair) for pair in self.contributions],
        }
        return replace(people, provenance={**people.provenance, "prior": prior})


@dataclass(frozen=True)
class PersonaPrior:
    """Meet all margins; where they say nothing of a pair, believe panels as far as they earned it.

    On pairs that margins state, the panels' interactions are compared with the true ones, and a
    factor for each panel is learned (personas exaggerate). Pairs that no margin states then get
    the panels' interactions times these factors, blended with those of the problem's microdata, if
    any, by precision; everything is then scaled to the margins, which hold exactly. Panels that do
    not help on pairs left out are rejected: the fit is then that of `IPF` without a seed.

    Attributes
    ----------
    panels : tuple of str, Panel or Projectable
        Recorded panels by name (``direct``, ``fill``, ``judge``, ``conditionals``), or your own:
        people, or tables of stated shares.
    factor : float or None
        None: learn the factors; with fewer than 6 pairs to learn from, use the documented default
        (0.45 for personas, 1 for stated shares, over the number of panels). A number: weight
        of the panels' mean interaction, the rest being left to what margins imply.
    tol, max_iter, max_cells
        As for `IPF`.

    Raises
    ------
    PopgenError
        If there is no panel, a panel is unknown or says nothing of pairs, two have one name, or a
        number is out of range.

    Notes
    -----
    Formulas, choices and what was measured: ``docs/persona_prior.md``.

    Examples
    --------
    >>> from popgen import Problem, read_census
    >>> truth = read_census("us_panel_2020", margins=["one_way", "two_way"])
    >>> names = ["age", "home", "race"]
    >>> known = [truth.project(*pair) for pair in [("age", "home"), ("race",)]]
    >>> model = PersonaPrior(panels=("direct",)).fit(Problem(known))
    >>> sorted(model.contributions), model.factors.how
    ([('age', 'race'), ('home', 'race')], 'default')
    """

    panels: tuple[str | Panel | Projectable, ...] = ("direct", "fill", "conditionals")
    factor: float | None = None
    tol: float = field(default=1e-9, repr=False)
    max_iter: int = field(default=2000, repr=False)
    max_cells: int = field(default=100_000_000, repr=False)

    def __post_init__(self) -> None:
        given = (self.panels,) if isinstance(self.panels, str | Panel) else tuple(self.panels)
        object.__setattr__(self, "panels", tuple(_checked(p, i) for i, p in enumerate(given, 1)))
        names = [_name(panel) for panel in self.panels]
        if not names or len(set(names)) < len(names):
            raise PopgenError(f"give at least one panel, each with a name of its own; got {names}")
        check_numbers(self, "factor", least=0, most=1)
        check_numbers(self, "tol", "max_iter", "max_cells", above=0)

    def fit(self, problem: Problem) -> PriorModel:
        """Fit a problem.

        Raises
        ------
        PopgenError
            If no panel has two of the problem's variables, a panel lacks a level of one, or the
            table would have more than ``max_cells`` cells.
        InfeasibleError, InconsistentMarginsError, ConvergenceError
            As `IPF`.
        """
        refuse_controls(problem, "PersonaPrior")
        refuse_large(problem, self.max_cells)
        panels = [recorded(p) if isinstance(p, str) else p for p in self.panels]
        fit = PriorFit(problem, [panel for panel in panels if isinstance(panel, Panel)])
        meet_margins(fit.base, problem, tol=self.tol, max_iter=self.max_iter)
        factors = fit.factors(self.factor)
        table, contributions = fit.table(factors)
        sweeps, miss, worst = meet_margins(table, problem, tol=self.tol, max_iter=self.max_iter)
        return PriorModel(
            self,
            problem,
            Convergence(True, sweeps, miss, worst),
            Table(problem.domain, table),
            contributions,
            factors,
            fit.sources,
        )


def _checked(panel: str | Panel | Projectable, place: int) -> str | Panel:
    if isinstance(panel, str):
        if panel not in RECORDED:
            raise PopgenError(f"no recorded panel {panel!r}; there are {listed(RECORDED)}")
        return panel
    return panel if isinstance(panel, Panel) else Panel.of(f"panel {place}", panel)


def _name(panel: str | Panel | Projectable) -> str:
    return panel.name if isinstance(panel, Panel) else str(panel)

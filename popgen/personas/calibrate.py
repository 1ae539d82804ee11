"""Calibrate a panel of personas that one already has: margins, interactions, whole people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._rng import Rng, replayable
from popgen.domain import Coarsening
from popgen.errors import PopgenError, check_number, listed
from popgen.integerise import whole_people
from popgen.margin import Margin
from popgen.methods.panel import Panel
from popgen.methods.prior import PersonaPrior, PriorModel
from popgen.microdata import Microdata, Population
from popgen.personas.repaired import Index, chosen, lacking
from popgen.problem import Problem
from popgen.provenance import digest, provenance

DRAWN = 10_000
"""People drawn from the joint, at least, among whom those are found whom the panel lacks."""
ROW = "persona"
"""Column that says which row of the panel a person was: 1, 2, ...; null for a new one."""


@dataclass(frozen=True, eq=False)
class CalibratedPersonas:
    """A panel brought to margins: every person counts once.

    Attributes
    ----------
    people : Population
        Over the problem's variables, in random order, with provenance.
    rows : array of int, shape (len(people),)
        Which record of the panel each person is, from 0; -1 for one newly drawn.
    lacking : tuple of str
        Cells, one or two variables, in which the margins and the de-exaggerated joint have half a
        person or more of so many, and the panel nobody; those with most people first.
    model : PriorModel
        The de-exaggerated joint.
    """

    people: Population
    rows: Index
    lacking: tuple[str, ...]
    model: PriorModel

    @property
    def kept(self) -> int:
        """People who are a persona of the panel."""
        return int((self.rows >= 0).sum())

    def frame(self, panel: pl.DataFrame) -> pl.DataFrame:
        """Give the people with all columns of the panel's own frame.

        Columns that no margin has (an id, prose) stay with the personas who are kept, and are null
        for people newly drawn. ``persona`` is the panel's row, from 1; null for the new.

        Raises
        ------
        PopgenError
            If the frame has another number of rows than the panel had, or a column ``persona``.
        """
        wanted = int(self.people.provenance["personas"]["records"])
        if len(panel) != wanted or ROW in panel.columns:
            raise PopgenError(
                f"the panel has {len(panel):,} rows and columns {listed(panel.columns)}; give the "
                f"{wanted:,} rows that were calibrated, without a column {ROW!r}"
            )
        row = pl.Series(ROW, np.where(self.rows < 0, 0, self.rows + 1), pl.UInt32)
        rest = [name for name in panel.columns if name not in self.people.domain.names]
        numbered = panel.select(rest).with_row_index(ROW, offset=1)
        known = self.people.to_polars().with_columns(row.replace(0, None))
        return known.join(numbered, on=ROW, how="left", maintain_order="left")


def calibrate_personas(
    personas: Microdata,
    problem: Problem,
    *,
    n: int | None = None,
    factor: float | None = None,
    fresh: float = 0.1,
    given: Iterable[str] = (),
    rng: Rng = None,
) -> CalibratedPersonas:
    """Repair a panel of personas: meet margins, weaken invented interactions, count each once.

    Parameters
    ----------
    personas : Microdata
        The panel; it has all the problem's variables.
    problem : Problem
        The margins to meet, and perhaps real respondents (its microdata), who are believed about
        interactions by their precision.
    n : int, optional
        People wanted. Default: as many as the panel has.
    factor : float, optional
        By how much the panel's interactions are taken, as `PersonaPrior` has it. Default: learned
        where margins or respondents show the truth, else the documented default (0.45).
    fresh : float
        In (0, 1]: weight of people newly drawn from the de-exaggerated joint, before calibration;
        the personas have the rest. Near 0, a persona is kept wherever margins and pairs allow; at
        1 everybody is drawn anew.
    given : names, optional
        Variables that the personas were given, not asked for: their pairs are no opinion.
    rng : int, Generator or None
        The same int gives the same people.

    Returns
    -------
    CalibratedPersonas

    Raises
    ------
    PopgenError
        If the panel lacks a variable or level of the problem, or a number is out of range.
    InfeasibleError, InconsistentMarginsError, ConvergenceError
        As `PersonaPrior`; or if a margin cell has people, and neither the panel nor the people
        newly drawn have any.

    Notes
    -----
    `PersonaPrior` gives the joint: exact margins, and of pairs that no margin states the panel's
    interactions, weakened. Personas, and people drawn from that joint, are then raked together:
    to the margins exactly, and to the joint's pairs as tightly as a sample of n people would show
    them, against which the pool weighs a tenth [1]_. The weights are made whole by the cube method,
    which keeps the margins. So a persona who fits is kept, perhaps more than once, a stereotype
    that is too common is thinned out, and people whom the model never imagined come from the joint.
    What personas say of three variables together stays as far as pairs allow: use ``fresh=1`` to
    drop it.

    References
    ----------
    .. [1] Deville & Särndal (1992), JASA 87:376-382, doi:10.1080/01621459.1992.10475217

    Examples
    --------
    >>> from popgen import read_census, read_panel
    >>> census = read_census("us_panel_2020", margins=["one_way"])
    >>> margins = [census.project(name) for name in ("age", "home", "vote2020")]
    >>> repaired = calibrate_personas(read_panel("direct"), Problem(margins), rng=0)
    >>> len(repaired.people), repaired.kept > 500, repaired.model.factors.how
    (1188, True, 'default')
    """
    check_number("fresh", fresh, above=0, most=1)
    people = len(personas) if n is None else whole_people(n)
    generator, state = replayable(rng)
    panel = Panel.of("personas", _projected(personas, problem.domain.names), given=given)
    model = PersonaPrior(panels=(panel,), factor=factor).fit(problem)
    own = _codes(personas, model)
    drawn = model.sample(max(DRAWN, people), rng=generator).codes
    pool = Microdata(problem.domain, np.concatenate([own, drawn]))
    share = personas.weights / personas.weights.sum()
    design = np.append((1 - fresh) * share, np.full(len(drawn), fresh / len(drawn)))
    used = slice(None) if fresh < 1 else slice(len(own), None)
    which = np.arange(len(pool))[used]
    picked = which[chosen(pool.take(which), design[used], model, people, generator)]
    rows = np.where(picked < len(own), picked, -1)
    about = {
        "personas": {"records": len(personas), "sha256": digest(personas.codes, personas.weights)},
        "fresh": fresh,
        "prior": repr(model.method),
        "factors": dict(zip(model.sources, model.factors.values, strict=True)),
        "how": model.factors.how,
        "kept": int((rows >= 0).sum()),
        "people": people,
        "rng": state,
        "margins": {m.name: digest(m.table.counts) for m in problem.margins},
        "notes": list(problem.notes),
    }
    found = Population(problem.domain, pool.codes[picked], provenance=provenance(**about))
    return CalibratedPersonas(found, rows, lacking(own, model, people), model)


def margin_fit(people: Microdata, margins: Sequence[Margin]) -> float:
    """Give 1000 · (1 − mean total variation) of people's tables from margins: 1000 is exact."""
    misses = []
    for margin in margins:
        held = margin.fitted(people.project(*margin.variables))
        misses.append(abs(held / held.sum() - margin.table.shares.counts).sum() / 2)
    return float(1000 * (1 - np.mean(misses)))


def _projected(personas: Microdata, names: Sequence[str]) -> Microdata:
    """Keep some of the panel's variables, all of which it must have."""
    if absent := [name for name in names if name not in personas.domain]:
        raise PopgenError(
            f"the panel has no variable {listed(absent)} of the margins or respondents; it has "
            f"{listed(personas.domain.names, most=30)}: leave it out of those, or add the column"
        )
    domain = personas.domain.project(*names)
    codes = np.column_stack([personas.column(name) for name in names])
    return Microdata(domain, codes, personas.weights)


def _codes(personas: Microdata, model: PriorModel) -> NDArray[np.int16]:
    """Give the personas' codes by the model's levels, which may be fewer or otherwise ordered."""
    columns = []
    for variable in model.domain:
        rule = Coarsening.by_name(personas.domain[variable.name], variable)
        codes = rule.codes[personas.column(variable.name)]
        if (codes < 0).any():
            own = personas.domain[variable.name].levels
            strange = {own[i] for i in personas.column(variable.name)[codes < 0]}
            raise PopgenError(
                f"the panel has level(s) {listed(sorted(strange))} of {variable.name!r}, which the "
                f"margins do not: they have {listed(variable.levels, most=30)}; recode the panel"
            )
        columns.append(codes.astype(np.int16))
    return np.column_stack(columns)

"""Do findings hold in another population? Each is tested again among a candidate's people.

Every figure stands between what independent draws and what a real sample of the same size give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._aligned import Floats
from popgen._contrasts import Contrasts
from popgen._intervals import Interval, Z, clustered, clustered_share
from popgen._rng import Rng, generator_of
from popgen._scores import columns
from popgen._tally import candidate_counts, product, refuse_unprojectable
from popgen._trial import EVIDENCE, RATES, Mask, Rate, Trial
from popgen.effects import size_of
from popgen.errors import PopgenError, listed
from popgen.findings import KINDS, Findings
from popgen.metrics import number
from popgen.table import Projectable

NULL = 0.02
"""True effects smaller than this many share points count as none."""
ROUNDING = 1e-12
"""True effects smaller than this are rounding, not effects."""
INFLATION = "inflation"

SCHEMA: dict[str, Any] = {
    "candidate": pl.String,
    "size": pl.Int64,
    "kind": pl.String,
    "evidence": pl.String,
    "figure": pl.String,
    "findings": pl.Int64,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "floor": pl.Float64,
    "ceiling": pl.Float64,
}


@dataclass(frozen=True, eq=False)
class Replication:
    """How findings fare among the people of candidates, one row a figure.

    Attributes
    ----------
    rows : polars.DataFrame
        ``candidate``; ``size`` (people); ``kind`` (main effect, two-way, three-way); ``evidence``
        (``all``, or the class of the original p-value); ``figure`` (the names of `RATES`, and
        ``inflation``: slope of the candidate's effects on the true ones); ``findings`` (how many
        it is taken over); ``value``; ``low`` and ``high`` (95 percent interval); ``floor`` and
        ``ceiling`` (expected for independent draws and for a real sample of that size). Null:
        undefined.
    findings : Findings
    """

    rows: pl.DataFrame
    findings: Findings = field(repr=False)

    def value(
        self, figure: str, kind: str, evidence: str = "all", *, candidate: str | None = None
    ) -> float:
        """Give one figure; NaN where it is undefined.

        Raises
        ------
        PopgenError
            If there is no such row, or several candidates and none is named.
        """
        found = self.rows.filter(figure=figure, kind=kind, evidence=evidence)
        if candidate is not None:
            found = found.filter(candidate=candidate)
        if len(found) != 1:
            there = self.rows.select("candidate", "kind", "evidence", "figure").unique(
                maintain_order=True
            )
            raise PopgenError(
                f"{len(found)} rows are {figure!r} of {kind!r}, evidence {evidence!r}, candidate "
                f"{candidate!r}; there are {listed(there.rows())}"
            )
        value = found["value"].item()
        return float("nan") if value is None else float(value)

    def to_polars(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    def __str__(self) -> str:
        """Write a table: a line a candidate and kind, and below them the yardsticks."""
        heads = {rate.name: rate.label for rate in RATES} | {INFLATION: "slope"}
        lines = [["candidate", "n", "kind", *heads.values()]]
        plain = self.rows.filter(evidence="all")
        for key, part in plain.group_by("candidate", "size", "kind", maintain_order=True):
            name, size, kind = map(str, key)
            figures = {row["figure"]: row for row in part.iter_rows(named=True)}
            for who, what in (
                (name, "value"),
                ("  a real sample", "ceiling"),
                ("  independent", "floor"),
            ):
                line = [who, f"{int(size):,}", kind]
                lines.append(line + [number(figures[head][what]) for head in heads])
        return columns(lines)


def retest(
    candidates: Projectable | Mapping[str, Projectable],
    found: Findings,
    *,
    null: float = NULL,
    rng: Rng = 0,
    replicates: int = 50,
) -> Replication:
    """Test findings again among the people of each candidate.

    Parameters
    ----------
    candidates : Projectable, or a mapping of names to them
        People: each has an ``effective_size``.
    found : Findings
        Of `popgen.findings.findings`.
    null : float
        True effects smaller than this, in share points, count as none.
    rng : int, Generator or None
        For the yardsticks' draws.
    replicates : int
        Draws of each yardstick, at least 1.

    Returns
    -------
    Replication

    Raises
    ------
    PopgenError
        If a candidate is of no known size, or lacks a variable or level of a finding.

    Notes
    -----
    A finding counts as tested where each of its groups has 10 of the candidate's people or more.
    Definitions, and what the figures cannot say: ``docs/effects.md``.

    Examples
    --------
    >>> from popgen import Domain, Microdata, Variable
    >>> from popgen.findings import findings
    >>> domain = Domain((Variable("vote", ("yes", "no")), Variable("age", ("young", "old"))))
    >>> people = Microdata(
    ...     domain, [[0, 0]] * 300 + [[1, 0]] * 200 + [[0, 1]] * 200 + [[1, 1]] * 300
    ... )
    >>> found = findings(people, {"vote": "yes"}, predictors=["age"], orders=[1])
    >>> retest(people, found).value("replicated", "main effect")
    1.0
    """
    named = {"candidate": candidates} if isinstance(candidates, Projectable) else candidates
    if not named:
        raise PopgenError("there is no candidate to test findings in; give at least one")
    if replicates < 1:
        raise PopgenError(f"yardsticks need at least 1 replicate; got {replicates}")
    sizes = {name: _size(name, given) for name, given in named.items()}
    entropy = int(generator_of(rng).integers(2**62))
    yardsticks: dict[int, tuple[Trial, Trial]] = {}
    rows: list[dict[str, Any]] = []
    for name, given in named.items():
        size = sizes[name]
        if size not in yardsticks:
            rng_floor, rng_ceiling = np.random.default_rng([entropy, size]).spawn(2)
            floor = _drawn(found, size, replicates, rng_floor, independent=True)
            ceiling = _drawn(found, size, replicates, rng_ceiling, independent=False)
            yardsticks[size] = _trial(found, floor, null), _trial(found, ceiling, null)
        own = _trial(found, _again(given, found, size), null)
        about = {"candidate": name, "size": size}
        rows += [about | row for row in _figures(found, own, *yardsticks[size])]
    frame = pl.DataFrame(rows, schema=SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))
    return Replication(frame, found)


def _size(name: str, candidate: Projectable) -> int:
    refuse_unprojectable(candidate, f"candidate {name!r}")
    size = size_of(candidate)
    if size is None:
        raise PopgenError(
            f"candidate {name!r} is exact expectations, which test nothing; draw people from it "
            "first, model.sample(n)"
        )
    return size


def _again(candidate: Projectable, found: Findings, size: int) -> Contrasts:
    """Contrast the candidate's people as the findings do."""
    parts = []
    for question, kept in zip(found.questions, found.kept, strict=True):
        counts = candidate_counts(candidate, question.table)
        parts.append(question.contrasts(counts * (size / counts.sum())).taken(kept))
    return Contrasts.joined(parts)


def _drawn(
    found: Findings, size: int, copies: int, rng: np.random.Generator, *, independent: bool
) -> Contrasts:
    """Contrast samples of the truth, or of people in whom nothing depends on anything."""
    parts = []
    for question, kept in zip(found.questions, found.kept, strict=True):
        shares = product(question.table) if independent else question.table.shares.counts
        parts.append(question.drawn(shares, size, rng, copies).taken(kept))
    return Contrasts.joined(parts)


def _trial(found: Findings, again: Contrasts, null: float) -> Trial:
    truth, estimate, se, p = (
        found.rows[name].to_numpy() for name in ("truth", "estimate", "se", "p")
    )
    return Trial(truth, estimate, se, p, again, null)


def _figures(found: Findings, own: Trial, floor: Trial, ceiling: Trial) -> list[dict[str, Any]]:
    kinds, table = found.rows["kind"].to_numpy(), found.rows["table"].to_numpy()
    rows = []
    for kind in (kind for kind in KINDS.values() if kind in kinds):
        for evidence, inside in _classes(own.p).items():
            group = (kinds == kind) & inside
            for rate in RATES:
                if evidence != "all" and not rate.graded:
                    continue
                among = rate.among(own) & own.again.tested & group
                _, index = np.nonzero(among)
                interval = clustered_share(rate.held(own)[0, index], table[index])
                row = _row(kind, evidence, rate.name, len(index), interval)
                row["floor"], row["ceiling"] = (_mean(rate, t, group) for t in (floor, ceiling))
                rows.append(row)
        rows.append(_inflation(kind, kinds == kind, table, (own, floor, ceiling)))
    return [row for row in rows if row["findings"] or row["evidence"] == "all"]


def _classes(p: Floats) -> dict[str, Mask]:
    """Split findings by the strength of the original evidence."""
    place = np.searchsorted(list(EVIDENCE.values()), p, side="right")
    classes = {name: place == i for i, name in enumerate(EVIDENCE)}
    return {"all": np.ones(len(p), dtype=bool)} | classes


def _mean(rate: Rate, trial: Trial, group: Mask) -> float:
    """Give the expected rate: over the copies of a yardstick together."""
    among = rate.among(trial) & trial.again.tested & group
    return float((rate.held(trial) & among).sum() / among.sum()) if among.any() else float("nan")


def _inflation(
    kind: str, group: Mask, table: NDArray[np.intp], trials: tuple[Trial, Trial, Trial]
) -> dict[str, Any]:
    """Fit the slope through the origin of effects on the true effects."""
    slopes = []
    for trial in trials:
        copy, index = np.nonzero(trial.again.tested & group)
        truth = np.where(np.abs(trial.truth) > ROUNDING, trial.truth, 0.0)[index]
        slopes.append(clustered(truth * trial.again.estimate[copy, index], truth**2, table[index]))
    (value, se), (floor, _), (ceiling, _) = slopes
    count = int((trials[0].again.tested & group).sum())
    row = _row(kind, "all", INFLATION, count, Interval(value, value - Z * se, value + Z * se))
    return row | {"floor": floor, "ceiling": ceiling}


def _row(kind: str, evidence: str, figure: str, count: int, interval: Interval) -> dict[str, Any]:
    row = {"kind": kind, "evidence": evidence, "figure": figure, "findings": count}
    return row | interval._asdict()

"""From the nouns to plain data: all that a report says, before it has any looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from popgen.errors import PopgenError, listed
from popgen.metrics import METRICS, Metric
from popgen.provenance import provenance as software
from popgen.report.hits import Hits
from popgen.report.strengths import Strengths, strengths
from popgen.report.words import Said, conclude
from popgen.score import Scores
from popgen.writing import finite

FEATURED = 2
"""Candidates whose interactions are drawn, unless they are named."""


@dataclass(frozen=True)
class Summary:
    """Everything a report says; HTML and JSON are two ways to write it down.

    Attributes
    ----------
    title : str
    conclusions : tuple of Said
        Sentences computed from the figures.
    rows : tuple of mappings
        The scores: see `popgen.score.Scores`.
    hits : tuple of Hits
        How well populations meet their margins.
    strengths : Strengths or None
        Two-way interactions cell by cell.
    notes : tuple of str
        What the reader should know: about the truth, the candidates, the draws.
    provenance : mapping
        Software, time, inputs.
    metrics : tuple of Metric
        How the scores are shown; not part of the data.
    """

    title: str
    conclusions: tuple[Said, ...]
    rows: tuple[Mapping[str, Any], ...]
    hits: tuple[Hits, ...] = ()
    strengths: Strengths | None = None
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = METRICS

    def to_dict(self) -> dict[str, Any]:
        """Return the same as dicts, lists, texts and numbers, ready for JSON."""
        plain = asdict(replace(self, metrics=()))
        del plain["metrics"]
        return plain


def summarise(
    scores: Scores,
    *,
    title: str = "A comparison of populations",
    featured: Sequence[str] = (),
    hits: Sequence[Hits] = (),
    notes: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> Summary:
    """Summarise a comparison.

    Parameters
    ----------
    scores : Scores
        What `popgen.score.compare` or `popgen.score.score` returned. Where pairs were scored, the
        report has pictures of their interactions.
    title : str
    featured : sequence of names
        The candidates in these pictures. Default: the first two.
    hits : sequence of Hits
        Populations and their margins: `margin_hits`.
    notes : sequence of str
    provenance : mapping, optional
        Added to the software's versions and the time.

    Returns
    -------
    Summary

    Raises
    ------
    PopgenError
        If a featured candidate is not among the candidates.

    Examples
    --------
    >>> from popgen import Domain, Table, Variable
    >>> from popgen.score import compare
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("vote", ("yes", "no"))))
    >>> truth = Table(domain, [[3000, 2000], [2000, 3000]])
    >>> guess = Table(domain, [[450, 50], [50, 450]])
    >>> summary = summarise(compare({"guess": guess}, truth, orders=[2]))
    >>> print(summary.conclusions[0])
    guess: Two-way interactions are 5.4 times too strong, their pattern right ...
    """
    rows = tuple(finite(row) for row in scores.rows.iter_rows(named=True))
    return Summary(
        title,
        tuple(conclude(rows, hits)),
        rows,
        tuple(hits),
        _drawn(scores, featured),
        tuple(notes),
        software(**(provenance or {})),
        scores.metrics,
    )


def _drawn(scores: Scores, featured: Sequence[str]) -> Strengths | None:
    """Take the two-way interactions of the featured candidates, where pairs were scored."""
    if scores.truth is None or not scores.candidates or 2 not in scores.rows["order"]:
        return None
    names = list(featured) or list(scores.candidates)[:FEATURED]
    if strange := [name for name in names if name not in scores.candidates]:
        raise PopgenError(
            f"cannot feature {listed(strange)}: the candidates are {listed(scores.candidates)}"
        )
    chosen = {name: scores.candidates[name] for name in names}
    return strengths(chosen, scores.truth, measured=scores.measured)

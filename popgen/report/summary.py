"""From the nouns to plain data: all that a report says, before it has any looks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from popgen.errors import PopgenError, listed
from popgen.provenance import provenance as software
from popgen.report.hits import Hits
from popgen.report.strengths import Strengths, strengths
from popgen.report.words import Said, conclude
from popgen.score import Scores
from popgen.table import Projectable
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
    """

    title: str
    conclusions: tuple[Said, ...]
    rows: tuple[Mapping[str, Any], ...]
    hits: tuple[Hits, ...] = ()
    strengths: Strengths | None = None
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as dicts, lists, texts and numbers, ready for JSON."""
        plain = asdict(self)
        assert isinstance(plain, dict)
        return plain


def summarise(
    scores: Scores,
    *,
    title: str = "A comparison of populations",
    truth: Projectable | None = None,
    candidates: Mapping[str, Projectable] | None = None,
    featured: Sequence[str] = (),
    measured: Collection[Collection[str]] = (),
    hits: Sequence[Hits] = (),
    notes: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
) -> Summary:
    """Summarise a comparison.

    Parameters
    ----------
    scores : Scores
        What `popgen.score.compare` or `popgen.score.score` returned.
    title : str
    truth, candidates, measured
        What was compared. With both, the report has the pictures of the two-way interactions.
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
    drawn = None
    if truth is not None and candidates and 2 in scores.rows["order"]:
        names = list(featured) or list(candidates)[:FEATURED]
        if strange := [name for name in names if name not in candidates]:
            raise PopgenError(
                f"cannot feature {listed(strange)}: the candidates are {listed(candidates)}"
            )
        drawn = strengths({name: candidates[name] for name in names}, truth, measured=measured)
    rows = tuple(finite(row) for row in scores.rows.iter_rows(named=True))
    return Summary(
        title,
        tuple(conclude(rows, hits)),
        rows,
        tuple(hits),
        drawn,
        tuple(notes),
        software(**(provenance or {})),
    )

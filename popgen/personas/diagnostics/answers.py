"""`Answers`: what personas answered to items, run by run, with whatever else is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._aligned import Floats
from popgen.errors import PopgenError, listed
from popgen.frames import as_text, load_frame, need_columns
from popgen.survey import MISSING_LEVEL
from popgen.table import Projectable

KEY = ("persona", "run", "item", "turn")
"""What tells one answer from another."""
MEANINGS = {
    "truth": "what the person whom a persona stands for really answered",
    "retest": "what that person answered when asked again",
    "bare": "what the model answered without the profile",
    "stance": "congruent, incongruent or anything else: whether the right answer suits the persona",
    "correct": "true or false: whether the answer is right",
    "trait": "the trait that an item measures",
    "key": "+ or -: whether agreeing with the item means more of the trait",
    "assigned": "high or low: the persona's assigned level of the item's trait; empty for none",
    "turn": "0, 1, 2 ...: how often the answer has been challenged",
    "runs": "two runs or more of the same personas and items",
    "profile": "the columns that the personas were given",
}
"""What diagnostics may need beyond persona, run, item and answer."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of personas, one row an answer.

    Attributes
    ----------
    rows : polars.DataFrame
        Texts ``persona``, ``run``, ``item`` and ``answer``, and any of the columns of `MEANINGS`.
    profile : polars.DataFrame or None
        ``persona`` and the columns that the personas were given, one row a persona; what is empty
        becomes the level ``missing``.
    population : Projectable or None
        The population that the panel stands for.
    notes : tuple of str
        What reading did: answers left out.

    Raises
    ------
    PopgenError
        If a column is lacking, an answer is stated twice, or nothing is left.

    Examples
    --------
    >>> rows = {"persona": [1, 2], "run": [1, 1], "item": ["vote", "vote"], "answer": ["yes", None]}
    >>> answers = Answers(pl.DataFrame(rows))
    >>> len(answers.rows), answers.notes
    (1, ('1 of 2 answers is empty, and left out',))
    """

    rows: pl.DataFrame
    profile: pl.DataFrame | None = field(default=None, repr=False)
    population: Projectable | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        need_columns(self.rows, ("persona", "run", "item", "answer"), "a table of answers")
        text = self.rows.with_columns(as_text(each, "answers") for each in self.rows.iter_columns())
        kept = text.drop_nulls("answer")
        if gone := len(text) - len(kept):
            verb = "is" if gone == 1 else "are"
            note = f"{gone:,} of {len(text):,} answers {verb} empty, and left out"
            object.__setattr__(self, "notes", (*self.notes, note))
        if kept.is_empty():
            raise PopgenError("there are no answers; give at least one")
        given = [name for name in KEY if name in kept.columns]
        if kept.select(given).null_count().sum_horizontal().item():
            raise PopgenError(f"each answer needs a value of {listed(given)}; some have none")
        if (twice := kept.select(given).is_duplicated()).any():
            raise PopgenError(
                f"{int(twice.sum())} answers are stated more than once, first "
                f"{listed(kept.select(given).filter(twice).row(0))} ({', '.join(given)}); state "
                "each once, or number the runs"
            )
        if "turn" in given:
            turn = kept["turn"].cast(pl.Int64, strict=False)
            if turn.null_count():
                raise PopgenError("turns are whole numbers: 0, 1, 2 ...; give one to every answer")
            kept = kept.with_columns(turn)
        object.__setattr__(self, "rows", kept)
        if self.profile is not None:
            object.__setattr__(self, "profile", self._checked(self.profile))

    def _checked(self, profile: pl.DataFrame) -> pl.DataFrame:
        """Refuse profiles that say nothing, say it twice, or are not of every persona."""
        need_columns(profile, ["persona"], "a table of profiles")
        given = profile.with_columns(as_text(each, "profiles") for each in profile.iter_columns())
        if given.width < 2:
            raise PopgenError("profiles have no column but persona; give what personas were given")
        if given["persona"].is_duplicated().any():
            raise PopgenError("some personas have two profiles; give one row a persona")
        if lost := sorted(set(self.personas) - set(given["persona"])):
            raise PopgenError(
                f"{len(lost)} personas have no profile: {listed(lost)}; give one each"
            )
        return given.fill_null(MISSING_LEVEL)

    @cached_property
    def first(self) -> pl.DataFrame:
        """Answers before any challenge: all of them, if there are no turns."""
        if "turn" not in self.rows.columns:
            return self.rows
        return self.rows.filter(pl.col("turn") == pl.col("turn").min())

    @cached_property
    def personas(self) -> list[str]:
        """Names of the personas, in the order of the rows."""
        return self.first["persona"].unique(maintain_order=True).to_list()

    @cached_property
    def items(self) -> list[str]:
        """Names of the items."""
        return self.first["item"].unique(maintain_order=True).to_list()

    @cached_property
    def runs(self) -> list[str]:
        """Names of the runs."""
        return self.first["run"].unique(maintain_order=True).to_list()

    @property
    def has(self) -> set[str]:
        """Which of the things in `MEANINGS` are there."""
        found = {name for name in self.rows.columns if name in MEANINGS}
        found -= {"turn"} if len(self.first) == len(self.rows) else set()
        found |= {"profile"} if self.profile is not None else set()
        return found | ({"runs"} if len(self.runs) > 1 else set())

    def of(self, item: str, *needed: str) -> pl.DataFrame:
        """Rows of one item of which nothing needed is empty, with the persona's number ``unit``."""
        place = {name: i for i, name in enumerate(self.personas)}
        rows = self.first.filter(item=item).drop_nulls(needed)
        return rows.with_columns(
            unit=pl.col("persona").replace_strict(place, return_dtype=pl.Int64)
        )

    def summed(self, rows: pl.DataFrame, values: Any) -> Floats:
        """Add up values of rows by persona, shape (personas, ...)."""
        array = np.asarray(values, dtype=np.float64)
        out = np.zeros((len(self.personas), *array.shape[1:]))
        np.add.at(out, rows["unit"].to_numpy(), array)
        return out


def read_answers(
    runs: Sequence[Any],
    *,
    profile: Any = None,
    persona: str | None = None,
    population: Projectable | None = None,
    **beside: Any,
) -> Answers:
    """Read a panel that has one row a persona and one column an item, one file (or frame) a run.

    Parameters
    ----------
    runs : sequence of paths or dataframes
        A file that has columns persona, item and answer is taken as it is: one row an answer.
    profile : path, dataframe or list of names, optional
        What the personas were given: a table with the same personas, or columns of the first run.
        These columns are no items.
    persona : str, optional
        Column that names the personas. Default: ``persona`` or ``id``, else the row's number.
    population : Projectable, optional
        The population that the panel stands for, over variables of the same names and levels.
    **beside : path or dataframe
        ``truth=``, ``retest=``, ``bare=``: tables like a run; their values stand beside answers.

    Raises
    ------
    PopgenError
        If a file cannot be read or a column is lacking, or as `Answers`.

    Examples
    --------
    >>> run = pl.DataFrame({"id": [1, 2], "age": ["young", "old"], "vote": ["yes", "no"]})
    >>> again = pl.DataFrame({"id": [1, 2], "vote": ["yes", "yes"]})
    >>> answers = read_answers([run, again], profile=["age"], truth=again)
    >>> answers.items, answers.rows.row(1)
    (['vote'], ('2', '1', 'vote', 'no', 'yes'))
    """
    if not runs:
        raise PopgenError("there is no run of a panel; give at least one")
    frames = [_loaded(source, persona) for source in runs]
    given = _profile(profile, frames[0], persona)
    hidden = [] if given is None else [name for name in given.columns if name != "persona"]
    parts = []
    for number, frame in enumerate(frames, start=1):
        long = frame if {"item", "answer"} <= set(frame.columns) else _long(frame, hidden, "answer")
        parts.append(long if "run" in long.columns else long.with_columns(run=pl.lit(str(number))))
    rows = pl.concat(parts, how="diagonal_relaxed")
    rows = rows.select(
        "persona", "run", "item", "answer", pl.exclude("persona", "run", "item", "answer")
    )
    for name, source in beside.items():
        if source is not None:
            other = _long(_loaded(source, persona), hidden, name)
            rows = rows.join(other, on=["persona", "item"], how="left", maintain_order="left")
    return Answers(rows, given, population)


def _loaded(source: Any, persona: str | None) -> pl.DataFrame:
    """Load a table as texts, its personas named in a column ``persona``."""
    frame, where = load_frame(source, text=True)
    frame = frame.with_columns(as_text(column, where) for column in frame.iter_columns())
    if persona is not None:
        need_columns(frame, [persona], where)
        return frame.rename({persona: "persona"})
    if "persona" in frame.columns:
        return frame
    if "id" in frame.columns:
        return frame.rename({"id": "persona"})
    return frame.with_columns(persona=pl.int_range(1, pl.len() + 1).cast(pl.String))


def _profile(profile: Any, first: pl.DataFrame, persona: str | None) -> pl.DataFrame | None:
    if profile is None:
        return None
    if isinstance(profile, list | tuple):
        need_columns(first, profile, "the first run")
        chosen = first.select("persona", *profile)
    else:
        chosen = _loaded(profile, persona)
    return chosen.unique(maintain_order=True)


def _long(frame: pl.DataFrame, hidden: Sequence[str], name: str) -> pl.DataFrame:
    items = [column for column in frame.columns if column not in ("persona", "run", *hidden)]
    index = [column for column in ("persona", "run") if column in frame.columns]
    return frame.unpivot(items, index=index, variable_name="item", value_name=name)


def one_hot(texts: pl.Series, levels: Sequence[str]) -> Floats:
    """Mark which of the levels each text is, shape (rows, levels)."""
    return np.asarray(texts.to_numpy()[:, None] == np.asarray(levels, dtype=object), np.float64)


def numeric(texts: pl.Series) -> NDArray[np.float64] | None:
    """Give texts as numbers, if all of them are."""
    numbers = texts.cast(pl.Float64, strict=False)
    return None if numbers.null_count() else numbers.to_numpy()


def levels_of(*columns: pl.Series) -> list[str]:
    """Give every text of some columns, sorted."""
    return sorted(set().union(*(column.drop_nulls() for column in columns)))


def refuse_others(column: pl.Series, known: Mapping[str, Any]) -> None:
    """Refuse values of a column that have no meaning."""
    if strange := sorted(set(column.drop_nulls()) - set(known)):
        raise PopgenError(
            f"column {column.name!r} holds {listed(strange)}; it takes {listed(known)}"
        )

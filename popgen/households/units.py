"""`Households`: survey records of two levels, households and the persons in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from popgen.domain import frozen
from popgen.errors import PopgenError, listed
from popgen.households.geography import identifiers
from popgen.table import not_positive

Floats = NDArray[np.float64]
Index = NDArray[np.intp]

HOUSEHOLDS, PERSONS = "households", "persons"
"""What is counted."""

WHOLE = 1e-9
"""How far from a whole number, as a share of it, sums of decimals may be that come to one."""


def broken(numbers: Floats) -> Index:
    """Find numbers that are not whole, nor nearly so: positions in the flattened array.

    >>> broken(np.array([0.1 + 0.2 + 0.7, 2.5, 1e12 + 0.0001, 99.9999])).tolist()
    [1, 3]
    """
    allowed = WHOLE * np.maximum(np.abs(numbers), 1.0)
    return np.flatnonzero(~(np.abs(numbers - np.rint(numbers)) <= allowed))


@dataclass(frozen=True, eq=False)
class Households:
    """Households, one row each, with design weights, and their persons in the same order.

    Attributes
    ----------
    households : polars.DataFrame, n rows
        All their columns, as read.
    persons : polars.DataFrame or None
        The persons of the first household, then of the second, and so on.
    weights : array, shape (n,)
        Households each record stands for, > 0.
    first : array of int, shape (n + 1,)
        Row of each household's first person; the persons of household i are rows
        ``first[i]:first[i + 1]``.

    Examples
    --------
    >>> homes = pl.DataFrame({"id": [7, 8], "w": [10.0, 20.0]})
    >>> people = pl.DataFrame({"id": [8, 7, 8], "age": [30, 60, 4]})
    >>> survey = Households.of(homes, people, id="id", weight="w")
    >>> survey.size.tolist(), survey.persons["age"].to_list()
    ([1, 2], [60, 30, 4])
    """

    households: pl.DataFrame
    persons: pl.DataFrame | None
    weights: Floats
    first: Index

    @classmethod
    def of(
        cls,
        households: pl.DataFrame,
        persons: pl.DataFrame | None = None,
        *,
        id: str,
        weight: str | None = None,
        link: str | None = None,
        empty: bool = False,
    ) -> Households:
        """Join two tables by the household's identifier.

        Parameters
        ----------
        households, persons : DataFrame
        id, weight : str
            Columns of the households. Weights default to 1 each.
        link : str, optional
            Column of the persons that says their household. Default: the one named as ``id``.
        empty : bool
            Whether a household may have no person (default: refused).

        Raises
        ------
        PopgenError
            If a column is missing, an identifier is missing or stated twice, a weight is not a
            positive number, a person's household does not exist, or a household has nobody.
        """
        _need(households, [id, *([weight] if weight else [])], "the households")
        ids = identifiers(households[id], "the households")
        _refuse_doubtful(ids)
        weights = np.ones(len(households)) if weight is None else _weights(households[weight])
        if persons is None:
            return cls(households, None, frozen(weights), frozen(np.arange(len(ids) + 1) * 0))
        link = link or id
        _need(persons, [link], "the persons")
        owner = _owners(ids, identifiers(persons[link], "the persons"))
        size = np.bincount(owner, minlength=len(ids))
        if not empty and (lonely := np.flatnonzero(size == 0)).size:
            raise PopgenError(
                f"{lonely.size} of {len(ids)} households have no person, first household "
                f"{ids[int(lonely[0])]!r}; add their persons or leave them out"
            )
        order = np.argsort(owner, kind="stable")
        first = np.concatenate([[0], np.cumsum(size)])
        return cls(households, persons[order], frozen(weights), frozen(first))

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def size(self) -> Index:
        """Persons of each household, shape (n,)."""
        return np.diff(self.first)

    @property
    def owner(self) -> Index:
        """Household of each person, shape (persons,)."""
        return np.repeat(np.arange(len(self)), self.size)

    def owners(self, unit: str) -> Index:
        """Household of each unit, households or persons, in their order."""
        return np.arange(len(self)) if unit == HOUSEHOLDS else self.owner

    def added_up(self, X: sparse.sparray | Floats, owner: Index) -> sparse.csr_array:
        """Add up by household what units have.

        Parameters
        ----------
        X : array or sparse array, shape (units, m)
        owner : array of int, shape (units,)
            Household of each.

        Returns
        -------
        sparse array, shape (n, m)
        """
        units = np.arange(len(owner))
        lives = sparse.csr_array((np.ones(len(owner)), (owner, units)), (len(self), len(owner)))
        return sparse.csr_array(lives @ sparse.csr_array(X))

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the records by what they count; persons have their household's columns too."""
        tables = {HOUSEHOLDS: self.households}
        if self.persons is not None:
            more = [name for name in self.households.columns if name not in self.persons.columns]
            theirs = self.households.select(more)[self.owner]
            tables[PERSONS] = pl.concat([self.persons, theirs], how="horizontal")
        return tables

    def only(self, records: Index) -> Households:
        """Keep some households and their persons, in the order given."""
        size = self.size[records]
        first = np.concatenate([[0], np.cumsum(size)])
        persons = None
        if self.persons is not None:
            within = np.arange(first[-1]) - np.repeat(first[:-1], size)
            persons = self.persons[np.repeat(self.first[records], size) + within]
        return Households(
            self.households[records], persons, frozen(self.weights[records]), frozen(first)
        )


def _need(frame: pl.DataFrame, columns: list[str], what: str) -> None:
    if absent := [name for name in columns if name not in frame.columns]:
        raise PopgenError(
            f"{what} have no column {listed(absent)}; they have {listed(frame.columns)}"
        )


def _refuse_doubtful(ids: pl.Series) -> None:
    if missing := ids.null_count():
        raise PopgenError(f"{missing} household(s) have no identifier; give each one of its own")
    if (twice := ids.filter(ids.is_duplicated()).unique(maintain_order=True)).len():
        raise PopgenError(
            f"{twice.len()} household identifier(s) are there more than once, first {twice[0]!r}; "
            "give each household one row and an identifier of its own"
        )


def _weights(column: pl.Series) -> Floats:
    values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().copy()
    if (bad := not_positive(values)).size:
        raise PopgenError(
            f"{bad.size} household weight(s) in column {column.name!r} are not positive numbers, "
            f"first {column[int(bad[0])]!r} in row {bad[0] + 1}; leave such households out"
        )
    return values


def _owners(ids: pl.Series, of: pl.Series) -> Index:
    known = pl.DataFrame({"id": ids, "row": np.arange(len(ids))})
    persons = pl.DataFrame({"id": of}).join(known, on="id", how="left", maintain_order="left")
    strange = persons.filter(pl.col("row").is_null())["id"]
    if strange.len():
        raise PopgenError(
            f"{strange.len()} of {len(of)} persons belong to no household, first to household "
            f"{strange[0]!r}; add the household or leave the person out"
        )
    return persons["row"].to_numpy().astype(np.intp)

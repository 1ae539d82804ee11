"""Coded records: `Microdata` (a survey, with weights) and `Population` (synthetic people).

Records are kept as small integer codes, one column a variable, so that projecting is counting.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen._values import Values
from popgen.domain import Coarsening, Domain, frozen, whole_numbers
from popgen.errors import PopgenError, listed
from popgen.table import MOST_CELLS, Table, not_positive, numbers
from popgen.writing import Writer, as_json, sha256, write_atomically, write_together

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

WEIGHT = "weight"
"""Column of the weights in the frames that records are turned into."""

MISSING = -1
"""Code of a value that was not recorded."""

MOST_LEVELS = int(np.iinfo(np.int16).max)
"""Most levels that the codes of one variable can tell apart."""

WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    ".parquet": lambda frame, file: frame.write_parquet(file),
    ".csv": lambda frame, file: frame.write_csv(file),
    ".arrow": lambda frame, file: frame.write_ipc(file),
}
"""How records are written, by the file's ending: a new format to export to is added here."""


@dataclass(frozen=True, eq=False, repr=False)
class Microdata:
    """Records over a domain, with design weights.

    Attributes
    ----------
    domain : Domain
    codes : array of int16, shape (n, len(domain))
        Level of each record on each variable; -1 where it is missing.
    weights : array, shape (n,)
        People each record stands for, > 0. Default: 1 each.
    notes : tuple of str
        What reading these records did to them (records dropped, levels added), in words.
    values : mapping of str to array, shape (n,)
        Of variables that are bands of a number: each record's own number, NaN where it has none.

    Examples
    --------
    >>> from popgen import Variable
    >>> sex = Variable("sex", ("f", "m"))
    >>> survey = Microdata(Domain((sex,)), [[0], [1], [1]], [10.0, 20.0, 30.0])
    >>> survey.project("sex").counts.tolist()
    [10.0, 50.0]
    >>> round(survey.effective_size, 2)
    2.57
    """

    domain: Domain
    codes: NDArray[np.int16]
    weights: NDArray[np.float64] = None  # type: ignore[assignment]
    notes: tuple[str, ...] = ()
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=Values)

    def __post_init__(self) -> None:
        codes = whole_numbers(self.codes, f"codes of records over {self.domain.names}")
        if codes.ndim != 2 or codes.shape[1] != len(self.domain):
            raise PopgenError(
                f"records over {self.domain.names} need codes of shape (n, {len(self.domain)}); "
                f"got {codes.shape}"
            )
        if not len(self.domain):
            raise PopgenError("records need at least one variable; their domain has none")
        if len(codes) == 0:
            raise PopgenError("there are no records; give at least one")
        for variable, column in zip(self.domain, codes.T, strict=True):
            if len(variable) > MOST_LEVELS:
                raise PopgenError(
                    f"variable {variable.name!r} has {len(variable):,} levels; records can tell "
                    f"{MOST_LEVELS:,} apart; use coarser levels"
                )
            if column.min() < MISSING or column.max() >= len(variable):
                raise PopgenError(
                    f"codes of {variable.name!r} run from {column.min()} to {column.max()}; they "
                    f"must lie in -1..{len(variable) - 1}"
                )
        object.__setattr__(self, "codes", frozen(np.array(codes, dtype=np.int16, order="F")))
        weights = np.ones(len(codes)) if self.weights is None else self.weights
        weights = self._checked(numbers(weights, "design weights"))
        object.__setattr__(self, "weights", frozen(weights))
        object.__setattr__(self, "values", Values.of(self.values, self.domain, len(codes)))

    def _checked(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if weights.shape != (len(self.codes),):
            raise PopgenError(
                f"{len(self.codes)} records need as many weights; got {weights.shape}"
            )
        bad = not_positive(weights)
        if bad.size:
            raise PopgenError(
                f"{bad.size} design weight(s) are not positive numbers, first {weights[bad[0]]:g} "
                f"of record {bad[0]}; a record that stands for nobody must be left out"
            )
        return weights

    def __len__(self) -> int:
        return len(self.codes)

    def __repr__(self) -> str:
        names = " × ".join(self.domain.names)
        return f"{type(self).__name__}({len(self):,} records, {names})"

    @property
    def effective_size(self) -> float:
        """Kish's effective sample size, (Σw)² / Σw²."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())

    def column(self, name: str) -> NDArray[np.int16]:
        """Codes of one variable, shape (n,)."""
        column: NDArray[np.int16] = self.codes[:, self.domain.axis(name)]
        return column

    def project(self, *names: str) -> Table:
        """Weighted counts over some of the variables.

        Raises
        ------
        PopgenError
            If a value is missing on one of them: say what to do with it when reading.
        """
        domain = self.domain.project(*names)
        domain.need_axes()
        columns = [self.column(name) for name in names]
        for name, column in zip(names, columns, strict=True):
            if column.min() == MISSING:
                raise PopgenError(
                    f"{int((column == MISSING).sum())} of {len(self)} records have no {name!r}; "
                    "read them with missing='drop' or missing='level'"
                )
        if domain.size > MOST_CELLS:
            raise PopgenError(
                f"the joint of {names} has {domain.size:,} cells, too many for a table; project "
                "fewer variables"
            )
        cells = np.ravel_multi_index(columns, domain.shape) if names else np.zeros(len(self), int)
        counts = np.bincount(cells, self.weights, minlength=domain.size).astype(np.float64)
        return Table(domain, counts.reshape(domain.shape))

    def with_coarse(self, *rules: Coarsening) -> Microdata:
        """Return the records with a variable more for each coarsening of one that they have.

        Records on levels outside a coarsening have no value on its coarse variable.

        Examples
        --------
        >>> from popgen import Variable
        >>> age = Variable("age", ("young", "old", "oldest"))
        >>> rule = Coarsening.from_groups(age, "half", {"a": ["young"], "b": ["old", "oldest"]})
        >>> Microdata(Domain((age,)), [[0], [2]]).with_coarse(rule).project("half").counts.tolist()
        [1.0, 1.0]
        """
        columns = [self.codes]
        for rule in rules:
            fine = self.column(rule.fine.name)
            onto = rule.restricted(self.domain[rule.fine.name], rule.coarse)
            coarse = np.where(fine == MISSING, MISSING, onto.codes[fine])
            columns.append(coarse[:, None].astype(np.int16))
        domain = Domain((*self.domain, *(rule.coarse for rule in rules)))
        return Microdata(domain, np.hstack(columns), self.weights, self.notes, self.values)

    def take(self, index: NDArray[Any]) -> Microdata:
        """Return some of the records, with their weights: by position or by a mask.

        Of a `Population` too the result is `Microdata`: its provenance describes all the people,
        not a part of them.

        Examples
        --------
        >>> from popgen import Variable
        >>> survey = Microdata(Domain((Variable("sex", ("f", "m")),)), [[0], [1], [1]], [1, 2, 3])
        >>> survey.take(survey.column("sex") == 1)
        Microdata(2 records, sex)
        """
        values = self._values.take(index)
        return Microdata(self.domain, self.codes[index], self.weights[index], self.notes, values)

    def to_polars(self) -> pl.DataFrame:
        """One row a record: an Enum column a variable (null where missing), then ``weight``.

        Values of a banded variable stand in a column more, ``<variable>_value``.
        """
        frame = self._levels_and_values()
        if WEIGHT in frame.columns:
            raise PopgenError(f"a variable named {WEIGHT!r} leaves no name for the weights' column")
        return frame.with_columns(pl.Series(WEIGHT, self.weights))

    @property
    def _values(self) -> Values:
        assert isinstance(self.values, Values)  # made at birth
        return self.values

    def _levels_and_values(self) -> pl.DataFrame:
        return self._levels().with_columns(self._values.columns(self.domain.names))

    def _levels(self) -> pl.DataFrame:
        columns = {}
        for variable, codes in zip(self.domain, self.codes.T, strict=True):
            kind = pl.Enum(variable.levels)
            physical = pl.Series(variable.name, np.where(codes == MISSING, 0, codes), pl.UInt32)
            text = pl.Series(variable.name, variable.levels, kind).gather(physical)
            missing = codes == MISSING
            columns[variable.name] = text.set(pl.Series(missing), None) if missing.any() else text
        return pl.DataFrame(columns)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the records as Parquet, Arrow or CSV, by the file's ending, whole or not at all.

        Raises
        ------
        PopgenError
            For another ending, or a folder that is absent or cannot be written.
        """
        return write_atomically(path, _writer(Path(path), self.to_polars()))

    def to_arrow(self) -> pa.Table:
        """Return the same as a pyarrow table (dictionary-encoded columns)."""
        return self.to_polars().to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """Return the same as a pandas frame (categorical columns); needs pandas installed."""
        if find_spec("pandas") is None:
            raise PopgenError(
                "to_pandas needs pandas, which is not installed: pip install pandas; or use "
                "to_polars or to_arrow"
            )
        return self.to_polars().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Arrow PyCapsule protocol: any Arrow-aware library reads the records without a copy."""
        return self.to_polars().__arrow_c_stream__(requested_schema)


@dataclass(frozen=True, eq=False, repr=False)
class Population(Microdata):
    """Synthetic people: every record is one person, and provenance says where they come from.

    Attributes
    ----------
    provenance : dict
        Method, parameters, entropy of the random numbers, versions, sha256 of the inputs.
    """

    provenance: dict[str, Any] = field(default_factory=dict)

    def _checked(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        weights = super()._checked(weights)
        if (weights != 1).any():
            raise PopgenError("every record of a population is one person: weights must all be 1")
        return weights

    def to_polars(self) -> pl.DataFrame:
        """One row a person: an Enum column a variable, then ``<variable>_value`` of banded ones."""
        return self._levels_and_values()

    def cells(self) -> pl.DataFrame:
        """Return the distinct kinds of people and how many there are of each, column ``count``.

        Raises
        ------
        PopgenError
            If a variable is named ``count``.
        """
        frame = self._levels()
        if "count" in frame.columns:
            raise PopgenError(
                "a variable named 'count' leaves no name for the figures' column; rename it"
            )
        return (
            frame.group_by(frame.columns, maintain_order=True)
            .len("count")
            .sort("count", descending=True, maintain_order=True)
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the people and, beside them, their provenance: both files, or neither.

        The provenance of ``people.parquet`` is in ``people.parquet.provenance.json``.
        """
        return write_with_provenance(path, self.to_polars(), self.provenance)


def write_with_provenance(
    path: str | os.PathLike[str], frame: pl.DataFrame, provenance: Mapping[str, Any]
) -> Path:
    """Write a frame and, beside it, where it comes from: both files, or neither.

    Raises
    ------
    PopgenError
        For an unknown ending, or a folder that is absent or cannot be written.
    """
    target = Path(path)
    fill = _writer(target, frame)
    record = {**provenance, "file": target.name}

    def rows(part: Path) -> None:
        fill(part)
        record["sha256"] = sha256(part)

    def beside(part: Path) -> None:
        part.write_text(as_json(record), encoding="utf-8")

    beside_it = target.with_name(f"{target.name}.provenance.json")
    write_together({target: rows, beside_it: beside})
    return target


def _writer(target: Path, frame: pl.DataFrame) -> Writer:
    write = WRITERS.get(target.suffix.lower())
    if write is None:
        raise PopgenError(f"cannot write {target}: give a name ending in {listed(WRITERS)}")
    return partial(write, frame)

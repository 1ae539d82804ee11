"""`Values`: the real numbers behind banded variables, one read-only array a variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from popgen.domain import Domain, frozen
from popgen.errors import PopgenError
from popgen.table import numbers

Floats = NDArray[np.float64]

SUFFIX = "_value"
"""What follows a variable's name in the name of its numbers' column."""


class Values(Mapping[str, Floats]):
    """Numbers of records by the name of the banded variable; NaN where a record has none.

    Examples
    --------
    >>> ages = Values({"age": [34.0, np.nan, 7.0]})
    >>> ages.take(np.array([2, 0]))["age"].tolist()
    [7.0, 34.0]
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._arrays = {
            name: frozen(numbers(array, f"values of {name!r}"))
            for name, array in (values or {}).items()
        }

    @classmethod
    def of(cls, values: Mapping[str, Any], domain: Domain, n: int) -> Values:
        """Check the values of n records over a domain."""
        held = values if isinstance(values, cls) else cls(values)
        for name, array in held.items():
            domain.axis(name)  # or it says which variables there are
            if array.shape != (n,):
                raise PopgenError(f"{n} records need as many values of {name!r}; got {array.shape}")
            if endless := int(np.isinf(array).sum()):
                raise PopgenError(
                    f"{endless} of {n} values of {name!r} are infinite; write NaN where a record "
                    "has none"
                )
        return held

    def __getitem__(self, name: str) -> Floats:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"Values({', '.join(self)})"

    def __reduce__(self) -> tuple[Any, ...]:  # so that the arrays are read-only again
        return Values, (self._arrays,)

    def take(self, index: NDArray[Any]) -> Values:
        """Return the values of some records, by position or by a mask."""
        return Values({name: array[index] for name, array in self.items()})

    def columns(self, taken: Sequence[str]) -> list[pl.Series]:
        """Write them as columns, null for NaN, beside others whose names are taken.

        Raises
        ------
        PopgenError
            If a name is taken.
        """
        for name in self:
            if name + SUFFIX in taken:
                raise PopgenError(
                    f"a variable named {name + SUFFIX!r} leaves no name for the column of the "
                    f"values of {name!r}; rename it"
                )
        return [pl.Series(name + SUFFIX, array, nan_to_null=True) for name, array in self.items()]


def joined(parts: Sequence[Values]) -> Values:
    """Put the values of several groups of records one after the other."""
    return Values({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

"""What a population is described by: variables, their levels, and how fine levels map to coarse.

Geography is a variable like any other, and tract to county, single years to age bands or six race
groups to four are all one thing: a `Coarsening`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from popgen.errors import PopgenError, listed

Codes = NDArray[np.intp]
Scalar = TypeVar("Scalar", bound=np.generic)

MOST_AXES = 32
"""Most variables of one table: numpy numbers the cells of no more axes."""

OUTSIDE = -1
"""Code of a fine level that no coarse level holds: the margin says nothing of it."""


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Make an array read-only and return it."""
    array.setflags(write=False)
    return array


def whole_numbers(values: ArrayLike, what: str) -> NDArray[Any]:
    """Take codes as an integer array; a fraction is refused rather than cut off."""
    array = np.asarray(values)
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and (array == array.round()).all())
    if not whole or not np.isfinite(array).all():
        raise PopgenError(f"{what} must be whole numbers; got {array.dtype} values")
    return array


@dataclass(frozen=True)
class Variable:
    """A categorical variable: a name and its levels, in order.

    Raises
    ------
    PopgenError
        If there is no level, or a level is empty or stated twice.

    Examples
    --------
    >>> sex = Variable("sex", ("female", "male"))
    >>> sex.index("male")
    1
    >>> sex.index("x")
    Traceback (most recent call last):
    popgen.errors.PopgenError: variable 'sex' has no level 'x'; it has 'female', 'male'
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise PopgenError(f"a variable's name must be a non-empty text; got {self.name!r}")
        object.__setattr__(self, "levels", _listed_levels(self.name, self.levels))
        if not self.levels:
            raise PopgenError(f"variable {self.name!r} has no levels; give at least one")
        if bad := [level for level in self.levels if not isinstance(level, str) or not level]:
            raise PopgenError(
                f"variable {self.name!r} has levels that are not non-empty texts: {listed(bad)}"
            )
        if len(set(self.levels)) < len(self.levels):
            twice = sorted({level for level in self.levels if self.levels.count(level) > 1})
            raise PopgenError(
                f"variable {self.name!r} has duplicate levels: {listed(twice)}; "
                "name each level once"
            )

    def __len__(self) -> int:
        return len(self.levels)

    def index(self, level: str) -> int:
        """Position of a level; raises `PopgenError` naming the levels there are."""
        try:
            return self.levels.index(level)
        except ValueError:
            raise PopgenError(
                f"variable {self.name!r} has no level {level!r}; it has {listed(self.levels)}"
            ) from None

    def keep(self, levels: Sequence[str]) -> Variable:
        """Return the same variable with only some of its levels, in the variable's own order."""
        wanted = {self.index(level) for level in levels}
        return Variable(self.name, tuple(self.levels[i] for i in sorted(wanted)))


def _listed_levels(name: str, levels: Iterable[str]) -> tuple[str, ...]:
    if isinstance(levels, str):  # else its letters would become levels
        raise PopgenError(f"variable {name!r} needs a list of levels; got the text {levels!r}")
    return tuple(levels)


@dataclass(frozen=True, eq=False)
class Coarsening:
    """How the levels of a fine variable map onto those of a coarse one.

    Attributes
    ----------
    fine, coarse : Variable
    codes : array of int, shape (len(fine),)
        Index of the coarse level that holds each fine level; -1 where none does, so that a margin
        stated on the coarse variable says nothing of those people.

    Examples
    --------
    >>> age = Variable("age", ("0-17", "18-24", "25-64", "65+"))
    >>> bands = Coarsening.from_groups(age, "band", {"18-64": ["18-24", "25-64"], "65+": ["65+"]})
    >>> bands.codes.tolist()
    [-1, 0, 0, 1]
    """

    fine: Variable
    coarse: Variable
    codes: Codes

    def __post_init__(self) -> None:
        what = f"codes of coarsening {self.fine.name!r} -> {self.coarse.name!r}"
        codes = np.array(whole_numbers(self.codes, what), dtype=np.intp)
        if codes.shape != (len(self.fine),):
            raise PopgenError(
                f"coarsening {self.fine.name!r} -> {self.coarse.name!r} needs one code for each of "
                f"{len(self.fine)} levels; got shape {codes.shape}"
            )
        if codes.min() < OUTSIDE or codes.max() >= len(self.coarse):
            raise PopgenError(
                f"coarsening {self.fine.name!r} -> {self.coarse.name!r} has codes outside "
                f"-1..{len(self.coarse) - 1}"
            )
        object.__setattr__(self, "codes", frozen(codes))

    @classmethod
    def from_groups(
        cls, fine: Variable, name: str, groups: Mapping[str, Sequence[str]]
    ) -> Coarsening:
        """Build from ``{coarse level: [fine levels]}``; unlisted levels lie outside."""
        coarse = Variable(name, tuple(groups))
        codes = np.full(len(fine), OUTSIDE, dtype=np.intp)
        for position, (level, members) in enumerate(groups.items()):
            for member in members:
                index = fine.index(member)
                if codes[index] != OUTSIDE:
                    raise PopgenError(
                        f"level {member!r} of {fine.name!r} is in two groups of {name!r}: "
                        f"{coarse.levels[codes[index]]!r} and {level!r}"
                    )
                codes[index] = position
        return cls(fine, coarse, codes)

    @classmethod
    def by_name(cls, fine: Variable, coarse: Variable) -> Coarsening:
        """Match levels of equal name; the fine levels that ``coarse`` lacks lie outside."""
        position = {level: i for i, level in enumerate(coarse.levels)}
        return cls(fine, coarse, np.array([position.get(level, OUTSIDE) for level in fine.levels]))

    @property
    def complete(self) -> bool:
        """Whether every fine level is in some coarse level."""
        return bool((self.codes >= 0).all())

    @property
    def trivial(self) -> bool:
        """Whether nothing changes but perhaps the name."""
        return np.array_equal(self.codes, np.arange(len(self.coarse)))

    def then(self, other: Coarsening) -> Coarsening:
        """Compose: fine -> coarse -> coarser. Levels that ``other`` does not know lie outside."""
        if self.coarse.name != other.fine.name:
            raise PopgenError(
                f"a coarsening onto {self.coarse.name!r} cannot be followed by one of "
                f"{other.fine.name!r}"
            )
        link = Coarsening.by_name(self.coarse, other.fine).codes
        through = np.where(link >= 0, other.codes[link], OUTSIDE)
        codes = np.where(self.codes >= 0, through[self.codes], OUTSIDE)
        return Coarsening(self.fine, other.coarse, codes)

    def restricted(self, fine: Variable, coarse: Variable) -> Coarsening:
        """Return the same mapping between (perhaps fewer) levels of the two variables.

        A coarse level that loses some of its fine levels loses them all: what is stated of it is
        not known of the rest.

        Examples
        --------
        >>> age = Variable("age", ("0-17", "18-24", "25-64", "65+"))
        >>> bands = Coarsening.from_groups(
        ...     age, "band", {"0-24": ["0-17", "18-24"], "25+": ["25-64", "65+"]}
        ... )
        >>> bands.restricted(age.keep(["18-24", "25-64", "65+"]), bands.coarse).codes.tolist()
        [-1, 1, 1]
        """
        there = Coarsening.by_name(self.fine, fine).codes != OUTSIDE
        partly = np.isin(self.codes, self.codes[~there])
        whole = Coarsening(self.fine, self.coarse, np.where(partly, OUTSIDE, self.codes))
        keep = Coarsening.by_name(self.coarse, coarse)
        return Coarsening.by_name(fine, self.fine).then(whole).then(keep)

    def to_nested(self, other: Coarsening) -> Coarsening | None:
        """Return the mapping from this coarse variable onto another of the same fine variable.

        None if some level here has no fine level or lies across two of the other's, or if the
        other speaks of people whom this one leaves out.
        """
        inside = self.codes != OUTSIDE
        codes = np.full(len(self.coarse), OUTSIDE)
        codes[self.codes[inside]] = other.codes[inside]
        nested = (
            np.array_equal(self.fine.levels, other.fine.levels)
            and len(np.unique(self.codes[inside])) == len(self.coarse)
            and np.array_equal(codes[self.codes[inside]], other.codes[inside])
            and not (other.codes[~inside] != OUTSIDE).any()
        )
        return Coarsening(self.coarse, other.coarse, codes) if nested else None


@dataclass(frozen=True)
class Domain:
    """The space of a table's cells: an ordered set of variables, one axis each.

    Examples
    --------
    >>> domain = Domain((Variable("sex", ("f", "m")), Variable("age", ("young", "old", "oldest"))))
    >>> domain.names, domain.shape, domain.size
    (('sex', 'age'), (2, 3), 6)
    >>> domain.project("age").names
    ('age',)
    """

    variables: tuple[Variable, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))
        if strange := [each for each in self.variables if not isinstance(each, Variable)]:
            raise PopgenError(f"a domain is made of Variables; got {listed(strange)}")
        names = [variable.name for variable in self.variables]
        if len(set(names)) < len(names):
            raise PopgenError(f"a domain names each variable once; got {listed(names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Variable names, in axis order."""
        return tuple(variable.name for variable in self.variables)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of levels along each axis."""
        return tuple(len(variable) for variable in self.variables)

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.variables)

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.variables)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Variable:
        return self.variables[self.axis(name)]

    def axis(self, name: str) -> int:
        """Axis of a variable; raises `PopgenError` listing the variables there are."""
        try:
            return self.names.index(name)
        except ValueError:
            raise PopgenError(
                f"no variable {name!r} here; there are {listed(self.names)}"
            ) from None

    def project(self, *names: str) -> Domain:
        """Return the domain of some of the variables, in the order asked."""
        return Domain(tuple(self[name] for name in names))

    def need_axes(self) -> None:
        """Refuse more variables than one table can have."""
        if len(self) > MOST_AXES:
            raise PopgenError(
                f"a table has at most {MOST_AXES} variables, and this one would have {len(self)}: "
                "leave out those that matter least, or those of one level"
            )

    def cell(self, index: int) -> str:
        """Write the cell at a flat (C order) index as ``sex=f, age=young``."""
        position = np.unravel_index(index, self.shape)
        return ", ".join(
            f"{variable.name}={variable.levels[i]}"
            for variable, i in zip(self.variables, position, strict=True)
        )

"""`Tables`: named tables which together answer like one.

The variables are those of all the tables, with every level that some table states.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from popgen.domain import Domain, Variable
from popgen.errors import PopgenError, listed
from popgen.table import Table


class Tables(Mapping[str, Table]):
    """A set of named tables which together can be projected.

    Examples
    --------
    >>> sex, age = Variable("sex", ("f", "m")), Variable("age", ("young", "old"))
    >>> tables = Tables({"sex_age": Table(Domain((sex, age)), [[30, 20], [10, 40]])})
    >>> tables.project("sex").counts.tolist()
    [50.0, 50.0]
    """

    def __init__(self, tables: Table | Mapping[str, Table] | Iterable[Table]) -> None:
        named = tables if isinstance(tables, Mapping) else name_tables(tables)
        self._tables: dict[str, Table] = {name: _table(given) for name, given in named.items()}
        stated: dict[str, list[Variable]] = {}
        for table in self._tables.values():
            for variable in table.domain:
                stated.setdefault(variable.name, []).append(variable)
        self._domain = Domain(tuple(union(same) for same in stated.values()))

    def __getitem__(self, name: str) -> Table:
        try:
            return self._tables[name]
        except KeyError:
            raise PopgenError(f"no table {name!r} here; there are {listed(self._tables)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return f"Tables({listed(self._tables)})"

    def get(self, name: str, default: Any = None) -> Any:
        """Return a table, or ``default`` if there is none of that name."""
        return self._tables.get(name, default)

    @property
    def domain(self) -> Domain:
        """Every variable that some table has, with every level that some table states."""
        return self._domain

    def project(self, *names: str) -> Table:
        """Answer from the smallest of the tables that speak of the most people.

        A table that lacks levels of a variable to be summed out is never asked: it would pass off
        part of the people as all of them. One that lacks levels of a variable asked for is asked
        only if no other holds them together; its domain then shows what it lacks.

        Raises
        ------
        PopgenError
            If no table holds the variables together for everybody: their joint is not stated here.
        """
        wanted = set(names)
        holding: list[Table] = [table for table in self.values() if wanted <= set(table.names)]
        if not holding:
            raise PopgenError(
                f"no table holds {listed(names)} together; tables: "
                f"{listed(['×'.join(table.names) for table in self.values()])}"
            )
        whole = [table for table in holding if not self._lacking(table, set(table.names) - wanted)]
        if not whole:
            lacking = {str(table.names): self._lacking(table, table.names) for table in holding}
            raise PopgenError(
                f"no table holds {listed(names)} together for everybody: "
                + "; ".join(
                    f"table {where} lacks {listed(gone)}" for where, gone in lacking.items()
                )
                + "; project those variables too, or add a table without them"
            )
        most = max(table.total for table in whole)
        best = min(
            whole,
            key=lambda table: (
                len(self._lacking(table, wanted)),
                round(1 - table.total / most, 6) if most else 0,
                table.domain.size,
            ),
        )
        return best.project(*names)

    def _lacking(self, table: Table, names: Iterable[str]) -> list[str]:
        """Levels of some variables that other tables state and this one does not."""
        return [
            f"{name}={level}"
            for name in names
            for level in self._domain[name].levels
            if level not in table.domain[name].levels
        ]

    def keeping(self, *names: str) -> Tables:
        """Return only the named tables, in the order asked."""
        return Tables({name: self[name] for name in names})


def union(variables: Sequence[Variable]) -> Variable:
    """Return a variable with every level of its namesakes, each where its own neighbours are.

    >>> union([Variable("age", ("young", "old")), Variable("age", ("child", "young"))]).levels
    ('child', 'young', 'old')
    """
    ordered = sorted(variables, key=len, reverse=True)
    levels = list(ordered[0].levels)
    for variable in ordered[1:]:
        end = len(levels)
        for level in reversed(variable.levels):  # a new level goes before the next known one
            if level in levels:
                end = levels.index(level)
            else:
                levels.insert(end, level)
    return Variable(variables[0].name, tuple(levels))


def _table(given: object) -> Table:
    if isinstance(given, Table):
        return given
    raise PopgenError(
        f"{given!r} is a {type(given).__name__}, not a Table; read a file or dataframe with "
        "popgen.table_from_frame"
    )


def name_tables(tables: Table | Iterable[Table]) -> dict[str, Table]:
    """Name each table after its variables; a second one over the same variables is refused."""
    named: dict[str, Table] = {}
    if isinstance(tables, Table) or not isinstance(tables, Iterable):
        tables = [_table(tables)]
    for table in tables:
        name = "_".join(_table(table).names)
        if name in named:
            raise PopgenError(
                f"two tables over {table.names}: pass a mapping that names them, or keep one"
            )
        named[name] = table
    return named

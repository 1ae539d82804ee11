"""Conditions on the columns of records, as ``(NP >= 4) & (HINCP <= 30000)``: read, never run.

The grammar is the part of Python that PopulationSim's controls are written in: comparisons, ``&``,
``|``, ``~``, arithmetic, ``isin``, ``between``, ``isna``, ``notna``. Everything else is refused.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from polars import selectors

from popgen.errors import PopgenError, listed

Floats = NDArray[np.float64]
Term = Any  # a polars expression, or a plain value

ARITHMETIC: dict[type, Callable[[Term, Term], Term]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
}

LOGIC: dict[type, Callable[[Term, Term], Term]] = {
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
}

COMPARISONS: dict[type, Callable[[Term, Term], Term]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

CONSTANTS = {("np", "inf"): np.inf, ("numpy", "inf"): np.inf}

METHODS = ("between", "isin", "isna", "isnull", "notna", "notnull")


def evaluated(
    text: str, frame: pl.DataFrame, *, table: str, where: str, of: ArrayLike = True
) -> Floats:
    """Evaluate a condition, or a number, on every record.

    Parameters
    ----------
    text : str
    frame : polars.DataFrame
        The records. A comparison with a value that was not recorded is false, but for ``!=``.
    table : str
        Name by which columns may be spoken of, as ``households`` in ``households.NP``.
    where : str
        Where the condition is written, for messages.
    of : array of bool, shape (records,), optional
        The records that are asked about: the others have 0. Default: all.

    Returns
    -------
    array, shape (records,)
        1 or 0 where it is a condition.

    Raises
    ------
    PopgenError
        If it is not of the grammar, names a column that is not there, or compares a number with
        text; a number that is not recorded or not finite is refused too.

    Examples
    --------
    >>> homes = pl.DataFrame({"NP": [1, 2, 5], "TEN": [1, None, 3]})
    >>> evaluated(
    ...     "(households.NP >= 2) & ~households.TEN.isin([1])",
    ...     homes,
    ...     table="households",
    ...     where="controls.csv",
    ... )
    array([0., 1., 1.])
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise PopgenError(f"{where}: {text!r} is not a condition; write it as NP >= 4") from None
    reader = _Reader(frozenset(frame.columns), table, f"{where}: in {text!r}")
    try:
        values = _computed(_recorded(frame), reader.read(tree))
    except RecursionError:
        raise PopgenError(f"{where}: {text!r} is nested too deeply; write less in one") from None
    except pl.exceptions.PolarsError as error:
        raise PopgenError(
            f"{where}: {text!r} cannot be evaluated: {str(error).splitlines()[0]}; compare numbers "
            "with numbers, text with text"
        ) from None
    values = np.where(of, values, 0.0)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise PopgenError(
            f"{where}: {text!r} has no finite number in {bad.size} record(s), first in row "
            f"{bad[0] + 1}; fill such values, or write a condition"
        )
    return values


def _recorded(frame: pl.DataFrame) -> pl.DataFrame:
    """Write what is not a number as not recorded: polars would hold it for larger than any.

    Whole numbers get all the room there is: sums and products of narrow ones would wrap around.
    """
    return frame.with_columns(
        selectors.float().fill_nan(None), selectors.integer().cast(pl.Int64, strict=False)
    )


def _literal(term: Term) -> pl.Expr:
    """Write a value as one: polars takes plain text for the name of a column."""
    return term if isinstance(term, pl.Expr) else pl.lit(term)


def _computed(frame: pl.DataFrame, term: Term) -> Floats:
    column = (
        frame.lazy()
        .select(pl.lit(0).alias("rows"), _literal(term).alias("value"))
        .collect()["value"]
    )
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    full: Floats = np.broadcast_to(values, (len(frame),)).astype(float)
    return full


@dataclass(frozen=True)
class _Reader:
    """Turns a parsed condition into a polars expression."""

    columns: frozenset[str]
    table: str
    where: str

    def read(self, node: ast.AST) -> Term:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self._no_text(node, self.read(inner))
            case ast.UnaryOp(op=ast.Invert(), operand=inner):
                return ~self._condition(inner)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in LOGIC:
                return LOGIC[type(op)](self._condition(left), self._condition(right))
            case ast.BinOp(op=op) if type(op) in ARITHMETIC:
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Attribute(value=inner, attr=name), args=args, keywords=[]):
                return self._method(self.read(inner), name, args)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._name(node)
        raise self._refused(
            f"{ast.unparse(node)!r} is not understood; use comparisons, & | ~ with brackets, + - * "
            f"/, and {', '.join(f'.{name}' for name in METHODS)}"
        )

    def _arithmetic(self, node: ast.BinOp) -> Term:
        terms = [self.read(node.left), self.read(node.right)]
        if not isinstance(node.op, ast.Add):
            self._no_text(node, *terms)
        try:
            return ARITHMETIC[type(node.op)](*terms)
        except (TypeError, ArithmeticError) as error:
            raise self._refused(f"{ast.unparse(node)!r} is no number: {error}") from None

    def _no_text(self, node: ast.AST, *terms: Term) -> Term:
        """Refuse to reckon with text; return the first term."""
        if any(isinstance(term, str) for term in terms):
            raise self._refused(f"{ast.unparse(node)!r} reckons with text; write a number")
        return terms[0]

    def _condition(self, node: ast.AST) -> pl.Expr:
        term = self.read(node)
        if not isinstance(term, pl.Expr) or (isinstance(node, ast.BinOp) and not _logical(node)):
            raise self._refused(f"{ast.unparse(node)!r} is no condition; put each in brackets")
        return term.cast(pl.Boolean).fill_null(False)

    def _comparison(self, node: ast.Compare) -> pl.Expr:
        terms = [self.read(part) for part in (node.left, *node.comparators)]
        found = pl.lit(True)
        for op, left, right in zip(node.ops, terms[:-1], terms[1:], strict=True):
            if type(op) not in COMPARISONS or not any(
                isinstance(t, pl.Expr) for t in (left, right)
            ):
                raise self._refused(f"{ast.unparse(node)!r} compares no column")
            one = COMPARISONS[type(op)](left, right).fill_null(isinstance(op, ast.NotEq))
            found = found & one
        return found

    def _method(self, column: Term, name: str, args: list[ast.expr]) -> pl.Expr:
        if not isinstance(column, pl.Expr) or name not in METHODS:
            raise self._refused(f"'.{name}' is not understood; there are {listed(METHODS)}")
        match args:
            case [ast.List(elts=items) | ast.Tuple(elts=items)] if name == "isin":
                return self._any_of(column, items)
        match name, [self.read(arg) for arg in args]:
            case "between", [low, high]:
                return column.is_between(_literal(low), _literal(high)).fill_null(False)
            case "isna" | "isnull", []:
                return column.is_null()
            case "notna" | "notnull", []:
                return column.is_not_null()
        raise self._refused(f"'.{name}' takes isin([..]), between(low, high), or nothing")

    def _any_of(self, column: pl.Expr, items: list[ast.expr]) -> pl.Expr:
        values = [self.read(item) for item in items]
        if any(isinstance(value, pl.Expr) for value in values):
            raise self._refused("'.isin' has a column in its list; list values")
        if len({isinstance(value, str) for value in values}) > 1:
            raise self._refused(f"'.isin' lists numbers and text, {values}; list either")
        found = [column == value for value in values]
        return pl.any_horizontal(pl.lit(False), *found).fill_null(False)

    def _name(self, node: ast.AST) -> Term:
        match node:
            case ast.Name(id=name):
                pass
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in CONSTANTS:
                return CONSTANTS[module, name]
            case (
                ast.Attribute(value=ast.Name(id=table), attr=name)
                | ast.Subscript(value=ast.Name(id=table), slice=ast.Constant(value=str(name)))
            ):
                if table != self.table:
                    raise self._refused(f"{table!r} is not the table counted, {self.table!r}")
            case _:
                raise self._refused(f"{ast.unparse(node)!r} is not a column")
        if name not in self.columns:
            there = listed(sorted(self.columns))
            raise self._refused(f"{self.table} have no column {name!r}; they have {there}")
        return pl.col(name)

    def _refused(self, why: str) -> PopgenError:
        return PopgenError(f"{self.where}, {why}")


def _logical(node: ast.BinOp) -> bool:
    return type(node.op) in LOGIC

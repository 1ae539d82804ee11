"""The house's sizes: modules and functions that a reader takes in at once."""

import ast
from pathlib import Path
from statistics import median

import pytest

PACKAGE = Path(__file__).parents[1] / "popgen"
MEDIAN, MODULE, FUNCTION = 150, 400, 40
"""Most lines of the median module, of any module, and of a function without its docstring."""

TOO_LONG: set[str] = set()
"""Functions known to be longer: to be made shorter, and then taken out of here."""

SOURCES = {str(p.relative_to(PACKAGE)): p.read_text("utf-8") for p in PACKAGE.rglob("*.py")}
LENGTHS = {name: len(text.splitlines()) for name, text in SOURCES.items()}


def lines_of(function):
    """Count the lines of a function, decorators and docstring left out."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def long_functions():
    """Name the functions that are too long, also in classes and functions, with their lines."""
    return {
        f"{name}:{node.name}": lines_of(node)
        for name, text in SOURCES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > FUNCTION
    }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def f():\n    return 1", 2),
        ('def f():\n    """One.\n\n    Two.\n    """\n    return 1', 2),
        ("@cache\ndef f(\n    a,\n):\n    return a", 4),
    ],
)
def test_lines_are_counted_without_docstring(text, lines):
    assert lines_of(ast.parse(text).body[0]) == lines


def test_the_median_module_is_short():
    longest = sorted(LENGTHS, key=LENGTHS.get, reverse=True)[:10]
    found = median(LENGTHS.values())
    assert found <= MEDIAN, f"the median is {found}; the longest: {longest}"


def test_no_module_is_very_long():
    assert {name: lines for name, lines in LENGTHS.items() if lines > MODULE} == {}


def test_no_function_is_long():
    long = long_functions()
    assert {name: lines for name, lines in long.items() if name not in TOO_LONG} == {}
    assert set(long) >= TOO_LONG, "no longer too long: take it out of TOO_LONG"

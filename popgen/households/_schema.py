"""Hold data from a TOML or YAML file against a JSON Schema; name every mistake, its key and line.

Only the keywords that popgen's own schema uses are known; an unknown one is an error, so that the
schema cannot promise what is not checked.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from popgen.errors import listed

Place = tuple[str | int, ...]

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}

NAMES = {
    "object": "a table of keys",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
}

NO_KEY = "is no key; "
"""How the mistake of a key that the schema does not have begins: the rest of its table stands."""

SILENT = {"$schema", "$id", "$defs", "title", "description", "default", "examples"}


@cache
def schema(file: str = "schema.json") -> dict[str, Any]:
    """Return a JSON Schema: that of ``popgen.toml``, as it is published, or another beside it."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def mistakes(data: Any, rules: Mapping[str, Any]) -> list[tuple[Place, str]]:
    """List every place where data break a schema, and how.

    Examples
    --------
    >>> rules = {
    ...     "type": "object",
    ...     "properties": {"rows": {"type": "integer", "minimum": 1}},
    ...     "additionalProperties": False,
    ... }
    >>> mistakes({"rows": 0, "row": 1}, rules)
    [(('rows',), 'must be at least 1; got 0'), (('row',), "is no key; did you mean 'rows'?")]
    """
    return list(_broken(data, rules, rules, ()))


def _broken(
    data: Any, rule: Mapping[str, Any], root: Mapping[str, Any], at: Place
) -> Iterator[tuple[Place, str]]:
    if "$ref" in rule:
        rule = root["$defs"][rule["$ref"].removeprefix("#/$defs/")]
    if "oneOf" in rule:
        yield from _alternatives(data, rule["oneOf"], root, at)
        return
    kind = rule.get("type", "object")
    if not isinstance(data, KINDS[kind]) or (isinstance(data, bool) and kind != "boolean"):
        yield at, f"must be {NAMES.get(kind, f'a {kind}')}; got {data!r}"
        return
    for keyword, value in rule.items():
        if keyword not in SILENT | {"type"}:
            yield from CHECKS[keyword](data, value, rule, root, at)


def _alternatives(
    data: Any, rules: list[Mapping[str, Any]], root: Mapping[str, Any], at: Place
) -> Iterator[tuple[Place, str]]:
    """Hold data against the alternative of its own type (they differ in it), else the first."""
    of_kind = [rule for rule in rules if isinstance(data, KINDS[rule["type"]])]
    yield from _broken(data, (of_kind or rules)[0], root, at)


def _required(data: Any, names: list[str], rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if absent := [name for name in names if name not in data]:
        yield at, f"needs {listed(absent)}"


def _properties(data: Any, known: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    for name in data:
        if name in known:
            yield from _broken(data[name], known[name], root, (*at, name))


def _additional(data: Any, allowed: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    known = rule.get("properties", {})
    for name in data:
        if name in known:
            continue
        if allowed is not False:
            yield from _broken(data[name], allowed, root, (*at, name))
            continue
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {listed(known, most=20)}"
        yield (*at, name), f"{NO_KEY}{hint}"


def _items(data: Any, each: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    for number, item in enumerate(data):
        yield from _broken(item, each, root, (*at, number))


def _enum(data: Any, allowed: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if data not in allowed:
        yield at, f"must be one of {listed(allowed)}; got {data!r}"


def _least(data: Any, least: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if not data >= least:
        yield at, f"must be at least {least:g}; got {data!r}"


def _most(data: Any, most: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if data > most:
        yield at, f"must be at most {most:g}; got {data!r}"


def _above(data: Any, least: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if not data > least:
        yield at, f"must be more than {least:g}; got {data!r}"


def _some(data: Any, least: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if len(data) < least:
        yield at, f"must have at least {least}; got {len(data)}"


def _unlike(data: Any, asked: Any, rule: Any, root: Any, at: Place) -> Iterator[Any]:
    if twice := sorted({repr(item) for item in data if data.count(item) > 1}):
        yield at, f"names {', '.join(twice)} more than once"


CHECKS: dict[str, Any] = {
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "enum": _enum,
    "minimum": _least,
    "maximum": _most,
    "exclusiveMinimum": _above,
    "minItems": _some,
    "minLength": _some,
    "minProperties": _some,
    "uniqueItems": _unlike,
}


def key_of(at: Place) -> str:
    """Write where a key is: ``margins[2].level`` is that of the second margin.

    >>> key_of(("margins", 1, "level"))
    'margins[2].level'
    """
    text = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in at)
    return text.removeprefix(".")


def line_of(text: str, at: Place) -> int | None:
    r"""Find the line of a TOML file where a key, or else the table that it is in, is written.

    >>> line_of("[a]\nx = 1\n[[b]]\ny = 2\n[[b]]\ny = 3", ("b", 1, "y"))
    6
    """
    here: Place = ()
    counts: dict[str, int] = {}
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"\s*(\[\[?)\s*([\w.\-]+)\s*\]", line):
            name = head[2]
            here = tuple(name.split("."))
            if head[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                here = (*here, counts[name])
            elif here[0] in counts:
                here = (here[0], counts[here[0]], *here[1:])
            full = here
        elif key := re.match(r"\s*[\"']?([\w\-]+)[\"']?(?:\.[\w\-\.]+)?\s*=", line):
            full = (*here, key[1])
        else:
            continue
        if at[: len(full)] == full and (best is None or len(full) > best[0]):
            best = len(full), number
    return None if best is None else best[1]

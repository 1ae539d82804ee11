"""popgen.toml's schema is the published one, the one that is checked, and the one that is read."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from popgen.households._schema import CHECKS, KINDS, SILENT, key_of, line_of, mistakes, schema

TOWN = Path(__file__).parents[1] / "data/households/town/popgen.toml"
RULES = schema()
EXAMPLE = tomllib.loads(TOWN.read_text(encoding="utf-8"))

FULL: dict[str, Any] = {
    **EXAMPLE,
    "households": {
        **EXAMPLE["households"],
        "region": "county",
        "borrow": 0.5,
        "zero_weight": "drop",
    },
    "persons": {**EXAMPLE["persons"], "household": "hh_id"},
    "totals": {"persons": {"file": "u.csv", "column": "p", "area": "t"}},
    "fit": {
        "lower": 0.1,
        "upper": 30,
        "soft": False,
        "loss": "absolute",
        "max_expansion": 30,
        "integerise": "cube",
    },
    "output": {"format": "csv", "households": ["NP"], "persons": [], "names": "activitysim"},
}
FULL["totals"]["households"] = {"file": "u.csv", "column": "h"}
FULL["margins"] = [
    {**EXAMPLE["margins"][0], "name": "n", "area": "a", "count": "c", "importance": 5},
    *EXAMPLE["margins"][1:],
    {**EXAMPLE["margins"][3], "columns": {"x": {"where": "y", "importance": 7.5}}},
]


def keys_of(rule: Any) -> set[str]:
    """All keys that a schema names, below any depth."""
    if isinstance(rule, list):
        return set().union(*map(keys_of, rule))
    if not isinstance(rule, dict):
        return set()
    named = set(rule.get("properties", {}))
    return named.union(*map(keys_of, rule.values()))


def keys_in(data: Any) -> set[str]:
    if isinstance(data, list):
        return set().union(*map(keys_in, data))
    return set(data).union(*map(keys_in, data.values())) if isinstance(data, dict) else set()


BOTH = pytest.mark.parametrize("rules", [RULES, schema("settings_schema.json")])


@BOTH
def test_the_schema_is_one(rules: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(rules)


@BOTH
def test_every_keyword_of_the_schema_is_checked(rules: dict[str, Any]) -> None:
    def keywords(rule: Any) -> set[str]:
        found = set(rule) - {"properties", "$defs"}
        for inner in (*rule.get("properties", {}).values(), *rule.get("$defs", {}).values()):
            found |= keywords(inner)
        for name in ("items", "additionalProperties"):
            found |= keywords(rule[name]) if isinstance(rule.get(name), dict) else set()
        return found.union(*map(keywords, rule.get("oneOf", ())))

    assert keywords(rules) <= set(CHECKS) | SILENT | {"type", "oneOf", "$ref"}


@pytest.mark.parametrize("data", [EXAMPLE, FULL])
def test_the_example_is_valid_for_both(data: dict[str, Any]) -> None:
    assert mistakes(data, RULES) == []
    jsonschema.validate(data, RULES)


def test_the_full_file_uses_every_key_and_every_key_is_read() -> None:
    assert keys_of(RULES) <= keys_in(FULL)
    package = Path(__file__).parents[1] / "popgen/households"
    source = "".join(
        (package / f"{name}.py").read_text(encoding="utf-8")
        for name in ("config", "kinds", "margins", "naming")
    )
    assert {key for key in keys_of(RULES) if f'"{key}"' not in source} == set()


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested data."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    here = []
    for step, value in inner:
        here.append((*at, step))
        if isinstance(value, dict | list):
            here += places(value, (*at, step))
    return here


@settings(max_examples=150)
@given(st.data())
def test_damaged_files_are_refused_exactly_where_jsonschema_refuses_them(
    data: st.DataObject,
) -> None:
    damaged = copy.deepcopy(FULL)
    at = data.draw(st.sampled_from(places(damaged)))
    holder = damaged
    for step in at[:-1]:
        holder = holder[step]
    junk = st.sampled_from(
        [None, "", "x", 0, -1, 0.5, 1e9, True, [], [1], ["a", "a"], {}, {"a": 1}]
    )
    change = data.draw(st.sampled_from(["drop", "replace", "add"]))
    if change == "drop":
        del holder[at[-1]]
    elif change == "replace":
        holder[at[-1]] = data.draw(junk)
    elif isinstance(holder, dict):
        holder["strange"] = data.draw(junk)
    ours = mistakes(damaged, RULES)
    theirs = list(jsonschema.Draft202012Validator(RULES).iter_errors(damaged))
    assert bool(ours) == bool(theirs), (ours, theirs)
    for place, message in ours:
        assert message
        assert line_of(TOWN.read_text(encoding="utf-8"), place) is None or key_of(place)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"margins": []}, "must have at least 1; got 0"),
        ({"households": {"file": "f"}}, "needs 'id'"),
        ({"fit": {"uper": 3}}, "is no key; did you mean 'upper'?"),
        ({"output": {"zzz": 3}}, "is no key; there are 'format', 'households', 'persons', 'names'"),
        ({"fit": {"upper": 1}}, "must be more than 1; got 1"),
        ({"fit": {"lower": -1}}, "must be at least 0; got -1"),
        ({"fit": {"soft": 1}}, "must be true or false; got 1"),
        ({"output": {"format": "xls"}}, "must be one of 'parquet', 'csv'; got 'xls'"),
        ({"codebook": 3}, "must be text; got 3"),
        ({"geography": []}, "must be a table of keys; got []"),
        ({"geography": {"crosswalk": "c", "levels": ["a", "a"]}}, "names 'a' more than once"),
    ],
)
def test_mistakes_say_what_to_write(change: dict[str, Any], says: str) -> None:
    assert [message for _, message in mistakes({**EXAMPLE, **change}, RULES)] == [says]


def test_mistakes_in_a_column_are_of_the_table_that_was_meant() -> None:
    margin = {**EXAMPLE["margins"][2], "columns": {"working": {"were": "A == 1"}}}
    found = mistakes({**EXAMPLE, "margins": [margin]}, RULES)
    assert sorted(key_of(at) for at, _ in found) == [
        "margins[1].columns.working",
        "margins[1].columns.working.were",
    ]
    assert dict(found)[found[0][0]] == "is no key; did you mean 'where'?"


def test_lines_are_those_of_the_key_or_of_its_table() -> None:
    text = TOWN.read_text(encoding="utf-8")
    lines = text.splitlines()
    for at, line in [
        (("households", "weight"), 'weight = "WEIGHT"'),
        (("margins", 2, "file"), 'file = "workers.csv"'),
        (("margins", 1, "columns", "from_65"), 'from_65 = "AGE >= 65"'),
        (("margins", 3, "columns", "count"), 'columns.count = { where = "NP > 0", se = "se" }'),
        (
            ("kinds", 1, "total", "column"),
            'total = { file = "units.csv", column = "group_quarters" }',
        ),
        (("fit", "upper"), None),
    ]:
        found = line_of(text, at)
        assert (None if found is None else lines[found - 1]) == line


def test_kinds_are_those_of_json() -> None:
    assert set(KINDS) == {"object", "array", "string", "boolean", "integer", "number"}

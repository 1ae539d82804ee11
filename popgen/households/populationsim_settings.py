"""PopulationSim's ``settings.yaml``, and the input tables that it lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from popgen.errors import PopgenError, listed
from popgen.frames import need_columns
from popgen.households._schema import Place, key_of, schema
from popgen.households.faults import Faults, Inputs
from popgen.households.records import load_typed

SETTINGS = "settings.yaml"

PLACES = (Path(), Path("configs"))
"""Where in the folder the settings may be."""

SILENT = {"index_col", "expression_filename"}
"""Keys of an input table of which nothing need be said: rows are found by household_id_col; and
what is refused."""


def settings_of(folder: Path) -> Path | None:
    """Find a folder's ``settings.yaml``."""
    return next((folder / p / SETTINGS for p in PLACES if (folder / p / SETTINGS).is_file()), None)


def rules() -> dict[str, Any]:
    """Say what the settings that are read must look like, as a JSON Schema."""
    return schema("settings_schema.json")


def read_settings(path: Path) -> dict[str, Any]:
    """Read settings; keys without a value are left out."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise PopgenError(
            "reading PopulationSim's settings.yaml needs PyYAML, which is not installed: pip "
            "install 'popgen-joint[populationsim]'"
        ) from None
    try:
        about = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise PopgenError(f"cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(about, dict):
        raise PopgenError("holds no settings: write key: value on each line")
    known = rules()["properties"]
    return {
        key: _stated(value, (key,)) if key in known else value
        for key, value in about.items()
        if value is not None
    }


def _stated(value: Any, at: Place) -> Any:
    """Leave out keys without a value, below any depth; refuse those that YAML takes for no text."""
    if isinstance(value, list):
        return [_stated(one, (*at, number)) for number, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if strange := [key for key in value if not isinstance(key, str)]:
        raise PopgenError(
            f"{key_of(at)} has the key {strange[0]!r}, which is no text; write it in quotes"
        )
    return {key: _stated(one, (*at, key)) for key, one in value.items() if one is not None}


class InputTables:
    """The tables of ``input_table_list``, each read with its columns dropped, renamed and kept.

    Attributes
    ----------
    notes : list of str
        What of their entries is not followed.
    """

    def __init__(self, entries: list[Mapping[str, Any]], inputs: Inputs, faults: Faults) -> None:
        self.inputs = inputs
        self.entries: dict[str, Mapping[str, Any]] = {}
        self.notes: list[str] = []
        for number, entry in enumerate(entries):
            if (name := entry["tablename"]) in self.entries:
                faults.add(("input_table_list", number), f"lists {name!r} again; drop one of them")
            self.entries[name] = entry

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str) -> pl.DataFrame:
        """Read a table.

        Raises
        ------
        PopgenError
            If it is not listed or has no file, columns would have one name, or one to be kept is
            not there.
        """
        entry = self.entries.get(name, {})
        if "filename" not in entry:
            raise PopgenError(f"input_table_list has no table {name!r} with a filename; add it")
        file = entry["filename"]
        if "expression_filename" in entry:
            raise PopgenError(
                f"table {name!r} has an expression_filename, which popgen does not run; write the "
                f"columns that it makes into {file}"
            )
        known = rules()["properties"]["input_table_list"]["items"]["properties"]
        if ignored := sorted(set(entry) - set(known) - SILENT):
            self.notes.append(f"popgen does not follow {listed(ignored)} of table {name!r}")
        frame = load_typed(self.inputs.path(file), comment="#")
        dropped = entry.get("drop_columns", [])
        if absent := [column for column in dropped if column not in frame.columns]:
            self.notes.append(f"{file} has no column {listed(absent)}, which drop_columns names")
        frame = _renamed(frame.drop(dropped, strict=False), entry, name)
        if "keep_columns" not in entry:
            return frame
        need_columns(frame, entry["keep_columns"], f"{file}, of which keep_columns keeps some,")
        index = [c for c in [entry.get("index_col")] if c in frame.columns]
        return frame.select(*dict.fromkeys([*index, *entry["keep_columns"]]))


def _renamed(frame: pl.DataFrame, entry: Mapping[str, Any], name: str) -> pl.DataFrame:
    """Rename the columns that are there; PopulationSim once called the key ``column_map``."""
    if "rename_columns" in entry and "column_map" in entry:
        raise PopgenError(f"table {name!r} has rename_columns and column_map; give one of them")
    renamed = entry.get("rename_columns", entry.get("column_map", {}))
    names = [renamed.get(column, column) for column in frame.columns]
    if twice := sorted({column for column in names if names.count(column) > 1}):
        raise PopgenError(
            f"table {name!r}: rename_columns makes {listed(twice)} of two columns of "
            f"{entry['filename']}; name them apart, or drop one of them (drop_columns)"
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))

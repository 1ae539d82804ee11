"""What the build scripts share: where raw data are, TOML text, checks, a deterministic write.

A build script has one function `build(shared) -> {path inside the folder: bytes}`. `main` either
writes those files or, with `--check`, compares them with what is committed and says which differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[2]
CENSUS = ROOT / "data" / "census_marginals"

Files = dict[str, bytes]
Toml = str | int | float | bool | Sequence["Toml"] | Mapping[str, "Toml"]


def shared_data(argument: str | None = None) -> Path:
    """Give the folder of raw inputs: the argument, $POPGEN_SHARED_DATA, or ../shared/data."""
    chosen = argument or os.environ.get("POPGEN_SHARED_DATA")
    return Path(chosen) if chosen else ROOT.parent / "shared" / "data"


def sha256(content: bytes) -> str:
    """Give the hexadecimal SHA-256 of a file's bytes."""
    return hashlib.sha256(content).hexdigest()


def csv(frame: pl.DataFrame) -> bytes:
    """Write a frame as CSV bytes with Unix line ends."""
    return frame.write_csv(line_terminator="\n").encode()


def key(name: str) -> str:
    """Write a TOML key: bare if it is a plain name, else quoted."""
    return name if name.isascii() and name.isidentifier() else json.dumps(name, ensure_ascii=False)


def value(item: Toml, *, width: int = 100) -> str:
    """Write a TOML value; an array too long for a line gets one line an item."""
    if isinstance(item, Mapping):
        return "{ " + ", ".join(f"{key(k)} = {value(v)}" for k, v in item.items()) + " }"
    if isinstance(item, str) or not isinstance(item, Sequence):
        return json.dumps(item, ensure_ascii=False)
    line = "[" + ", ".join(value(i) for i in item) + "]"
    if len(line) <= width:
        return line
    return "[\n" + "".join(f"    {value(i)},\n" for i in item) + "]"


def table(header: str, content: Mapping[str, Toml], *, array: bool = False) -> str:
    """Write one TOML table: a header line (none when empty) and one line a key."""
    head = f"[[{header}]]\n" if array else f"[{header}]\n" if header else ""
    return head + "".join(f"{key(k)} = {value(v)}\n" for k, v in content.items())


def document(*tables: str) -> bytes:
    """Join TOML tables into a file."""
    return "\n".join(tables).encode()


def require(holds: bool, message: str) -> None:
    """Stop the build when a figure is not what it must be."""
    if not holds:
        raise SystemExit(f"build stopped: {message}")


def differences(files: Files, folder: Path) -> list[str]:
    """Say which files of a folder are missing, differ from a fresh build, or are not part of it."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    missing = [f"{name} is missing" for name in files if name not in found]
    differ = [
        f"{name} differs from a fresh build"
        for name, content in files.items()
        if name in found and found[name].read_bytes() != content
    ]
    extra = [f"{name} is not made by the build" for name in found if name not in files]
    return sorted(missing + differ + extra)


def write(files: Files, folder: Path) -> None:
    """Write every file of a folder, each through a temporary file beside it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)


def main(build: Callable[[Path], Files], folder: Path, description: str | None) -> None:
    """Run a build script: write its folder, or with --check compare."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("shared", nargs="?", help="the shared data folder (see shared_data)")
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    options = parser.parse_args()
    files = build(shared_data(options.shared))
    if not options.check:
        write(files, folder)
        print(f"{folder.name}: {len(files)} files, {sum(map(len, files.values())):,} bytes")
        return
    wrong = differences(files, folder)
    for line in wrong:
        print(f"{folder.name}: {line}", file=sys.stderr)
    raise SystemExit(1 if wrong else 0)

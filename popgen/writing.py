"""Files come into being whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from popgen.errors import PopgenError

Writer = Callable[[Path], object]


def write_atomically(path: str | os.PathLike[str], write: Writer) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, then rename it into place.

    Raises
    ------
    PopgenError
        If the folder is absent or cannot be written, or the disk is full; nothing new is left
        behind, and a file that was there stays as it was.
    """
    target = Path(path)
    write_together({target: write})
    return target


def write_together(files: Mapping[Path, Writer]) -> None:
    """Write several files: all are filled, in the order given, before any takes its place.

    A symbolic link stays: the file it leads to is written.

    Raises
    ------
    PopgenError
        As `write_atomically`.
    """
    parts: dict[Path, Path] = {}
    try:
        for target, write in files.items():
            if target.is_dir():
                raise PopgenError(f"cannot write {target}: it is a folder; give a file's name")
            parts[target] = _part_beside(target, _end(target))
            with _explained(target):
                write(parts[target])
                parts[target].chmod(0o644)
                _store(parts[target])
        for target, part in parts.items():
            with _explained(target):
                part.replace(_end(target))
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder, and those above it, unless they are there.

    Raises
    ------
    PopgenError
        If that cannot be done: no permission, a file of that name, a full disk.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PopgenError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    return folder


def refuse_file(folder: Path) -> None:
    """Refuse a folder that cannot be made: its name is no name, or a file is where it would be."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise PopgenError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    if not there.is_dir():
        raise PopgenError(f"cannot make the folder {folder}: {there} is a file")


def _store(part: Path) -> None:
    """Have the disk hold a file's content before its name says that it does."""
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())


def _end(target: Path) -> Path:
    """Follow symbolic links to where a file is, or is to be."""
    return Path(os.path.realpath(target))


def _part_beside(target: Path, end: Path) -> Path:
    try:
        handle, name = tempfile.mkstemp(".part", f".{end.name}.", end.parent)
    except OSError as error:
        raise PopgenError(
            f"cannot write {target}: {error.strerror}; choose a folder that exists and is writable"
        ) from error
    os.close(handle)
    return Path(name)


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PopgenError(f"cannot write {target}: {error.strerror or error}") from error
    except pl.exceptions.PolarsError as error:
        raise PopgenError(f"cannot write {target}: {error}") from error


def of_text(text: str) -> Writer:
    """Give a writer that fills a file with text, UTF-8."""
    return lambda part: part.write_text(text, encoding="utf-8")


def finite(data: Any) -> Any:
    """Give the same data with None, which JSON knows, for every number that is not finite."""
    if isinstance(data, Mapping):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def as_json(data: Any) -> str:
    """Give JSON text, two spaces deep; what JSON has no word for is written as text."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n"


def sha256(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

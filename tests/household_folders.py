"""Folders of households for tests: the shipped town, changed file by file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

TOWN = Path(__file__).parents[1] / "data/households/town"


def town(folder: Path) -> Path:
    """Copy the shipped town into a folder."""
    return Path(shutil.copytree(TOWN, folder / "town"))


def edit(folder: Path, old: str, new: str, file: str = "popgen.toml") -> None:
    """Change one passage of a file, which must be there."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def rewrite(folder: Path, file: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change one CSV file, all of whose columns are read as text."""
    change(pl.read_csv(folder / file, infer_schema=False)).write_csv(folder / file)


def without(folder: Path, *margins: str) -> None:
    """Leave out the margins that are read from some files."""
    head, *rest = (folder / "popgen.toml").read_text(encoding="utf-8").split("[[margins]]")
    last, tail = rest[-1].split("[output]")
    rest[-1] = last
    kept = [part for part in rest if not any(f'"{name}"' in part for name in margins)]
    text = "[[margins]]".join([head, *kept]) + "[output]" + tail
    (folder / "popgen.toml").write_text(text, encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}

"""Data that do not come with popgen: registered folders, official downloads, checksums."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

from popgen.errors import PopgenError
from popgen.writing import as_json, of_text, sha256, write_atomically

FOLDERS = "POPGEN_DATA"
"""Environment variable: more folders, separated as in PATH."""


def home() -> Path:
    """Folder of what popgen remembers about this user's data (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "popgen"


def folders() -> list[Path]:
    """Folders that are searched: those of the environment, then the registered ones."""
    named = [Path(part) for part in os.environ.get(FOLDERS, "").split(os.pathsep) if part]
    listing = home() / "folders.json"
    known = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else []
    return [*named, *map(Path, known)]


def register(folder: str | os.PathLike[str]) -> Path:
    """Remember a folder of data, so that tasks find their files in it.

    Raises
    ------
    PopgenError
        If there is no such folder.
    """
    path = Path(folder).resolve()
    if not path.is_dir():
        raise PopgenError(f"{folder} is no folder; name one that holds data files")
    listing = home() / "folders.json"
    listing.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else []
    write_atomically(listing, of_text(as_json(list(dict.fromkeys([*known, str(path)])))))
    return path


def find(file: str, digest: str) -> Path | None:
    """Find a file in the registered folders, by its path there or by its bare name.

    Raises
    ------
    PopgenError
        If a file of that name is there but its sha256 is not the one stated.
    """
    altered = None
    for folder in folders():
        for path in (folder / file, folder / Path(file).name):
            if path.is_file():
                if sha256(path) == digest:
                    return path
                altered = path
    if altered is not None:
        raise PopgenError(
            f"{altered} is not the file that the task was made with: its sha256 is "
            f"{sha256(altered)}, not {digest}; get the original"
        )
    return None


def download(url: str, file: str, digest: str) -> Path:
    """Fetch an official file into popgen's own folder, check its sha256, and register the folder.

    Raises
    ------
    PopgenError
        If pooch is not installed, the host cannot be reached, or the file is not the stated one.
    """
    if find_spec("pooch") is None:
        raise PopgenError("downloads need pooch: pip install popgen-joint[bench]")
    import pooch  # an extra

    target = home() / "files"
    target.mkdir(parents=True, exist_ok=True)
    pooch.utils.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(url, f"sha256:{digest}", Path(file).name, target)
    except (OSError, ValueError) as error:  # no connection, an HTTP status, another digest
        raise PopgenError(f"cannot download {url}: {error}") from error
    register(target)
    return Path(path)

"""Mistakes in a folder, each with its place, and the folder's files as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from popgen.errors import PopgenError, listed
from popgen.households._schema import Place, key_of, line_of
from popgen.writing import sha256


class Faults:
    r"""Mistakes found in a folder, each with the place where it is written.

    Examples
    --------
    >>> faults = Faults("popgen.toml", "[fit]\nlower = 2")
    >>> with faults.at("fit", "lower"):
    ...     raise PopgenError("too large")
    >>> faults.found
    ['popgen.toml, line 2, fit.lower: too large']
    """

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text, self.found = file, text, list[str]()

    def add(self, at: Place, message: str) -> None:
        """Note a mistake at a key."""
        line = line_of(self.text, at)
        where = [self.file, *([f"line {line}"] if line else []), *([key_of(at)] if at else [])]
        fault = f"{', '.join(where)}: {message}"
        if fault not in self.found:
            self.found.append(fault)

    def at(self, *key: str | int) -> Noted:
        """Note what is refused while a block runs as a mistake at a key, and go on after it."""
        return Noted(self, key)

    def refuse(self) -> None:
        """Raise `PopgenError` with the first mistake, if there is one."""
        if self.found:
            more = len(self.found) - 1
            rest = f"; {more} more mistake(s): popgen validate lists all" if more else ""
            raise PopgenError(f"{self.found[0]}{rest}")


class Inputs:
    """Files of a folder as they are read, each with its digest.

    Attributes
    ----------
    folder : Path
        The folder.
    places : tuple of Path
        Where names are looked for, in this order.
    digests : dict of str to str
        SHA-256 of the files read so far.
    paths : list of Path
        Where they are.
    """

    def __init__(self, folder: Path, places: tuple[Path, ...] = ()) -> None:
        self.folder, self.places, self.digests = folder, places or (folder,), dict[str, str]()
        self.paths: list[Path] = []

    def path(self, name: str) -> Path:
        """Return where a file is, and note its digest; `PopgenError` if there is none."""
        path = next((p / name for p in self.places if (p / name).is_file()), None)
        if path is None:
            where = listed(dict.fromkeys(str(place) for place in self.places))
            raise PopgenError(f"there is no file {name!r} in {where}")
        if name not in self.digests:
            self.digests[name] = sha256(path)
            self.paths.append(path)
        return path


@dataclass(frozen=True)
class Noted:
    """A block whose `PopgenError`, if it raises one, becomes a mistake at a key."""

    faults: Faults
    key: Place

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        """Note a refusal; let everything else through."""
        if not isinstance(error, PopgenError):
            return False
        self.faults.add(self.key, str(error))
        return True

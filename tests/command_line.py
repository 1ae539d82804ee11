"""What tests of the command line share; the fixtures `run` and `refused` are in conftest.py."""

from collections.abc import Callable
from pathlib import Path

PLACE = "us_adult_citizens_2018"
WI = ("--place", PLACE, "--zone", "WI")

Run = Callable[..., tuple[str, str]]
Refused = Callable[..., None]


def write(name: str, *lines: str) -> str:
    """Write a file of lines into the working folder; return its name."""
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name

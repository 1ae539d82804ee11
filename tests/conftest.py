"""What every test shares: repeatable property tests, the way to the raw data, the command line."""

import os
from pathlib import Path

import pytest
from command_line import Refused, Run
from hypothesis import settings

from popgen.cli import main

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("popgen", derandomize=True, deadline=None)
settings.load_profile("popgen")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the raw tables that the shipped figures were built from (not in the repository)."""
    folder = Path(os.environ.get("POPGEN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"raw tables not found at {folder}; set POPGEN_SHARED_DATA to the folder that has them"
        )
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work from a folder that has nothing to do with the repository."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must succeed; return what it printed on stdout and stderr."""

    def ran(*arguments: str) -> tuple[str, str]:
        code = main(arguments)
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out, printed.err

    return ran


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], elsewhere: Path) -> Refused:
    """Run a command that must be refused with one message, leaving no output."""

    def ran(*arguments: str, says: str) -> None:
        before = sorted(elsewhere.rglob("*"))
        code = main(arguments)
        printed = capsys.readouterr()
        assert code == 2
        assert printed.out == ""
        [message] = printed.err.splitlines()
        assert message.startswith("popgen: ")
        assert says in message
        assert sorted(elsewhere.rglob("*")) == before

    return ran

"""``popgen generate --config``, ``popgen households`` and ``popgen validate`` of such folders."""

import json
from pathlib import Path

import polars as pl
import pytest
from command_line import Refused, Run
from household_folders import TOWN, edit, town

from popgen.cli import main
from popgen.households._schema import schema
from popgen.households.plan import HouseholdPlan


def test_the_schema_is_printed(run: Run) -> None:
    assert json.loads(run("households", "schema")[0]) == schema()


def test_the_example_runs_from_the_first_command_to_the_last(run: Run, elsewhere: Path) -> None:
    told = run("households", "example", "town")[1]
    assert "next: popgen generate --config town --rng 0 --out town/out" in told
    assert run("validate", "town")[1] == "town: nothing wrong\n"
    told = run("generate", "--config", "town", "--rng", "0", "--out", "town/out")[1]
    assert "wrote 1,800 households and 4,324 persons to town/out" in told
    assert "tract: total absolute error " in told
    assert len(pl.read_csv("town/out/synthetic_households.csv")) == 1800
    provenance = json.loads(Path("town/out/provenance.json").read_text(encoding="utf-8"))
    assert provenance["files"]["popgen.toml"]
    again = run(
        "generate", "--config", "town", "--rng", "0", "--out", "again", "--names", "activitysim",
        "--json", "--quiet",
    )  # fmt: skip
    assert again[1] == ""
    assert json.loads(again[0])["files"] == [
        "again/synthetic_households.csv", "again/synthetic_persons.csv", "again/fit_report.csv",
        "again/provenance.json",
    ]  # fmt: skip
    assert "home_zone_id" in pl.read_csv("again/synthetic_households.csv").columns


def test_the_group_alone_prints_its_help(run: Run) -> None:
    assert "schema" in run("households")[0]


def test_refusals(refused: Refused, elsewhere: Path) -> None:
    refused("generate", "--config", "nowhere", "--out", "o", says="nowhere has neither popgen.toml")
    refused("generate", "--config", str(TOWN), says="say with --out into which folder")
    refused(
        "generate", "--config", str(TOWN), "--out", "o", "-n", "5", "--place", "us_2018",
        says="-n, --place cannot go with --config",
    )  # fmt: skip
    refused("generate", "--place", "us_2018", says="Missing option '-n'")
    refused(
        "generate", "--names", "activitysim", "-n", "5", says="--names cannot go without --conf"
    )
    (elsewhere / "there").mkdir()
    refused("households", "example", "there", says="there is there already")
    (elsewhere / "file").write_text("")
    refused("households", "example", "file/town", says="cannot make the folder")


def test_where_nothing_can_be_written_nothing_is_fitted(
    refused: Refused, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HouseholdPlan, "populate", None)  # it is not come to
    (elsewhere / "file").write_text("")
    refused("generate", "--config", str(TOWN), "--out", "file", says="make the folder file: ")
    folder = town(elsewhere)
    (folder / "workers.csv").rename(folder / "synthetic_persons.csv")
    edit(folder, "workers.csv", "synthetic_persons.csv")
    refused("generate", "--config", "town", "--out", "town", says="was read and would be written")


def test_the_file_may_be_named_for_its_folder(run: Run, refused: Refused, elsewhere: Path) -> None:
    town(elsewhere)
    for name in ("town", "town/popgen.toml"):
        run("generate", "--config", name, "--rng", "0", "--out", name.replace("/", "-"))
        assert "nothing wrong" in run("validate", name)[1]
    homes = [Path(out) / "synthetic_households.csv" for out in ("town", "town-popgen.toml")]
    assert homes[0].read_bytes() == homes[1].read_bytes()
    refused("validate", "town/popgen.toml", "--weight", "w", says="are for a microdata file; town")


def test_validate_lists_everything(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = town(elsewhere)
    edit(folder, "weight =", "weigth =")
    edit(folder, "AGE >= 65", "AGES >= 65")
    assert main(["validate", "town"]) == 2
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert (
        lines[0]
        == "town/popgen.toml, line 12, households.weigth: is no key; did you mean 'weight'?"
    )
    assert lines[1].startswith("town/popgen.toml, line 48, margins[2].columns.from_65: where: in ")
    assert "2 fault(s) found" in printed.err


def test_what_cannot_be_met_is_refused_or_softened(
    run: Run, refused: Refused, elsewhere: Path
) -> None:
    folder = town(elsewhere)
    for old, new in (("1,rents,64", "1,rents,164"), ("2,owns,87", "2,owns,27"),
                     ("2,rents,94", "2,rents,54")):  # fmt: skip
        edit(folder, f"0101,{old}", f"0101,{new}", "size_by_tenure.csv")  # 100 persons too few
    given = ("generate", "--config", "town", "--rng", "0", "--out", "out")
    refused(*given, says="softly: on_infeasible='soften', on the command line --soften")
    assert not Path("out").exists()
    told = run("generate", "--config", "town", "--rng", "0", "--out", "out", "--soften")[1]
    assert "1 area(s) could not be met exactly: tract 0101" in told

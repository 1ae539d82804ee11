import errno
import hashlib
import json
import os
import stat

import polars as pl
import pytest

from popgen import PopgenError
from popgen.writing import as_json, of_text, sha256, write_atomically, write_together


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def write_text(path, text):
    return write_atomically(path, of_text(text))


def full(part):
    part.write_bytes(b"half of the fi")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_written_byte_for_byte_and_can_be_read_by_others(tmp_path):
    target = write_atomically(tmp_path / "a.bin", lambda part: part.write_bytes(b"\x00\r\n\xff"))
    assert target.read_bytes() == b"\x00\r\n\xff"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert left(tmp_path) == ["a.bin"]


def test_text_is_utf8_and_json_is_readable(tmp_path):
    assert write_text(tmp_path / "a.txt", "façade\n").read_bytes() == "façade\n".encode()
    path = write_text(tmp_path / "a.json", as_json({"place": "Québec", "folder": tmp_path}))
    assert "Québec" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8"))["folder"] == str(tmp_path)


def test_a_disk_that_fills_up_leaves_nothing_behind(tmp_path):
    with pytest.raises(PopgenError, match=r"cannot write .*a\.csv: No space left on device"):
        write_atomically(tmp_path / "a.csv", full)
    assert left(tmp_path) == []


def test_the_old_file_is_kept_when_the_new_one_fails(tmp_path):
    old = tmp_path / "a.csv"
    old.write_text("old")
    with pytest.raises(PopgenError, match="No space left"):
        write_atomically(old, full)
    assert old.read_text() == "old"
    assert left(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("failure", [RuntimeError("bug"), KeyboardInterrupt()])
def test_any_other_failure_leaves_nothing_behind_either(tmp_path, failure):
    def fail(part):
        part.write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        write_atomically(tmp_path / "a.csv", fail)
    assert left(tmp_path) == []


def test_a_failure_inside_polars_is_explained(tmp_path):
    def fail(part):
        raise pl.exceptions.ComputeError("cannot write nested data")

    with pytest.raises(PopgenError, match=r"cannot write .*a\.csv: cannot write nested data"):
        write_atomically(tmp_path / "a.csv", fail)
    assert left(tmp_path) == []


def test_an_absent_folder_is_named(tmp_path):
    message = r"cannot write .*a\.csv: No such file or directory; choose a folder that exists"
    with pytest.raises(PopgenError, match=message):
        write_text(tmp_path / "absent" / "a.csv", "x")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(PopgenError, match="Not a directory; choose a folder that exists"):
        write_text(tmp_path / "file" / "a.csv", "x")
    assert left(tmp_path) == ["file"]


def test_a_folder_is_not_overwritten(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(PopgenError, match="it is a folder; give a file's name"):
        write_text(tmp_path / "a.csv", "x")
    assert left(tmp_path) == ["a.csv"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PopgenError, match="Permission denied; choose a folder that exists"):
            write_text(tmp_path / "a.csv", "x")
    finally:
        tmp_path.chmod(0o700)


def test_several_files_come_together_or_not_at_all(tmp_path):
    first = tmp_path / "a"
    first.write_text("old")
    with pytest.raises(PopgenError, match="No space left"):
        write_together({first: lambda part: part.write_text("new"), tmp_path / "b": full})
    assert first.read_text() == "old"
    assert left(tmp_path) == ["a"]


def test_a_symbolic_link_stays_and_what_it_leads_to_is_written(tmp_path):
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    link, dangling = tmp_path / "a", tmp_path / "b"
    (shelf / "a.1").write_text("old")
    link.symlink_to("shelf/a.1")
    dangling.symlink_to(shelf / "b.1")
    write_together({link: of_text("new"), dangling: of_text("first")})
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (shelf / "a.1").read_text() == "new"
    assert (shelf / "b.1").read_text() == "first"
    assert left(shelf) == ["a.1", "b.1"]


def test_a_symbolic_link_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "absent" / "a")
    with pytest.raises(PopgenError, match=r"cannot write .*a: No such file or directory; choose"):
        write_text(tmp_path / "a", "x")
    assert left(tmp_path) == ["a"]


def test_the_digest_is_of_the_whole_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1_000_000)
    assert sha256(path) == hashlib.sha256(b"x" * 1_000_000).hexdigest()

"""A file that is written whole, and folders that are hard to remove."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from workshop.emulator import files


@pytest.mark.parametrize("content", ["zwölf", "zwölf".encode()], ids=["text", "bytes"])
def test_a_file_is_whole_and_for_its_owner(tmp_path, content):
    file = tmp_path / "a.json"
    file.write_text("the one before")
    files.write(file, content)
    assert file.read_bytes() == "zwölf".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_others_may_read_what_is_for_them(tmp_path):
    before = os.umask(0o022)
    try:
        files.write(tmp_path / "a", "x", 0o666)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    file, seen = tmp_path / "a", []
    file.write_text("the one before")
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(file.read_text()))
    files.write(file, "the next")
    assert (seen, file.read_text()) == (["the one before"], "the next")


def test_what_cannot_be_written_leaves_the_one_before_and_nothing_else(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "no space left")

    file = tmp_path / "a"
    file.write_text("the one before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        files.write(file, "the next")
    assert file.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_closed_goes(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "c").touch()
    inner.chmod(0)
    files.remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()

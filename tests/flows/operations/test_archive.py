"""Backups on disk: whole or not there, and a damaged one is never put back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.operations import archive
from flows.operations.archive import BackupManifest
from tools.errors import BadRequest, NotFound
from tools.settings import Settings


def _make(settings: Settings, name: str, made: str = "2026-11-22") -> Path:
    with archive.create(settings, name) as path:
        (path / "postgres.dump").write_text("data")
        archive.write(path, BackupManifest(made=made, version="1", counts={}))
    return archive.folder(settings) / name


def test_a_backup_that_fails_leaves_nothing(settings: Settings) -> None:
    with pytest.raises(OSError, match="disk full"), archive.create(settings, "a") as path:
        (path / "half").write_text("x")
        raise OSError("disk full")
    assert list(archive.folder(settings).iterdir()) == []


def test_a_damaged_or_unknown_backup_is_refused(settings: Settings) -> None:
    path = _make(settings, "a")
    assert archive.read(settings, "a")[1].files.keys() == {"postgres.dump"}
    (path / "postgres.dump").write_text("tampered")
    with pytest.raises(BadRequest, match=r"postgres\.dump is damaged"):
        archive.read(settings, "a")
    for name in ("b", "../a"):
        with pytest.raises(NotFound):
            archive.read(settings, name)


def test_the_newest_backups_stay_whatever_they_are_called(settings: Settings) -> None:
    for month, name in enumerate(("before-the-move", "2026-02", "1-by-hand"), start=1):
        _make(settings, name, f"2026-0{month}-01")
    assert archive.delete_old(settings, 2) == ["before-the-move"]
    assert archive.list_backups(settings) == ["2026-02", "1-by-hand"]


def test_a_backup_that_can_not_be_read_stops_nobody_and_is_not_taken_for_one(settings: Settings) -> None:
    for month, name in enumerate("abc", start=1):
        _make(settings, name, f"2026-0{month}-01")
    (archive.folder(settings) / "a" / "manifest.json").write_text('{"made": ')
    assert archive.delete_old(settings, 1) == ["b"]
    assert archive.list_backups(settings) == ["c"]
    with pytest.raises(BadRequest, match=r"manifest\.json is damaged"):
        archive.read(settings, "a")
    assert (archive.folder(settings) / "a" / "postgres.dump").is_file()


def test_sqlite_files_are_copied_whole_while_they_are_written(settings: Settings, tmp_path: Path) -> None:
    source = settings.home / "graph" / "space_1.db"
    source.parent.mkdir(parents=True)
    (source.parent / "other.db").write_text("not SQLite")
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE v(vid)")
        writer.execute("INSERT INTO v VALUES (1)")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO v VALUES (2)")
        assert archive.copy_databases(settings, tmp_path) == ["graph/space_1.db"]
        writer.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "graph" / "space_1.db")) as copy:
        assert copy.execute("SELECT vid FROM v").fetchall() == [(1,)]


def test_settings_in_a_backup_hold_no_secret(settings: Settings) -> None:
    secret = settings.model_validate({**settings.model_dump(), "api_key": "hunter2"})
    assert "hunter2" not in str(archive.settings_without_secrets(secret))

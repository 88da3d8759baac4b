"""Backups on disk: folders that are whole or not there, each with a manifest and the digests of its files."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import BaseModel

from tools.access.secret_values import concealer, secret_values
from tools.errors import BadRequest, NotFound
from tools.log import get_logger
from tools.schema import JsonObject
from tools.settings import Settings

log = get_logger("archive")
SQLITE = b"SQLite format 3\0"
DATABASES = ("*.db", "*.sqlite")
BUSY_S = 30.0
"""How long a copy waits for somebody else's transaction."""


class Probe(BaseModel):
    """A search that must find this document after a restore."""

    collection: str
    query: str
    document: str


class BackupManifest(BaseModel):
    """What a backup holds: `made` is ISO 8601, `counts[collection]` has documents and chunks, `files` the
    SHA-256 of each by path; the stores in `missing` are servers of their own and are not in it."""

    made: str
    version: str
    counts: dict[str, dict[str, int]]
    probes: list[Probe] = []
    files: dict[str, str] = {}
    missing: list[str] = []


def folder(settings: Settings) -> Path:
    """Where all backups are."""
    return settings.home.absolute() / "backups"


@contextmanager
def create(settings: Settings, name: str) -> Iterator[Path]:
    """A folder to fill; it gets its name when the block ends well and disappears when it does not.

    Raises `BadRequest` for a name that is not one word.
    """
    if "/" in name or name.startswith("."):
        raise BadRequest("a backup's name is one word", param="name")
    partial = folder(settings) / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    try:
        yield partial
        partial.rename(folder(settings) / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write(path: Path, manifest: BackupManifest) -> None:
    """Add the digests of the files beside it, and write the manifest."""
    files = {str(file.relative_to(path)): digest(file) for file in sorted(path.rglob("*")) if file.is_file()}
    whole = manifest.model_copy(update={"files": files})
    (path / "manifest.json").write_text(whole.model_dump_json(indent=2), encoding="utf-8")


def read(settings: Settings, name: str) -> tuple[Path, BackupManifest]:
    """A backup whose files are what the manifest says. Raises `NotFound`, `BadRequest` (damaged)."""
    path = folder(settings) / name
    if "/" in name or not (path / "manifest.json").is_file():
        raise NotFound(f"there is no backup {name!r}", param="name")
    manifest = _manifest(path)
    for file, known in manifest.files.items():
        if not (path / file).is_file() or digest(path / file) != known:
            raise BadRequest(f"{file} is damaged", param="name", code="damaged_backup")
    return path, manifest


def list_backups(settings: Settings) -> list[str]:
    """Names of whole backups, oldest first, whatever they are called; one that can not be read stays."""
    found = []
    for file in folder(settings).glob("[!.]*/manifest.json"):
        try:
            found.append((_manifest(file.parent).made, file.parent.name))
        except BadRequest as exc:
            log.warning("backup_unreadable", name=file.parent.name, reason=exc.message)
    return [name for _, name in sorted(found)]


def _manifest(path: Path) -> BackupManifest:
    """Raises `BadRequest` (damaged)."""
    try:
        return BackupManifest.model_validate_json((path / "manifest.json").read_bytes())
    except ValueError as exc:
        raise BadRequest("manifest.json is damaged", param="name", code="damaged_backup") from exc


def delete_old(settings: Settings, keep: int) -> list[str]:
    """Remove all but the newest `keep`; the names that went."""
    old = list_backups(settings)[:-keep]
    for name in old:
        shutil.rmtree(folder(settings) / name)
    return old


def copy_databases(settings: Settings, target: Path) -> list[str]:
    """Consistent copies of every SQLite file of the data directory, while others write to them."""
    home, copied = settings.home.absolute(), []
    found = (path for pattern in DATABASES for path in home.rglob(pattern))
    for source in sorted(path for path in found if not path.is_relative_to(folder(settings))):
        if _is_sqlite(source):
            name = source.relative_to(home)
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            copy_database(source, target / name)
            copied.append(str(name))
    return copied


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of one SQLite file, whoever writes to it; what `target` held is replaced as one
    transaction, for those who have it open too."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(target, timeout=BUSY_S)) as copy,
    ):
        original.backup(copy)


def digest(file: Path) -> str:
    """SHA-256 in hexadecimal."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def settings_without_secrets(settings: Settings) -> JsonObject:
    """As JSON; secrets are stars, and so are passwords in addresses."""
    conceal = concealer(secret_values(settings))
    return json.loads(conceal(settings.model_dump_json()))


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as data:
        return data.read(len(SQLITE)) == SQLITE

"""The outbox of letters, which flows fill and empty: what is in it, and in the mail box, for one address."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email import message_from_bytes
from pathlib import Path

from tools.schema import JsonObject
from tools.settings import Settings

OUTBOX = "letters.sqlite"
"""`flows/operations/letters.py` makes it; a test holds that both mean the same file."""
COLUMNS = ("id", "recipient", "subject", "text", "state", "made")


def letters_to(settings: Settings, address: str) -> list[JsonObject]:
    """The letters to an address, as they lie in the outbox or in the mail box. Raises sqlite3.Error."""
    with _outbox(settings) as outbox:
        query = f"SELECT {', '.join(COLUMNS)} FROM letters WHERE lower(recipient) = ?"
        rows = outbox.execute(query, (address,)).fetchall() if outbox else []
    found: list[JsonObject] = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    found += [{"file": file.name, "text": _text(file)} for file in _files(settings, address)]
    return found


def erase_letters(settings: Settings, address: str) -> int:
    """Delete them; how many. One that a mail server has taken is out of reach. Raises sqlite3.Error."""
    with _outbox(settings) as outbox:
        query = "DELETE FROM letters WHERE lower(recipient) = ?"
        count = outbox.execute(query, (address,)).rowcount if outbox else 0
    for file in _files(settings, address):
        file.unlink(missing_ok=True)
        count += 1
    return count


@contextmanager
def _outbox(settings: Settings) -> Iterator[sqlite3.Connection | None]:
    """The outbox in one transaction; None before the first letter."""
    path = settings.home.absolute() / OUTBOX
    if not path.exists():
        yield None
        return
    with closing(sqlite3.connect(path, timeout=30)) as connection, connection:
        yield connection


def _files(settings: Settings, address: str) -> list[Path]:
    box = settings.home.absolute() / "mail"
    return [file for file in sorted(box.glob("*.eml")) if _recipient(file) == address]


def _recipient(file: Path) -> str:
    return str(message_from_bytes(file.read_bytes())["To"] or "").strip().lower()


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")

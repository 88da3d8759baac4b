"""A space's SQLite file: rows of vertices and edges, readers that never wait, one writer at a time.

Durable when `write()` ends: WAL mode, synced. A file that SQLite or its check distrusts is refused.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers.graph.errors import ExecutionError, QueryKilled, SpaceDamaged
from servers.graph.storage.codec import Decode, decoder, from_stored
from servers.graph.storage.schema import IndexDef, PropDef, Schema, SchemaDef
from servers.graph.values.types import NULL, Props

APPLICATION = 0x6E47514C
"""SQLite's application_id of a space's file: "nGQL"."""

CHECKED_BYTES = 64 * 2**20
"""A file up to this size is checked when it is opened; larger ones would take too long."""

PROGRESS_STEPS = 20_000
"""SQLite instructions between two looks at the deadline."""

PRIMARY = 0xFF
"""The byte of an error code that names its kind; the rest says more of it."""

NO_TAG = 0
"""The tag of the row that keeps a vertex without tags."""

TABLES = """
CREATE TABLE IF NOT EXISTS v (vid, tag INTEGER, props TEXT, PRIMARY KEY (vid, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS e (src, type INTEGER, rank INTEGER, dst, props TEXT,
    PRIMARY KEY (src, type, rank, dst)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS e_in ON e (dst, type, rank, src);
CREATE TABLE IF NOT EXISTS definition (kind TEXT, name TEXT, body TEXT, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
"""


class SpaceStore:
    """An open space. Safe for many threads. Raises `SpaceDamaged`."""

    def __init__(self, path: Path, *, name: str, vid_type: str, vid_length: int) -> None:
        self.path, self.name = path, name
        self.vid_type, self.vid_length = vid_type, vid_length
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._writer = _prepared(path)
        self.schema = _read_schema(self._writer)
        self.decoders = _decoders(self.schema)
        self._note_ttl()

    def _note_ttl(self) -> None:
        """What TTL may end: such edges and vertices must be decoded to know whether they are there."""
        self.ttl_edges = frozenset(item.id for item in self.schema.edges.values() if item.ttl_col)
        self.has_ttl_tags = any(item.ttl_col for item in self.schema.tags.values())

    # ------------------------------------------------------------ reading
    @contextmanager
    def read(self, deadline: float) -> Iterator[sqlite3.Connection]:
        """A connection that sees one snapshot. `deadline` is monotonic seconds.

        Raises `QueryKilled` beyond it.
        """
        connection = self._borrow()
        _limit(connection, deadline)
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as exc:
            raise _translated(exc, self.name) from exc
        finally:
            if connection.in_transaction:
                connection.rollback()
            self._give_back(connection)

    def _borrow(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return _open(self.path)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if len(self._idle) < 16:
            self._idle.append(connection)
        else:
            connection.close()

    # ------------------------------------------------------------ writing
    @contextmanager
    def write(self, deadline: float) -> Iterator[sqlite3.Connection]:
        """The only writing connection, inside a transaction that is durable when the block ends.

        Raises `QueryKilled` when the deadline comes first.
        """
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise QueryKilled("the query waited for other writers beyond its deadline")
        try:
            _limit(self._writer, deadline)
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.rollback()
                raise
            # A commit is not interrupted: past this point the answer is the disk's.
            self._writer.set_progress_handler(None, 0)
            self._writer.commit()
        except sqlite3.Error as exc:
            if self._writer.in_transaction:
                self._writer.rollback()
            raise _translated(exc, self.name) from exc
        finally:
            self._lock.release()

    @contextmanager
    def changing_schema(self, deadline: float) -> Iterator[None]:
        """Nobody else changes the schema while the block lasts: what `define` gets is decided in it.

        Raises `QueryKilled` when the deadline comes first."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise QueryKilled("the query waited for other writers beyond its deadline")
        try:
            yield
        finally:
            self._lock.release()

    def define(self, schema: Schema, deadline: float, statements: list[str] | None = None) -> None:
        """Replace the schema, inside `changing_schema`, and run `statements` (index tables, clean-ups) in the
        same transaction."""
        with self._lock:
            with self.write(deadline) as connection:
                for statement in statements or []:
                    connection.execute(statement)
                _write_schema(connection, schema)
            self.schema, self.decoders = schema, _decoders(schema)
            self._note_ttl()

    def close(self) -> None:
        """Close the writer and the idle readers."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()
            self._writer.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=128)
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA cache_size = -4096")
    connection.execute("PRAGMA mmap_size = 268435456")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _prepared(path: Path) -> sqlite3.Connection:
    """The writing connection of a file that can be trusted. Raises `SpaceDamaged`."""
    try:
        connection = _open(path)
        _check(connection, path)
    except sqlite3.DatabaseError as exc:
        raise SpaceDamaged(f"{path.name} is damaged and was refused: {exc}") from exc
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    try:
        marked = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and marked != APPLICATION:
            raise SpaceDamaged(f"{path.name} is not a space of the graph server")
        if tables and path.stat().st_size <= CHECKED_BYTES:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise SpaceDamaged(f"{path.name} is damaged and was refused: {verdict}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(TABLES)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
    except (sqlite3.DatabaseError, SpaceDamaged):
        connection.close()
        raise


def _limit(connection: sqlite3.Connection, deadline: float) -> None:
    connection.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)


def _translated(exc: sqlite3.Error, name: str) -> ExecutionError:
    match getattr(exc, "sqlite_errorcode", 0) & PRIMARY:
        case sqlite3.SQLITE_INTERRUPT:
            return QueryKilled("the query ran beyond its deadline")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return SpaceDamaged(f"the file of space {name} is damaged: {exc}")
        case _:
            return ExecutionError(f"storage: {exc}")


# ---------------------------------------------------------------- schema rows


def _read_schema(connection: sqlite3.Connection) -> Schema:
    definitions: list[SchemaDef] = []
    indexes: list[IndexDef] = []
    for kind, name, body in connection.execute("SELECT kind, name, body FROM definition"):
        fields = json.loads(body)
        if kind in ("TAG", "EDGE"):
            fields["props"] = tuple(_prop(item) for item in fields["props"])
            fields["dropped"] = tuple(fields.get("dropped", ()))
            definitions.append(SchemaDef(kind, name, **fields))
        else:
            fields["fields"] = tuple((prop, length) for prop, length in fields["fields"])
            indexes.append(IndexDef(kind.removesuffix(" INDEX"), name, **fields))
    row = connection.execute("SELECT value FROM meta WHERE key = 'next_id'").fetchone()
    return Schema.of(definitions, indexes, int(row[0]) if row else 2)


def _prop(item: dict[str, Any]) -> PropDef:
    default = item.pop("default")
    # Files of before did not say it: a row may then be older than the property.
    late = item.pop("late", default is not None)
    return PropDef(**item, default=tuple(default) if default else None, late=late)


def _write_schema(connection: sqlite3.Connection, schema: Schema) -> None:
    rows = [(item.kind, item.name, _body(item)) for item in schema.definitions()]
    rows += [(f"{item.kind} INDEX", item.name, _index_body(item)) for item in schema.indexes.values()]
    connection.execute("DELETE FROM definition")
    connection.executemany("INSERT INTO definition VALUES (?, ?, ?)", rows)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('next_id', ?)", (str(schema.next_id),))


def _body(item: SchemaDef) -> str:
    names = ("id", "next_position", "ttl_col", "ttl_duration", "comment", "dropped")
    parts = ("name", "type", "position", "length", "nullable", "default", "comment", "late")
    body: dict[str, Any] = {name: getattr(item, name) for name in names}
    body["props"] = [{part: getattr(prop, part) for part in parts} for prop in item.props]
    return json.dumps(body)


def _index_body(item: IndexDef) -> str:
    return json.dumps({name: getattr(item, name) for name in ("id", "owner", "fields", "comment")})


def _decoders(schema: Schema) -> dict[int, Decode]:
    return {item.id: decoder(item, _late_defaults(item)) for item in schema.definitions()}


def _late_defaults(item: SchemaDef) -> Props:
    return {
        prop.name: from_stored(prop, prop.default[1]) if prop.default and prop.default[0] == "value" else NULL
        for prop in item.props
    }

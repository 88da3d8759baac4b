"""The NebulaGraph client: nebula3's pool in threads, one space a session, parameters bound."""

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import nebula3.common.ttypes as nebula_types
from nebula3.Config import Config
from nebula3.data.ResultSet import ResultSet
from nebula3.Exception import AuthFailedException, IOErrorException, NotValidConnectionException
from nebula3.gclient.net import ConnectionPool, Session

from servers.bridge.store import Store
from tools.errors import BadRequest, Capibara6Error, CollectionNotFound, UpstreamFailed
from tools.settings import Settings

# The generated classes take their fields as keywords that no type checker sees.
TYPES: Any = nebula_types
SESSIONS = 16
SPACE_MISSING = ("SpaceNotFound", "SpaceNotExist", "Space not found", "not existed", "space was not")
EXPIRED = (-1002, -1003)
BROKEN = (IOErrorException, NotValidConnectionException, OSError, EOFError, RuntimeError)


class Nebula(Store):
    """Sessions are kept per space; a session that fails is dropped and the statement tried once more."""

    source = "nebula"

    def __init__(self, address: tuple[str, int], user: str, password: str, *, deadline_s: float) -> None:
        super().__init__(f"{address[0]}:{address[1]}", deadline_s=deadline_s)
        self.address, self.user, self.password = address, user, password
        self.pool: ConnectionPool | None = None
        self.idle: dict[str, list[Session]] = defaultdict(list)
        self.slots = asyncio.Semaphore(SESSIONS)

    async def execute(
        self,
        space: str,
        statement: str,
        params: dict[str, Any] | None = None,
        *,
        deadline_s: float | None = None,
    ) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows of one statement in `space` ("" for none)."""
        values = {name: to_value(value) for name, value in (params or {}).items()}
        await self.turn(self.slots, deadline_s=deadline_s)
        try:
            work = asyncio.to_thread(self._run, space, statement, values)
            return await self.call(work, deadline_s=deadline_s)
        finally:
            self.slots.release()

    async def spaces(self) -> list[str]:
        _, rows = await self.execute("", "SHOW SPACES")
        return [str(row[0]) for row in rows]

    async def version(self) -> str:
        await asyncio.to_thread(self._run, "", "YIELD 1 AS one", {})
        return "3"

    def close(self) -> None:
        self.idle.clear()
        if self.pool is not None:
            self.pool.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except Capibara6Error:
            raise
        except AuthFailedException as exc:
            raise UpstreamFailed("nebula refused our user", source="nebula") from exc
        except BROKEN as exc:
            self.trip()
            raise self.unavailable("is not reachable") from exc

    def _run(self, space: str, statement: str, params: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
        """In a thread: borrow a session, run, give it back only when it is whole."""
        try:
            session = self._borrow(space)
            result = session.execute_parameter(statement, params)
        except BROKEN:
            self._forget()
            session = self._borrow(space)
            result = session.execute_parameter(statement, params)
        if result.error_code() in EXPIRED:
            # The others of this space are as old.
            self.idle.pop(space, None)
            session = self._borrow(space)
            result = session.execute_parameter(statement, params)
            if result.error_code() in EXPIRED:
                raise NotValidConnectionException  # the server forgets sessions as soon as it opens them
        if result.is_succeeded() or result.error_code() in (-1004, -1009, -1005, -8):
            self.idle[space].append(session)
        else:
            session.release()
        return _rows(result)

    def _borrow(self, space: str) -> Session:
        try:
            return self.idle[space].pop()
        except IndexError:
            session = self._connected().get_session(self.user, self.password)
        if space:
            chosen = session.execute(f"USE `{space}`")
            if not chosen.is_succeeded():
                session.release()
                raise CollectionNotFound(f"there is no space {space}", source="nebula", param="space")
        return session

    def _connected(self) -> ConnectionPool:
        if self.pool is None:
            config = Config()
            config.max_connection_pool_size = SESSIONS * 4
            config.timeout = int(self.deadline_s * 5_000)
            pool = ConnectionPool()
            if not pool.init([self.address], config):
                raise NotValidConnectionException()
            self.pool = pool
        return self.pool

    def _forget(self) -> None:
        """After a broken connection every session of the pool is suspect."""
        pool, self.pool = self.pool, None
        self.idle.clear()
        if pool is not None:
            pool.close()


def quoted(value: str) -> str:
    """A string literal of nGQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def to_value(value: Any) -> Any:  # noqa: PLR0911  (one line a kind)
    """A JSON value as Nebula's. Raises BadRequest for what nGQL cannot hold."""
    match value:
        case None:
            return TYPES.Value(nVal=TYPES.NullType.__NULL__)
        case bool():
            return TYPES.Value(bVal=value)
        case int() if -(2**63) <= value < 2**63:
            return TYPES.Value(iVal=value)
        case float():
            return TYPES.Value(fVal=value)
        case str():
            return TYPES.Value(sVal=value.encode())
        case list():
            return TYPES.Value(lVal=TYPES.NList(values=[to_value(item) for item in value]))
        case dict():
            pairs = {str(key).encode(): to_value(item) for key, item in value.items()}
            return TYPES.Value(mVal=TYPES.NMap(kvs=pairs))
        case _:
            raise BadRequest("a parameter is out of range", param="params", source="nebula")


@asynccontextmanager
async def open_nebula(settings: Settings) -> AsyncIterator[Nebula]:
    """A client that connects on first use."""
    # It logs every refused connection; the bridge says once that the store is away.
    logging.getLogger("nebula3.logger").setLevel(logging.CRITICAL)
    chosen = settings.stores
    store = Nebula(
        settings.nebula_address,
        chosen.nebula_user,
        chosen.nebula_password.get_secret_value(),
        deadline_s=chosen.deadline_s,
    )
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)


def _rows(result: ResultSet) -> tuple[list[str], list[list[Any]]]:
    if not result.is_succeeded():
        message = result.error_msg() or "the statement failed"
        if any(mark in message for mark in SPACE_MISSING):
            raise CollectionNotFound(message[:300], source="nebula", param="space")
        raise BadRequest(message[:500], source="nebula", param="query", code="invalid_query")
    columns = result.keys()
    rows = [
        [_plain(value.cast_primitive()) for value in result.row_values(n)] for n in range(result.row_size())
    ]
    return columns, rows


def _plain(value: Any) -> Any:
    """What JSON can carry; dates and the like as nGQL prints them."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case list() | tuple() | set():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)

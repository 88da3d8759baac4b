"""The NebulaGraph client: a pool of sessions, one space each, statements with bound parameters.

How a session talks to the server is `session`'s; which statements a caller may run is `statement_check`'s.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import nebula3.common.ttypes as nebula_types
from nebula3.data.ResultSet import ResultSet
from nebula3.Exception import AuthFailedException, IOErrorException

from servers.bridge.clients.nebula.session import FrameTooLarge, Session, broken, sign_in
from servers.bridge.clients.store_client import StoreClient
from tools.errors import BadRequest, Capibara6Error, CollectionNotFound, TooLarge, UpstreamFailed
from tools.schema import JsonObject
from tools.settings import Settings

# The generated classes take their fields as keywords that no type checker sees.
TYPES: Any = nebula_types
MAX_SESSIONS, MAX_IDLE = 16, 64
SPACE_MISSING = ("SpaceNotFound", "SpaceNotExist", "Space not found", "not existed", "space was not")
EXPIRED = (-1002, -1003)
THREAD_CELLS = 1_000
"""Cells (rows x columns) from which on an answer is converted in a thread."""
STATEMENT_ERRORS = (-1004, -1009, -1005, -8)
"""Error codes of a statement (syntax, semantics, execution), which say nothing against its session."""
BROKEN = (IOErrorException, OSError)
ABANDONED_DEADLINES = 5
"""How many deadlines the answer to a cancelled statement is waited for, before its session is given up."""


class Nebula(StoreClient):
    """Sessions are kept per space; one that fails is dropped and the statement tried once more.

    Raises StoreUnavailable, BadRequest, CollectionNotFound (no such space), TooLarge, UpstreamFailed."""

    source = "nebula"

    def __init__(self, address: tuple[str, int], user: str, password: str, *, deadline_s: float) -> None:
        super().__init__(f"{address[0]}:{address[1]}", deadline_s=deadline_s)
        self.address, self.user, self.password = address, user, password
        self.idle: dict[str, list[Session]] = {}
        self.slots = asyncio.Semaphore(MAX_SESSIONS)
        self.closed = False

    async def execute(
        self,
        space: str,
        statement: str,
        params: JsonObject | None = None,
        *,
        deadline_s: float | None = None,
    ) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows, as JSON can carry them, of one statement in `space` ("" for none)."""
        values = {name: to_value(value) for name, value in (params or {}).items()}
        await self.acquire(self.slots, deadline_s=deadline_s)
        try:
            return await self.call(self._run(space, statement, values), deadline_s=deadline_s)
        finally:
            self.slots.release()

    async def spaces(self) -> list[str]:
        """The names of every tenant's spaces."""
        _, rows = await self.execute("", "SHOW SPACES")
        return [str(row[0]) for row in rows]

    async def version(self) -> str:
        """The protocol's major version; the server tells no more."""
        await self._run("", "YIELD 1 AS one", {})
        return "3"

    def close(self) -> None:
        """Sign out of every idle session; those in use sign out when they come back."""
        self.closed = True
        self._sign_out_idle()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """nebula3's errors as StoreUnavailable, TooLarge and UpstreamFailed; ours pass."""
        try:
            yield
        except Capibara6Error:
            raise
        except AuthFailedException as exc:
            raise UpstreamFailed("nebula refused our user", source="nebula") from exc
        except FrameTooLarge as exc:
            message = "the answer is too large; ask for less of it with LIMIT"
            raise TooLarge(message, source="nebula", param="query") from exc
        except BROKEN as exc:
            raise self.not_reachable() from exc

    async def _run(self, space: str, statement: str, params: JsonObject) -> tuple[list[str], list[list[Any]]]:
        """Run a statement; again on a new session when the connection broke or the session expired."""
        try:
            result = await self._execute_once(space, statement, params)
        except BROKEN:
            # The others may be as broken.
            self._sign_out_idle()
            result = await self._execute_once(space, statement, params)
        if result.error_code() in EXPIRED:
            # The others of this space are as old.
            for session in self.idle.pop(space, []):
                session.sign_out()
            result = await self._execute_once(space, statement, params)
            if result.error_code() in EXPIRED:
                raise broken("the server forgets sessions as soon as it opens them")
        if result.row_size() * len(result.keys()) > THREAD_CELLS:
            return await asyncio.to_thread(_rows, result)
        return _rows(result)

    async def _execute_once(self, space: str, statement: str, params: JsonObject) -> ResultSet:
        session = await self._borrow(space)
        try:
            result = await session.execute(statement, params)
        except asyncio.CancelledError:
            session.when_answered(
                partial(self._give_back, space), within_s=ABANDONED_DEADLINES * self.deadline_s
            )
            raise
        if result.is_succeeded() or result.error_code() in STATEMENT_ERRORS:
            self._give_back(space, session)
        else:
            session.sign_out()
        return result

    async def _borrow(self, space: str) -> Session:
        """A session in `space`: an idle one, one of another space where too many are idle, or a new one."""
        session = self._pop_idle(space)
        if session is not None:
            return session
        if space and sum(map(len, self.idle.values())) >= MAX_IDLE:
            session = self._pop_idle(next(iter(self.idle)))
        session = session or await sign_in(*self.address, self.user, self.password)
        if space:
            await self._use_space(session, space)
        return session

    def _pop_idle(self, space: str) -> Session | None:
        sessions = self.idle.pop(space, [])
        while sessions:
            session = sessions.pop()
            if session.usable:
                if sessions:
                    self.idle[space] = sessions
                return session
        return None

    def _give_back(self, space: str, session: Session) -> None:
        if self.closed:
            session.sign_out()
        else:
            self.idle.setdefault(space, []).append(session)

    async def _use_space(self, session: Session, space: str) -> None:
        try:
            chosen = await session.execute(f"USE `{space}`")
        except asyncio.CancelledError:
            session.sign_out()
            raise
        if chosen.error_code() in EXPIRED:
            session.sign_out()
            raise broken("the session is too old")
        if not chosen.is_succeeded():
            session.sign_out()
            raise CollectionNotFound(f"there is no space {space}", source="nebula", param="space")

    def _sign_out_idle(self) -> None:
        idle, self.idle = self.idle, {}
        for session in (one for sessions in idle.values() for one in sessions):
            session.sign_out()


def quoted(value: str) -> str:
    """`value` as a string literal of nGQL."""
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
    """A client that connects on first use and signs out at the end of the block."""
    chosen = settings.stores
    store = Nebula(
        settings.nebula_address,
        chosen.nebula_user,
        settings.nebula_password,
        deadline_s=chosen.deadline_s,
    )
    try:
        yield store
    finally:
        store.close()


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

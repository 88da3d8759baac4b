"""The NebulaGraph client: nebula3's sessions, one space each, parameters bound."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import nebula3.common.ttypes as nebula_types
from nebula3.data.ResultSet import ResultSet
from nebula3.Exception import AuthFailedException, IOErrorException

from servers.bridge.clients.nebula.session import Overlong, Session, broken, sign_in
from servers.bridge.clients.store_client import Store
from tools.errors import BadRequest, Capibara6Error, CollectionNotFound, TooLarge, UpstreamFailed
from tools.settings import Settings

# The generated classes take their fields as keywords that no type checker sees.
TYPES: Any = nebula_types
SESSIONS, IDLE = 16, 64
SPACE_MISSING = ("SpaceNotFound", "SpaceNotExist", "Space not found", "not existed", "space was not")
EXPIRED = (-1002, -1003)
MANY_CELLS = 1_000
FAULTS = (-1004, -1009, -1005, -8)
"""Errors of a statement, which say nothing against its session."""
BROKEN = (IOErrorException, OSError)
LATE = 5
"""Deadlines that an answer to nobody is waited for, before its session is given up."""


class Nebula(Store):
    """Sessions are kept per space; a session that fails is dropped and the statement tried once more."""

    source = "nebula"

    def __init__(self, address: tuple[str, int], user: str, password: str, *, deadline_s: float) -> None:
        super().__init__(f"{address[0]}:{address[1]}", deadline_s=deadline_s)
        self.address, self.user, self.password = address, user, password
        self.idle: dict[str, list[Session]] = {}
        self.slots = asyncio.Semaphore(SESSIONS)
        self.closed = False

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
            return await self.call(self._run(space, statement, values), deadline_s=deadline_s)
        finally:
            self.slots.release()

    async def spaces(self) -> list[str]:
        _, rows = await self.execute("", "SHOW SPACES")
        return [str(row[0]) for row in rows]

    async def version(self) -> str:
        await self._run("", "YIELD 1 AS one", {})
        return "3"

    def close(self) -> None:
        self.closed = True
        self._drop()

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except Capibara6Error:
            raise
        except AuthFailedException as exc:
            raise UpstreamFailed("nebula refused our user", source="nebula") from exc
        except Overlong as exc:
            said = "the answer is too large; ask for less of it with LIMIT"
            raise TooLarge(said, source="nebula", param="query") from exc
        except BROKEN as exc:
            self.trip()
            raise self.unavailable("is not reachable") from exc

    async def _run(
        self, space: str, statement: str, params: dict[str, Any]
    ) -> tuple[list[str], list[list[Any]]]:
        """Borrow a session, run, give it back only when it is whole."""
        try:
            result = await self._asked(space, statement, params)
        except BROKEN:
            # The others may be as broken.
            self._drop()
            result = await self._asked(space, statement, params)
        if result.error_code() in EXPIRED:
            # The others of this space are as old.
            for session in self.idle.pop(space, []):
                session.leave()
            result = await self._asked(space, statement, params)
            if result.error_code() in EXPIRED:
                raise broken("the server forgets sessions as soon as it opens them")
        if result.row_size() * len(result.keys()) > MANY_CELLS:
            return await asyncio.to_thread(_rows, result)
        return _rows(result)

    async def _asked(self, space: str, statement: str, params: dict[str, Any]) -> ResultSet:
        session = await self._borrowed(space)
        try:
            result = await session.execute(statement, params)
        except asyncio.CancelledError:
            session.when_answered(partial(self._returned, space), within_s=LATE * self.deadline_s)
            raise
        if result.is_succeeded() or result.error_code() in FAULTS:
            self._returned(space, session)
        else:
            session.leave()
        return result

    async def _borrowed(self, space: str) -> Session:
        """A session in `space`: one that waits there, one of another space where many wait, or a new one."""
        session = self._waiting(space)
        if session is not None:
            return session
        if space and sum(map(len, self.idle.values())) >= IDLE:
            session = self._waiting(next(iter(self.idle)))
        session = session or await sign_in(*self.address, self.user, self.password)
        if space:
            await self._entered(session, space)
        return session

    def _waiting(self, space: str) -> Session | None:
        held = self.idle.pop(space, [])
        while held:
            session = held.pop()
            if session.whole:
                if held:
                    self.idle[space] = held
                return session
        return None

    def _returned(self, space: str, session: Session) -> None:
        if self.closed:
            session.leave()
        else:
            self.idle.setdefault(space, []).append(session)

    async def _entered(self, session: Session, space: str) -> None:
        try:
            chosen = await session.execute(f"USE `{space}`")
        except asyncio.CancelledError:
            session.leave()
            raise
        if chosen.error_code() in EXPIRED:
            session.leave()
            raise broken("the session is too old")
        if not chosen.is_succeeded():
            session.leave()
            raise CollectionNotFound(f"there is no space {space}", source="nebula", param="space")

    def _drop(self) -> None:
        """Every idle session leaves."""
        held, self.idle = self.idle, {}
        for session in (one for sessions in held.values() for one in sessions):
            session.leave()


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

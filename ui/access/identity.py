"""Who a request to the page is from, and the sessions of those who sign in: the bridge's, in a signed cookie.

Keys and tokens in headers are judged as at every other door (`servers/web/identity.py`). Where one signs in
is `ui/access/sign_in.py`, what is open to whom `ui/access/page_access.py`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from servers.web.identity import Caller, Identity
from tools.access.external import Person
from tools.access.identity import Principal, acting_as, service
from tools.clients.accounts import NewSession, Session
from tools.clients.bridge import Bridge
from tools.errors import NotFound, Unauthorized
from tools.settings import Settings
from tools.trace import Trace, bind
from ui.access.cookies import SESSION, CookieJar

VISIT: Final = "capibara6.visit"
"""Where a request's scope says whom it is from."""
NOT_SIGNED_IN: Final = "not_signed_in"
AGENT_CHARS = 200


@dataclass(frozen=True)
class Visit:
    """Who asks, and by which request."""

    caller: Caller
    trace: Trace

    @property
    def principal(self) -> Principal:
        """For whom the page acts."""
        return self.caller.principal

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Inside the block the page's clients ask for this visitor. A generator leaves it before it yields:
        who takes its next step need not be the task that took the last."""
        bind(self.trace)
        with acting_as(self.principal):
            yield


class Visitors:
    """Says who a visitor is, and opens, lists and ends sessions. `identity` is the door's."""

    def __init__(self, settings: Settings, identity: Identity) -> None:
        self.identity = identity
        self.cookie = CookieJar(settings, SESSION)
        self.is_open = settings.api_key is None
        """Without a key of the platform everybody on loopback is its one person."""

    async def find(self, request: HTTPConnection) -> Caller | None:
        """Who asks; None for nobody we know. Raises Unauthorized, Unavailable."""
        cookie = self.cookie.read(request)
        shown = request.headers.get("authorization") or request.headers.get("x-api-key")
        if cookie is not None and shown:
            raise Unauthorized("the request carries a session and a key", source="ui")
        if cookie is not None:
            caller = await self.identity.session(cookie.partition(".")[2])
            return caller or (self.identity.local if self.is_open else None)
        if shown or self.is_open:
            raw = request.scope["headers"]
            headers = dict(raw)
            return self.identity.known(headers, raw) or await self.identity.find(headers, raw)
        return None

    async def sign_in(
        self, user: str, password: str, request: HTTPConnection, response: Response
    ) -> NewSession:
        """A session for the right password; `response` brings its cookie.

        Raises Unauthorized, RateLimited, Unavailable."""
        with acting_as(service("ui")):
            session = await self._bridge.sign_in(user, password, agent=_agent(request))
        return self._begin(session, request, response)

    async def sign_in_external(
        self, person: Person, request: HTTPConnection, response: Response
    ) -> NewSession:
        """A session for whom the provider vouches. Raises Unauthorized, Conflict, Unavailable."""
        with acting_as(service("ui")):
            session = await self._bridge.sign_in_external(
                issuer=person.issuer,
                subject=person.subject,
                user=person.user,
                role=person.role,
                tenant=person.tenant,
                agent=_agent(request),
            )
        return self._begin(session, request, response)

    def own_session(self, request: HTTPConnection) -> str | None:
        """The id of the session that a request came with; None for who came without one."""
        cookie = self.cookie.read(request)
        return cookie.partition(".")[0] if cookie else None

    async def sessions(self, principal: Principal) -> list[Session]:
        """The sessions of a person, newest first."""
        with acting_as(principal):
            return await self._bridge.sessions()

    async def end_session(self, session_id: str, principal: Principal) -> None:
        """End one of a person's own sessions. Raises NotFound, for others' too."""
        if session_id not in {session["id"] for session in await self.sessions(principal)}:
            raise NotFound("there is no such session", source="ui", code="session_not_found")
        with acting_as(principal):
            await self._bridge.end_session(session_id)
        self.identity.forget()

    def _begin(self, session: NewSession, request: HTTPConnection, response: Response) -> NewSession:
        seconds = datetime.fromisoformat(session["expires_at"]).timestamp() - time.time()
        value = f"{session['id']}.{session['token']}"
        self.cookie.write(request, response, value, seconds=max(1, int(seconds)))
        return session

    @property
    def _bridge(self) -> Bridge:
        assert self.identity.bridge is not None, "the page serves while its clients are open"
        return self.identity.bridge


def visit_of(request: HTTPConnection) -> Visit:
    """Whom a request is from. Raises Unauthorized where nobody has said so."""
    found = request.scope.get(VISIT)
    if not isinstance(found, Visit):
        raise Unauthorized("nobody is signed in", source="ui", code=NOT_SIGNED_IN)
    return found


def _agent(request: HTTPConnection) -> str:
    """By what a person will know the session again: what their browser calls itself."""
    return request.headers.get("user-agent", "")[:AGENT_CHARS]

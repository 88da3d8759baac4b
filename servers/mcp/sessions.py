"""Sessions of clients older than 2026-07-28 belong to who opened them: their id alone opens nothing. The
streams on which such a client listens end when the server is about to stop."""

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tools.access.identity import Principal


class OwnedSessions:
    """Tells the SDK's session manager who asks; it answers 404 for the session of somebody else.

    `route` is where it is reached."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app, self.route = app, Route(path, endpoint=self)
        self._listening: set[anyio.CancelScope] = set()

    def close(self) -> None:
        """End the streams of those who only listen."""
        for listening in list(self._listening):
            listening.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, that the door has let in."""
        principal: Principal | None = scope.get("state", {}).get("principal")
        if principal is not None:
            token = AccessToken(
                token="",
                client_id=principal.key_id,
                scopes=sorted(principal.scopes),
                subject=f"{principal.tenant}/{principal.user}",
            )
            scope["user"] = AuthenticatedUser(token)
        scope["route"] = self.route  # by which the request is counted
        if scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        with anyio.CancelScope() as listening:
            self._listening.add(listening)
            try:
                await self.app(scope, receive, send)
            finally:
                self._listening.discard(listening)

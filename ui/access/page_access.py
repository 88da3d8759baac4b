"""ASGI middleware in front of the page: nobody enters but those who are signed in, by whatever path.

What of Gradio they reach is `ui/access/gradio_access.py`'s, who they are `ui/access/identity.py`'s.
"""

import re
import time
from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.web.access import Access
from servers.web.app import error_response
from tools import trace
from tools.error_messages import sentence
from tools.errors import Capibara6Error, Forbidden, Unauthorized
from ui.access.account_pages import failure_page, language_of
from ui.access.cookies import SESSION
from ui.access.identity import NOT_SIGNED_IN, VISIT, Visit, Visitors

SIGN_IN_PATH: Final = "/login"
OPEN_PATHS: Final = frozenset(
    {"/health", "/health/live", "/health/ready", SIGN_IN_PATH, "/login/provider", "/login/provider/callback"}
)
"""Open to everybody, spelt exactly."""
PAGES: Final = frozenset({"/", "/sessions"})
"""What a person may open or be led back to."""
CONVERSATION: Final = re.compile(r"/\?c=[A-Za-z0-9_-]{1,128}|/shared/[^/\\?#]{1,128}/[A-Za-z0-9_-]{1,128}")
"""So is a conversation's own address, and that of a shared one."""
UNTOLD: Final = ("/logo.svg", "/manifest.json", "/assets/", "/static/", "/theme.css", "/health")
"""Files that are alike for everybody, and health checks: the audit log leaves them out."""
CHALLENGE: Final = 'Bearer realm="capibara6"'


class SignedIn:
    """Refuses who is not signed in, says in the scope who is, and writes the audit line."""

    def __init__(self, app: ASGIApp, *, visitors: Visitors, access: Access) -> None:
        self.app, self.visitors, self.access = app, visitors, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        served = trace.trace_of(dict(scope["headers"]))
        trace.bind(served)
        started, status = time.monotonic(), 499

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = served.request_id.decode()
            await send(message)

        try:
            app = await self._entered(scope, served)
            await app(scope, receive, reply)
        finally:
            if not scope["path"].startswith(UNTOLD):
                self.access.done(scope, status, time.monotonic() - started)

    async def _entered(self, scope: Scope, served: trace.Trace) -> ASGIApp:
        """The page, or the refusal."""
        if scope["path"] in OPEN_PATHS:
            return self.app
        request = HTTPConnection(scope)
        try:
            caller = await self.visitors.find(request)
            if caller is None:
                raise Unauthorized("sign in first", source="ui", code=NOT_SIGNED_IN)
            if scope["path"] == "/metrics" and "operate" not in caller.principal.scopes:
                raise Forbidden("metrics are for those who run the platform", source="ui")
        except Unauthorized as exc:
            return self._refusal(request, exc)
        except Capibara6Error as exc:
            return self._failure(request, exc)
        scope[VISIT] = Visit(caller, served)
        scope.setdefault("state", {})["principal"] = caller.principal
        return self.app

    def _failure(self, request: HTTPConnection, exc: Capibara6Error) -> Response:
        """Who somebody is can not be said now, or they may not do this."""
        if not _is_navigation(request):
            return error_response(exc)
        language = language_of(request, self.access.settings.language)
        return failure_page(language, sentence(exc.code, language), status=exc.status)

    def _refusal(self, request: HTTPConnection, exc: Unauthorized) -> Response:
        """A person is led to the sign-in, a program hears 401; a cookie that was of no use is taken back."""
        response = error_response(exc, headers={"www-authenticate": CHALLENGE})
        if _is_navigation(request):
            path = request.scope["path"]
            asked = f"{path}?c={request.query_params.get('c', '')}"
            path = asked if CONVERSATION.fullmatch(asked) else path
            response = RedirectResponse(f"{SIGN_IN_PATH}?next={quote(path, safe='/')}", 303)
        if SESSION in request.cookies:
            self.visitors.cookie.delete(request, response)
        return response


def _is_navigation(request: HTTPConnection) -> bool:
    """Whether a person opens one of our pages."""
    scope = request.scope
    wants_page = "text/html" in request.headers.get("accept", "")
    return scope["method"] == "GET" and scope["path"] in PAGES and wants_page

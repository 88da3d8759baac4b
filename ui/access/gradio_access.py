"""ASGI middleware in front of Gradio: the paths that the page needs, and whose Gradio session is whose.

Gradio serves much more than our page uses (uploads, files by path, a proxy, its own API) and lets in whoever
knows a session's hash. Here a path that the page does not need is 404, and a hash is whose who used it first.
"""

import re
from collections import OrderedDict
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.web.app import error_response
from tools.errors import BadRequest, Capibara6Error, NotFound
from ui.access.identity import VISIT
from ui.access.page_access import OPEN_PATHS, SIGN_IN_PATH

API: Final = "/gradio_api/"
READ_PATHS: Final = frozenset(
    {
        "/",
        "/config",
        "/theme.css",
        "/favicon.ico",
        "/logo.svg",
        "/robots.txt",
        "/manifest.json",
        f"{API}app_id",
    }
)
FILES: Final = ("/assets/", "/static/")
HEARTBEAT: Final = f"{API}heartbeat/"
DATA: Final = f"{API}queue/data"
BODIES: Final = frozenset({f"{API}queue/join", f"{API}cancel"})
"""POST; their JSON names the session."""
RESET: Final = f"{API}reset"
OWN_PATHS: Final = {
    **dict.fromkeys([*OPEN_PATHS, "/metrics", "/sessions", "/api/session", "/api/sessions"], ("GET",)),
    SIGN_IN_PATH: ("GET", "POST"),
    "/logout": ("POST",),
    "/knowledge/documents": ("POST",),
    "/uploads": ("POST",),
}
"""Ours, with their methods; Gradio has some of the same names."""
OWN_FOLDER: Final = "/api/sessions/"
OWN_READ: Final = re.compile(
    r"/conversations/(?:find|export/[A-Za-z0-9_-]{1,128}\.(?:md|json))|/uploads/file-[A-Za-z0-9_-]{1,64}"
    r"|/shared/[^/]{1,128}/[A-Za-z0-9_-]{1,128}|/speech/[A-Za-z0-9_-]{1,128}/[A-Za-z0-9_-]{1,64}"
)
"""Which conversations speak of something, one as a file, what became of an upload, an answer as speech."""
HASH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_SESSIONS = 10_000

Owner = tuple[str, str]


class GradioAccess:
    """Refuses what the page does not need with 404, and another person's Gradio session as well."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._owners: OrderedDict[str, Owner] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            receive = await self._checked(scope, receive)
        except Capibara6Error as exc:
            await error_response(exc)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """The `receive` to go on with. Raises NotFound, BadRequest."""
        path, method = scope["path"], scope["method"]
        if method in OWN_PATHS.get(path, ()) or (method == "DELETE" and path.startswith(OWN_FOLDER)):
            return receive
        if method == "GET" and OWN_READ.fullmatch(path):
            return receive
        if method == "POST" and path in BODIES:
            body = await _whole(receive)
            self._claim(scope, body.get("session_hash"))
            return _replay(orjson.dumps(body), receive)
        if method == "POST" and path == RESET:
            return receive
        if method not in ("GET", "HEAD"):
            raise _not_here(path)
        if path == DATA:
            self._claim(scope, *parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", ()))
        elif path.startswith(HEARTBEAT):
            self._claim(scope, path.removeprefix(HEARTBEAT))
        elif not _is_read(path, scope["query_string"]):
            raise _not_here(path)
        return receive

    def _claim(self, scope: Scope, *hashes: Any) -> None:
        """The session is the asker's: from now on, if it was nobody's."""
        if len(hashes) != 1 or not isinstance(hashes[0], str) or not HASH.fullmatch(hashes[0]):
            raise BadRequest("one session_hash is needed", param="session_hash", source="ui")
        (session,), principal = hashes, scope[VISIT].principal
        owner = (principal.tenant, principal.user)
        if self._owners.setdefault(session, owner) != owner:
            raise NotFound("there is no such session", source="ui")
        self._owners.move_to_end(session)
        if len(self._owners) > MAX_SESSIONS:
            self._owners.popitem(last=False)


def _is_read(path: str, query: bytes) -> bool:
    """Whether the page reads it: without Gradio's deep links, which name files."""
    if b"deep_link" in query:
        return False
    return path in READ_PATHS or (path.startswith(FILES) and _is_plain(path))


def _is_plain(path: str) -> bool:
    """A file's path that leads nowhere else."""
    parts = path.split("/")[1:]
    return all(part not in ("", ".", "..") for part in parts) and "\\" not in path and "\0" not in path


async def _whole(receive: Receive) -> dict[str, Any]:
    body = bytearray()
    message = await receive()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
        message = await receive()
    try:
        parsed = orjson.loads(bytes(body))
    except orjson.JSONDecodeError as exc:
        raise BadRequest("the body is no JSON", source="ui") from exc
    if not isinstance(parsed, dict):
        raise BadRequest("the body is no JSON object", source="ui")
    return parsed


def _replay(body: bytes, rest: Receive) -> Receive:
    """The body as it was understood here: nobody behind may read it in another way."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await rest()

    return receive


def _not_here(path: str) -> NotFound:
    return NotFound(f"the page has no path {path[:200]}", source="ui")

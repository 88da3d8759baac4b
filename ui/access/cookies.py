"""Signed cookies of the page: a forged one is looked up nowhere. They are marked for how the page is reached.

What they hold is for `sign_in.py` (a session's token) and `oidc.py` (a sign-in under way).
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from tools.access.addresses import is_loopback
from tools.access.authority import read_authority
from tools.errors import Misdirected
from tools.settings import Settings

SESSION: Final = "capibara6_session"
SIGN_IN: Final = "capibara6_sign_in"
LANGUAGE: Final = "capibara6_language"
"""The language that somebody chose: written by the page's script, no secret, unsigned."""
MAX_CHARS = 4_000


class CookieJar:
    """Writes and reads one cookie, signed with the installation's secret for it alone (HMAC-SHA256)."""

    def __init__(self, settings: Settings, name: str, *, path: str = "/") -> None:
        self.name, self.path = name, path
        self._key = hmac.digest(settings.secrets.sessions.encode(), name.encode(), "sha256")

    def read(self, request: HTTPConnection) -> str | None:
        """What we had written; None without the cookie, and for one that we did not write."""
        text = request.cookies.get(self.name, "")
        value, _, signature = text.rpartition(".")
        if not value or len(text) > MAX_CHARS:
            return None
        try:
            given = base64.urlsafe_b64decode(signature + "=")
        except (binascii.Error, ValueError):
            return None
        return value if hmac.compare_digest(given, self._sign(value)) else None

    def write(self, request: HTTPConnection, response: Response, value: str, *, seconds: int) -> None:
        """Give the browser `value` for as long; scripts do not see it, other sites do not send it along."""
        signature = base64.urlsafe_b64encode(self._sign(value)).rstrip(b"=").decode()
        response.set_cookie(
            self.name,
            f"{value}.{signature}",
            max_age=seconds,
            path=self.path,
            secure=is_https(request),
            httponly=True,
            samesite="lax",
        )

    def delete(self, request: HTTPConnection, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(
            self.name, path=self.path, secure=is_https(request), httponly=True, samesite="lax"
        )

    def _sign(self, value: str) -> bytes:
        return hmac.digest(self._key, value.encode("utf-8", "surrogateescape"), hashlib.sha256)


def is_https(request: HTTPConnection) -> bool:
    """Whether the browser speaks TLS: to us, or to a proxy on this machine that says so."""
    if request.url.scheme == "https":
        return True
    behind = request.client is not None and is_loopback(request.client.host)
    return behind and request.headers.get("x-forwarded-proto", "").rpartition(",")[2].strip() == "https"


def own_origin(request: HTTPConnection, settings: Settings) -> str:
    """`https://name:port` as the browser calls the page. Raises Misdirected for a name that is not ours."""
    host = request.headers.get("host", "")
    found = read_authority(host)
    if found is None or not (found.is_loopback or found.name in settings.host_names):
        raise Misdirected("this page is not called that (CAPIBARA6_NAMES)", source="ui")
    return f"{'https' if is_https(request) else 'http'}://{host.lower()}"

"""The door of every service: whether a request may come in at all, whoever it is from. Pure.

It judges how the service was called (Host), which page asks (Origin, Sec-Fetch-*) and in what form a body
comes, so that no web page that somebody happens to visit reaches a port. Who asks is judged later, elsewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from starlette.types import Scope

from tools.access.authority import Authority, read_authority, read_origin
from tools.errors import BadRequest, ForeignOrigin, Misdirected, UnsupportedMediaType
from tools.settings import Settings

Headers = Mapping[bytes, bytes]
HeaderList = tuple[tuple[bytes, bytes], ...]

JSON: Final = b"application/json"
URLENCODED: Final = b"application/x-www-form-urlencoded"
MULTIPART: Final = b"multipart/form-data"
SINGLE: Final = (
    *(b"host", b"origin", b"content-type", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"),
    *(b"access-control-request-method", b"access-control-request-headers"),
)
"""Headers that a request may carry once: two of them could be read in two ways."""
OWN_SITE: Final = (None, b"same-origin", b"none")
MAX_KNOWN: Final = 256
PREFLIGHT_S: Final = 600
METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS: Final = b"authorization, content-type, x-api-key, x-request-id, idempotency-key, last-event-id"
IGNORED: Final = "x-capibara6-ignored"
"""The header that names, with commas between, what of a request had no effect."""
EXPOSED: Final = b", ".join(
    (
        *(b"x-request-id", b"retry-after", b"location", b"content-location", b"content-disposition"),
        *(b"mcp-session-id", b"x-run-id", b"x-pagination-next", IGNORED.encode()),
        *(b"x-capibara6-model", b"x-capibara6-route", b"x-capibara6-consensus"),
        *(b"x-capibara6-queue-ms", b"x-capibara6-load-ms"),
        *(b"x-speech-engine", b"x-speech-voice", b"x-speech-fallback", b"x-speech-model", b"x-sample-rate"),
        *(b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    )
)
"""What of an answer's headers the page of a named origin may read, of every service's."""


@dataclass(frozen=True)
class Form:
    """A path that takes a body other than JSON, in one of `types`; `pages` says whether a browser's page may
    send it, or programs alone. `body_bytes` is a bound below the settings', for `uploads` in their place."""

    types: tuple[bytes, ...] = ()
    pages: bool = False
    body_bytes: int | None = None
    uploads: bool = False

    def bound(self, usual: int) -> int:
        """How many bytes a body may have, where `usual` is every other path's bound."""
        if self.body_bytes is None:
            return usual
        return self.body_bytes if self.uploads else min(self.body_bytes, usual)


RECORDING: Final = Form((MULTIPART,), body_bytes=26 * 2**20, uploads=True)
"""A form with a recording of at most 25 MiB, as at OpenAI, and its fields."""


@dataclass(frozen=True)
class Admission:
    """`headers` belong into the answer, whatever it is; a preflight is answered with 204 and nothing else."""

    headers: HeaderList = ()
    preflight: bool = False


NO_FORMS: Final[Mapping[str, Form]] = MappingProxyType({})


class Door:
    """Decides by nothing but the headers and, for `forms`, the exact path.

    `name` is the service; at a door for `pages` people may arrive by a link from any site, elsewhere no page
    of another origin gets in unless `settings.origins` has it."""

    def __init__(
        self, settings: Settings, name: str, *, pages: bool = False, forms: Mapping[str, Form] = NO_FORMS
    ) -> None:
        self.name, self.pages, self.forms = name, pages, forms
        names = map(read_authority, settings.host_names)
        origins = map(read_origin, settings.origins)
        self._names = frozenset(found.name for found in names if found)
        self._origins = frozenset(found for found in origins if found)
        # With origins named, each answer depends on who asks: caches are told.
        self._open = Admission(((b"vary", b"origin"),)) if self._origins else Admission()
        self._known: dict[tuple[bytes | None, bytes | None], bool] = {}
        """Host and Origin of requests that were let in, and whether the origin is a named one: most requests
        need not be read again."""

    def admit(self, scope: Scope, headers: Headers) -> Admission:
        """`headers` are those of `scope` as a mapping, names in small letters.

        Raises BadRequest, Misdirected, ForeignOrigin, UnsupportedMediaType."""
        if (
            (headers.get(b"host"), None) in self._known
            and len(headers) == len(scope["headers"])
            and b"origin" not in headers
            and b"sec-fetch-site" not in headers
            and (
                headers.get(b"content-type") == JSON
                or (b"content-length" not in headers and b"transfer-encoding" not in headers)
            )
        ):
            return self._open
        return self._decide(scope, headers)

    def _decide(self, scope: Scope, headers: Headers) -> Admission:
        if len(headers) != len(scope["headers"]):
            self._check_single(name for name, _ in scope["headers"])
        host, origin = headers.get(b"host", b""), headers.get(b"origin")
        invited = self._known.get((host, origin))
        if invited is None:
            invited = self._is_invited(origin, self._called(host))
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[host, origin] = invited
        method = scope.get("method", "GET")  # a WebSocket's handshake is a GET
        self._check_site(method, headers, invited=invited)
        if origin is not None and method == "OPTIONS" and b"access-control-request-method" in headers:
            return Admission(_preflight(origin, headers), preflight=True) if invited else self._open
        self._check_body(scope["path"], headers)
        return Admission(_readable(origin)) if invited and origin is not None else self._open

    def _check_single(self, names: Iterable[bytes]) -> None:
        counted = list(names)
        for name in SINGLE:
            if counted.count(name) > 1:
                raise BadRequest(f"the header {name.decode()} came twice", source=self.name)

    def _called(self, value: bytes) -> Authority:
        """By what authority this service was called."""
        if not value:
            raise BadRequest("the header host is missing", source=self.name)
        found = read_authority(value.decode("latin-1"))
        if found is None or not (found.is_loopback or found.name in self._names):
            raise Misdirected(
                "this service is not called that: CAPIBARA6_NAMES lists the names under which it is reached",
                source=self.name,
            )
        return found

    def _is_invited(self, value: bytes | None, host: Authority) -> bool:
        """True for one of `settings.origins`, False for the service's own pages and for programs."""
        if value is None:
            return False
        origin = read_origin(value.decode("latin-1"))
        if origin in self._origins:
            return True
        if origin is None or not origin.is_at(host):
            raise self._foreign()
        return False

    def _check_site(self, method: str, headers: Headers, *, invited: bool) -> None:
        """What a browser says of the page that asks (Fetch Metadata); other programs say nothing."""
        if invited or headers.get(b"sec-fetch-site") in OWN_SITE:
            return
        how = headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")
        if not (self.pages and how == (b"navigate", b"document") and method in ("GET", "HEAD")):
            raise self._foreign()

    def _check_body(self, path: str, headers: Headers) -> None:
        if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            return
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        form = self.forms.get(path)
        if kind == JSON or (form is not None and kind in form.types and (form.pages or _is_program(headers))):
            return
        raise UnsupportedMediaType(
            "a body is taken as JSON only: send it with the header content-type: application/json",
            param="content-type",
            source=self.name,
        )

    def _foreign(self) -> ForeignOrigin:
        return ForeignOrigin(
            "a page of another origin asks: CAPIBARA6_ORIGINS lists those that may", source=self.name
        )


def _is_program(headers: Headers) -> bool:
    return b"origin" not in headers and b"sec-fetch-site" not in headers


def _readable(origin: bytes) -> HeaderList:
    """Headers by which a browser lets the page read the answer. Without credentials: keys come in headers."""
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED),
        (b"vary", b"origin"),
    )


def _preflight(origin: bytes, headers: Headers) -> HeaderList:
    asked = headers.get(b"access-control-request-headers", HEADERS)
    answer = (
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", asked),
        (b"access-control-max-age", b"%d" % PREFLIGHT_S),
        (b"vary", b"origin"),
    )
    if headers.get(b"access-control-request-private-network") == b"true":
        return (*answer, (b"access-control-allow-private-network", b"true"))
    return answer

"""The door's decision, case by case: by what name, from which page, with what kind of body one comes."""

from pathlib import Path
from typing import Any

import pytest

from servers.web.door import MULTIPART, URLENCODED, Admission, Door, Form
from tools.errors import BadRequest, Capibara6Error, ForeignOrigin, Misdirected, UnsupportedMediaType
from tools.settings import Settings

pytestmark = pytest.mark.pure

GUEST = "https://chat.example.org"
NAME = "models.example.org"
FORMS = {"/form": Form((URLENCODED,)), "/upload": Form((MULTIPART,), pages=True)}


def open_door(
    home: Path, *, pages: bool = False, origins: tuple[str, ...] = (GUEST,), **changes: Any
) -> Door:
    settings = Settings.model_validate({"home": home, "names": (NAME,), "origins": origins, **changes})
    return Door(settings, "test", pages=pages, forms=FORMS)


def ask(door: Door, *headers: tuple[str, str], method: str = "GET", path: str = "/x") -> Admission:
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    return door.admit(scope, dict(pairs))


def outcome(door: Door, *headers: tuple[str, str], **request: Any) -> type[Capibara6Error] | None:
    """The error that refuses, twice the same: what was learnt from the first changes nothing. None admits."""
    found: list[type[Capibara6Error] | None] = []
    for _ in range(2):
        try:
            ask(door, *headers, **request)
            found.append(None)
        except Capibara6Error as exc:
            assert exc.source == "test"
            found.append(type(exc))
    assert found[0] is found[1]
    return found[0]


HERE = ("host", "127.0.0.1:8000")
JSON = ("content-type", "application/json")
BODY = ("content-length", "2")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost.", "[::1]", NAME, f"{NAME.upper()}.:443"])
def test_it_opens_to_loopback_and_to_its_names(tmp_path: Path, host: str) -> None:
    assert outcome(open_door(tmp_path), ("host", host)) is None


@pytest.mark.parametrize("host", ["evil.example", f"x{NAME}", "0.0.0.0:8000", "x/health?a=", "localhost:x"])
def test_it_is_not_there_under_any_other_name(tmp_path: Path, host: str) -> None:
    assert outcome(open_door(tmp_path), ("host", host)) is Misdirected


def test_other_machines_of_the_settings_are_names_too(tmp_path: Path) -> None:
    door = open_door(tmp_path, hosts={"rag": "rag.lan", "models": "10.0.0.7"})
    assert outcome(door, ("host", "rag.lan:8000")) is None
    assert outcome(door, ("host", "10.0.0.7:8082")) is None


def test_a_request_says_once_by_what_name_it_calls(tmp_path: Path) -> None:
    door = open_door(tmp_path)
    assert outcome(door) is BadRequest
    assert outcome(door, ("host", "")) is BadRequest
    assert outcome(door, HERE, HERE) is BadRequest
    assert outcome(door, ("host", "evil.example"), HERE) is BadRequest


@pytest.mark.parametrize("name", ["origin", "content-type", "sec-fetch-site"])
def test_what_could_be_read_in_two_ways_is_refused(tmp_path: Path, name: str) -> None:
    values = {"origin": GUEST, "content-type": "application/json", "sec-fetch-site": "none"}
    twice = [(name, values[name])] * 2
    assert outcome(open_door(tmp_path), HERE, *twice) is BadRequest
    assert outcome(open_door(tmp_path), HERE, ("accept", "a"), ("accept", "b")) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "http://LOCALHOST:80"),
        ("[::1]:8000", "http://[::1]:8000"),
        (NAME, f"https://{NAME}"),
        (f"{NAME}:443", f"https://{NAME}"),
        ("127.0.0.1:8000", GUEST),
        ("127.0.0.1:8000", f"{GUEST}:443"),
    ],
)
def test_its_own_pages_and_the_named_origins_may_ask(tmp_path: Path, host: str, origin: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert outcome(open_door(tmp_path), ("host", host), ("origin", origin), method=method) is None


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "null",
            "",
            "http://evil.example",
            "http://127.0.0.1",
            "http://127.0.0.1:8001",
            "http://localhost:8000",
        ),
        *(
            "https://127.0.0.1:80",
            "http://127.0.0.1:8000.evil.example",
            "http://evil.example:8000",
            "127.0.0.1:8000",
        ),
        *(
            "http://chat.example.org",
            "https://chat.example.org.evil.example",
            "https://chat.example.org:8443",
        ),
        *(
            "file://",
            "chrome-extension://abc",
            "http://127.0.0.1:8000@evil.example",
            "http://127.0.0.1:8000/x",
        ),
        *("https://chat.example.org http://evil.example", "*", "http://", "http://127.0.0.1:8000#"),
    ],
)
def test_pages_of_other_origins_may_not(tmp_path: Path, origin: str) -> None:
    for pages in (False, True):
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            door = open_door(tmp_path, pages=pages)
            assert outcome(door, HERE, ("origin", origin), method=method) is ForeignOrigin


NAVIGATION = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something-new", ""])
def test_what_a_browser_calls_another_site_is_refused_without_an_origin(tmp_path: Path, site: str) -> None:
    said = ("sec-fetch-site", site)
    image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]
    frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]
    for pages in (False, True):
        door = open_door(tmp_path, pages=pages)
        for how in ([], image, frame):
            assert outcome(door, HERE, said, *how) is ForeignOrigin
        assert outcome(door, HERE, said, *NAVIGATION, method="POST") is ForeignOrigin
        assert outcome(door, HERE, said, ("origin", GUEST), method="POST") is None


def test_people_arrive_by_a_link_where_there_are_pages_and_nowhere_else(tmp_path: Path) -> None:
    arriving = [HERE, ("sec-fetch-site", "cross-site"), *NAVIGATION]
    assert outcome(open_door(tmp_path, pages=True), *arriving) is None
    assert outcome(open_door(tmp_path), *arriving) is ForeignOrigin


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_its_own_pages_and_typed_addresses_are_welcome(tmp_path: Path, site: str) -> None:
    assert outcome(open_door(tmp_path), HERE, ("sec-fetch-site", site)) is None


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/json;x=y"]
)
def test_a_body_is_json(tmp_path: Path, kind: str) -> None:
    assert outcome(open_door(tmp_path), HERE, BODY, ("content-type", kind), method="POST") is None


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "text/plain",
            "text/plain;application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        ),
        *(
            "application/merge-patch+json",
            "application/jsonp",
            "text/json",
            "",
            "application/json, text/plain",
        ),
    ],
)
@pytest.mark.parametrize("length", [("content-length", "1"), ("transfer-encoding", "chunked")])
def test_a_body_of_another_kind_is_not_taken(tmp_path: Path, kind: str, length: tuple[str, str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
        found = outcome(open_door(tmp_path), HERE, length, ("content-type", kind), method=method)
        assert found is UnsupportedMediaType


def test_the_refusal_of_a_body_says_what_to_send(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMediaType, match="content-type: application/json"):
        ask(open_door(tmp_path), HERE, BODY, method="POST")


def test_without_a_body_no_kind_is_asked_for(tmp_path: Path) -> None:
    door = open_door(tmp_path)
    assert outcome(door, HERE, method="POST") is None
    assert outcome(door, HERE, ("content-length", "0"), ("content-type", "text/plain"), method="POST") is None


def test_a_form_is_taken_where_it_is_declared_and_from_whom(tmp_path: Path) -> None:
    door = open_door(tmp_path)
    form, upload = (
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "multipart/form-data; b=1"),
    )
    own = ("origin", "http://127.0.0.1:8000")
    assert outcome(door, HERE, BODY, form, method="POST", path="/form") is None
    assert outcome(door, HERE, BODY, form, own, method="POST", path="/form") is UnsupportedMediaType
    said = ("sec-fetch-site", "same-origin")
    assert outcome(door, HERE, BODY, form, said, method="POST", path="/form") is UnsupportedMediaType
    assert outcome(door, HERE, BODY, upload, own, method="POST", path="/upload") is None
    assert outcome(door, HERE, BODY, upload, method="POST", path="/form") is UnsupportedMediaType
    for path in ("/form/", "//form", "/FORM", "/x/../form", "/form;", "/form/upload"):
        assert outcome(door, HERE, BODY, form, method="POST", path=path) is UnsupportedMediaType


def answer(admission: Admission) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in admission.headers}


def test_a_named_origin_may_read_and_no_other(tmp_path: Path) -> None:
    door = open_door(tmp_path)
    admitted = answer(ask(door, HERE, ("origin", GUEST)))
    assert admitted["access-control-allow-origin"] == GUEST
    assert "access-control-allow-credentials" not in admitted
    assert answer(ask(door, HERE)) == {"vary": "origin"} == answer(ask(door, HERE))
    assert answer(ask(door, HERE, ("origin", "http://127.0.0.1:8000"))) == {"vary": "origin"}
    assert answer(ask(open_door(tmp_path, origins=()), HERE)) == {}


PREFLIGHT = [HERE, ("access-control-request-method", "POST")]


def test_a_preflight_of_a_named_origin_is_answered(tmp_path: Path) -> None:
    asked = ("access-control-request-headers", "authorization,x-stainless-os")
    admission = ask(open_door(tmp_path), *PREFLIGHT, ("origin", GUEST), asked, method="OPTIONS")
    assert admission.preflight
    headers = answer(admission)
    assert headers["access-control-allow-origin"] == GUEST
    assert "POST" in headers["access-control-allow-methods"]
    assert headers["access-control-allow-headers"] == "authorization,x-stainless-os"
    assert int(headers["access-control-max-age"]) > 0
    assert headers["vary"] == "origin"
    assert "access-control-allow-private-network" not in headers


def test_a_page_of_the_internet_reaches_a_private_network_when_it_is_named(tmp_path: Path) -> None:
    private = ("access-control-request-private-network", "true")
    door = open_door(tmp_path)
    headers = answer(ask(door, *PREFLIGHT, ("origin", GUEST), private, method="OPTIONS"))
    assert headers["access-control-allow-private-network"] == "true"
    assert (
        outcome(door, *PREFLIGHT, ("origin", "http://evil.example"), private, method="OPTIONS")
        is ForeignOrigin
    )


def test_options_without_a_page_is_a_request_like_others(tmp_path: Path) -> None:
    assert not ask(open_door(tmp_path), *PREFLIGHT, method="OPTIONS").preflight


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/docs", "//health", "/x/..;/health", "/%68ealth"]
)
def test_no_path_opens_the_door(tmp_path: Path, path: str) -> None:
    door = open_door(tmp_path, pages=True)
    assert outcome(door, ("host", "evil.example"), path=path) is Misdirected
    assert outcome(door, HERE, ("origin", "null"), path=path) is ForeignOrigin


def test_a_websocket_is_judged_by_the_same_rule(tmp_path: Path) -> None:
    door = open_door(tmp_path, pages=True)

    def handshake(**named: str) -> Admission:
        pairs = [(name.encode(), value.encode()) for name, value in named.items()]
        return door.admit({"type": "websocket", "path": "/api/events/out", "headers": pairs}, dict(pairs))

    assert handshake(host="127.0.0.1:4200") == handshake(
        host="127.0.0.1:4200", origin="http://127.0.0.1:4200"
    )
    with pytest.raises(Misdirected):
        handshake(host="evil.example:4200")
    with pytest.raises(ForeignOrigin):
        handshake(host="127.0.0.1:4200", origin="http://evil.example")
    with pytest.raises(ForeignOrigin):
        handshake(host="127.0.0.1:4200", origin="null")

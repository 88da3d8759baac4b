"""Every port and every trick: a door called by a foreign name, asked by a foreign page or sent anything but
JSON refuses, does nothing and tells no page; it still serves those it is there for.
"""

import json
import socket
from typing import Any

import httpx
import psutil
import pytest

from servers.local.services import planned_services
from tests.security.conftest import NAME, Platform
from tests.security.doors import DOORS, EVERY_DOOR, PLANNED, SILENT, STORES, shown

pytestmark = pytest.mark.timeout(600)

EVIL = "http://evil.example"
IMAGE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
ARRIVAL = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
ASKS = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
LOOPBACK = "127.0.0.1:{port}"

TRICKS: dict[str, tuple[int, dict[str, Any]]] = {
    "foreign origin": (403, {"origin": EVIL}),
    "null origin": (403, {"origin": "null"}),
    "empty origin": (403, {"origin": ""}),
    "origin of another port": (403, {"origin": "http://127.0.0.1:1"}),
    "origin of another name of this machine": (403, {"origin": "http://localhost:{port}"}),
    "origin that begins like ours": (403, {"origin": "http://127.0.0.1:{port}.evil.example"}),
    "origin with a user": (403, {"origin": "http://127.0.0.1:{port}@evil.example"}),
    "two origins": (400, {"origin": ["http://127.0.0.1:{port}", EVIL]}),
    "foreign host": (421, {"host": "evil.example:{port}"}),
    "foreign host and origin, as after rebinding": (
        421,
        {"host": "evil.example:{port}", "origin": "http://evil.example:{port}"},
    ),
    "host that begins like ours": (421, {"host": "127.0.0.1.evil.example"}),
    "host with a path": (421, {"host": "x/health?a="}),
    "host of any interface": (421, {"host": "0.0.0.0:{port}"}),
    "no host": (400, {"host": None}),
    "empty host": (400, {"host": ""}),
    "two hosts": (400, {"host": [LOOPBACK, "evil.example"]}),
    "two hosts, ours last": (400, {"host": ["evil.example", LOOPBACK]}),
    "absolute form": (400, {":target": "http://127.0.0.1:{port}{path}"}),
    "absolute form of a foreign host": (400, {":target": "http://evil.example{path}"}),
    "authority form": (400, {":method": "CONNECT", ":target": LOOPBACK}),
    "text/plain": (415, {"content-type": "text/plain"}),
    "text/plain with JSON in its name": (415, {"content-type": "text/plain;application/json"}),
    "a form": (415, {"content-type": "application/x-www-form-urlencoded"}),
    "a form of parts": (415, {"content-type": "multipart/form-data; boundary=x"}),
    "no kind of content": (415, {"content-type": None}),
    "two kinds of content": (400, {"content-type": ["text/plain", "application/json"]}),
    "cross-site": (403, {"sec-fetch-site": "cross-site"}),
    "same-site": (403, {"sec-fetch-site": "same-site"}),
    "a form that a person is made to send": (403, ARRIVAL),
    "a preflight": (403, {":method": "OPTIONS", "origin": EVIL, **ASKS}),
    "a preflight from nowhere": (403, {":method": "OPTIONS", "origin": "null", **ASKS}),
    "a preflight into the private network": (
        403,
        {
            ":method": "OPTIONS",
            "origin": "https://evil.example",
            "access-control-request-private-network": "true",
            **ASKS,
        },
    ),
}

PATHS = """{} /{} {}/ {}/health {}/ready /health/..{} /health/%2e%2e{} /health;{} /health/..;{} {}%2f
    {}?/health /HEALTH/..{} //health{} {}#/health {}/. /health%2f..%2f{} /health/live /api/health
    /metrics""".split()


def ask(platform: Platform, name: str, method: str, target: str, changes: dict[str, Any], body: bytes = b""):
    """Status, headers and body of what a door answers to exactly these bytes."""
    port = platform.port(name)
    headers: dict[str, Any] = {"host": LOOPBACK, "accept": "application/json, text/event-stream"}
    headers |= shown(platform.settings, name)
    if body:
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
    headers |= changes
    path, method = target, headers.pop(":method", method)
    target = headers.pop(":target", target).replace("{port}", str(port)).replace("{path}", path)
    lines = [f"{method} {target} HTTP/1.1", "connection: close"]
    for header, value in headers.items():
        values = value if isinstance(value, list) else [value]
        lines += [f"{header}: {one}".replace("{port}", str(port)) for one in values if one is not None]
    return exchange(port, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def exchange(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        answer = b""
        try:
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    pairs = [line.partition(": ")[::2] for line in rest]
    return int(first.split()[1]), {name.lower(): value for name, value in pairs}, body


def tells_no_page(headers: dict[str, str]) -> bool:
    return not any(name.startswith("access-control-") for name in headers)


def test_every_service_has_its_row() -> None:
    assert sorted(PLANNED) == sorted([*DOORS, *STORES, *SILENT])


@pytest.mark.parametrize("name", EVERY_DOOR)
def test_a_program_on_this_machine_is_served(platform: Platform, name: str) -> None:
    before = platform.done(name)
    answer = platform.act(name)
    assert answer.is_success, answer.text
    assert platform.done(name) > before, "what the matrix counts is what the door does"
    headers = shown(platform.settings, name)
    read = httpx.get(platform.url(name) + DOORS[name].read, headers=headers, timeout=60, trust_env=False)
    assert read.status_code == 200
    assert tells_no_page(dict(answer.headers))


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("name", EVERY_DOOR)
def test_a_trick_is_refused_and_does_nothing(platform: Platform, name: str, trick: str) -> None:
    door, (expected, changes) = DOORS[name], TRICKS[trick]
    before = platform.done(name)
    status, headers, body = ask(platform, name, "POST", door.act, changes, door.content())
    assert status == expected, body
    assert set(json.loads(body)["error"]) == {"message", "type", "code", "param", "source"}
    assert tells_no_page(headers)
    assert platform.done(name) == before


READS: dict[str, tuple[int, dict[str, Any]]] = {
    trick: row for trick, row in TRICKS.items() if row[0] in (400, 403, 421) and ":method" not in row[1]
} | {
    "an image": (403, IMAGE),
    "a frame": (403, {**ARRIVAL, "sec-fetch-dest": "iframe"}),
    "a script": (403, {**IMAGE, "sec-fetch-dest": "script"}),
    "an image of another port": (403, {**IMAGE, "sec-fetch-site": "same-site"}),
}
del READS["two kinds of content"], READS["a form that a person is made to send"]


@pytest.mark.parametrize("trick", READS)
@pytest.mark.parametrize("name", EVERY_DOOR)
def test_a_trick_reads_nothing(platform: Platform, name: str, trick: str) -> None:
    expected, changes = READS[trick]
    before = platform.done(name)
    status, headers, body = ask(platform, name, "GET", DOORS[name].read, changes)
    assert status == expected, body
    assert tells_no_page(headers)
    assert platform.done(name) == before


@pytest.mark.parametrize("name", EVERY_DOOR)
def test_a_link_of_another_site_leads_to_pages_alone(platform: Platform, name: str) -> None:
    status, headers, _ = ask(platform, name, "GET", DOORS[name].read, ARRIVAL)
    assert status == (200 if DOORS[name].pages else 403)
    assert tells_no_page(headers)


@pytest.mark.parametrize("name", EVERY_DOOR)
def test_no_spelling_of_a_path_gets_past_the_door(platform: Platform, name: str) -> None:
    """Fault 28: neither a foreign page nor a foreign name is let in anywhere, however the path is written."""
    paths = [path.replace("{}", DOORS[name].read) for path in PATHS]
    for path in paths:
        for changes, expected in (({"origin": EVIL}, 403), ({"host": "evil.example"}, 421), (IMAGE, 403)):
            status, headers, _ = ask(platform, name, "GET", path, changes)
            assert status in (expected, 400), path
            assert tells_no_page(headers)


@pytest.mark.parametrize("name", EVERY_DOOR)
def test_sizes_are_bounded_at_every_door(platform: Platform, name: str) -> None:
    door, limits = DOORS[name], platform.settings.limits
    assert ask(platform, name, "GET", door.live, {"x-big": "a" * limits.header_bytes})[0] == 400
    body = b'{"a": "' + b"a" * limits.body_bytes + b'"}'
    assert ask(platform, name, "POST", door.act, {}, body)[0] == 413
    chunked = {"transfer-encoding": "chunked", "content-length": None}
    piece = b"%x\r\n%b\r\n" % (len(body), body)
    assert ask(platform, name, "POST", door.act, chunked, piece + b"0\r\n\r\n")[0] == 413


@pytest.mark.parametrize("name", EVERY_DOOR)
def test_a_named_origin_may_ask_and_read(platform: Platform, name: str) -> None:
    friend = platform.settings.origins[0]
    preflight = {":method": "OPTIONS", "origin": friend, **ASKS}
    status, headers, _ = ask(platform, name, "POST", DOORS[name].act, preflight)
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (204, friend, "origin")
    assert "access-control-allow-credentials" not in headers
    answer = platform.act(name, origin=friend, **{"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"})
    assert answer.is_success
    assert answer.headers.get_list("access-control-allow-origin") == [friend]
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("name", EVERY_DOOR)
@pytest.mark.parametrize(
    "host", [NAME, f"{NAME.upper()}.:443", "localhost:{port}", "[::1]:{port}", "127.0.0.2"]
)
def test_a_door_is_there_under_its_names(platform: Platform, name: str, host: str) -> None:
    assert ask(platform, name, "GET", DOORS[name].live, {"host": host})[0] == 200
    if host == NAME:
        own = {"host": host, "origin": f"https://{NAME}", "sec-fetch-site": "same-origin"}
        status, headers, _ = ask(platform, name, "POST", DOORS[name].act, own, DOORS[name].content())
        assert 200 <= status < 300
        assert tells_no_page(headers)


SOCKETS = [name for name in EVERY_DOOR if DOORS.get(name) and DOORS[name].socket]
UPGRADE = {
    "connection": "upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "prefect",
}


@pytest.mark.parametrize("name", EVERY_DOOR)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"origin": EVIL}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example:{port}"}, 421),
        ({"host": None}, 400),
        ({":target": "http://127.0.0.1:{port}{path}"}, 400),
    ],
)
def test_a_foreign_page_opens_no_socket(
    platform: Platform, name: str, changes: dict[str, Any], expected: int
) -> None:
    status, headers, _ = ask(platform, name, "GET", DOORS[name].socket or "/", {**UPGRADE, **changes})
    # Without a Host a handshake is none, whoever reads it: its own protocol may be the first to say so.
    assert status == expected
    assert tells_no_page(headers)


def test_the_platforms_own_sockets_are_opened(platform: Platform) -> None:
    assert SOCKETS == ["prefect"]
    for name in SOCKETS:
        own = {**UPGRADE, "origin": "http://127.0.0.1:{port}"}
        port = platform.port(name)
        lines = [f"GET {DOORS[name].socket} HTTP/1.1", f"host: 127.0.0.1:{port}"]
        lines += [f"{header}: {value}".replace("{port}", str(port)) for header, value in own.items()]
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            assert connection.recv(1024).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("name", [*EVERY_DOOR, *STORES])
def test_nothing_listens_wider_than_this_machine(platform: Platform, name: str) -> None:
    root = platform.processes[name]
    family = [psutil.Process(root.pid), *psutil.Process(root.pid).children(recursive=True)]
    heard = {each.laddr for one in family for each in one.net_connections("inet") if each.status == "LISTEN"}
    assert {address.ip.removeprefix("::ffff:") for address in heard} <= {"127.0.0.1", "::1"}
    planned = {service.name: service.ports for service in planned_services(platform.settings)}
    assert {address.port for address in heard} >= set(planned[name])
    if name == "postgres":
        assert heard == set(), "a private socket is all it has"


@pytest.mark.parametrize("name", SILENT)
def test_who_only_asks_has_no_port(platform: Platform, name: str) -> None:
    assert [service.ports for service in planned_services(platform.settings) if service.name == name] == [()]

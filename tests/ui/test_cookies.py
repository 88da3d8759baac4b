import pytest
from starlette.requests import Request
from starlette.responses import Response

from tests.conftest import settings_in
from tools.errors import Misdirected
from ui.access.cookies import SESSION, CookieJar, is_https, own_origin


def request(*, cookie="", scheme="http", client="127.0.0.1", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    raw += [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": "http", "scheme": scheme, "path": "/", "query_string": b"", "headers": raw}
    return Request({**scope, "client": (client, 1), "server": ("127.0.0.1", 7860)})


def written(jar, value, asking=None):
    response = Response()
    jar.write(asking or request(), response, value, seconds=9)
    return response.headers["set-cookie"]


def test_a_cookie_of_one_purpose_or_installation_is_none_of_another(settings, tmp_path):
    text = written(CookieJar(settings, SESSION), "value").partition(";")[0].partition("=")[2]
    other = settings_in(tmp_path / "other")
    assert CookieJar(settings, SESSION).read(request(cookie=f"{SESSION}={text}")) == "value"
    assert CookieJar(settings, "another").read(request(cookie=f"another={text}")) is None
    assert CookieJar(other, SESSION).read(request(cookie=f"{SESSION}={text}")) is None


def test_a_cookie_that_was_changed_is_none(settings):
    jar = CookieJar(settings, SESSION)
    text = written(jar, "value").partition(";")[0].partition("=")[2]
    value, signature = text.split(".")
    for forged in (
        f"valuf.{signature}",
        f"{value}.{signature[:-2]}",
        f"{value}.",
        value,
        f".{signature}",
        "é.é",
    ):
        assert jar.read(request(cookie=f"{SESSION}={forged}")) is None


@pytest.mark.parametrize(
    ("asking", "expected"),
    [
        (request(scheme="https"), True),
        (request(x_forwarded_proto="https"), True),
        (request(x_forwarded_proto="http, https"), True),
        (request(x_forwarded_proto="http"), False),
        (request(x_forwarded_proto="https", client="10.0.0.7"), False),
        (request(), False),
    ],
)
def test_who_is_reached_by_tls_marks_cookies_for_it_and_believes_its_own_proxy_alone(
    settings, asking, expected
):
    assert is_https(asking) == expected
    assert ("Secure" in written(CookieJar(settings, SESSION), "v", asking)) == expected


def test_the_pages_own_address_is_one_of_its_names(tmp_path):
    settings = settings_in(tmp_path, names=("chat.example.org",))
    assert own_origin(request(host="Chat.Example.org"), settings) == "http://chat.example.org"
    assert own_origin(request(host="[::1]:7860"), settings) == "http://[::1]:7860"
    proxied = request(host="chat.example.org", x_forwarded_proto="https")
    assert own_origin(proxied, settings) == "https://chat.example.org"
    for host in ("evil.example", "chat.example.org@evil.example", "chat.example.org.evil.example", "", "a/b"):
        with pytest.raises(Misdirected):
            own_origin(request(host=host), settings)

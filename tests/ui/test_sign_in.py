"""Signing in with name and password at a real bridge, over HTTP; `test_people.py` does it in a browser."""

import asyncio

import httpx
import pytest

from tests.ui.people import KEY, PASSWORD
from tools.access.identity import LOCAL
from ui.access.cookies import SESSION

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_person_is_led_to_the_sign_in_and_back(here):
    async with here.browser(headers={"accept": "text/html"}) as visitor:
        led = await visitor.get("/sessions")
        assert (led.status_code, led.headers["location"]) == (303, "/login?next=/sessions")
        talk = await visitor.get("/?c=0a-b")
        assert (talk.status_code, talk.headers["location"]) == (303, "/login?next=/%3Fc%3D0a-b")
        page = await visitor.get(led.headers["location"])
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        signed = await visitor.post("/login", json={"user": "ana", "password": PASSWORD, "next": "/sessions"})
        assert signed.json() == {"next": "/sessions"}
        assert "ana" in (await visitor.get("/sessions")).text
        assert (await visitor.get("/")).status_code == 200
        assert (await visitor.get("/config")).json()["username"] == "ana"


@pytest.mark.parametrize(
    "next",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/%2fevil.example",
        "/../",
        "/?c=../x",
        "/?c=a&next=//evil.example",
        "/?c=",
        "javascript:1",
        "",
    ],
)
async def test_nobody_is_led_to_another_place(here, next):
    async with here.browser() as visitor:
        for path in ("/login", "/login/provider"):
            answer = await visitor.get(path, params={"next": next})
            assert answer.status_code == 400 or path == "/login/provider"
            assert "location" not in answer.headers
        answer = await visitor.post("/login", json={"user": "ana", "password": PASSWORD, "next": next})
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers


async def test_the_cookie_is_for_the_browser_alone_and_its_token_is_not_kept_in_the_open(here):
    async with here.browser() as visitor:
        answer = await visitor.post("/login", json={"user": "ana", "password": PASSWORD})
        flags = answer.headers["set-cookie"].lower()
        assert all(flag in flags for flag in ("httponly", "samesite=lax", "path=/", "max-age=6047"))
        assert "secure" not in flags
        behind = {"x-forwarded-proto": "https"}
        again = await visitor.post("/login", json={"user": "ana", "password": PASSWORD}, headers=behind)
        assert "secure" in again.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("user", "password"), [("ana", "wrong"), ("nobody", PASSWORD), ("ana", KEY), ("ana' or 1=1", "x")]
)
async def test_a_wrong_password_and_an_unknown_name_hear_the_same(here, user, password):
    async with here.browser() as visitor:
        answer = await visitor.post("/login", json={"user": user, "password": password})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "wrong_password"
    assert "set-cookie" not in answer.headers


async def test_who_tries_too_often_has_to_wait(here):
    here.add("rara")
    async with here.browser() as visitor:
        tries = [
            await visitor.post("/login", json={"user": "rara", "password": f"wrong {n}"}) for n in range(11)
        ]
        right = await visitor.post("/login", json={"user": "rara", "password": PASSWORD})
    assert [answer.status_code for answer in tries] == [401] * 10 + [429]
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"origin": "http://evil.example"}, None, 403),
        ({"origin": "null"}, None, 403),
        ({"sec-fetch-site": "cross-site"}, None, 403),
        ({"sec-fetch-site": "same-site"}, None, 403),
        ({"content-type": "application/x-www-form-urlencoded"}, b"user=ana&password=x", 415),
        ({"content-type": "text/plain"}, b'{"user": "ana", "password": "x"}', 415),
        ({"content-type": "application/json"}, b"[1]", 400),
        ({"content-type": "application/json"}, b'{"user": "ana"}', 400),
        ({"content-type": "application/json"}, b'{"user": "ana", "password": "x", "role": "admin"}', 400),
    ],
    ids=str,
)
async def test_no_other_page_signs_anybody_in(here, headers, body, status):
    async with here.browser() as visitor:
        options = {"content": body} if body else {"json": {"user": "ana", "password": PASSWORD}}
        answer = await visitor.post("/login", headers=headers, **options)
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


async def test_a_forged_cookie_is_not_looked_up(here):
    async with (
        here.signed_in("ana") as ana,
    ):
        value = ana.cookies[SESSION]
        identifier, token, signature = value.split(".")
        forged = [
            f"{identifier}.{token}.{'A' * len(signature)}",
            f"{identifier}.{token}.",
            f"{identifier}.{token}",
            f"{identifier}.{token[:-1]}x.{signature}",
            f"other.{token}.{signature}",
            token,
            "é.é",
            "." * 50,
            "x" * 5_000,
        ]
        async with here.browser() as visitor:
            for cookie in forged:
                headers = [(b"cookie", f"{SESSION}={cookie}".encode())]
                answer = await visitor.get("/config", headers=headers)
                assert answer.status_code == 401
                assert "max-age=0" in answer.headers["set-cookie"].lower()
        assert (await ana.get("/config")).status_code == 200


async def test_signing_out_ends_the_session_everywhere(here):
    async with here.signed_in("ana") as ana, here.browser(cookies=dict(ana.cookies)) as copy:
        assert (await copy.get("/config")).status_code == 200
        assert (await ana.post("/logout")).status_code == 204
        assert SESSION not in ana.cookies
        assert (await copy.get("/config")).status_code == 401


async def test_a_person_sees_and_ends_their_own_sessions_and_no_others(here):
    here.add("vera")
    async with (
        here.signed_in("vera", headers={"user-agent": "Firefox <b>one</b>"}) as one,
        here.signed_in("vera", headers={"user-agent": "phone"}) as two,
        here.signed_in("berto") as berto,
        here.signed_in("carla") as carla,
    ):
        listed = (await one.get("/api/sessions")).json()["sessions"]
        assert {session["agent"] for session in listed} == {"Firefox <b>one</b>", "phone"}
        own = (await one.get("/api/session")).json()
        assert (own["user"], own["role"], own["tenant"]) == ("vera", "user", "default")
        page = (await one.get("/sessions?language=en")).text
        assert "Firefox &lt;b&gt;one&lt;/b&gt;" in page
        assert page.count("this session") == 1
        other = next(session["id"] for session in listed if session["id"] != own["id"])
        for stranger in (berto, carla):
            assert (await stranger.delete(f"/api/sessions/{other}")).status_code == 404
        assert (await one.delete(f"/api/sessions/{other}")).status_code == 204
        assert (await two.get("/config")).status_code == 401
        assert (await one.get("/config")).status_code == 200


async def test_what_an_admin_ends_elsewhere_ends_here_within_the_cache(here):
    here.add("dora")
    async with (
        here.signed_in("dora") as revoked,
        here.signed_in("berto") as disabled,
    ):
        session = (await revoked.get("/api/session")).json()["id"]
        assert here.bridge.delete(f"/api/v1/sessions/{session}").status_code == 200
        here.change("berto", disabled=True)
        await asyncio.sleep(here.settings.access.cache_s + 0.1)
        for client in (revoked, disabled):
            assert (await client.get("/config")).status_code == 401
        async with here.browser() as visitor:
            again = await visitor.post("/login", json={"user": "berto", "password": PASSWORD})
        assert again.status_code == 401
        here.change("berto", disabled=False)


async def test_keys_open_the_page_for_programs_and_metrics_only_for_who_runs_it(here):
    made = {"name": "k", "tenant": "default", "scopes": ["read"]}
    key = here.bridge.post("/api/v1/keys", json=made).json()["key"]
    async with here.browser() as program:
        for shown in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
            assert (await program.get("/metrics", headers=shown)).status_code == 200
        reader = {"authorization": f"Bearer {key}"}
        assert (await program.get("/config", headers=reader)).status_code == 200
        assert (await program.get("/metrics", headers=reader)).status_code == 403
        for wrong in ("wrong", "c6-0123456789abcdef-" + "a" * 43, "c6i.a.b.c", "eyJhbGciOiJub25lIn0.e30."):
            answer = await program.get("/config", headers={"authorization": f"Bearer {wrong}"})
            assert answer.status_code == 401
    async with (
        here.signed_in("ana") as ana,
    ):
        assert (await ana.get("/metrics")).status_code == 403
        assert (await ana.get("/config", headers={"x-api-key": KEY})).status_code == 401


async def test_without_a_key_there_is_nothing_to_sign_in_to(running):
    async with httpx.AsyncClient(base_url=running.ui_url, trust_env=False) as visitor:
        assert (await visitor.get("/login")).headers["location"] == "/"
        assert (await visitor.get("/config")).json()["username"] == LOCAL.user
        visitor.cookies[SESSION] = "forged.forged.forged"
        assert (await visitor.get("/config")).status_code == 200
        assert (await visitor.get("/login/provider")).status_code == 404

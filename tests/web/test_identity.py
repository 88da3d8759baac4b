"""Whose key it is: asked once, remembered for a while, and nobody's while the bridge is silent."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from servers.web.access import Access, Rule, seconds_to_tomorrow
from servers.web.identity import Caller
from tests.conftest import settings_in
from tests.serving import serving
from tools.access.identity import LOCAL, SCOPES, Principal, Signer, current, service
from tools.errors import Forbidden, NotFound, QuotaExceeded, Unauthorized, Unavailable
from tools.sections import Access as AccessSettings
from tools.settings import Settings

KEY = "c6-0123456789abcdef-" + "k" * 43
ANA = Principal("huerta", "ana", "user", SCOPES["user"], "0123456789abcdef")
ANSWER = {
    **{"tenant": "huerta", "user": "ana", "role": "user", "scopes": ["read", "write"]},
    **{"key_id": "0123456789abcdef", "expires_at": None, "platform": False},
    "limits": {"requests_per_minute": 100, "concurrency": 4, "body_bytes": None},
    "quota": {"requests": 5, "tokens": None, "audio_s": None, "passages": None},
    "used": {"requests": 3, "tokens": 0, "audio_s": 0.0, "passages": 0},
}


class Bridge:
    """The bridge's wire for identity and use; `told` are the entries of use, `asked` the digests."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.app = settings, FastAPI()
        self.asked: list[Any] = []
        self.told: list[Any] = []
        self.bearers: list[str] = []
        self.app.post("/api/v1/identity")(self.identity)
        self.app.post("/api/v1/usage")(self.usage)

    async def identity(self, request: Request) -> Any:
        body = await request.json()
        self.asked.append(body)
        self.bearers.append(request.headers["authorization"].removeprefix("Bearer "))
        await asyncio.sleep(0.05)
        if body == {"key": hashlib.sha256(KEY.encode()).hexdigest()}:
            return ANSWER
        return JSONResponse(NotFound("nobody").envelope(), 404)

    async def usage(self, request: Request) -> Any:
        self.told += (await request.json())["entries"]
        return {"added": 1}


@pytest.fixture
def bridge(tmp_path: Path) -> Any:
    settings = settings_in(tmp_path, api_key="la-llave", access=AccessSettings(cache_s=60.0))
    there = Bridge(settings)
    with serving(there.app, settings.ports.bridge):
        yield there


@pytest.fixture
async def access(bridge: Bridge) -> AsyncIterator[Access]:
    async with Access(
        bridge.settings, name="api", rules=[Rule("POST", "/webhook", "operate")]
    ).opened() as it:
        yield it


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]


async def who(access: Access, raw: list[tuple[bytes, bytes]]) -> Caller:
    return await access.caller(dict(raw), raw)


async def test_many_who_show_one_key_ask_once_by_its_digest(access: Access, bridge: Bridge) -> None:
    callers = await asyncio.gather(*(who(access, bearer(KEY)) for _ in range(50)))
    assert {caller.principal for caller in callers} == {ANA}
    assert bridge.asked == [{"key": hashlib.sha256(KEY.encode()).hexdigest()}]
    assert bridge.settings.signer.verify(bridge.bearers[0]) == service("api")
    assert access.identity.known(dict(bearer(KEY)), bearer(KEY)) == callers[0]


async def test_an_unknown_key_is_asked_for_once_and_garbage_never(access: Access, bridge: Bridge) -> None:
    other = "c6-" + "f" * 16 + "-" + "z" * 43
    for token in (other, other, "c6-garbage", "otra", ""):
        with pytest.raises(Unauthorized):
            await who(access, bearer(token))
    assert len(bridge.asked) == 1


async def test_without_the_bridge_keys_open_nothing_and_the_platform_goes_on(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_key="la-llave")
    async with Access(settings, name="api").opened() as access:
        with pytest.raises(Unavailable) as failed:
            await who(access, bearer(KEY))
        assert failed.value.retry_after == 1
        assert (await who(access, bearer("la-llave"))).principal == LOCAL
        token = settings.signer.sign(ANA)
        assert (await who(access, bearer(token))).principal == ANA
        with pytest.raises(Unauthorized):
            await who(access, bearer(Signer(b"x" * 43).sign(ANA)))


async def test_an_open_installation_still_checks_keys_and_tokens(tmp_path: Path) -> None:
    async with Access(settings_in(tmp_path), name="api").opened() as access:
        for raw in ([], bearer("sk-anything"), [(b"x-api-key", b"x")], bearer("eyJ.a.b")):
            assert (await who(access, raw)).principal == LOCAL
        for token in ("c6-x", "c6i.x", Signer(b"x" * 43).sign(LOCAL)):
            with pytest.raises(Unauthorized):
                await who(access, bearer(token))
        with pytest.raises(Unauthorized):
            await who(access, [*bearer("a"), (b"x-api-key", b"b")])
        with pytest.raises(Unauthorized):
            await who(access, [*bearer("a"), *bearer("b")])


async def test_only_the_platform_names_a_tenant(access: Access) -> None:
    named = [(b"x-capibara6-tenant", b"colmena")]
    assert (await who(access, [*bearer("la-llave"), *named])).principal == LOCAL.narrowed(tenant="colmena")
    with pytest.raises(Forbidden):
        await who(access, [*bearer(KEY), *named])


async def test_a_request_needs_its_scope_and_ends_with_the_quota(access: Access, bridge: Bridge) -> None:
    caller = await who(access, bearer(KEY))
    with pytest.raises(Forbidden), access.entered(caller, "POST", "/webhook/ingest"):
        pass
    for _ in range(2):
        with access.entered(caller, "GET", "/agents"):
            assert current() == ANA
    assert current() is None
    with pytest.raises(QuotaExceeded) as refused, access.entered(caller, "GET", "/agents"):
        pass
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= seconds_to_tomorrow() + 1


async def test_what_the_bridge_did_not_hear_waits_for_the_next_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with Access(settings, name="api").opened() as access:
        access.usage.count(ANA, model="phi4", tokens_in=3, tokens_out=4)
        access.usage.count(ANA, model="phi4", tokens_out=1, audio_s=0.5)
        access.usage.count(service("api"), requests=9)
    there = Bridge(settings)
    with serving(there.app, settings.ports.bridge):
        async with Access(settings, name="api").opened():
            pass
        async with Access(settings, name="api").opened():
            pass
    told = {**{"tenant": "huerta", "user": "ana", "key_id": ANA.key_id, "model": "phi4"}, "requests": 0}
    assert there.told == [{**told, "tokens_in": 3, "tokens_out": 5, "audio_s": 0.5}]

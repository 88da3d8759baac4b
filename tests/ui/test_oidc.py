"""Signing in through a real provider that insists on PKCE, and one that forgets it, over plain HTTP."""

import asyncio
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from tests.ui.people import PASSWORD, place
from tests.ui.provider import provider
from tools.sections import Oidc
from ui.access.cookies import SESSION, SIGN_IN

pytestmark = pytest.mark.asyncio(loop_scope="module")
START, CALLBACK = "/login/provider", "/login/provider/callback"


@pytest.fixture(scope="module", params=[True, False], ids=["insists", "forgets"])
def here(request, stores, issuer_port):
    with provider(issuer_port, pkce=request.param) as issuer:
        oidc = Oidc.model_validate(
            {"issuer": issuer, "client_id": "page", "client_secret": "s3cret & more", "default_role": None}
            | {"roles": {"staff": "operator", "bosses": "admin"}}
        )
        with place(stores, oidc) as found:
            found.add("ana")
            yield found


async def begun(here, browser, **params):
    """The provider's address to which a browser is sent."""
    answer = await browser.get(START, params=params)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def agreed(address, subject):
    """Where the provider sends the browser back once the person has agreed."""
    async with httpx.AsyncClient(trust_env=False) as provider:
        answer = await provider.post(address, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def signed_in(here, browser, subject):
    return await browser.get(await agreed(await begun(here, browser), subject))


@pytest.mark.parametrize(
    ("subject", "user", "role"), [("7-olga", "olga", "operator"), ("8-otto", "otto", "admin")]
)
async def test_a_person_of_the_provider_enters_with_the_role_of_their_groups(here, subject, user, role):
    async with here.browser() as browser:
        answer = await signed_in(here, browser, subject)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        session = (await browser.get("/api/session")).json()
        assert (session["user"], session["role"], session["tenant"]) == (user, role, "default")
        assert SIGN_IN not in browser.cookies
        assert (await browser.get("/config")).json()["username"] == user


async def test_the_request_to_the_provider_carries_a_challenge_and_our_own_exact_address(here):
    async with here.browser() as browser:
        address = await begun(here, browser, next="/sessions")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["redirect_uri"] == f"{here.url}{CALLBACK}"
        assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
        assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
        assert "s3cret" not in address
        again = parse_qs(urlsplit(await begun(here, browser)).query)
        assert all(again[name][0] != asked[name] for name in ("state", "nonce", "code_challenge"))
        answer = await browser.get(await agreed(await begun(here, browser, next="/sessions"), "7-olga"))
        assert answer.headers["location"] == "/sessions"
        misnamed = await browser.get(START, headers={"host": "evil.example"})
        assert misnamed.status_code == 421


async def test_another_state_none_and_one_of_another_browser_are_refused(here):
    async with here.browser() as browser, here.browser() as other:
        back = httpx.URL(await agreed(await begun(here, browser), "7-olga"))
        for changed in (
            back.copy_set_param("state", "x" * 43),
            back.copy_remove_param("state"),
            back.copy_set_param("iss", "https://evil.example"),
            back.copy_remove_param("code"),
        ):
            kept = dict(browser.cookies)
            assert (await browser.get(changed)).status_code == 401
            browser.cookies.update(kept)
        assert (await other.get(back)).status_code == 401
        forged = {"cookie": f"{SIGN_IN}=e30.{'A' * 43}"}
        assert (await other.get(back, headers=forged)).status_code == 401
        assert not {SESSION} & {*browser.cookies, *other.cookies}


async def test_a_stolen_code_is_of_no_use_in_another_sign_in(here):
    """The verifier keeps it out where the provider insists on it, the nonce where it does not."""
    async with here.browser() as victim, here.browser() as thief:
        stolen = httpx.URL(await agreed(await begun(here, victim), "8-otto")).params["code"]
        own = httpx.URL(await agreed(await begun(here, thief), "7-olga"))
        answer = await thief.get(own.copy_set_param("code", stolen))
        assert answer.status_code == 401
        assert SESSION not in thief.cookies


async def test_a_code_and_its_cookie_are_good_once(here):
    async with here.browser() as browser:
        back = await agreed(await begun(here, browser), "7-olga")
        kept = dict(browser.cookies)
        assert (await browser.get(back)).status_code == 303
        async with here.browser(cookies=kept) as replay:
            assert (await replay.get(back)).status_code == 401
        assert (await browser.get(back)).status_code == 401


async def test_who_is_in_no_group_reads_why_in_their_language(here):
    async with here.browser(headers={"accept-language": "en-GB,es;q=0.5"}) as browser:
        answer = await signed_in(here, browser, "9-oona")
        assert answer.status_code == 403
        assert "in no group with access" in answer.text
        assert SESSION not in browser.cookies
    async with here.browser(headers={"accept-language": "es"}) as browser:
        assert "ningún grupo" in (await signed_in(here, browser, "9-oona")).text
        denied = await begun(here, browser)
        state = parse_qs(urlsplit(denied).query)["state"][0]
        cancelled = await browser.get(CALLBACK, params={"error": "access_denied", "state": state})
        assert cancelled.status_code == 401
        assert "se canceló" in cancelled.text


async def test_the_name_of_somebody_else_is_not_taken_over(here):
    async with here.browser() as browser:
        answer = await signed_in(here, browser, "10-ana")
        assert answer.status_code == 409
        assert SESSION not in browser.cookies
    async with here.signed_in("ana") as ana:
        assert (await ana.get("/api/session")).json()["role"] == "user"


async def test_whom_an_admin_disabled_does_not_come_in_by_the_provider(here):
    async with here.browser() as browser:
        await signed_in(here, browser, "7-olga")
        here.change("olga", disabled=True)
        async with here.browser() as again:
            assert (await signed_in(here, again, "7-olga")).status_code == 401
        await asyncio.sleep(here.settings.access.cache_s + 0.1)
        assert (await browser.get("/config")).status_code == 401
        here.change("olga", disabled=False)
        password = await browser.post("/login", json={"user": "olga", "password": PASSWORD})
        assert password.status_code == 401


async def test_a_bearer_token_of_the_provider_opens_the_page_as_its_person(here):
    issuer = here.settings.oidc.issuer
    form = {"client_id": "page", "response_type": "code", "redirect_uri": "http://localhost/x", "nonce": "n"}
    verifier = "v" * 43
    challenge = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
    async with httpx.AsyncClient(base_url=issuer, trust_env=False) as provider:
        asked = {**form, **challenge, "scope": "openid profile", "nonce": verifier[:20] + str(time.time())}
        back = await provider.post("/oauth2/authorize", params=asked, data={"sub": "8-otto"})
        token = await provider.post(
            "/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "code": httpx.URL(back.headers["location"]).params["code"],
                "redirect_uri": form["redirect_uri"],
                "code_verifier": verifier,
            },
            auth=("page", "any"),
        )
    async with here.browser(headers={"authorization": f"Bearer {token.json()['id_token']}"}) as program:
        session = (await program.get("/api/session")).json()
        assert (session["user"], session["role"], session["id"]) == ("otto", "admin", None)
        spoilt = token.json()["id_token"][:-4] + "AAAA"
        answer = await program.get("/config", headers={"authorization": f"Bearer {spoilt}"})
        assert answer.status_code == 401

"""A person signs in to Prefect's page with a link that is good once, and never sees a password."""

import base64
import re
import time

import httpx
import pytest
from starlette.responses import PlainTextResponse

from flows.orchestration.sign_in import MAX_TOKENS, SCRIPT, SignIn, Tokens
from tests.ui.conftest import chromium  # noqa: F401  (a fixture)
from tools.clients.prefect import SIGN_IN, open_prefect
from tools.errors import Unauthorized
from tools.settings import Settings

AUTH = "capibara6:a-secret-of-the-tests"
BASIC = f"Basic {base64.b64encode(AUTH.encode()).decode()}"


@pytest.fixture
def client() -> httpx.AsyncClient:
    """Of the page in front of an app that answers `behind` to all else."""
    app = SignIn(PlainTextResponse("behind"), auth=AUTH)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def token(client: httpx.AsyncClient) -> str:
    made = await client.post("/api/sign-in/tokens", headers={"authorization": BASIC})
    assert made.status_code == 201
    return made.json()["token"]


async def test_a_link_is_good_once(client: httpx.AsyncClient) -> None:
    link = await token(client)
    first = await client.post(SIGN_IN, json={"token": link})
    assert base64.b64decode(first.json()["password"]).decode() == AUTH
    assert first.headers["cache-control"] == "no-store"
    second = await client.post(SIGN_IN, json={"token": link})
    assert second.status_code == 404
    assert second.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "shown", ["", "Basic", "Basic YWRtaW46YWRtaW4=", BASIC.lower(), f"Bearer {AUTH}", BASIC + "ñ"]
)
async def test_links_are_for_who_knows_the_auth_string(client: httpx.AsyncClient, shown: str) -> None:
    made = await client.post("/api/sign-in/tokens", headers=[(b"authorization", shown.encode())])
    assert made.status_code == 401
    assert "token" not in made.json()


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"token": "guess"}', "application/json", 404),
        (b'{"token": "x"}', "text/plain", 415),
        (b"token=x", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"token": 7}', "application/json", 400),
        (b'{"token": "\\ud800"}', "application/json", 404),
    ],
)
async def test_what_is_no_link_gets_an_error_and_no_password(
    client: httpx.AsyncClient, body: bytes, kind: str, status: int
) -> None:
    answer = await client.post(SIGN_IN, content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_the_page_holds_no_secret_and_runs_no_other_script(client: httpx.AsyncClient) -> None:
    page = await client.get(SIGN_IN)
    assert SCRIPT in page.text
    assert BASIC.removeprefix("Basic ") not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_all_else_is_prefects(client: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/"),
        ("DELETE", SIGN_IN),
        ("GET", "/api/sign-in/tokens"),
        ("GET", "/sign-in/"),
    ):
        assert (await client.request(method, path)).text == "behind"


def test_links_are_few_and_grow_old() -> None:
    tokens = Tokens()
    first, *others = [tokens.make() for _ in range(MAX_TOKENS + 1)]
    assert not tokens.redeem(first)
    tokens.good_until = dict.fromkeys(tokens.good_until, time.monotonic())
    assert not any(tokens.redeem(token) for token in others)


async def test_the_running_server_gives_links_to_us_alone(prefect: Settings) -> None:
    async with open_prefect(prefect) as client:
        link = await client.sign_in_link()
        assert link.startswith(f"http://127.0.0.1:{prefect.ports.prefect}/sign-in#")
        client.http.session.headers["authorization"] = BASIC
        with pytest.raises(Unauthorized):
            await client.sign_in_link()


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="function")
async def test_a_person_who_opens_the_link_sees_the_flows(deployed: Settings, chromium: str) -> None:  # noqa: F811
    from playwright.async_api import async_playwright

    async with open_prefect(deployed) as client:
        link = await client.sign_in_link()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        await page.goto(link)
        await page.wait_for_url(lambda url: "/sign-in" not in url)
        await page.goto(f"http://127.0.0.1:{deployed.ports.prefect}/deployments")
        ours = re.compile("alert_test|backup|health|lead_processing|warm")  # one of them is on the first page
        await page.get_by_text(ours).first.wait_for(timeout=180_000)
        stranger = await (await browser.new_context()).new_page()
        await stranger.goto(link)
        await stranger.get_by_text("Este enlace ya no sirve").wait_for(timeout=180_000)
        assert await stranger.evaluate("localStorage.length") == 0
        await browser.close()

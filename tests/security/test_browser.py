"""A real browser on a page of another origin: it can neither read nor trigger anything at any door."""

import http.server
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.security.conftest import Platform
from tests.security.doors import DOORS, EVERY_DOOR, shown
from tools.clients.prefect import open_prefect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"
).split()
NAMES = "--host-resolver-rules=MAP *.example 127.0.0.1"
"""Every name leads to this machine, as after DNS rebinding."""
KEPT_OUT = (
    "LocalNetworkAccessChecks",
    "PrivateNetworkAccessSendPreflights",
    "BlockInsecurePrivateNetworkRequests",
)
"""With them some browsers keep pages from this machine themselves; here the doors are tried."""
PATIENCE_MS = 90_000
ATTACK = (Path(__file__).parent / "attack.js").read_text("utf-8")


class Blank(http.server.BaseHTTPRequestHandler):
    """An empty page, whatever is asked for."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>another page</title><body></body>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def pages(platform: Platform) -> Iterator[int]:
    """A web server that is none of ours; its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", platform.page_port), Blank) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield platform.page_port
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    open_network = f"--disable-features={','.join(KEPT_OUT)}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=[*FLAGS, NAMES, open_network])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    yield await context.new_page()
    await context.close()


def target(platform: Platform, name: str) -> dict[str, Any]:
    door = DOORS[name]
    body = door.content().decode()
    return {
        "url": platform.url(name),
        "read": door.read,
        "act": door.act,
        "body": body,
        "socket": door.socket or "/",
        "shown": shown(platform.settings, name),
    }


@pytest.mark.parametrize("name", EVERY_DOOR)
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1"])
async def test_a_page_of_another_origin_reads_nothing_and_triggers_nothing(
    platform: Platform, pages: int, page: Page, host: str, name: str
) -> None:
    """On 127.0.0.1 the page is of the same site and of another port."""
    before = platform.done(name)
    await page.goto(f"http://{host}:{pages}/")
    found = await page.evaluate(ATTACK, target(platform, name))
    assert {way: got for way, got in found.items() if got} == {}
    assert platform.done(name) == before


@pytest.mark.parametrize("name", EVERY_DOOR)
async def test_a_name_that_is_bound_to_this_machine_opens_no_door(
    platform: Platform, page: Page, name: str
) -> None:
    """DNS rebinding: for the browser, page and door are of one origin."""
    before = platform.done(name)
    answer = await page.goto(f"http://evil.example:{platform.port(name)}{DOORS[name].read}")
    assert answer is not None and answer.status == 421
    sent = {"act": DOORS[name].act, "body": DOORS[name].content().decode()}
    headers = "{'content-type': 'application/json'}"
    posted = f"t => fetch(t.act, {{method: 'POST', body: t.body, headers: {headers}}}).then(r => r.status)"
    assert await page.evaluate(posted, sent) == 421
    assert platform.done(name) == before


@pytest.mark.parametrize("name", EVERY_DOOR)
async def test_a_page_of_a_named_origin_reads_and_asks(
    platform: Platform, pages: int, page: Page, name: str
) -> None:
    before = platform.done(name)
    await page.goto(f"http://friend.example:{pages}/")
    script = """async (t) => {
        const accept = "application/json, text/event-stream"
        const headers = {"content-type": "application/json", accept, ...t.shown}
        const read = await fetch(t.url + t.read, {headers: t.shown})
        const asked = await fetch(t.url + t.act, {method: "POST", body: t.body, headers})
        return [read.status, (await read.blob()).size > 0, asked.ok, (await asked.text()).length > 0]
    }"""
    assert await page.evaluate(script, target(platform, name)) == [200, True, True, True]
    assert platform.done(name) > before


async def test_the_chat_itself_works(platform: Platform, page: Page) -> None:
    await page.goto(platform.settings.ui_url)
    await page.fill("#question textarea", "¿Cuántos modelos puede tener cargados a la vez el servidor?")
    await page.press("#question textarea", "Enter")
    await page.wait_for_selector("#chat .how")
    assert await page.inner_text("#chat .answer")


async def test_prefects_own_page_works_and_tells_nobody(platform: Platform, page: Page) -> None:
    """Under another name than that of the settings."""
    answered: list[tuple[str, int]] = []
    failed: list[tuple[str, str | None]] = []
    page.on("response", lambda answer: answered.append((answer.url, answer.status)))
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    root = f"http://localhost:{platform.port('prefect')}/"
    async with open_prefect(platform.settings) as prefect:
        link = await prefect.sign_in_link()
    await page.goto(link.replace("127.0.0.1", "localhost"))
    await page.wait_for_url(lambda url: "sign-in" not in url)
    async with page.expect_response("**/api/flows/**") as shown:
        await page.goto(f"{root}flows")
    answer = await shown.value
    assert answer.ok, (answer.status, await answer.text())
    assert {url for url, _ in answered if not url.startswith((root, "data:", "blob:"))} == set()
    assert [url for url, status in answered if status >= 400] == []
    assert {url: why for url, why in failed if not url.startswith(root) and why != "csp"} == {}


async def test_a_link_of_another_site_leads_to_the_chat(platform: Platform, pages: int, page: Page) -> None:
    await page.goto(f"http://evil.example:{pages}/")
    async with page.expect_navigation(url=f"{platform.settings.ui_url}/**"):
        await page.evaluate("url => { location.href = url }", platform.settings.ui_url)
    await page.wait_for_selector("#question textarea")

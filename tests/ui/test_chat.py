"""The chat in a real browser, over a real page, a real API wire and a real speech server."""

import asyncio
import contextlib
import os
import subprocess
import sys

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from tests.ports import free_ports
from tools.error_messages import SENTENCES

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

PATIENCE_MS = 90_000

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(chromium):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(running, browser):
    """The chat page, ready; its requests and script errors are checked when the test ends."""
    context = await browser.new_context(locale="es-ES")
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    requests, faults = set(), []
    page.on("request", lambda request: requests.add(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(running.ui_url)
    await page.wait_for_selector("#question textarea")
    yield page
    await context.close()
    strangers = {url for url in requests if not url.startswith((running.ui_url, "data:", "blob:"))}
    assert strangers == set()
    assert faults == []


async def ask(page, question):
    await page.fill("#question textarea", question)
    await page.press("#question textarea", "Enter")


async def test_a_spanish_question_gets_a_streamed_answer_with_its_sources(page):
    await ask(page, "¿Cuántos modelos puede tener cargados a la vez el servidor?")
    await page.wait_for_selector("#chat .how")
    assert "tres modelos" in await page.inner_text("#chat .answer")
    assert await page.locator("#chat .source").count() == 2
    first = page.locator("#chat .source").first
    assert "knowledge/modelos.md" in await first.inner_text()
    await first.click()
    await page.wait_for_selector("#evidence .passage")
    assert "como máximo tres modelos" in await page.inner_text("#evidence .passage")
    await page.locator("#chat .how summary").click()
    how = await page.locator("#chat .how").inner_text()
    assert all(part in how for part in ("extractive", "capibara6", "short factual question", "buscar 21 ms"))


async def test_an_english_question_on_the_english_page(page):
    await page.get_by_text("English", exact=True).click()
    await page.wait_for_selector("text=What would you like to know?")
    await page.get_by_text("How many models can the server keep").click()
    await page.wait_for_selector("#chat .how")
    assert "three models" in await page.inner_text("#chat .answer")
    assert "Sources" in await page.inner_text("#chat .sources")
    assert await page.evaluate("document.documentElement.lang") == "en"


async def test_an_error_is_a_friendly_sentence_and_the_next_question_works(page):
    await ask(page, "averiado")
    await page.wait_for_selector("#chat .failure")
    assert SENTENCES["model_unavailable"]["es"] in await page.inner_text("#chat .failure")
    await ask(page, "¿Cuántos?")
    await page.wait_for_selector("#chat .how")


async def test_a_hostile_answer_does_nothing(page):
    await ask(page, "ataque")
    await page.wait_for_selector("#chat .how")
    assert await page.title() == "capibara6"
    assert await page.locator("#chat .answer").locator("img, a, script, iframe").count() == 0
    assert "<script>" in await page.inner_text("#chat .answer")


async def test_an_answer_can_be_stopped_and_heard(page):
    await ask(page, "¿Cuántos?")
    await page.wait_for_selector("#chat .how")
    await page.click("#listen")
    await page.wait_for_selector("#player audio")
    await page.wait_for_function("document.querySelector('#player audio').duration > 1")
    await ask(page, "espera")
    await page.click("#question .stop-button")
    await page.wait_for_selector(f"text={SENTENCES['cancelled']['es']}")
    await page.click("#new")
    await page.wait_for_selector("text=¿Qué quieres saber?")
    assert await page.locator("#chat .answer").count() == 0


async def test_a_page_left_open_does_not_keep_the_server_from_stopping(services, browser):
    ports = services.ports.model_copy(update={"ui": free_ports(1)[0]})
    limits = services.limits.model_copy(update={"drain_s": 200.0})
    settings = services.model_copy(update={"ports": ports, "limits": limits})
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ui", env={**os.environ, **settings.environment()}, stderr=subprocess.DEVNULL
    )
    try:
        await reachable(f"{settings.ui_url}/health/live")
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        async with page.expect_response("**/heartbeat/**"):
            await page.goto(settings.ui_url)
        server.terminate()
        async with asyncio.timeout(settings.limits.drain_s / 2):
            assert await server.wait() == 0
        await page.close()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def reachable(url):
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                return await http.get(url)
            await asyncio.sleep(0.2)

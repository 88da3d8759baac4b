"""Conversations that stay: reload, another tab, another person, stopping, retrying, naming, deleting, opening
what was cited; in a real browser over the API's real threads."""

import asyncio
import re

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from servers.api.main import build_app as build_api
from tests.agents.conftest import knobs, peers  # noqa: F401 - the real agent stands on them
from tests.ports import free_ports
from tests.serving import serving
from tests.ui.conftest import CITATIONS, said
from tests.ui.test_chat import FLAGS, PATIENCE_MS, ask
from tests.ui.threads import build_threads_api
from tools.error_messages import SENTENCES
from ui.main import build_app

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
SLOW = "¿Cuántos modelos? Dilo despacio"
IDLE = "#question .submit-button"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(chromium):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser):
    context = await browser.new_context(locale="es-ES")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(running, context):
    return await opened(context, running.ui_url)


async def opened(context, url):
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_selector("#history nav")
    return page


async def built(settings):
    """The page's app, built in a loop that ends: one that runs would keep Gradio's own."""

    async def build():
        return build_app(settings)

    return await asyncio.to_thread(lambda: asyncio.run(build()))


async def answered(page, question):
    before = await page.locator("#chat .how").count()
    await ask(page, question)
    await page.wait_for_selector(f"#chat .how >> nth={before}")
    await page.wait_for_selector(IDLE)


async def test_a_conversation_is_drawn_again_after_a_reload_and_in_another_tab(page, context):
    await answered(page, "¿Cuántos modelos puede tener?")
    await answered(page, "¿Y después?")
    assert re.search(r"/\?c=[0-9a-f]{32}$", page.url)
    await page.reload()
    await page.wait_for_selector("#chat .how >> nth=1")
    other = await opened(context, page.url)
    await other.wait_for_selector("#chat .how >> nth=1")
    for each in (page, other):
        assert await each.locator("#chat .said").all_inner_texts() == [
            "¿Cuántos modelos puede tener?",
            "¿Y después?",
        ]
        assert await each.locator("#chat .answer:has-text('tres modelos')").count() == 2
        assert await each.locator("#history [aria-current]").count() == 1


async def test_an_answer_goes_on_after_a_reload_in_the_middle(page):
    await ask(page, SLOW)
    await page.wait_for_selector("#chat .answer:has-text('servidor')")
    await page.reload()
    await page.wait_for_selector("#question .stop-button")
    await page.wait_for_selector("#chat .how")
    await page.wait_for_selector(IDLE)
    assert await page.locator("#chat .said").count() == 1
    assert "tres modelos" in await page.inner_text("#chat .answer")


async def test_a_stopped_answer_stays_and_the_next_question_knows_of_it(page):
    await ask(page, SLOW)
    await page.wait_for_selector("#chat .answer:has-text('servidor')")
    await page.click("#question .stop-button")
    await page.wait_for_selector(f"text={SENTENCES['cancelled']['es']}")
    await page.reload()
    await page.wait_for_selector(f"text={SENTENCES['cancelled']['es']}")
    assert await page.inner_text("#chat .said") == SLOW
    assert "El servidor" in await page.inner_text("#chat .answer")
    await answered(page, "¿cuántos mensajes?")
    assert await page.locator("#chat .answer").last.inner_text() == "3"


async def test_an_answer_can_be_stopped_after_a_reload_too(page):
    await ask(page, "espera")
    await page.wait_for_selector("#chat .answer:has-text('El')")
    await page.reload()
    await page.click("#question .stop-button")
    await page.wait_for_selector(f"text={SENTENCES['cancelled']['es']}")
    await page.wait_for_selector(IDLE)


async def test_a_failed_question_is_kept_and_asked_again_by_retry(page):
    await ask(page, "averiado")
    await page.wait_for_selector("#chat .failure .retry")
    await page.reload()
    await page.wait_for_selector("#chat .failure .retry")
    assert await page.inner_text("#chat .said") == "averiado"
    await page.click("#chat .retry")
    await page.wait_for_selector("#chat .status", state="detached")
    await page.wait_for_selector("#chat .failure .retry")
    assert await page.locator("#chat .said").count() == 1


async def test_an_empty_question_asks_nothing(page):
    await ask(page, "   ")
    await page.press("#question textarea", "Enter")
    await answered(page, "¿Cuántos?")
    assert await page.locator("#chat .said").count() == 1
    assert await page.locator("#chat .failure").count() == 0


async def test_a_question_that_the_api_did_not_get_is_asked_again_once_it_is_back(services, browser):
    ui, api = free_ports(2)
    ports = services.ports.model_copy(update={"ui": ui, "api": api})
    settings = services.model_copy(update={"ports": ports, "home": services.home / "away"})
    context = await browser.new_context(locale="es-ES")
    context.set_default_timeout(PATIENCE_MS)

    with serving(await built(settings), ui):
        page = await opened(context, settings.ui_url)
        await ask(page, "¿Cuántos modelos?")
        await page.wait_for_selector(f"#chat .failure:has-text('{SENTENCES['unavailable']['es']}')")
        assert await page.inner_text("#chat .said") == "¿Cuántos modelos?"
        with serving(build_threads_api(settings, said), api):
            await page.click("#chat .retry")
            await page.wait_for_selector("#chat .how")
            await page.wait_for_selector(IDLE)
            assert await page.locator("#chat .said").count() == 1
            await context.close()


async def test_a_mark_opens_the_passage_with_the_cited_sentence_marked(page):
    await answered(page, "¿Cuántos modelos?")
    await page.click("#chat .mark >> nth=1")
    await page.wait_for_selector("#evidence aside:has-text('operations.md') mark")
    text = CITATIONS[1].text
    assert await page.inner_text("#evidence mark") == text[: text.index(".") + 1]
    assert await page.inner_text("#evidence .passage") == text
    await page.click("#evidence .step >> nth=0")
    await page.wait_for_selector("#evidence aside:has-text('modelos.md') mark")
    assert await page.inner_text("#evidence mark") == CITATIONS[0].text.split("\n")[0]
    await page.press("body", "Escape")
    await page.wait_for_selector("#evidence aside", state="hidden")
    await page.click("#chat .mark >> nth=0")
    await page.wait_for_selector("#evidence mark")


async def test_after_a_restart_the_real_agents_answer_opens_where_it_rests(peers, knobs, context):  # noqa: F811
    settings = peers[0]
    with serving(build_api(settings), settings.ports.api):
        with serving(await built(settings), settings.ports.ui):
            page = await opened(context, settings.ui_url)
            await answered(page, "¿En qué puerto escucha la API?")
            await answered(page, "¿Y la del pool?")
            url = page.url
            await page.close()
        with serving(await built(settings), settings.ports.ui):  # nothing of it was the page's alone
            page = await opened(context, url)
            await page.click("#chat .mark >> nth=1")
            await page.wait_for_selector("#evidence mark")
            marked = await page.inner_text("#evidence mark")
            assert "8082" in marked
            assert marked in await page.inner_text("#evidence .passage")
            await page.close()


async def test_conversations_are_listed_found_renamed_deleted_and_brought_back(page):
    await answered(page, "¿Cuántos cajones tiene el armario?")
    row = page.locator("#history li:has-text('armario')")
    await row.wait_for()
    await row.hover()
    await row.locator("[data-act=rename]").click()
    await page.fill("#history li input", "Muebles <b>viejos</b>")
    await page.press("#history li input", "Enter")
    row = page.locator("#history li:has-text('Muebles <b>viejos</b>')")
    await row.wait_for()
    await page.fill("#history input[type=search]", "muebles VIÉJOS")
    assert await page.locator("#history li:visible").count() == 1
    await page.fill("#history input[type=search]", "nada de eso")
    await page.wait_for_selector("#history .none:visible")
    await page.fill("#history input[type=search]", "")
    await row.hover()
    await row.locator("[data-act=delete]").click()
    await page.wait_for_selector("#history .undo")
    assert await row.count() == 0
    assert await page.locator("#chat .said").count() == 0
    await page.click("#history .undo button")
    await row.wait_for()
    await row.locator("a").click()
    await page.wait_for_selector("#chat .said:has-text('armario')")


async def test_many_conversations_stay_beside_the_chat(page):
    await answered(page, "¿Cuántos modelos puede tener?")
    right, left, below = await page.evaluate(
        """() => {
          const list = document.querySelector("#history ul");
          for (let n = 0; n < 40; n++) list.append(list.firstElementChild.cloneNode(true));
          const edges = id => document.querySelector(id).getBoundingClientRect();
          return [edges("#history").right, edges("#main").left, edges("#history nav").bottom - innerHeight];
        }"""
    )
    assert right <= left and below <= 0


async def test_a_deleted_conversation_is_gone_for_good_after_a_while(page, context, monkeypatch):
    monkeypatch.setattr("ui.history.UNDO_S", 0.5)
    await answered(page, "¿Dónde está el sótano?")
    url = page.url
    row = page.locator("#history li:has-text('sótano')")
    await row.hover()
    await row.locator("[data-act=delete]").click()
    await page.wait_for_selector("#history .undo")
    await page.wait_for_selector("#history .undo", state="detached")
    other = await opened(context, url)
    await other.wait_for_selector(f"#chat .failure:has-text('{SENTENCES['not_found']['es']}')")
    assert "sótano" not in await other.inner_text("#history")


@pytest.mark.parametrize(
    ("locale", "says"),
    [("en-US", "What would you like to know?"), ("es-MX", "¿Qué quieres saber?"), ("pt-PT", "¿Qué quieres")],
)
async def test_the_page_speaks_the_browsers_language(running, browser, locale, says):
    context = await browser.new_context(locale=locale)
    context.set_default_timeout(PATIENCE_MS)
    page = await opened(context, running.ui_url)
    await page.wait_for_selector(f"text={says}")
    await context.close()


async def test_a_chosen_language_is_kept_and_old_answers_follow_it(page):
    await answered(page, "¿Cuántos modelos?")
    await page.get_by_text("English", exact=True).click()
    await page.wait_for_selector("#chat .sources:has-text('Sources')")
    await page.reload()
    await page.wait_for_selector("#chat .sources:has-text('Sources')")
    assert await page.evaluate("document.documentElement.lang") == "en"
    stored = await page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")
    assert stored.startswith("capibara6_language=en")

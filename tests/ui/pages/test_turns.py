"""What may be done with a question and an answer, in a real browser."""

import json
import re
from pathlib import Path

import pytest

from tests.ui.conftest import ANSWERS, CITATIONS
from tests.ui.test_threads import answered

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
QUESTION = "¿Cuántos modelos puede tener?"


async def test_a_thumb_with_its_reason_reaches_the_router_and_is_there_after_a_reload(page, pool_state):
    await answered(page, QUESTION)
    await page.click("#chat [data-act=down]")
    await page.click(".reason button:has-text('La fuente no lo dice')")
    await page.wait_for_selector("#notice:has-text('Gracias')")
    asked = {"role": "user", "content": QUESTION}
    assert pool_state.feedback[-1] == {"messages": [asked], "signal": "down", "model": "extractive"}
    await page.reload()
    await page.wait_for_selector("#chat [data-act=down][aria-pressed=true]")
    await page.click("#chat [data-act=up]")
    await page.wait_for_selector("#notice:has-text('Gracias')")
    assert pool_state.feedback[-1]["signal"] == "up"


async def test_a_changed_question_is_asked_in_a_branch_and_the_first_conversation_stays(page):
    await answered(page, QUESTION)
    await answered(page, "¿Y después?")
    before = page.url
    await page.hover(".question >> nth=1")
    await page.click(".question [data-act=edit] >> nth=1")
    await page.fill(".editing textarea", "How many models?")
    await page.press(".editing textarea", "Enter")
    await page.wait_for_selector("#chat .answer:has-text('three models')")
    assert await page.locator("#chat .said").all_inner_texts() == [QUESTION, "How many models?"]
    assert page.url != before
    await page.wait_for_selector("#history [aria-current] [aria-label='rama de otra conversación']")
    await page.goto(before)
    await page.wait_for_selector("#chat .how >> nth=1")
    assert await page.locator("#chat .said").all_inner_texts() == [QUESTION, "¿Y después?"]


async def test_an_answer_is_asked_for_again_with_the_chosen_model(page, pool_state):
    await answered(page, QUESTION)
    before = page.url
    await page.click("#model input")
    await page.click("#model [role=option]:has-text('phi4_fast · cargado')")
    await page.click("#chat [data-act=again]")
    await page.wait_for_selector("#question .stop-button")
    await page.wait_for_selector("#question .submit-button")
    assert page.url != before
    assert pool_state.feedback[-1]["signal"] == "regenerated"
    await answered(page, "¿qué modelo?")
    assert await page.locator("#chat .answer").last.inner_text() == "phi4_fast"


async def test_a_branch_begins_with_what_was_said_up_to_an_answer(page):
    await answered(page, QUESTION)
    await answered(page, "¿Y después?")
    before = page.url
    await page.click("#chat [data-act=branch] >> nth=0")
    await page.wait_for_function("before => location.href !== before", arg=before)
    await page.wait_for_function("document.querySelectorAll('#chat .said').length === 1")
    await answered(page, "cuántos mensajes")


async def test_why_this_answer_shows_route_passages_retrievers_and_times(page):
    await answered(page, QUESTION)
    await page.click("#chat [data-act=why]")
    await page.wait_for_selector("#evidence .why")
    shown = await page.inner_text("#evidence .why")
    for part in ("confianza", "82%", "phi4_fast", "short factual question", "frases apoyadas", "2/2"):
        assert part in shown
    for part in ("vectores", "1.º · 0.81", "Modelos y enrutado", "no citado", "buscar", "21 ms"):
        assert part in shown
    await page.press("body", "Escape")
    await page.wait_for_selector("#evidence aside", state="hidden")
    assert await page.evaluate("document.activeElement.dataset.act") == "why"


async def test_an_answer_and_its_code_can_be_copied(open_page):
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    await answered(page, "muestra código")
    await page.click("#chat [data-act=copy]")
    await page.wait_for_selector("#notice:has-text('Copiado')")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert "print('hola')" in copied
    assert "Copiar" not in copied
    await page.click(".copy-code")
    await page.wait_for_function("navigator.clipboard.readText().then(text => text === \"print('hola')\\n\")")
    assert await page.locator(".code .s1").count() == 1
    assert await page.locator("#chat math mfrac").count() == 1


@pytest.mark.parametrize("kind", ["md", "json"])
async def test_a_conversation_is_exported_whole(page, kind):
    await answered(page, QUESTION)
    await page.click("#export summary")
    async with page.expect_download() as waiting:
        await page.click(f"#export [data-kind={kind}]")
    download = await waiting.value
    assert download.suggested_filename == f"{QUESTION.rstrip('?')}.{kind}"
    text = Path(await download.path()).read_text("utf-8")
    if kind == "md":
        assert text.startswith(f"# {QUESTION}\n\n## {QUESTION}\n\n{ANSWERS['es']}")
        assert "* [2] Operations <b>guide</b> (`knowledge/operations.md`)" in text
    else:
        (turn,) = json.loads(text)["turns"]
        assert turn["answer"]["citations"][0]["text"] == CITATIONS[0].text


async def test_drafts_stay_and_keys_do_what_they_say(page):
    await answered(page, QUESTION)
    await page.fill("#question textarea", "a medio escribir")
    await page.reload()
    await page.wait_for_function("document.querySelector('#question textarea')?.value === 'a medio escribir'")
    await page.fill("#question textarea", "")
    await page.press("#question textarea", "ArrowUp")
    assert await page.input_value("#question textarea") == QUESTION
    await page.keyboard.press("Control+k")
    assert await page.evaluate("document.activeElement.type") == "search"
    await page.keyboard.press("Control+Shift+O")
    await page.wait_for_selector(".welcome")
    assert re.search(r"/$", page.url)


async def test_conversations_are_found_by_what_was_said_and_pinned_above_the_others(page):
    await answered(page, "¿Qué pesa un cárabo?")
    await answered(page, "¿Y un búho real?")
    await page.fill("#history input[type=search]", "BUHO real")
    await page.wait_for_selector("#history .excerpt:has-text('búho real')")
    assert await page.locator("#history li:visible").count() == 1
    await page.hover("#history li:visible")
    await page.click("#history li:visible [data-act=pin]")
    await page.wait_for_selector("#history h2:has-text('Fijadas')")
    assert await page.locator("#history section >> nth=0 >> li").count() == 1
    await page.hover("#history section:has(h2:has-text('Fijadas')) li")
    await page.click("#history [data-act=unpin]")
    await page.wait_for_selector("#history h2:has-text('Fijadas')", state="detached")

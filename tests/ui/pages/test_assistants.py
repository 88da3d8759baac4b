"""Assistants made, tried, changed and asked by people who write no code, in a real browser."""

import pytest

from tests.ui.test_threads import answered

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
FORM = "#page-assistants .sheet-form"


async def test_an_assistant_is_made_tried_changed_taken_back_and_asked_in_the_chat(page):
    await page.click("#tab-assistants-button")
    await page.wait_for_selector("#page-assistants .empty:has-text('Todavía no hay asistentes')")
    await page.fill(f"{FORM} [name=name]", "Tutor de física <b>")
    await page.fill(f"{FORM} [name=instructions]", "Responde con una pregunta.")
    await page.check(f"{FORM} [name=in_contratos]")
    await page.fill(f"{FORM} [name=starters]", "¿Qué es la inercia?\n¿Y la masa?")
    await page.click(f"{FORM} button.primary")
    await page.wait_for_selector("#page-assistants .said-done:has-text('versión 1')")
    assert await page.input_value(f"{FORM} [name=instructions]") == "Responde con una pregunta."
    assert await page.is_checked(f"{FORM} [name=in_contratos]")
    await page.fill("#page-assistants [name=question]", "¿Quién responde?")
    await page.press("#page-assistants [name=question]", "Enter")
    await page.wait_for_selector("#page-assistants .answer:has-text('Responde tutor-de-fisica-b')")
    await page.fill(f"{FORM} [name=instructions]", "Responde en verso.")
    await page.check(f"{FORM} [name=shared]")
    await page.click(f"{FORM} button.primary")
    await page.wait_for_selector("#page-assistants .said-done:has-text('versión 2')")
    await page.click("#page-assistants tr:has-text('con una pregunta') button")
    await page.wait_for_selector("#page-assistants .said-done:has-text('versión 1 está en uso')")
    assert not await page.is_checked(f"{FORM} [name=shared]")
    await page.click("#tab-chat-button")
    await page.click("#agent input")
    await page.click("#agent [role=option]:has-text('Tutor de física <b>')")
    await page.wait_for_selector(".welcome li:has-text('¿Qué es la inercia?')")
    await answered(page, "¿qué asistente responde?")
    assert await page.inner_text("#chat .answer") == "tutor-de-fisica-b en contratos"
    await page.click("#tab-assistants-button")
    gone = page.locator("#page-assistants [data-act=delete_assistant]")
    await page.click("#page-assistants .list button")
    await gone.click()
    await gone.click()
    await page.wait_for_selector("#page-assistants .said-done:has-text('se ha borrado')")


async def test_what_the_api_refuses_is_said_and_what_was_written_stays(page):
    await page.click("#tab-assistants-button")
    await page.fill(f"{FORM} [name=name]", "capibara6")
    await page.fill(f"{FORM} [name=instructions]", "Lo que escribí.")
    await page.click(f"{FORM} button.primary")
    await page.wait_for_selector("#page-assistants .failure:has-text('capibara6')")
    assert await page.input_value(f"{FORM} [name=instructions]") == "Lo que escribí."

"""The pages beside the chat: what they show, what can be done there, and that everybody can read them."""

import pytest

from tests.ui.pages.axe import faults
from tests.ui.pages.tabs import open_tab
from tests.ui.test_chat import ask
from tests.ui.test_threads import answered
from tools.error_messages import SENTENCES

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
TABS = ("knowledge", "assistants", "models", "operations")
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.mark.parametrize(
    ("scheme", "size"), [("light", WIDE), ("dark", PHONE)], ids=["light-wide", "dark-phone"]
)
async def test_no_state_of_the_page_has_a_grave_fault_for_axe_or_scrolls_sideways(open_page, scheme, size):
    page = await open_page(color_scheme=scheme, viewport=size)
    found = {"empty": await faults(page)}
    await ask(page, "averiado")
    await page.wait_for_selector("#chat .failure .retry")
    found["failure"] = await faults(page)
    await answered(page, "muestra código")
    await answered(page, "¿Cuántos modelos puede tener?")
    await page.click("#chat [data-act=down] >> nth=-1")
    await page.click("#export summary")
    found["answer"] = await faults(page)
    await page.press("body", "Escape")
    await page.click("#chat .mark >> nth=0")
    await page.wait_for_selector("#evidence mark")
    found["evidence"] = await faults(page)
    await page.press("body", "Escape")
    await page.click("#chat [data-act=why] >> nth=-1")
    await page.wait_for_selector("#evidence .why")
    found["why"] = await faults(page)
    await page.press("body", "Escape")
    for name in TABS:
        await open_tab(page, name)
        found[name] = await faults(page)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    assert {state: what for state, what in found.items() if what} == {}


async def test_a_text_file_is_added_found_and_deleted_and_what_is_no_text_is_refused_by_name(
    page, bridge_state
):
    await open_tab(page, "knowledge")
    await page.click("#page-knowledge .list button:has-text('contratos')")
    await page.wait_for_selector("#page-knowledge h2:has-text('contratos')")
    files = [
        {
            "name": "cláusula.md",
            "mimeType": "text/markdown",
            "buffer": "La cláusula novena habla de nutrias.".encode(),
        },
        {"name": "foto.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n\x00\x00"},
    ]
    await page.set_input_files("#page-knowledge input[type=file]", files)
    await page.wait_for_selector("#page-knowledge .progress li:has-text('foto.png:')")
    assert "Cargados: 1" in await page.inner_text("#page-knowledge .progress")
    await page.wait_for_selector("#page-knowledge td:has-text('cláusula')")
    await page.fill("#page-knowledge [name=query]", "nutrias")
    await page.press("#page-knowledge [name=query]", "Enter")
    await page.wait_for_selector("#page-knowledge .hits li:has-text('La cláusula novena')")
    assert await page.is_checked("#page-knowledge [name=leg_dense]")
    assert "menciona" in await page.inner_text("#page-knowledge .hits")
    row = page.locator("#page-knowledge tr:has-text('cláusula') button")
    await row.click()
    assert "upload/cláusula.md" in bridge_state.held["contratos"]
    await row.click()
    await page.wait_for_selector("#page-knowledge .said-done:has-text('se ha borrado')")
    assert list(bridge_state.held["contratos"]) == ["es/contrato.md"]


async def test_a_collection_is_made_and_shown(page, bridge_state):
    await open_tab(page, "knowledge")
    await page.fill("#page-knowledge [name=name]", "actas")
    await page.press("#page-knowledge [name=name]", "Enter")
    await page.wait_for_selector("#page-knowledge .list [aria-current]:has-text('actas')")
    await page.wait_for_selector("#page-knowledge .empty:has-text('no tiene documentos')")
    del bridge_state.held["actas"]


async def test_models_are_loaded_and_unloaded_and_say_why_they_can_not_be(page, pool_state):
    await open_tab(page, "models")
    assert "no hay GPU en esta máquina" in await page.inner_text("#page-models")
    unload = page.locator("#page-models tr:has-text('phi4_fast') button")
    await unload.click()
    await unload.click()
    await page.wait_for_selector("#page-models .said-done:has-text('phi4_fast se descarga')")
    assert "phi4_fast" not in pool_state.loaded
    await page.click("#page-models tr:has-text('phi4_fast') button:has-text('Cargar')")
    await page.wait_for_selector("#page-models .said-done:has-text('se está cargando')")
    assert "phi4_fast" in pool_state.loaded


async def test_operations_say_which_service_is_away_and_english_is_spoken_everywhere(page):
    await open_tab(page, "operations")
    await page.wait_for_selector("#page-operations tr:has-text('pool') .state.good")
    await page.wait_for_selector("#page-operations tr:has-text('speech') .state.bad")
    await page.get_by_text("English", exact=True).click()
    await page.wait_for_selector("#tab-models-button:has-text('Models')")
    await page.click("#tab-chat-button")
    await open_tab(page, "operations")
    await page.wait_for_selector("#page-operations h2:has-text('Flow runs')")


async def test_a_page_whose_service_is_away_says_so_and_comes_back(page, place, monkeypatch):
    monkeypatch.setattr("ui.tabs.models.Models.draw", away)
    await page.click("#tab-models-button")
    await page.wait_for_selector(f"#page-models .failure:has-text('{SENTENCES['unavailable']['es']}')")
    monkeypatch.undo()
    await page.click("#page-models .failure [data-act=refresh]")
    await page.wait_for_selector("#page-models table")


async def away(*_args):
    from tools.errors import Unavailable

    raise Unavailable("pool is not reachable", source="pool")

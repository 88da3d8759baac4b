"""Files that are handed to a conversation or a collection, in a real browser."""

import pytest

from tests.ui.pages.files import REFUSAL
from tests.ui.pages.tabs import open_tab
from tests.ui.test_threads import answered

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
PDF = {"name": "informe.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\xff"}
SHEET = {"name": "ventas.xlsx", "mimeType": "application/octet-stream", "buffer": b"PK\x03\x04\xff"}
PICTURE = {"name": "foto.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n\x00"}
DROP = """() => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array([80, 75, 3, 255])], "ventas.xlsx"));
  document.querySelector("#main").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
}"""


async def test_a_pdf_and_a_dropped_sheet_are_asked_and_the_answer_names_page_and_rows(page, files_state):
    await page.set_input_files("#attach input", [PDF])
    await page.wait_for_selector("#attach li.read:has-text('informe.pdf listo')")
    await page.wait_for_function("location.search.startsWith('?c=')")
    await page.evaluate(DROP)
    await page.wait_for_selector("#attach li.read:has-text('ventas.xlsx listo')")
    (collection,) = {one["collection"] for one in files_state.held.values()}
    assert collection.startswith("talk_")
    await answered(page, "¿dónde buscas lo adjunto?")
    assert f"{collection} y capibara6" in await page.inner_text("#chat .answer")
    assert "informe.pdf" in await page.inner_text("#chat .sources")
    assert "upload://" not in await page.inner_text("#chat")
    await page.click("#chat .mark >> nth=0")
    await page.wait_for_selector("#evidence .where:has-text('página 2')")
    await page.click("#evidence .step >> nth=1")
    await page.wait_for_selector("#evidence .where:has-text('hoja Ventas · filas 2-3')")
    await page.reload()
    await page.wait_for_selector("#chat .how")
    await answered(page, "¿dónde buscas lo adjunto ahora?")
    assert f"{collection} y capibara6" in await page.locator("#chat .answer").last.inner_text()


async def test_a_refused_file_says_why_and_the_question_goes_elsewhere(page):
    await page.set_input_files("#attach input", [PICTURE])
    await page.wait_for_selector(f"#attach li.refused:has-text('{REFUSAL}')")
    await answered(page, "¿dónde buscas lo adjunto?")
    assert "la habitual" in await page.inner_text("#chat .answer")
    await page.click("#new")
    await page.wait_for_selector("#attach li", state="detached")


async def test_office_files_go_into_a_collection_and_the_same_name_takes_its_place(page, files_state):
    await open_tab(page, "knowledge")
    for name in ("foto.png", "otra.png"):
        await page.set_input_files("#page-knowledge input[type=file]", [SHEET, {**PICTURE, "name": name}])
        await page.wait_for_selector(f"#page-knowledge .progress li:has-text('{name}: {REFUSAL}')")
        assert "Cargados: 1" in await page.inner_text("#page-knowledge .progress")
    here = [one for one in files_state.held.values() if one["collection"] == "capibara6"]
    assert [one["filename"] for one in here if one["status"] == "processed"] == ["ventas.xlsx"]

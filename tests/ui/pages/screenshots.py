"""Pictures of the page's states: `python -m tests.ui.pages.screenshots FOLDER` (`make screenshots`).

Light and dark, phone and wide, Spanish and English, over the small services that the tests use.
"""

import asyncio
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, get_args

from playwright.async_api import Browser, FilePayload, Page, async_playwright

from tests.conftest import settings_in
from tests.serving import serving
from tests.ui.conftest import CITATIONS, build_api
from tests.ui.pages.assistants import with_assistants
from tests.ui.pages.bridge import build_bridge, sample
from tests.ui.pages.files import FilesState, with_files
from tests.ui.pages.pool import PoolState, build_pool, with_models
from tests.ui.pages.tabs import open_tab
from tests.ui.test_chat import FLAGS
from tools.schema import Language
from ui.main import build_app

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
SIZES = {"wide": (1600, 900), "phone": (390, 844)}
QUESTIONS: dict[Language, str] = {
    "es": "¿Cuántos modelos puede tener cargados?",
    "en": "How many models can the server keep?",
}
CODE: dict[Language, str] = {
    "es": "Enséñame el código que lo pide",
    "en": "Show me the code that asks for it",
}
WAIT_MS = 60_000
ATTACHED: list[FilePayload] = [
    {"name": "informe anual.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\xff"},
    {"name": "foto.png", "mimeType": "image/png", "buffer": b"\x89PNG\xff"},
]


async def take(
    browser: Browser, url: str, folder: Path, *, scheme: Scheme, size: str, language: Language
) -> None:
    """Every state of one kind of page."""
    width, height = SIZES[size]
    context = await browser.new_context(
        locale=language, color_scheme=scheme, viewport={"width": width, "height": height}
    )
    context.set_default_timeout(WAIT_MS)
    page = await context.new_page()
    stem = f"{scheme}-{size}-{language}"

    async def shot(state: str) -> None:
        await page.wait_for_timeout(300)
        await page.screenshot(path=folder / f"{stem}-{state}.png")

    await page.goto(url)
    await page.wait_for_selector("#history nav", state="attached")
    await shot("1-empty")
    await page.set_input_files("#attach input", ATTACHED)
    await page.wait_for_selector("#attach li.refused")
    await ask(page, CODE[language])
    await ask(page, QUESTIONS[language])
    await shot("2-answer")
    await page.click("#chat .mark >> nth=0")
    await page.wait_for_selector("#evidence mark")
    await shot("3-evidence")
    await page.press("body", "Escape")
    await page.click("#chat [data-act=why] >> nth=-1")
    await page.wait_for_selector("#evidence .why")
    await shot("4-why")
    await page.press("body", "Escape")
    await page.click("#chat [data-act=down] >> nth=-1")
    await shot("5-reason")
    await ask(page, "averiado", ends="#chat .failure")
    await shot("6-failure")
    for number, tab in enumerate(("knowledge", "assistants", "models", "operations"), 7):
        await open_tab(page, tab, language)
        if tab == "knowledge":
            await page.fill("#page-knowledge [name=query]", "modelos")
            await page.press("#page-knowledge [name=query]", "Enter")
            await page.wait_for_selector(".hits")
        await shot(f"{number}-{tab}")
    await context.close()


async def ask(page: Page, question: str, *, ends: str = "#chat .how") -> None:
    before = await page.locator(ends).count()
    await page.fill("#question textarea", question)
    await page.press("#question textarea", "Enter")
    await page.wait_for_selector(f"{ends} >> nth={before}")
    await page.wait_for_selector("#question .submit-button")


async def main(folder: Path, only: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_in(Path(tempfile.mkdtemp()))
    app = await asyncio.to_thread(lambda: asyncio.run(built(settings)))
    CITATIONS[1] = CITATIONS[1].model_copy(update={"title": "Operations guide"})
    pool = PoolState()
    apps = {
        "api": with_assistants(with_files(with_models(build_api(settings, []), pool), FilesState())),
        "pool": build_pool(pool),
        "bridge": build_bridge(sample()),
        "ui": app,
    }
    with ExitStack() as stack:
        for name, one in apps.items():
            stack.enter_context(serving(one, getattr(settings.ports, name)))
        async with async_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
            for scheme in SCHEMES:
                for size in SIZES:
                    for language in QUESTIONS:
                        if only in f"{scheme}-{size}-{language}":
                            await take(
                                browser, settings.ui_url, folder, scheme=scheme, size=size, language=language
                            )
            await browser.close()


async def built(settings):
    return build_app(settings)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))

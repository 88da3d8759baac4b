"""The chat page in Chromium over a small API: its weight, a long conversation, the way to the first word.

Run: `python -m tests.bench.ui` (`make bench ONLY=ui`). It prints what was measured; nothing is judged here.
"""

import asyncio
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from playwright.async_api import Browser, async_playwright

from tests.conftest import settings_in
from tests.serving import serving
from tests.ui.conftest import build_api
from tests.ui.test_chat import FLAGS
from tools.settings import Settings
from ui.main import build_app

TURNS, TRIES = 200, 5


async def weigh(browser: Browser, url: str) -> tuple[float, int]:
    """KiB over the wire of a first load, and how many files."""
    page = await (await browser.new_context()).new_page()
    tools = await page.context.new_cdp_session(page)
    sizes: list[float] = []
    tools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    await tools.send("Network.enable")
    await page.goto(url)
    await page.wait_for_selector("#history nav", state="attached")
    await page.wait_for_timeout(1_000)
    return sum(sizes) / 1024, len(sizes)


async def talk(settings: Settings) -> str:
    """A thread of `TURNS` answered questions."""
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=120.0, trust_env=False) as http:
        body = {"metadata": {"shown_in": "chat", "title": "larga"}}
        name = (await http.post("/threads", json=body)).json()["thread_id"]
        for turn in range(TURNS):
            asked = {"input": {"question": f"cuántos mensajes {turn}"}}
            (await http.post(f"/threads/{name}/runs/wait", json=asked)).raise_for_status()
    return name


async def opening(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds until the end of a long conversation is in sight, and until all of it stands on the page."""
    page = await (await browser.new_context()).new_page()
    began = time.perf_counter()
    await page.goto(url)
    last = page.locator(f"#live .said:has-text('cuántos mensajes {TURNS - 1}')")
    await last.wait_for(timeout=120_000)
    await page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seen = time.perf_counter() - began
    await page.wait_for_function(
        f"document.querySelectorAll('#chat .how').length === {TURNS}", timeout=120_000
    )
    return seen, time.perf_counter() - began


async def first_word(browser: Browser, url: str) -> float:
    """Milliseconds from Enter to the answer's first visible word."""
    page = await (await browser.new_context()).new_page()
    await page.goto(url)
    await page.wait_for_selector("#history nav", state="attached")
    await page.fill("#question textarea", "¿Cuántos modelos?")
    began = time.perf_counter()
    await page.press("#question textarea", "Enter")
    await page.wait_for_selector("#live .answer:has-text('El')")
    return (time.perf_counter() - began) * 1000


async def api_alone(settings: Settings) -> float:
    """Milliseconds that the API itself takes for the same: a thread, a question, its first word."""
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=60.0, trust_env=False) as http:
        began = time.perf_counter()
        body = {"metadata": {"shown_in": "chat", "title": "corta"}}
        name = (await http.post("/threads", json=body)).json()["thread_id"]
        asked = {"input": {"messages": [{"role": "user", "content": "¿Cuántos modelos?"}]}}
        async with http.stream("POST", f"/threads/{name}/runs/stream", json=asked) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: token"):
                    return (time.perf_counter() - began) * 1000
    raise RuntimeError("the API told no word")


async def main() -> None:
    settings = settings_in(Path(tempfile.mkdtemp()))
    app = await asyncio.to_thread(lambda: asyncio.run(built(settings)))
    with ExitStack() as stack:
        stack.enter_context(serving(build_api(settings, []), settings.ports.api))
        stack.enter_context(serving(app, settings.ports.ui))
        async with async_playwright() as playwright:
            path = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
            kib, files = await weigh(browser, settings.ui_url)
            print(f"first load: {kib:.0f} KiB in {files} files", flush=True)
            words = sorted([await first_word(browser, settings.ui_url) for _ in range(TRIES)])
            alone = sorted([await api_alone(settings) for _ in range(TRIES)])
            print(
                f"Enter to first visible word: median {words[TRIES // 2]:.0f} ms, best {words[0]:.0f} ms; "
                f"of it the API alone: median {alone[TRIES // 2]:.0f} ms",
                flush=True,
            )
            name = await talk(settings)
            seconds = sorted([await opening(browser, f"{settings.ui_url}/?c={name}") for _ in range(3)])
            seen, whole = seconds[1]
            print(f"{TURNS} turns: the end in sight after {seen:.2f} s, all after {whole:.2f} s", flush=True)
            await browser.close()


async def built(settings: Settings):
    return build_app(settings)


if __name__ == "__main__":
    asyncio.run(main())

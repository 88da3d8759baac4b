"""The page over small services of every kind, and one browser for all that is tried on it."""

import asyncio
from contextlib import ExitStack

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from tests.conftest import settings_in
from tests.serving import serving
from tests.ui.conftest import build_api
from tests.ui.pages.assistants import with_assistants
from tests.ui.pages.bridge import build_bridge, sample
from tests.ui.pages.files import FilesState, with_files
from tests.ui.pages.pool import PoolState, build_pool, with_models
from tests.ui.test_chat import FLAGS, PATIENCE_MS
from ui.main import build_app


@pytest.fixture(scope="session")
def pool_state():
    return PoolState()


@pytest.fixture(scope="session")
def bridge_state():
    return sample()


@pytest.fixture(scope="session")
def files_state():
    return FilesState()


@pytest.fixture(scope="session")
def place(tmp_path_factory, pool_state, bridge_state, files_state):
    """Settings of a page whose API, pool and bridge answer."""
    settings = settings_in(tmp_path_factory.mktemp("pages"))

    async def build():
        return build_app(settings)

    apps = {
        "api": with_assistants(with_files(with_models(build_api(settings, []), pool_state), files_state)),
        "pool": build_pool(pool_state),
        "bridge": build_bridge(bridge_state),
        "ui": asyncio.run(build()),
    }
    with ExitStack() as stack:
        for name, app in apps.items():
            stack.enter_context(serving(app, getattr(settings.ports, name)))
        yield settings


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser(chromium):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(place, browser):
    """Opens the page in a browser of its own kind; what went wrong in its scripts fails the test."""
    contexts, faults, strangers = [], [], set()

    def note(request):
        if not request.url.startswith((place.ui_url, "data:", "blob:")):
            strangers.add(request.url)

    async def opened(path="/", **options):
        context = await browser.new_context(**{"locale": "es-ES", **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = await context.new_page()
        page.on("request", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"{place.ui_url}{path}")
        await page.wait_for_selector("#history nav", state="attached")
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert faults == []
    assert strangers == set()


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_page):
    return await open_page()

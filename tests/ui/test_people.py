"""People at the page in a real browser: signing in, asking as oneself, sessions that end, a provider."""

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from tests.ui.people import PASSWORD, PEOPLE, place
from tests.ui.provider import provider
from tests.ui.test_chat import FLAGS, PATIENCE_MS, ask
from tools.error_messages import SENTENCES
from tools.sections import Oidc

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def here(stores, issuer_port):
    with provider(issuer_port, pkce=True) as issuer:
        oidc = Oidc(issuer=issuer, client_id="page", client_secret="s", roles={"staff": "operator"})  # type: ignore[arg-type]
        with place(stores, oidc) as found:
            for name, role in PEOPLE.items():
                found.add(name, role)
            yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(chromium):
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(here, browser):
    """Opens a page in a browser of its own; what it asked other places for fails the test."""
    contexts, strangers = [], set()

    async def opened(**options):
        context = await browser.new_context(locale="es-ES", **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = await context.new_page()
        provider = here.settings.oidc.issuer  # its pages may load what they like
        ours = (here.url, "data:", "blob:", provider)

        def look(asked):
            if not asked.url.startswith(ours) and not asked.frame.url.startswith(provider):
                strangers.add(asked.url)

        page.on("request", look)
        page.on("pageerror", lambda error: strangers.add(str(error)))
        await page.goto(here.url)
        return page

    yield opened
    for context in contexts:
        await context.close()
    assert strangers == set()


async def sign_in(page, user, password=PASSWORD):
    await page.fill("[name=user]", user)
    await page.fill("[name=password]", password)
    await page.click("button.main")


async def test_a_person_signs_in_asks_as_themselves_and_signs_out(here, visitor):
    page = await visitor()
    assert page.url.endswith("/login?next=/")
    await sign_in(page, "ana", "wrong")
    await page.wait_for_selector("[role=alert]:has-text('no son correctos')")
    await sign_in(page, "ana")
    await page.wait_for_selector("#question textarea")
    await page.wait_for_selector(".person:has-text('ana')")
    await ask(page, "¿Quién soy?")
    await page.wait_for_selector("#chat .answer:has-text('Para default/ana/user')")
    await page.click("#listen")
    await page.wait_for_selector("#player audio")
    await page.click(".person")
    await page.wait_for_selector("text=esta sesión")
    await page.click("text=Salir")
    await page.wait_for_selector("[name=password]")
    await page.goto(f"{here.url}/sessions")
    await page.wait_for_selector("[name=password]")
    assert "next=/sessions" in page.url


async def test_two_people_see_their_own_conversations_alone(here, visitor):
    ana, berto = await visitor(), await visitor()
    for page, user in ((ana, "ana"), (berto, "berto")):
        await sign_in(page, user)
        await page.wait_for_selector("#question textarea")
        await ask(page, f"secreto de {user}")
    for page, user, other in ((ana, "ana", "berto"), (berto, "berto", "ana")):
        await page.wait_for_selector(f"#chat .answer:has-text('Para default/{user}/user')")
        await ask(page, "¿y ahora?")
        await page.wait_for_selector("#chat .answer >> nth=1")
        assert f"secreto de {other}" not in await page.inner_text("#chat")
        await page.wait_for_selector(f"#history li:has-text('secreto de {user}')")
        assert f"secreto de {other}" not in await page.inner_text("#history")
    await berto.goto(ana.url)
    await berto.wait_for_selector(f"#chat .failure:has-text('{SENTENCES['not_found']['es']}')")
    assert "secreto de ana" not in await berto.inner_text("body")
    assert {"default/ana/user", "default/berto/user"} <= set(here.asked)
    await shared_and_taken_back(here, ana, berto)


async def shared_and_taken_back(here, ana, berto):
    """What one person lets another read can be read there, changed by nobody, and is gone when taken back."""
    names = ["berto", ""]

    async def say_who(dialog):
        await dialog.accept(names.pop(0))

    ana.on("dialog", say_who)
    await ana.click("#export summary")
    await ana.click("#export [data-kind=share]")
    await ana.wait_for_selector("#notice:has-text('berto')")
    where = (await ana.inner_text("#notice")).split()[-1]
    await berto.goto(f"{here.url}{where}")
    assert "secreto de ana" in await berto.inner_text("h2 >> nth=0")
    assert await berto.locator("textarea, input, form, script").count() == 0
    await ana.click("#export summary")
    await ana.click("#export [data-kind=share]")
    await ana.wait_for_selector("#notice:has-text('nadie más')")
    assert (await berto.goto(f"{here.url}{where}")).status == 404


async def test_a_session_that_is_ended_elsewhere_leads_back_to_the_sign_in(here, visitor):
    page, phone = await visitor(), await visitor(user_agent="phone")
    for each in (page, phone):
        await sign_in(each, "carla")
        await each.wait_for_selector("#question textarea")
    await page.goto(f"{here.url}/sessions?language=en")
    await page.click("li:has-text('phone') button")
    await page.wait_for_selector("li:has-text('phone')", state="detached")
    await ask(phone, "¿Sigo aquí?")
    await phone.wait_for_selector("[name=password]")
    assert "carla" not in "".join(here.asked)


async def test_a_person_comes_in_with_the_account_of_their_organisation(here, visitor):
    page = await visitor()
    await page.click("text=cuenta de la organización")
    await page.wait_for_selector("text=7-olga")
    await page.click("text=7-olga")
    await page.wait_for_selector("#question textarea")
    await page.wait_for_selector(".person:has-text('olga')")
    await ask(page, "¿Quién soy?")
    await page.wait_for_selector("#chat .answer:has-text('Para default/olga/operator')")


async def test_the_page_speaks_the_visitors_language(here, visitor):
    page = await visitor()
    assert await page.evaluate("document.documentElement.lang") == "es"
    await page.click("text=English")
    await page.wait_for_selector("h1:has-text('Sign in')")
    assert await page.evaluate("document.documentElement.lang") == "en"
    await page.wait_for_selector("[name=user]:focus")

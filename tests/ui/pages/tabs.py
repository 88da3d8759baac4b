"""Opens the pages beside the chat as a person does."""

from playwright.async_api import Page

from tools.schema import Language
from ui.tabs.words import say


async def open_tab(page: Page, name: str, language: Language = "es") -> None:
    """The page `name`, once it has been drawn."""
    if await page.is_visible(f"#tab-{name}-button"):
        await page.click(f"#tab-{name}-button")
    else:  # on a phone the last ones are in a menu
        await page.click("#pages .overflow-menu > button")
        await page.click(f"#pages .overflow-dropdown button:has-text('{say(name, language)}')")
    await page.wait_for_selector(f"#page-{name} :is(table, .sheet-form)")

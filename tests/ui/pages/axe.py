"""Asks axe-core what is not accessible on a page as it is now."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from playwright.async_api import Page

GRAVE = ("serious", "critical")
LOOK = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
  fault => `${fault.impact} ${fault.id}: ${fault.nodes.map(node => node.html.slice(0, 160)).join(" | ")}`)"""


@lru_cache(maxsize=1)
def source() -> str:
    """axe-core itself, which the wheel carries."""
    found = find_spec("axe_playwright_python")
    assert found is not None, "axe-playwright-python is not installed: make test"
    assert found.submodule_search_locations
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text("utf-8")


async def faults(page: Page) -> list[str]:
    """`impact rule: elements` each, of the grave ones."""
    await page.evaluate(source())
    found: list[str] = await page.evaluate(LOOK)
    return [fault for fault in found if fault.startswith(GRAVE)]

"""What must hold whoever writes, however many ask: nothing acts, nothing is kept that is secret, all are
answered.
"""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.ui.pages.hostile import TEXTS
from tests.ui.pages.tabs import open_tab
from tests.ui.test_threads import answered

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
ACTIVE = """() => [...document.querySelectorAll(
  "#chat, #evidence, #history, #page-knowledge, #page-assistants")].flatMap(place =>
  [...place.querySelectorAll("*")].filter(one =>
    one.matches("script, iframe, object, embed, img, video, form[action], style, link, base, meta, svg")
    || [...one.attributes].some(({name, value}) =>
      name.startsWith("on") || (name === "href" && !value.startsWith("/?c=")))))
  .map(one => one.outerHTML.slice(0, 200))"""
KEPT = """() => JSON.stringify({
  local: {...localStorage}, session: {...sessionStorage}, cookie: document.cookie})"""
CHATS = 20


async def test_sixty_hostile_texts_in_every_place_do_nothing(page, bridge_state):
    assert len(set(TEXTS)) == 60
    for number, text in enumerate(TEXTS):
        bridge_state.add("capibara6", f"es/{number}.md", text, f"nutria {text}")
    try:
        await answered(page, f"ataques de toda clase {TEXTS[2]}")
        await page.click("#chat .source >> nth=0")
        await page.wait_for_selector("#evidence .passage")
        assert await page.evaluate(ACTIVE) == []
        await page.press("body", "Escape")
        await page.click("#chat [data-act=why]")
        await page.wait_for_selector("#evidence .why")
        assert await page.locator("#evidence .why tr").count() > len(TEXTS)
        assert await page.evaluate(ACTIVE) == []
        await page.press("body", "Escape")
        await page.hover("#history li")
        await page.click("#history li >> nth=0 >> [data-act=rename]")
        await page.fill("#history li input", TEXTS[4])
        await page.press("#history li input", "Enter")
        await page.wait_for_selector(f"#history a span:text-is({json.dumps(TEXTS[4])})")
        await open_tab(page, "knowledge")
        await page.fill("#page-knowledge [name=query]", "nutria")
        await page.press("#page-knowledge [name=query]", "Enter")
        await page.wait_for_selector("#page-knowledge .hits li >> nth=7")
        assert await page.locator("#page-knowledge tr").count() > len(TEXTS)
        assert await page.evaluate(ACTIVE) == []
        assert await page.evaluate("window.taken") is None
    finally:
        for number in range(len(TEXTS)):
            del bridge_state.held["capibara6"][f"es/{number}.md"]


async def test_the_browser_keeps_drafts_and_a_language_and_nothing_that_opens_a_door(page, place):
    await page.fill("#question textarea", "un borrador")
    await page.get_by_text("English", exact=True).click()
    await page.wait_for_selector("#tab-models-button:has-text('Models')")
    kept = json.loads(await page.evaluate(KEPT))
    assert set(kept["session"]) <= {"draft:"}
    assert kept["cookie"] == "capibara6_language=en"
    secrets = [path.read_text("utf-8").strip() for path in Path(place.home).rglob("*") if _is_secret(path)]
    assert not [one for one in secrets if one and one in json.dumps(kept)]


async def test_twenty_chats_are_answered_at_once(place):
    async with httpx.AsyncClient(base_url=place.ui_url, timeout=120.0, trust_env=False) as http:
        config = (await http.get("/config")).json()
        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            chats = [group.create_task(chat(http, config, number)) for number in range(CHATS)]
    ends = [one.result() for one in chats]
    assert all("tres modelos" in end[0] for end in ends)
    assert len({end[1] for end in ends}) == CHATS
    first_end, last_begin = min(end[3] for end in ends), max(end[2] for end in ends)
    assert last_begin < first_end, "they were answered one after the other"


async def chat(http, config, number):
    """Ask as the page does; the last HTML of the answer, its thread, when it began and ended to be seen."""
    box = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "question")
    asking = next(one for one in config["dependencies"] if [box, "submit"] in map(list, one["targets"]))
    value = {one["id"]: one["props"].get("value") for one in config["components"]}
    data = [f"¿Cuántos? despacio {number}", "", *(value.get(id) for id in asking["inputs"][2:])]
    session, clock = f"chat{number}", asyncio.get_running_loop()
    order = {"data": data, "fn_index": asking["id"], "session_hash": session}
    (await http.post("/gradio_api/queue/join", json=order)).raise_for_status()
    seen, began = "", 0.0
    async with http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as events:
        async for line in events.aiter_lines():
            if not line.startswith("data: "):
                continue
            event = json.loads(line[6:])
            if event["msg"] in ("process_generating", "process_completed"):
                began, seen = began or clock.time(), seen + line
            if event["msg"] == "process_completed":
                break
    thread = seen.partition('"data": [')[2][:40] or seen[:400]
    return seen, f"{number}{thread}", began, clock.time()


def _is_secret(path):
    return path.is_file() and path.parent.name == "secrets"

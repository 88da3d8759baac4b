import re
from typing import get_args

import httpx
import pytest

from agents.events import AnyEvent
from servers.web.identity import Caller
from tests.serving import serving
from tools.access.identity import LOCAL
from tools.error_messages import SENTENCES
from tools.schema import Answer, Language, Turn
from tools.trace import Trace
from ui.access.identity import Visit
from ui.chat import ask, read_aloud, show
from ui.clients import open_clients
from ui.conversation import PartialAnswer, unanswered
from ui.main import build_app
from ui.messages import EXAMPLES, MESSAGES

VISIT = Visit(Caller(LOCAL), Trace(b"test"))


async def views(settings, question, *, thread_id="", before=(), language: Language = "es"):
    limit = settings.limits.question_chars
    async with open_clients(settings) as clients:
        found = ask(
            clients.threads,
            question,
            thread_id,
            list(before),
            language,
            max_chars=limit,
            enter=lambda: VISIT,
        )
        return [view async for view in found]


async def spoken(settings, thread_id, language):
    async with open_clients(settings) as clients:
        return await read_aloud(clients.threads, clients.speech, thread_id, language, enter=lambda: VISIT)


async def test_questions_of_one_session_share_a_connection(services, connections):
    async with open_clients(services) as clients:
        before, thread_id, view = len(connections), "", None
        for _ in range(4):
            found = ask(
                clients.threads, "¿Cuántos modelos?", thread_id, [], "es", max_chars=99, enter=lambda: VISIT
            )
            async for view in found:
                thread_id = view.thread_id
    asked = connections[before:]
    assert view is not None
    assert (len(asked), len(view.messages)) == (4, 8)
    assert len(set(asked)) < 4, "a connection may lie idle too long once, not each time"


async def test_an_answer_grows_and_is_stored_when_it_is_whole(services):
    found = await views(services, "¿Cuántos modelos?")
    statuses = " ".join(view.messages[-1]["content"] for view in found)
    assert (
        statuses.index("Pensando…") < statuses.index("Modelo elegido") < statuses.index("Leyendo 2 pasajes")
    )
    whole = found[-1]
    assert "knowledge/modelos.md" in whole.messages[-1]["content"]
    async with open_clients(services) as clients:
        stored = [view async for view in show(clients.threads, whole.thread_id, "es", enter=lambda: VISIT)]
    assert [view.messages for view in stored] == [whole.messages]


@pytest.mark.parametrize(
    ("question", "code"),
    [("a" * 32_001, "too_large"), ("averiado", "model_unavailable"), ("corta", "upstream_failed")],
)
@pytest.mark.parametrize("language", ["es", "en"])
async def test_a_failure_is_one_friendly_sentence_and_can_be_tried_again(services, question, code, language):
    before = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    view = (await views(services, question, before=before, language=language))[-1]
    assert SENTENCES[code][language] in view.messages[-1]["content"]
    assert MESSAGES["retry"][language] in view.messages[-1]["content"]
    assert question in view.messages[-2]["content"]
    assert (view.unsent == question) == (code == "too_large")


async def test_nobody_answering_is_a_friendly_sentence_and_the_question_is_kept(settings):
    view = (await views(settings, "hola"))[-1]
    assert SENTENCES["unavailable"]["es"] in view.messages[-1]["content"]
    assert (view.thread_id, view.unsent) == ("", "hola")
    assert SENTENCES["unavailable"]["en"] in await spoken(settings, "a", "en")


async def test_the_last_answer_is_read_aloud_in_its_own_language_by_the_chosen_voice(running):
    asked = (await views(running, "¿Cuántos modelos?"))[-1]
    player = await spoken(running, asked.thread_id, "en")
    assert re.search(r'voice=es_\w+"', player)
    assert "en_" not in player
    (source,) = re.findall(r'<audio controls autoplay src="([^"?]+)', player)
    async with httpx.AsyncClient(base_url=running.ui_url, timeout=60, trust_env=False) as http:
        sound = await http.get(source, params={"voice": "es_lucia"})
        assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/mpeg")
        assert len(sound.content) > 4_000
        assert (await http.get(source, params={"voice": "nobody"})).status_code == 404
        assert (await http.get(f"{source}0")).status_code == 404
    assert "<audio" not in await spoken(running, "", "es")


@pytest.mark.parametrize("name", ["nobody", "../runs", "a/b", "..", "a?b", "%2e%2e"])
async def test_a_conversation_that_is_not_there_is_said_to_be_gone(services, name):
    async with open_clients(services) as clients:
        found = [view async for view in show(clients.threads, name, "es", enter=lambda: VISIT)]
    assert [view.thread_id for view in found] == [""]
    assert SENTENCES["not_found"]["es"] in found[0].messages[-1]["content"]


def test_the_next_question_knows_what_was_read_of_stopped_answers_alone():
    whole = Answer(answer="x", model="m", agent="a")
    turns = [
        Turn(run_id="1", status="cancelled", question="a", created_at="", text="b"),
        Turn(run_id="2", status="success", question="c", created_at="", answer=whole),
        Turn(run_id="3", status="cancelled", question="d", created_at="", text="e"),
        Turn(run_id="4", status="error", question="f", created_at="", text="g"),
        Turn(run_id="5", status="cancelled", question="h", created_at=""),
    ]
    assert unanswered(turns) == [{"role": "user", "content": "d"}, {"role": "assistant", "content": "e"}]


EVENTS = {
    "routed": {"route": {"wanted": "m", "model": "m", "confidence": 1, "reasons": []}},
    "retrieved": {"query": "q", "citations": []},
    "progress": {"stage": "plan"},
    "tool_started": {"call_id": "1", "tool": "query_sql"},
    "tool_finished": {"call_id": "1", "tool": "query_sql", "ok": False},
    "token": {"text": "a"},
    "reasoning": {"text": "a"},
    "interrupted": {"interrupt_id": "1", "request": "?"},
    "done": {"answer": {"answer": "b", "model": "m", "agent": "a"}},
}
SILENT = {"citation", "failed"}
"""A passage's first use shows as its mark in the text; a failure reaches the page as an exception."""


@pytest.mark.parametrize("kind", [one.model_fields["event"].default for one in get_args(AnyEvent)])
def test_every_event_of_a_run_is_seen_by_the_reader(kind):
    partial = PartialAnswer("¿?", "es")
    before = partial.messages()
    assert kind in EVENTS or kind in SILENT
    if kind in EVENTS:
        partial.add({"event": kind, **EVENTS[kind]})
        assert partial.messages() != before


async def test_health_is_open_and_names_the_api(running, settings):
    with serving(build_app(settings), settings.ports.ui):
        async with httpx.AsyncClient(trust_env=False) as http:
            good = (await http.get(f"{running.ui_url}/health")).json()
            bad = (await http.get(f"{settings.ui_url}/health/ready")).json()
            live = (await http.get(f"{settings.ui_url}/health/live")).json()
    assert (good["status"], bad["status"], live["status"]) == ("ok", "degraded", "ok")
    assert bad["api"] == "api is not reachable"


async def endless():
    for _ in range(9):
        yield b" " * 2**20


async def test_the_page_names_no_other_site_to_load_from_and_forbids_it(running):
    async with httpx.AsyncClient(trust_env=False) as http:
        page = await http.get(running.ui_url)
        files = [
            await http.get(f"{running.ui_url}{path}")
            for path in ("/gradio_api/file=/etc/passwd", "/file=/etc/passwd")
        ]
        large = await http.post(f"{running.ui_url}/gradio_api/queue/join", content=endless())
        counted = await http.get(f"{running.ui_url}/metrics")
    assert large.status_code >= 400
    assert 'http_requests_total{method="GET",status="200"}' in counted.text
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert "fonts.googleapis" not in page.text
    assert all(file.status_code in (403, 404) for file in files)


def test_every_word_is_in_both_languages():
    assert all(word.keys() == {"es", "en"} and all(word.values()) for word in MESSAGES.values())
    assert len(EXAMPLES["es"]) == len(EXAMPLES["en"])

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.ports import free_ports
from tests.serving import serving
from tools.error_messages import SENTENCES
from tools.schema import Language
from ui.chat import answer, read_aloud
from ui.clients import open_clients
from ui.main import build_app
from ui.messages import EXAMPLES, MESSAGES
from ui.page import build_page


async def shown(settings, question, *, turns=(), language: Language = "es"):
    limit = settings.limits.question_chars
    async with open_clients(settings) as clients:
        return [pair async for pair in answer(clients.api, question, list(turns), language, max_chars=limit)]


async def spoken(settings, turns, language):
    async with open_clients(settings) as clients:
        return await read_aloud(clients.speech, turns, language)


async def test_questions_of_one_session_share_a_connection(services, connections):
    async with open_clients(services) as clients:
        page = build_page(services, lambda: clients)
        ask: Any = next(listener.fn for listener in page.fns.values() if listener.name == "ask")
        turns, before = [], len(connections)
        for _ in range(4):
            shown = [outputs async for outputs in ask("¿Cuántos modelos?", turns, [], "es")]
            *_, turns = shown[-1]
    asked = connections[before:]
    assert (len(asked), len(turns)) == (4, 8)
    assert len(set(asked)) < 4, "a connection may lie idle too long once, not each time"


async def test_an_answer_grows_and_joins_the_conversation_when_it_is_whole(services):
    pairs = await shown(services, "¿Cuántos modelos?")
    statuses = " ".join(html for html, _ in pairs)
    assert (
        statuses.index("Pensando…") < statuses.index("Modelo elegido") < statuses.index("Leyendo 2 pasajes")
    )
    assert all(turns == [] for _, turns in pairs[:-1])
    html, turns = pairs[-1]
    assert "knowledge/modelos.md" in html
    assert [turn["role"] for turn in turns] == ["user", "assistant"]
    assert turns[1]["content"].startswith("El servidor")


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("   ", "empty_question"),
        ("a" * 32_001, "too_large"),
        ("averiado", "model_unavailable"),
        ("corta", "upstream_failed"),
    ],
)
@pytest.mark.parametrize("language", ["es", "en"])
async def test_a_failure_is_one_friendly_sentence_and_leaves_the_conversation_alone(
    services, question, code, language
):
    before = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    html, turns = (await shown(services, question, turns=before, language=language))[-1]
    assert SENTENCES[code][language] in html
    assert turns == before


async def test_nobody_answering_is_a_friendly_sentence_too(settings):
    html, _ = (await shown(settings, "hola"))[-1]
    assert SENTENCES["unavailable"]["es"] in html
    assert SENTENCES["unavailable"]["en"] in await spoken(
        settings, [{"role": "assistant", "content": "a"}], "en"
    )


async def test_the_last_answer_is_read_aloud_in_its_own_language(services):
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "Hola, esto es una respuesta."},
    ]
    assert 'src="data:audio/wav;base64,UklGR' in await spoken(services, turns, "en")
    assert "<audio" not in await spoken(services, [], "es")


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


async def test_with_a_key_the_page_asks_for_it(services):
    ports = services.ports.model_copy(update={"ui": free_ports(1)[0]})
    settings = services.model_copy(update={"api_key": SecretStr("s3cret-key"), "ports": ports})
    with serving(build_app(settings), settings.ports.ui):
        async with httpx.AsyncClient(trust_env=False, base_url=settings.ui_url) as http:
            assert (await http.get("/config")).status_code == 401
            wrong = await http.post("/login", data={"username": "a", "password": "wrong"})
            right = await http.post("/login", data={"username": "a", "password": "s3cret-key"})
            assert (wrong.status_code, right.status_code) == (400, 200)
            assert (await http.get("/config")).status_code == 200
            assert (await http.get("/health/live")).status_code == 200
            assert (await http.get("/metrics")).status_code == 401
            metrics = await http.get("/metrics", headers={"authorization": "Bearer s3cret-key"})
            assert metrics.status_code == 200


def test_every_word_is_in_both_languages():
    assert all(word.keys() == {"es", "en"} and all(word.values()) for word in MESSAGES.values())
    assert len(EXAMPLES["es"]) == len(EXAMPLES["en"])

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.pool.harness import HI, make_settings, model, serving, write_catalog

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
SHAPE = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object"}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CODE = "Write a Python function that reverses a linked list"


def said(*turns: Any) -> list[dict[str, Any]]:
    """A conversation in which user and assistant take turns."""
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(turns)]


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    """A pool of four fake engines, one for each domain, with abilities and windows of their own."""
    catalog = write_catalog(
        tmp_path / "models.toml",
        {
            "small": model(domain="general", abilities=["schema"], context_tokens=2_048, cost=1),
            "middle": model(domain="technical", abilities=["tools"], context_tokens=4_096, cost=2),
            "coder": model(domain="coding", context_tokens=8_192, cost=2),
            "big": model(
                domain="expert", cost=6, context_tokens=16_384,
                abilities=["schema", "tools", "images"], fallbacks=["small"],
            ),
        },
        {"default": "small", "last": "small"},
    )  # fmt: skip
    return make_settings(tmp_path / "home", catalog)


async def route(url: str, headers: dict[str, str] | None = None, **fields: Any) -> tuple[int, Any]:
    asked = fields if {"messages", "text"} & set(fields) else {"messages": HI, **fields}
    return (await post(url, "/v1/route", asked, headers))[:2]


async def post(
    url: str, path: str, body: Any, headers: dict[str, str] | None = None
) -> tuple[int, Any, dict[str, str]]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(url + path, json=body, headers=headers) as response,
    ):
        return response.status, await response.json(), dict(response.headers)


async def test_decision_tells_difficulty_and_obeys_the_wish_for_quality(settings: Any) -> None:
    async with serving(settings) as (url, _):
        _, usual = await route(url)
        _, best = await route(url, {"x-capibara6-quality": "1"})
        _, cheap = await route(url, {"x-capibara6-quality": "1"}, route={"quality": 0})
        wrong, error = await route(url, {"x-capibara6-quality": "high"})
        beyond, _ = await route(url, route={"quality": 1.5})
    assert usual["wanted"] == "small"
    assert 0 <= usual["difficulty"] < 0.5
    assert best["wanted"] == "big"
    assert cheap["wanted"] == "small"
    assert (wrong, error["error"]["param"]) == (400, "x-capibara6-quality")
    assert beyond == 400


async def test_quality_of_the_setting_holds_where_a_request_wishes_nothing(tmp_path: Path) -> None:
    models = {"small": model(domain="general"), "big": model(domain="expert")}
    catalog = write_catalog(
        tmp_path / "m.toml", models, {"default": "small", "last": "small", "quality": 1.0}
    )
    async with serving(make_settings(tmp_path / "home", catalog)) as (url, _):
        _, usual = await route(url)
        _, cheap = await route(url, route={"quality": 0})
    assert (usual["wanted"], cheap["wanted"]) == ("big", "small")


async def test_text_alone_is_decided_as_a_message_is(settings: Any) -> None:
    async with serving(settings) as (url, _):
        _, text = await route(url, text=CODE)
        _, messages = await route(url, messages=said(CODE))
        both, error = await route(url, text=CODE, messages=HI)
        wrong, _ = await route(url, text=7)
    assert text["wanted"] == "coder"
    assert text == messages
    assert (both, error["error"]["param"], wrong) == (400, "text", 400)


async def test_request_goes_to_a_model_that_can_do_what_it_asks(settings: Any) -> None:
    called = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    used = [
        {"role": "user", "content": "¿Llueve?"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "sí"},
    ]
    async with serving(settings) as (url, _):
        _, tools = await route(url, tools=TOOLS)
        _, running = await route(url, messages=used)
        _, unused = await route(url, tools=TOOLS, tool_choice="none")
        _, seen = await route(url, messages=said([{"type": "text", "text": "¿Qué se ve?"}, PICTURE]))
        _, shaped = await route(url, messages=said("¿Cómo funciona una turbina?"), response_format=SHAPE)
        _, guided = await route(url, messages=said("¿Cómo funciona una turbina?"), guided_choice=["a"])
    assert tools["model"] == running["model"] == "middle"
    assert any("tools" in reason for reason in tools["reasons"])
    assert unused["model"] == "small"
    assert seen["model"] == "big"
    assert shaped["model"] == guided["model"] != "middle"


async def test_length_rules_out_windows_that_text_tools_and_answer_do_not_fit(settings: Any) -> None:
    paste = "el acta de la reunión de vecinos sigue aquí. "
    many = [{**TOOLS[0], "function": {"name": f"f{n}", "description": "x" * 400}} for n in range(60)]
    async with serving(settings) as (url, _):
        _, long = await route(url, messages=said(f"Resume en una línea:\n\n{paste * 300}"))
        _, talk = await route(url, messages=said("hola", paste * 150, "vale", paste * 150, "gracias"))
        _, wordy = await route(url, max_tokens=7_000)
        _, tooled = await route(url, tools=many)
        _, endless = await route(url, messages=said(f"Resume:\n\n{paste * 3_000}"))
    assert all(decision["model"] in ("coder", "big") for decision in (long, talk, wordy))
    assert tooled["model"] == "big"
    assert endless["model"] == "big"
    assert any("el que más admite" in reason for reason in endless["reasons"])


async def test_follow_up_keeps_the_model_of_its_conversation(settings: Any) -> None:
    async with serving(settings) as (url, _):
        _, first = await route(url, messages=said(CODE))
        _, shorter = await route(url, messages=said(CODE, "def f(): …", "and now shorter"))
        _, stays = await route(
            url, messages=said("hola", "¡Hola!", "¿Qué es una red mesh?"), route={"previous": "big"}
        )
        _, leaves = await route(url, messages=said(CODE, "def f(): …", "¿Qué le regalo a mi madre?"))
    assert first["model"] == shorter["model"] == "coder"
    assert stays["model"] == "big"
    assert leaves["model"] == "small"


async def test_what_no_model_can_do_is_refused_by_the_name_of_its_field(settings: Any) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    async with serving(settings) as (url, _):
        deaf, heard, _ = await post(url, "/v1/chat/completions", {"model": "auto", "messages": said([sound])})
        left, none = await route(url, messages=said([PICTURE]), route={"exclude": ["big"]})
        nobody, out = await route(url, route={"exclude": ["small", "middle", "coder", "big"]})
    assert (deaf, heard["error"]["code"], heard["error"]["param"]) == (400, "no_able_model", "messages")
    assert (left, none["error"]["code"]) == (400, "no_able_model")
    assert (nobody, out["error"]["code"], out["error"]["param"]) == (400, "no_allowed_model", "route")


async def test_tools_that_nobody_can_call_are_left_out_aloud_unless_they_are_required(tmp_path: Path) -> None:
    models = {"small": model(domain="general", abilities=["schema"])}
    catalog = write_catalog(tmp_path / "m.toml", models, {"default": "small", "last": "small"})
    async with serving(make_settings(tmp_path / "home", catalog)) as (url, _):
        status, decision = await route(url, tools=TOOLS)
        refused, error = await route(url, tools=TOOLS, tool_choice="required")
    assert (status, decision["model"]) == (200, "small")
    assert any("sin tools" in reason for reason in decision["reasons"])
    assert (refused, error["error"]["param"]) == (400, "tools")


async def test_auto_answers_from_the_able_model_and_says_why(settings: Any) -> None:
    body = {"model": "auto", "messages": HI, "tools": TOOLS}
    async with serving(settings) as (url, _):
        status, answer, headers = await post(url, "/v1/chat/completions", body)
    assert (status, headers["x-capibara6-model"]) == (200, "middle")
    assert "small" in headers["x-capibara6-route"]
    assert answer["choices"]


async def test_picture_on_the_wire_of_ollama_goes_to_a_model_that_sees(settings: Any) -> None:
    asked = [{"role": "user", "content": "¿Qué se ve?", "images": ["AAAA"]}]
    async with serving(settings) as (url, _):
        status, answer, headers = await post(
            url, "/api/chat", {"model": "auto", "messages": asked, "stream": False}
        )
    assert (status, headers["x-capibara6-model"]) == (200, "big")
    assert answer["done"]


async def test_fallback_that_cannot_see_does_not_take_over_a_picture(tmp_path: Path) -> None:
    models = {
        "seeing": model(knobs={"status": 500}, abilities=["images"], fallbacks=["blind"], attempts=1),
        "blind": model(abilities=[]),
    }
    catalog = write_catalog(tmp_path / "m.toml", models)
    async with serving(make_settings(tmp_path / "home", catalog)) as (url, _):
        asked = {"model": "seeing", "messages": said([PICTURE])}
        status, answer, _ = await post(url, "/v1/chat/completions", asked)
        taken, _, headers = await post(url, "/v1/chat/completions", {"model": "seeing", "messages": HI})
    assert (status, answer["error"]["code"]) == (502, "engine_error")
    assert (taken, headers["x-capibara6-model"]) == (200, "blind")

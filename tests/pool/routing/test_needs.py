from typing import Any

import pytest

from servers.pool.catalog.catalog import Catalog, load_catalog
from servers.pool.catalog.routing_options import RoutingOptions
from servers.pool.routing.choose import choose
from servers.pool.routing.needs import abilities, needed
from servers.pool.routing.policy import PoolState
from tools.errors import BadRequest

pytestmark = pytest.mark.pure

CATALOG = load_catalog()
ALL = frozenset(CATALOG.ids)
PICTURE = [
    {
        "role": "user",
        "content": [{"type": "text", "text": "¿Qué se ve?"}, {"type": "image_url", "image_url": {}}],
    }
]
HELLO = [{"role": "user", "content": "hola"}]


def able(model: str, *what: Any) -> Catalog:
    """The catalogue in which one model says what it can do."""
    spec = CATALOG.models[model].model_copy(update={"abilities": frozenset(what)})
    return CATALOG.model_copy(update={"models": {**CATALOG.models, model: spec}})


def what(messages: Any, fields: dict[str, Any]) -> list[tuple[str, str]]:
    return [(need.ability, need.field) for need in needed(messages, fields).abilities]


def test_needs_are_read_from_messages_and_fields() -> None:
    assert what(PICTURE, {}) == [("images", "messages")]
    shaped = {"tools": [{}], "response_format": {"type": "json_schema"}}
    assert what(HELLO, shaped) == [("tools", "tools"), ("schema", "response_format")]
    assert what(HELLO, {"tools": [{}], "tool_choice": "none", "response_format": {"type": "text"}}) == []
    assert what([{"role": "user", "content": "[image_url]"}], {"response_format": "json"}) == []
    assert what([{"role": "tool", "content": "4"}], {}) == [("tools", "messages")]
    assert what(HELLO, {"guided_regex": "a+"}) == [("schema", "guided_regex")]
    assert what([{"role": "user", "content": [{"type": "input_audio"}]}], {}) == [("audio", "messages")]


def test_tools_are_optional_until_one_must_be_called() -> None:
    assert needed(HELLO, {"tools": [{}]}).optional == {"tools"}
    assert needed(HELLO, {"tools": [{}], "tool_choice": "required"}).optional == frozenset()


def test_room_is_left_for_tools_pictures_and_the_answer_that_is_asked_for() -> None:
    plain = needed(HELLO, {}).tokens
    assert needed(HELLO, {"max_tokens": 5_000}).tokens > plain + 4_000
    assert needed(HELLO, {"tools": [{"description": "x" * 3_000}]}).tokens > plain + 900
    assert needed(PICTURE, {}).tokens > plain + 900


def test_model_that_cannot_see_is_not_chosen_for_a_picture() -> None:
    route = choose(PICTURE, able("qwen_coder", "images"), PoolState(ALL, ALL))
    assert route.model == "qwen_coder"
    assert any("images" in reason for reason in route.reasons)


def test_model_without_tools_is_not_chosen_for_tools() -> None:
    needs = needed(HELLO, {"tools": [{}]})
    route = choose(HELLO, able("phi4_fast", "schema"), PoolState(ALL, ALL), needs=needs)
    assert (route.wanted, route.model) == ("phi4_fast", "mistral_balanced")


def test_when_nobody_can_call_tools_one_answers_without_and_says_so() -> None:
    only = PoolState(frozenset({"extractive"}))
    route = choose(HELLO, CATALOG, only, needs=needed(HELLO, {"tools": [{}]}))
    assert route.model == "extractive"
    assert any("sin tools" in reason for reason in route.reasons)


def test_picture_that_nobody_can_see_is_refused() -> None:
    with pytest.raises(BadRequest, match="messages asks for: images"):
        choose(PICTURE, CATALOG, PoolState(ALL, ALL))


def test_able_model_that_is_not_there_is_named_rather_than_a_blind_one() -> None:
    there = PoolState(ALL - {"qwen_coder"}, ALL - {"qwen_coder"})
    assert choose(PICTURE, able("qwen_coder", "images"), there).model == "qwen_coder"


def test_excluded_model_is_not_chosen_though_no_other_is_left() -> None:
    with pytest.raises(BadRequest, match="leaves no model"):
        choose(HELLO, CATALOG, PoolState(ALL, ALL), RoutingOptions(exclude=ALL))


def test_longest_window_takes_a_text_that_may_fit_none() -> None:
    long = [{"role": "user", "content": "palabra " * 40_000}]
    route = choose(long, CATALOG, PoolState(ALL, ALL))
    assert route.model in ("qwen_coder", "gptoss_complex")
    assert any("el que más admite" in reason for reason in route.reasons)


def test_abilities_follow_from_the_backend_and_its_arguments() -> None:
    assert abilities(CATALOG.models["extractive"]) == frozenset()
    assert abilities(CATALOG.models["qwen_coder"]) == {"schema", "tools"}
    bare = CATALOG.models["qwen_coder"].model_copy(update={"args": ()})
    assert abilities(bare) == {"schema"}

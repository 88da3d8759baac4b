from typing import Any

import pytest

from servers.pool.catalog.catalog import Catalog, load_catalog
from servers.pool.routing.choose import choose
from servers.pool.routing.needs import abilities, needed
from servers.pool.routing.policy import PoolState

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


def test_needs_are_read_from_messages_and_fields() -> None:
    assert needed(PICTURE, {}) == ("images",)
    assert needed(HELLO, {"tools": [{}], "response_format": {"type": "json_schema"}}) == ("tools", "schema")
    assert needed(HELLO, {"tools": [{}], "tool_choice": "none", "response_format": {"type": "text"}}) == ()
    assert needed([{"role": "user", "content": "[image_url]"}], {"response_format": "json"}) == ()


def test_model_that_cannot_see_is_not_chosen_for_a_picture() -> None:
    catalog = able("qwen_coder", "images")
    route = choose(PICTURE, catalog, PoolState(ALL, ALL), needs=("images",))
    assert route.model == "qwen_coder"
    assert any("images" in reason for reason in route.reasons)


def test_model_without_tools_is_not_chosen_for_tools() -> None:
    route = choose(HELLO, able("phi4_fast", "schema"), PoolState(ALL, ALL), needs=("tools",))
    assert (route.wanted, route.model) == ("phi4_fast", "mistral_balanced")


def test_when_nobody_is_able_one_still_answers() -> None:
    assert choose(PICTURE, CATALOG, PoolState(ALL, ALL), needs=("images",)).model in ALL
    only = PoolState(frozenset({"extractive"}))
    assert choose(HELLO, CATALOG, only, needs=("tools",)).model == "extractive"


def test_abilities_follow_from_the_backend_and_its_arguments() -> None:
    assert abilities(CATALOG.models["extractive"]) == frozenset()
    assert abilities(CATALOG.models["qwen_coder"]) == {"schema", "tools"}
    bare = CATALOG.models["qwen_coder"].model_copy(update={"args": ()})
    assert abilities(bare) == {"schema"}

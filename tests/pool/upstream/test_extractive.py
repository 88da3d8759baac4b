"""The model without weights on OpenAI's wire: what it can not do it refuses by name, or says in a header."""

from typing import Any

import pytest

from tests.pool.harness import HI

ASKED = {"model": "extractive", "messages": HI}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def models() -> dict[str, Any]:
    return {"extractive": {"backend": "extractive"}}


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("n", {"n": 2}),
        ("response_format", {"response_format": SCHEMA}),
        ("response_format", {"response_format": {"type": "json_object"}}),
        ("tool_choice", {"tools": [TOOL], "tool_choice": "required"}),
        ("logprobs", {"logprobs": True}),
    ],
)
async def test_what_it_can_not_do_is_refused_by_name(open_client, models, param, fields):
    async with open_client(models) as client:
        status, said = await client.post("/v1/chat/completions", {**ASKED, **fields})
        assert (status, said["error"]["param"]) == (400, param)
        assert said["error"]["code"] == "unsupported_parameter"


async def test_it_stops_where_it_is_told_and_says_which_fields_mean_nothing_to_it(open_client, models):
    async with open_client(models) as client:
        url, quiet = f"{client.base}/v1/chat/completions", {"temperature": 0.3, "tools": [TOOL]}
        _, whole = await client.post("/v1/chat/completions", ASKED)
        text = whole["choices"][0]["message"]["content"]
        asked = {**ASKED, **quiet, "stop": ["nobody says this", text[7:12]]}
        async with client.http.post(url, json=asked) as response:
            said = (await response.json())["choices"][0]
            assert (said["message"]["content"], said["finish_reason"]) == (text[:7], "stop")
            assert response.headers["x-capibara6-ignored"] == "temperature, tools"
        _, shown = await client.post("/api/show", {"model": "extractive"})
        assert shown["capabilities"] == ["completion"]

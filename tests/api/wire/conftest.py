"""OpenAI's own client, unchanged, in front of a running API."""

from collections.abc import AsyncIterator

import openai
import pytest

from tests.agents.peers import Knobs


@pytest.fixture
async def client(api: str, knobs: Knobs) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{api}/v1", api_key="any", max_retries=0) as client:
        yield client

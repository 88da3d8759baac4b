import pytest
from pydantic import SecretStr

from agents import past
from agents.memory import open_memory
from agents.runtime import Order, compile_agents, run


def order(text: str, thread: str) -> Order:
    return Order("capibara6", [{"role": "user", "content": text}], thread_id=thread, durable=True)


@pytest.fixture
def on_server(stores, settings):
    """Settings whose memory is a PostgreSQL server."""
    named = stores.stores.model_copy(update={"postgres_dsn": SecretStr(stores.postgres_dsn)})
    return settings.model_copy(update={"stores": named})


async def test_threads_and_facts_are_kept_on_a_postgresql_server(on_server, context) -> None:
    async with open_memory(on_server) as memory:
        ready = compile_agents(memory)
        await run(ready, order("¿En qué puerto escucha la API?", "pg"), context=context)
        await memory.facts.aput(("usuarios", "ana"), "color", {"text": "verde"}, index=False)
    async with open_memory(on_server) as memory:
        ready = compile_agents(memory)
        done = await run(ready, order("¿y la pool?", "pg"), context=context)
        assert "8082" in done.answer.answer
        assert len((await past.values(memory, "pg"))["messages"]) == 4
        await past.copy(memory, "pg", "pg-2")
        assert await past.values(memory, "pg-2") == await past.values(memory, "pg")
        assert len(await past.history(memory, "pg", limit=100)) == len(
            await past.history(memory, "pg-2", limit=100)
        )
        await past.forget(memory, "pg")
        assert await past.values(memory, "pg") == {}
        kept = await memory.facts.aget(("usuarios", "ana"), "color")
        assert kept is not None
        assert kept.value == {"text": "verde"}
